"""Layers that several networks share, against plain torch or by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.nn.padding import mirror_to_multiple
from finesight.nn.reach import Reach, halo
from finesight.nn.spectral import SpectralConv2d
from finesight.nn.upsampling import NearestConv, enlarging_steps


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 1), (2, 1)])
def test_nearest_conv_at_low_resolution(factor: int, height: int, width: int) -> None:
    layer = NearestConv(4, 3, factor=factor).double()
    features = torch.rand(2, 4, height, width, dtype=torch.float64)
    expected = layer(features)
    assert expected.shape == (2, 3, height * factor, width * factor)
    assert torch.allclose(layer.fused()(features), expected, atol=1e-12)


@pytest.mark.parametrize("multiple", [2, 4, 7])
@pytest.mark.parametrize("size", [(8, 9), (1, 13), (3, 2), (1, 1), (28, 28)])
def test_mirror_to_multiple(multiple: int, size: tuple[int, int]) -> None:
    image = torch.rand(1, 2, *size)
    found = mirror_to_multiple(image, multiple)
    assert found.shape[-2] % multiple == found.shape[-1] % multiple == 0
    assert max(found.shape[-2] - size[0], found.shape[-1] - size[1]) < multiple
    assert torch.equal(found[..., : size[0], : size[1]], image)

    def mirrored(position: int, length: int) -> int:
        while not 0 <= position < length:
            position = -position if position < 0 else 2 * (length - 1) - position
        return position

    for y in range(found.shape[-2]):
        for x in range(found.shape[-1]):
            row, column = (0 if n == 1 else mirrored(p, n) for p, n in zip((y, x), size, strict=True))
            assert torch.equal(found[..., y, x], image[..., row, column])


LAYERS: list[tuple[Callable[[Tensor], Tensor], Callable[[Reach], Reach], int]] = [
    (lambda x: F.conv2d(x, torch.ones(1, 1, 5, 5), padding=2), lambda r: r.conv(5), 1),
    (lambda x: F.interpolate(x, scale_factor=3.0), lambda r: r.shuffle(3), 3),
    (lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"), lambda r: r.bilinear(2), 2),
    (lambda x: F.interpolate(x, scale_factor=3.0, mode="bilinear"), lambda r: r.bilinear(3), 3),
    (lambda x: F.interpolate(x, scale_factor=4.0, mode="bicubic"), lambda r: r.bicubic(4), 4),
    (lambda x: F.interpolate(x, scale_factor=3.0, mode="bicubic"), lambda r: r.bicubic(3), 3),
    (
        lambda x: F.interpolate(F.conv2d(x, torch.ones(1, 1, 4, 4), stride=2, padding=1), scale_factor=2.0),
        lambda r: r.shuffle(2).strided(4, stride=2, padding=1),
        1,
    ),
]


@pytest.mark.parametrize(("layer", "backwards", "scale"), LAYERS)
def test_reach_is_what_the_gradient_sees(
    layer: Callable[[Tensor], Tensor], backwards: Callable[[Reach], Reach], scale: int
) -> None:
    """For every output pixel in the middle of a row, on both axes."""
    image = torch.rand(1, 1, 24, 24, requires_grad=True)
    output = layer(image)
    for place in range(10 * scale, 14 * scale):
        (gradient,) = torch.autograd.grad(output[0, 0, place, place], image, retain_graph=True)
        seen = gradient[0, 0].abs().sum(1).nonzero().flatten()
        found = backwards(Reach(place, place))
        assert (int(seen[0]), int(seen[-1])) == (found.low, found.high)


def test_halo_of_a_period() -> None:
    """Unshuffled by 2, one convolution: the left pixel of a pair looks three to the right, the other as far back."""
    assert halo(lambda reach: reach.shuffle(2).conv().unshuffle(2), multiple=2) == 3


@pytest.mark.parametrize(("scale", "steps"), [(1, ()), (2, (2,)), (3, (3,)), (4, (2, 2)), (8, (2, 2, 2))])
def test_enlarging_steps(scale: int, steps: tuple[int, ...]) -> None:
    assert enlarging_steps(scale, name="it") == steps
    with pytest.raises(SettingError, match="power of two"):
        enlarging_steps(6, name="it")


def test_spectral_norm_trains_step_for_step_as_the_published_one() -> None:
    """Against torch's first implementation, which published networks were trained with: five steps of two calls."""
    torch.manual_seed(4)
    ours = SpectralConv2d(3, 5, 4, stride=2, padding=1, bias=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs = torch.nn.utils.spectral_norm(nn.Conv2d(3, 5, 4, stride=2, padding=1))
    theirs.load_state_dict(ours.state_dict())
    optimizers = [torch.optim.SGD(layer.parameters(), 0.1) for layer in (ours, theirs)]
    for _ in range(5):
        images = torch.rand(2, 2, 3, 8, 6)
        for layer, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            (layer(images[0]).square().mean() - layer(images[1]).mean()).backward()
            optimizer.step()
    for name, tensor in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], tensor, atol=1e-6), name
    assert torch.allclose(ours.eval()(images[0]), theirs.eval()(images[0]), atol=1e-6)
    assert torch.allclose(ours.fused()(images[0]), ours(images[0]), atol=1e-6)
