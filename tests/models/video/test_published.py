"""Every published answer about video that lies beside the checkout, the large networks among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.oracles.check import check

COPIED = Path(__file__).resolve().parents[2] / "oracles" / "video"
NO_NETWORK = {"ensemble"}
"""Self-ensembling goes round any network: it belongs to ``finesight.run``."""
REST = sorted(
    {path.stem for path in SHARED.glob("oracles/video/*.npz") if not (COPIED / path.name).is_file()} - NO_NETWORK
)


@pytest.mark.large
@pytest.mark.parametrize("name", REST)
def test_agrees_with_the_published_implementation(shared: Path, name: str) -> None:
    result = check(shared / "oracles" / "video" / f"{name}.npz")
    assert result.passed, f"{result.output}: {result.error:.2e} is above {result.tolerance:.0e}"
