"""Warping: by hand, and by the definition."""

from __future__ import annotations

import pytest
import torch

from finesight.errors import SettingError
from finesight.nn.flow_warp import flow_warp


def constant(right: float, down: float, size: tuple[int, int]) -> torch.Tensor:
    return torch.tensor([right, down]).view(1, 2, 1, 1).expand(1, 2, *size)


def test_looks_to_the_right_and_down() -> None:
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert flow_warp(x, constant(1, 0, (2, 3)))[0, 0].tolist() == [[1, 2, 0], [4, 5, 0]]
    assert flow_warp(x, constant(0, 1, (2, 3)))[0, 0].tolist() == [[3, 4, 5], [0, 0, 0]]
    torch.testing.assert_close(
        flow_warp(x, constant(0.5, 0, (2, 3)))[0, 0], torch.tensor([[0.5, 1.5, 1], [3.5, 4.5, 2.5]])
    )


def test_paddings_by_hand() -> None:
    x = torch.tensor([1.0, 2.0, 4.0]).view(1, 1, 1, 3)
    flow = constant(2, 0, (1, 3))
    assert flow_warp(x, flow, padding="zeros").flatten().tolist() == [4, 0, 0]
    assert flow_warp(x, flow, padding="border").flatten().tolist() == [4, 4, 4]
    assert flow_warp(x, flow, padding="reflection").flatten().tolist() == [4, 2, 1]


def test_single_pixel_and_inputs_stay() -> None:
    x, flow = torch.ones(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    assert torch.equal(flow_warp(x, flow), x)
    x, flow = torch.rand(2, 3, 5, 6), torch.rand(2, 2, 5, 6)
    kept = x.clone(), flow.clone()
    flow_warp(x, flow)
    assert torch.equal(x, kept[0])
    assert torch.equal(flow, kept[1])


def test_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 2, 4, 5, generator=generator, dtype=torch.float64).requires_grad_()
    flow = (torch.rand(1, 2, 4, 5, generator=generator, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(flow_warp, (x, flow))


def test_half_precision_keeps_positions_exact() -> None:
    x = torch.zeros(1, 1, 1, 320, dtype=torch.bfloat16)
    x[..., 300] = 1
    found = flow_warp(x, constant(0.5, 0, (1, 320)).bfloat16())
    assert found.dtype == torch.bfloat16
    assert found[0, 0, 0, 298:302].tolist() == pytest.approx([0, 0.5, 0.5, 0], abs=5e-3)


@pytest.mark.parametrize("shape", [(1, 2, 4, 4), (1, 3, 4, 5), (2, 2, 4, 5)])
def test_sizes_must_agree(shape: tuple[int, ...]) -> None:
    with pytest.raises(SettingError, match=r"\(1, 2, 4, 5\)"):
        flow_warp(torch.rand(1, 3, 4, 5), torch.rand(shape))
