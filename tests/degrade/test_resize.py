"""MATLAB-style resizing: by hand, by law, and against the published low-resolution files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from finesight.degrade.resize import output_length, resize, resize_8bit
from finesight.errors import SettingError


def test_halving_by_hand() -> None:
    """A ramp stays a ramp where no border is near; the taps are h(x) = k(x / 2) / 2 at distances 0.5, 1.5, 2.5, 3.5."""
    ramp = torch.arange(16, dtype=torch.float64).reshape(1, 1, 1, 16).expand(1, 1, 4, 16)
    half = resize(ramp, size=(4, 8))
    assert torch.allclose(half[..., 2:6], torch.tensor([4.5, 6.5, 8.5, 10.5], dtype=torch.float64))


def test_impulse_by_hand() -> None:
    """Doubling puts the impulse's neighbours at distances 0.25, 0.75, 1.25, 1.75 of the cubic with a = -0.5."""
    impulse = torch.zeros(1, 1, 1, 9, dtype=torch.float64)
    impulse[..., 4] = 1
    double = resize(impulse, size=(1, 18))[0, 0, 0]
    near = [0.8671875, 0.2265625]  # 1.5 d^3 - 2.5 d^2 + 1
    far = [-0.0703125, -0.0234375]  # -0.5 d^3 + 2.5 d^2 - 4 d + 2
    assert torch.allclose(double[9:13], torch.tensor([near[0], near[1], *far], dtype=torch.float64))
    assert torch.allclose(double, double.flip(0))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.1, 5))
def test_constant_stays_constant_at_any_size(height: int, width: int, scale: float) -> None:
    picture = torch.full((1, 2, height, width), 0.3, dtype=torch.float64)
    out = resize(picture, scale=scale)
    assert out.shape[-2:] == (output_length(height, scale), output_length(width, scale))
    assert torch.allclose(out, torch.full_like(out, 0.3))


def test_8bit_is_exact_where_float_has_a_half() -> None:
    """0 and 1 averaged to exactly one half: away from zero gives 1, to even gives 0."""
    picture = torch.tensor([[0, 1]], dtype=torch.uint8).reshape(1, 1, 1, 2)
    away = resize_8bit(picture, size=(1, 1), kernel="bilinear")
    even = resize_8bit(picture, size=(1, 1), kernel="bilinear", rounding="half-even")
    assert (away.item(), even.item()) == (1, 0)


def test_gradient_reaches_the_picture() -> None:
    picture = torch.rand(1, 1, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resize(x, scale=0.5), (picture,))


def test_input_is_left_unchanged() -> None:
    picture = torch.rand(1, 3, 9, 9)
    before = picture.clone()
    resize(picture, scale=1.0)
    resize(picture, scale=2.0)
    assert torch.equal(picture, before)


def test_shrinking_matches_a_second_implementation() -> None:
    """Pillow's bicubic on floats has the same kernel and antialiasing; only its border rule differs."""
    picture = np.random.default_rng(0).random((96, 80), dtype=np.float32)
    ours = resize(torch.from_numpy(picture)[None, None].double(), scale=0.25)[0, 0].numpy()
    theirs = np.asarray(Image.fromarray(picture).resize((20, 24), Image.Resampling.BICUBIC))
    assert np.abs(ours[2:-2, 2:-2] - theirs[2:-2, 2:-2]).max() < 1e-6


@pytest.mark.parametrize(
    "arguments",
    [{}, {"scale": 2.0, "size": (4, 4)}, {"scale": 0.0}, {"scale": float("nan")}, {"scale": -1.0}, {"size": (0, 4)}],
)
def test_refuses(arguments: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        resize(torch.rand(1, 1, 4, 4), **arguments)  # type: ignore[arg-type]


def test_refuses_floats_as_8bit() -> None:
    with pytest.raises(SettingError, match="uint8"):
        resize_8bit(torch.rand(1, 1, 4, 4), scale=0.5)


def test_bicubic_is_what_the_papers_report(shared: Path) -> None:
    """Set5 x4, Y channel, border 4: every paper's bicubic row says 28.43 dB."""
    from benchmarks.set5 import bicubic_scores

    assert bicubic_scores(shared / "data" / "set5", 4).mean() == pytest.approx(28.43, abs=0.01)
