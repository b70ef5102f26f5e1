"""Every reference output that lies in ``tests/oracles``, and every one beside the checkout, is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracles.check import cases, check

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.npz"))
LARGE = frozenset(
    {
        "matting/dim_stage1_amplified",
        "matting/dim_stage3",
        "matting/fba",
        "matting/gca",
        "prior/glean_cat_16x",
        "sr/liif_rdn_x4",
        "sr/rdn_x2",
        "sr/rdn_x3",
        "sr/rdn_x4",
    }
)
"""Networks above 20 million parameters, or that take more than about five seconds or one gigabyte."""


def _marked(path: Path) -> object:
    name = f"{path.parent.name}/{path.stem}"
    return pytest.param(path, id=name, marks=[pytest.mark.large] if name in LARGE else [])


@pytest.mark.parametrize("path", [_marked(path) for path in FILES])
def test_agrees_with_the_published_implementation(path: Path) -> None:
    result = check(path)
    assert result.passed, f"{result.output}: {result.error:.2e} is above {result.tolerance:.0e}"


def test_tables_are_not_empty() -> None:
    assert cases()
