"""PGGAN and the composition of codes: laws that the published answers cannot show."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.models.prior.pggan import Pggan
from finesight.nn.construct import uninitialised


def tiny(size: int = 32, *, fused_scale: bool = False) -> Pggan:
    torch.manual_seed(0)
    network = Pggan(size, latent=16, base_channels=128, most_channels=12, fused_scale=fused_scale).double().eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.data.normal_(0, 0.3)
    return network


def codes(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def network() -> Pggan:
    return tiny()


def test_batch_and_direction(network: Pggan) -> None:
    z = codes(3, 16)
    with torch.no_grad():
        together = network(z)
        assert together.shape == (3, 3, 32, 32)
        assert torch.allclose(together, torch.cat([network(each[None]) for each in z]), atol=1e-6)
        assert torch.allclose(together, network(z * 9), atol=1e-4)  # pixel norm comes first


@pytest.mark.parametrize("blocks", range(10))
def test_split_anywhere(network: Pggan, blocks: int) -> None:
    z = codes(2, 16)
    with torch.no_grad():
        features = network.first_part(z, blocks)
        assert features.shape[1] == network.channels_after(blocks)
        whole = network.second_part(features, blocks)
        assert torch.allclose(whole, network(z) * 2 - 1, atol=1e-6)
        one = network.compose(z[:, None], torch.ones(2, 1, features.shape[1], dtype=torch.float64), blocks)
        assert torch.allclose(one, features, atol=1e-6)


def test_composition_is_the_weighted_mean(network: Pggan) -> None:
    z, weights = codes(2, 4, 16), codes(2, 4, 12, seed=1)
    with torch.no_grad():
        expected = sum(network.first_part(z[:, k], 4) * weights[:, k, :, None, None] for k in range(4)) / 4
        assert torch.allclose(network.compose(z, weights, 4), expected, atol=1e-5)
    with pytest.raises(InputError, match=r"\(2, 4, 12\), got \(2, 4, 5\)"):
        network.compose(z, weights[..., :5], 4)


@pytest.mark.parametrize(("lod", "skipped"), [(1.0, 1), (2.0, 2), (1.5, 2), (9.0, 3)])
def test_lod_skips_the_top(lod: float, skipped: int) -> None:
    network = tiny()
    network.lod.fill_(lod)
    lower = tiny(32 >> skipped) if 32 >> skipped >= 8 else None
    with torch.no_grad():
        found = network(codes(1, 16))
        assert found.shape == (1, 3, 32, 32)
        small = found[..., :: 2**skipped, :: 2**skipped]
        assert torch.equal(F.interpolate(small, scale_factor=float(2**skipped)), found)
        if lower is not None:
            lower.load_state_dict({name: network.state_dict()[name] for name in lower.state_dict()})
            lower.lod.zero_()
            assert torch.allclose(lower(codes(1, 16)), small, atol=1e-6)


def test_fused_scale_is_an_enlargement_and_a_convolution() -> None:
    fused = tiny(8, fused_scale=True)
    kernel = fused.get_submodule("layer2").weight
    assert kernel.shape == (3, 3, 12, 12)
    plain = tiny(8)
    state = dict(fused.state_dict())
    # nearest x2 and a 3x3 correlation, seen from a transposed convolution, has the kernel mirrored
    state["layer2.conv.weight"] = state.pop("layer2.weight").permute(3, 2, 0, 1).flip(2, 3)
    plain.load_state_dict(state)
    with torch.no_grad():
        assert torch.allclose(fused(codes(2, 16)), plain(codes(2, 16)), atol=1e-5)


def test_gradient_reaches_codes_weights_and_parameters(network: Pggan) -> None:
    network.zero_grad()
    z, weights = (
        codes(1, 3, 16).requires_grad_(),
        torch.full((1, 3, 12), 1 / 3, dtype=torch.float64, requires_grad=True),
    )
    network.second_part(network.compose(z, weights, 4), 4).square().mean().backward()
    assert float(z.grad.abs().min()) > 0
    assert float(weights.grad.abs().min()) > 0
    silent = [n for n, p in network.named_parameters() if p.grad is None or float(p.grad.abs().sum()) == 0]
    assert silent == [f"output{b}.{t}" for b in range(3) for t in ("conv.weight", "wscale.bias")]  # of lower lods


def test_published_shapes() -> None:
    with torch.device("meta"), uninitialised():
        names = Pggan(1024).state_dict()
    assert {
        n: tuple(t.shape) for n, t in names.items() if n.startswith(("layer16.", "output8.", "layer0.", "lod"))
    } == {
        "lod": (),
        "layer0.conv.weight": (512, 512, 4, 4),
        "layer0.wscale.bias": (512,),
        "layer16.conv.weight": (16, 32, 3, 3),
        "layer16.wscale.bias": (16,),
        "output8.conv.weight": (3, 16, 1, 1),
        "output8.wscale.bias": (3,),
    }


def test_mistakes_are_named(network: Pggan) -> None:
    with pytest.raises(InputError, match=r"\(N, 16\)"):
        network(codes(1, 17))
    with pytest.raises(SettingError, match="0 to 9 blocks"):
        network.first_part(codes(1, 16), 10)
    with pytest.raises(SettingError, match="power of two"):
        Pggan(100)
