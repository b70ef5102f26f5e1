"""LIIF: what its reference files do not pin."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.image.liif import Liif, LiifEdsr, LiifRdn
from finesight.nn.coordinates import cell_of, pixel_centres
from finesight.zoo.tensors import load_tensors


def small(**arguments: object) -> Liif:
    torch.manual_seed(1)
    return LiifEdsr(width=6, blocks=1, hidden=(20, 20), **arguments).eval()  # type: ignore[arg-type]


def picture(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height * width))


def by_definition(network: Liif, features: Tensor, coordinates: Tensor, cell: Tensor) -> Tensor:
    """The paper's equations word for word: unfolded features, grid sampling, four calls of the whole perceptron."""
    height, width = features.shape[-2:]
    maps = F.unfold(features, 3, padding=1).unflatten(-1, (height, width)) if network.unfold else features
    centres = pixel_centres((height, width), dtype=coordinates.dtype).view(1, height, width, 2).permute(0, 3, 1, 2)
    shifts = [(y, x) for y in (-1, 1) for x in (-1, 1)] if network.local_ensemble else [(0, 0)]
    predictions, areas = [], []
    for down, right in shifts:
        moved = coordinates.clone()
        if network.local_ensemble:
            moved[..., 0] += down / height + 1e-6
            moved[..., 1] += right / width + 1e-6
            moved.clamp_(-1 + 1e-6, 1 - 1e-6)
        where = moved.flip(-1)[:, None]
        found = F.grid_sample(maps, where, mode="nearest", align_corners=False)[:, :, 0].mT
        middle = centres.expand(len(features), -1, -1, -1)
        relative = coordinates - F.grid_sample(middle, where, mode="nearest", align_corners=False)[:, :, 0].mT
        relative = relative * torch.tensor([height, width])
        numbers = [found, relative]
        if network.cell_decode:
            numbers.append(cell * torch.tensor([height, width]))
        predictions.append(network.imnet(torch.cat(numbers, dim=-1)))
        areas.append((relative[..., 0] * relative[..., 1]).abs() + 1e-9)
    total = torch.stack(areas).sum(0)
    areas = areas[::-1] if network.local_ensemble else areas
    answer = sum(each * (area / total)[..., None] for each, area in zip(predictions, areas, strict=True))
    return answer * network.std.flatten() + network.mean.flatten()  # type: ignore[operator]


@pytest.mark.parametrize("local_ensemble", [True, False])
@pytest.mark.parametrize("unfold", [True, False])
@pytest.mark.parametrize("cell_decode", [True, False])
def test_fast_form_equals_the_definition(local_ensemble: bool, unfold: bool, cell_decode: bool) -> None:
    network = small(local_ensemble=local_ensemble, unfold=unfold, cell_decode=cell_decode)
    features = network.encode(picture(5, 7, batch=2))
    coordinates = torch.rand(2, 40, 2, generator=torch.Generator().manual_seed(3)) * 2 - 1
    cell = torch.rand(2, 40, 2, generator=torch.Generator().manual_seed(4))
    expected = by_definition(network, features, coordinates, cell)
    assert torch.allclose(network.query(features, coordinates, cell), expected, atol=2e-6)


@pytest.mark.parametrize("size", [(10, 35), (15, 21), (5, 7), (3, 4)])
def test_any_size_also_with_axes_of_their_own(size: tuple[int, int]) -> None:
    """Twice and five times tell the axes apart, three times has ties everywhere, the last is smaller than the input."""
    network = small()
    image = picture(5, 7)
    coordinates, cell = pixel_centres(size)[None], cell_of(size).expand(1, size[0] * size[1], 2)
    expected = by_definition(network, network.encode(image), coordinates, cell)
    found = network(image, size=size)
    assert found.shape == (1, 3, *size)
    assert torch.allclose(found.flatten(2).mT, expected, atol=2e-6)


@pytest.mark.parametrize("scale", [3, 5, 7])
@pytest.mark.parametrize("length", [4, 51, 340])
def test_ties_fall_alike_in_float32_and_float64(scale: int, length: int) -> None:
    """With an odd scale every third, fifth, seventh query lies on a pixel's centre: both sides must move together."""
    network = small()
    size = (scale, length * scale)
    for dtype in (torch.float32, torch.float64):
        index, _ = network._neighbours((1, length), pixel_centres(size, dtype=dtype)[None])
        column = index[..., 1].view(4, *size)[:, scale // 2, scale // 2 :: scale]
        assert torch.equal(column[0], column[2])
        assert torch.equal(column[0, 1:-1], torch.arange(1, length - 1))
        assert torch.equal(column[1, 1:-1], torch.arange(2, length))
    image = picture(4, 9)
    single = network(image, scale=scale)
    double = network.double()(image.double(), scale=scale)
    assert (single - double)[..., :-scale, :-scale].abs().max() < 1e-5  # in the last pixels weights are noise


@pytest.mark.parametrize("chunk", [1, 7, 64, 10_000])
def test_chunks_leave_no_trace(chunk: int) -> None:
    network = small()
    image = picture(6, 5, batch=2)
    assert torch.allclose(network(image, scale=2.7, chunk=chunk), network(image, scale=2.7), atol=1e-6)


def keep_size(sizes: list[int], module: nn.Module, given: object, output: Tensor) -> None:
    sizes.append(output.numel())


def test_features_are_never_multiplied_by_the_output() -> None:
    """The largest tensor of a query depends on the chunk and the input, not on how many queries there are."""
    network = small()
    features = network.encode(picture(6, 6))
    largest = []
    for count in (500, 4000):
        sizes: list[int] = []
        hook = network.imnet.layers[2].register_forward_hook(partial(keep_size, sizes))
        network.query(features, torch.zeros(1, count, 2), torch.full((1, 1, 2), 0.1), chunk=100)
        hook.remove()
        largest.append(max(sizes))
    assert largest == [4 * 100 * 20] * 2


def test_published_sizes() -> None:
    assert sum(p.numel() for p in LiifEdsr().parameters()) == 1_567_299


@pytest.mark.large
def test_published_size_with_rdn() -> None:
    assert sum(p.numel() for p in LiifRdn().parameters()) == 22_320_835


def test_both_published_namings_load() -> None:
    network = small()
    tensors = network.state_dict()
    mmediting = {name.removeprefix("encoder."): tensor for name, tensor in tensors.items()}
    authors = {}
    for name, tensor in tensors.items():
        renamed = name.replace("encoder.conv_first", "encoder.head.0").replace("conv_after_body", "body.1")
        authors[renamed.replace("body.0.conv1", "body.0.body.0").replace("body.0.conv2", "body.0.body.2")] = tensor
    assert "encoder.body.1.weight" in authors
    assert "conv_first.weight" in mmediting
    for published in (mmediting, authors, {f"generator.{name}": tensor for name, tensor in mmediting.items()}):
        torch.manual_seed(99)
        other = LiifEdsr(width=6, blocks=1, hidden=(20, 20)).eval()
        load_tensors(other, published)
        assert torch.equal(other(picture(4, 5)), network(picture(4, 5)))


def test_default_size_rounds_half_to_even() -> None:
    assert small()(picture(5, 3), scale=2.5).shape[-2:] == (12, 8)
    with pytest.raises(SettingError, match="0 x"):
        small()(picture(5, 3), scale=0.1)
