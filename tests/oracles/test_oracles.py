"""Every reference output that lies in ``tests/oracles``, and every one beside the checkout, is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracles.check import cases, check

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.npz"))


@pytest.mark.parametrize("path", FILES, ids=[f"{p.parent.name}/{p.stem}" for p in FILES])
def test_agrees_with_the_published_implementation(path: Path) -> None:
    result = check(path)
    assert result.passed, f"{result.output}: {result.error:.2e} is above {result.tolerance:.0e}"


def test_tables_are_not_empty() -> None:
    assert cases()
