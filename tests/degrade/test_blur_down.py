"""Blur-down: what its kernel must keep, and where its pixels lie."""

from __future__ import annotations

import pytest
import torch

from finesight.degrade.blur_down import blur_down, blur_down_kernel


@pytest.mark.parametrize("form", ["centred", "duf"])
def test_grey_stays_and_shapes(form: str) -> None:
    grey = torch.full((2, 3, 32, 24), 0.3)
    torch.testing.assert_close(blur_down(grey, form=form), torch.full((2, 3, 8, 6), 0.3))  # type: ignore[arg-type]
    assert float(blur_down_kernel(form).sum()) == pytest.approx(1, abs=1e-12)  # type: ignore[arg-type]


def test_pixels_lie_at_block_centres_or_block_corners() -> None:
    """A ramp shows where each output pixel was taken: 4i + 1.5 (centred), 4i (DUF)."""
    ramp = torch.arange(64, dtype=torch.float64).expand(1, 1, 64, 64)
    inner = torch.arange(4, 12, dtype=torch.float64)
    torch.testing.assert_close(blur_down(ramp)[0, 0, 5, 4:12], 4 * inner + 1.5)
    torch.testing.assert_close(blur_down(ramp, form="duf")[0, 0, 5, 4:12], 4 * inner)
