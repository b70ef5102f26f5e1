"""Farnebäck's flow and the steadiness of clips."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.metrics.farneback import farneback_flow, grey_8bit
from finesight.metrics.temporal import centre_window, tlpips, tof
from tests.metrics.pictures import noisy, textured


def moving(frames: int, height: int, width: int, x: int, y: int) -> Tensor:
    """A picture that moves by (x, y) pixels a frame."""
    large = textured(1, height + frames * abs(y) + 2, width + frames * abs(x) + 2)[0]
    top, left = (frames * abs(y) if y > 0 else 0), (frames * abs(x) if x > 0 else 0)
    clip = [large[:, top - t * y :, left - t * x :][:, :height, :width] for t in range(frames)]
    return (torch.stack(clip) * 255).round() / 255


@pytest.mark.parametrize(("size", "step"), [((70, 90), (3, -2)), ((150, 131), (-6, 4))])
def test_flow_finds_a_known_motion(size: tuple[int, int], step: tuple[int, int]) -> None:
    clip = grey_8bit(moving(2, *size, *step))
    flow = farneback_flow(clip[:1], clip[1:])
    inside = flow[0, :, 25:-25, 25:-25]
    assert float(inside[0].median()) == pytest.approx(step[0], abs=0.35)
    assert float(inside[1].median()) == pytest.approx(step[1], abs=0.35)
    still = farneback_flow(clip[:1], clip[:1])[..., 25:-25, 25:-25]  # OpenCV's last row and column stir the border
    assert float(still.abs().max()) < 1e-2


def test_grey_levels_are_opencv_s_integers() -> None:
    colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [12, 200, 77], [255, 255, 255]]) / 255
    assert grey_8bit(colours.T.reshape(1, 3, 1, 5))[0, 0].tolist() == [76, 150, 29, 130, 255]


def test_tof_laws() -> None:
    truth = moving(4, 80, 96, 2, 1)
    assert torch.equal(tof(truth, truth), torch.zeros(3).double())
    shaky = truth.clone()
    shaky[2] = truth[2].roll(3, dims=-1)
    values = tof(shaky, truth)
    assert float(values[0]) == 0
    assert (values[1:] > 1).all()
    assert torch.allclose(values, tof(shaky, truth, chunk=1), rtol=1e-9)


def test_tlpips_is_the_change_of_change() -> None:
    class Apart(nn.Module):
        def forward(self, image: Tensor, reference: Tensor) -> Tensor:
            return (image - reference).abs().mean(dim=(1, 2, 3))

    truth = moving(4, 64, 64, 1, 0)
    restored = noisy(truth)
    window = (..., slice(16, 48), slice(16, 48))
    expected = [
        100
        * abs(
            (truth[window][t] - truth[window][t + 1]).abs().mean()
            - (restored[window][t] - restored[window][t + 1]).abs().mean()
        )
        for t in range(3)
    ]
    assert tlpips(restored, truth, Apart(), chunk=2).tolist() == pytest.approx([float(v) for v in expected], rel=1e-4)


def test_windows_and_mistakes() -> None:
    assert centre_window(144, margin=16) == slice(8, 136)
    assert centre_window(80, margin=16) == slice(8, 72)
    with pytest.raises(InputError, match="at least 48 pixels"):
        centre_window(47, margin=16)
    clip = moving(2, 64, 64, 1, 0)
    with pytest.raises(InputError, match="at least 2 frames"):
        tof(clip[:1], clip[:1])
    with pytest.raises(SettingError, match="one size"):
        tof(clip, clip[..., :60])
    with pytest.raises(InputError, match="at least 16x16"):
        farneback_flow(torch.zeros(1, 10, 20), torch.zeros(1, 10, 20))
    with pytest.raises(SettingError, match="RGB"):
        grey_8bit(torch.zeros(1, 1, 4, 4))
