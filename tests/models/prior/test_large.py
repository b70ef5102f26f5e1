"""Networks in their published size, against the reference outputs beside the checkout. Only under ``--large``.

``tests/oracles`` holds one file of each architecture; these are the other configurations.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracles.check import check

NAMES = ["glean_cat_8x", "glean_ffhq_16x", "glean_in128out1024", "pggan_1024"]
NAMES += ["stylegan2_discriminator_256", "stylegan2_discriminator_1024", "stylegan2_generator_1024"]


@pytest.mark.large
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_the_published_implementation(name: str, shared: Path) -> None:
    result = check(shared / "oracles" / "prior" / f"{name}.npz")
    assert result.passed, f"{result.output}: {result.error:.2e} is above {result.tolerance:.0e}"
