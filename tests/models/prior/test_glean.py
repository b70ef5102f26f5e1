"""GLEAN: laws that the published answers cannot show, on a shrunk network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.models.prior.glean import Glean
from finesight.nn.construct import uninitialised
from finesight.zoo.tensors import load_tensors


def tiny(in_size: int = 8, out_size: int = 32, channels: int = 3) -> Glean:
    torch.manual_seed(0)
    return Glean(
        in_size,
        out_size,
        channels=channels,
        width=8,
        blocks=1,
        growth=4,
        style_channels=8,
        mapping_layers=1,
        most_channels=8,
    ).eval()


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network() -> Glean:
    return tiny()


@pytest.mark.parametrize(("in_size", "out_size", "channels"), [(4, 8, 3), (8, 64, 1), (32, 64, 3)])
def test_sizes(in_size: int, out_size: int, channels: int) -> None:
    network = tiny(in_size, out_size, channels)
    assert len(network.fusion_out) == in_size.bit_length() - 2
    assert len(network.decoder) == (out_size // in_size).bit_length()
    assert network.traits.scale == out_size // in_size
    assert network.traits.minimum == network.traits.maximum == in_size
    image = picture(2, channels, in_size, in_size)
    kept = image.clone()
    with torch.no_grad():
        found = network(image)
        assert found.shape == (2, channels, out_size, out_size)
        assert torch.equal(found, network(image))
        assert torch.allclose(found, torch.cat([network(each[None]) for each in image]), atol=1e-5)
    assert torch.equal(image, kept)


def test_bank_is_frozen_and_all_else_learns(network: Glean) -> None:
    network.zero_grad()
    network(picture(1, 3, 8, 8)).square().mean().backward()
    for name, parameter in network.named_parameters():
        if name.startswith(("generator.", "fusion_skip.")):
            assert not parameter.requires_grad, name
        else:
            assert float(parameter.grad.abs().sum()) > 0, name


def test_stored_noise_counts(network: Glean) -> None:
    image = picture(1, 3, 8, 8)
    other = tiny()
    other.load_state_dict(network.state_dict())
    for convolution in other.generator.convs:
        convolution.noise_injector.weight.data.fill_(1.0)
    assert not torch.allclose(other(image), network(image), atol=1e-4)


def test_published_file_loads(network: Glean) -> None:
    file = {f"generator.{name}": tensor.clone() for name, tensor in network.state_dict().items()}
    file |= {"discriminator.convs.0.1.bias": torch.zeros(3), "perceptual_loss.vgg.mean": torch.zeros(1)}
    with uninitialised():
        other = tiny()
    load_tensors(other, file)
    image = picture(1, 3, 8, 8)
    assert torch.equal(other(image), network(image))


def test_published_sizes() -> None:
    for sizes, millions in (((32, 256), 132.4), ((16, 256), 141.9), ((64, 1024), 145.1), ((128, 1024), 143.8)):
        with torch.device("meta"), uninitialised():
            network = Glean(*sizes)
        trained = sum(p.numel() for n, p in network.named_parameters() if not n.startswith("generator."))
        assert trained / 1e6 == pytest.approx(millions, abs=0.05)


def test_mistakes_are_named(network: Glean) -> None:
    with pytest.raises(InputError, match=r"exactly 8 x 8 pixels .* got \(8, 9\)"):
        network(picture(1, 3, 8, 9))
    with pytest.raises(InputError, match="with 1"):
        network(picture(1, 1, 8, 8))
    for sizes in ((24, 256), (64, 64), (2, 32)):
        with pytest.raises(SettingError, match="powers of two"):
            Glean(*sizes)
