"""StyleGAN2: laws that the published answers cannot show."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from finesight.errors import InputError, SettingError
from finesight.models.prior.stylegan2 import ModulatedConv, StyleGan2, channels_at
from finesight.models.prior.stylegan2_discriminator import StyleGan2Discriminator, minibatch_deviation
from finesight.nn.construct import uninitialised
from finesight.nn.upfirdn import upfirdn2d
from finesight.zoo.tensors import load_tensors


@pytest.fixture(scope="module")
def network() -> StyleGan2:
    torch.manual_seed(3)
    network = StyleGan2(16, style_channels=8, mapping_layers=2, most_channels=24).eval()
    for module in network.modules():
        if type(module).__name__ == "_NoiseStrength":
            nn.init.constant_(module.weight, 0.3)
    return network


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("up", "down", "pad"),
    [(1, 1, (0, 0)), (2, 1, (2, 1)), (3, 2, (4, -1, 0, 3)), (1, 2, (-1, -2)), (2, 3, (1, 1, 2, 5))],
)
def test_upfirdn_by_its_definition(up: int, down: int, pad: tuple[int, ...]) -> None:
    image, kernel = random(1, 2, 6, 7).double(), random(3, 4, seed=1).double()
    left, right, top, bottom = pad if len(pad) == 4 else (pad * 2)
    spread = {(y * up, x * up): image[0, :, y, x] for y in range(6) for x in range(7)}
    height, width = 6 * up + top + bottom - 3 + 1, 7 * up + left + right - 4 + 1
    expected = torch.zeros(2, height, width, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            for v in range(3):
                for u in range(4):
                    row, column = y + v - top, x + u - left  # cropped samples must not be seen
                    inside = max(0, -top) <= row < 6 * up - max(0, -bottom)
                    if inside and max(0, -left) <= column < 7 * up - max(0, -right) and (row, column) in spread:
                        expected[:, y, x] += spread[row, column] * kernel[2 - v, 3 - u]
    found = upfirdn2d(image, kernel, up=up, down=down, pad=pad)  # type: ignore[arg-type]
    assert torch.allclose(found[0], expected[:, ::down, ::down], atol=1e-12)


def test_batch_is_its_samples(network: StyleGan2) -> None:
    z = random(3, 8)
    kept = z.clone()
    with torch.no_grad():
        together = network(z)
        assert torch.allclose(together, torch.cat([network(each[None]) for each in z]), atol=1e-5)
        assert torch.equal(together, network(z))  # nothing is kept between calls
    assert together.shape == (3, 3, 16, 16)
    assert torch.equal(z, kept)


def test_only_the_direction_of_z_counts(network: StyleGan2) -> None:
    assert torch.allclose(network.map(random(2, 8)), network.map(random(2, 8) * 7), atol=1e-4)


def test_noise_is_stored_or_passed(network: StyleGan2) -> None:
    w = random(2, 8)
    with torch.no_grad():
        fresh = network.fresh_noise(torch.Generator().manual_seed(5), count=2)
        assert [each.shape[-1] for each in fresh] == [4, 8, 8, 16, 16]
        again = network.fresh_noise(torch.Generator().manual_seed(5), count=2)
        assert torch.equal(network.synthesise(w, fresh), network.synthesise(w, again))
        assert not torch.allclose(network.synthesise(w, fresh), network.synthesise(w), atol=1e-3)
        assert torch.equal(network.synthesise(w, network.stored_noise()), network.synthesise(w))


def test_mixing_and_truncation(network: StyleGan2) -> None:
    first, second = random(2, 8), random(2, 8, seed=1)
    mixed = network.mix(first, second, 2)
    assert mixed.shape == (2, 6, 8)
    assert torch.equal(mixed[:, 1], first)
    assert torch.equal(mixed[:, 2], second)
    mean = network.mean_latent(torch.Generator().manual_seed(1), count=64)
    assert mean.shape == (1, 8)
    assert torch.allclose(network.truncate(first, mean, 0.0), mean.expand(2, -1))
    assert torch.allclose(network.truncate(first, mean, 1.0), first, atol=1e-6)
    with pytest.raises(SettingError, match="1 to 5"):
        network.mix(first, second, 6)


def test_wrong_sizes_are_named(network: StyleGan2) -> None:
    with pytest.raises(InputError, match=r"\(N, 6, 8\)"):
        network.synthesise(random(1, 5, 8))
    with pytest.raises(InputError, match="5 noise maps"):
        network.synthesise(random(1, 8), network.stored_noise()[:4])
    with pytest.raises(SettingError, match="power of two"):
        StyleGan2(48)
    with pytest.raises(InputError, match=r"\(N, 3, 8, 8\)"):
        StyleGan2Discriminator(8, most_channels=16)(random(1, 3, 16, 16))
    with pytest.raises(InputError, match="multiple of 4"):
        minibatch_deviation(random(6, 2, 4, 4))


def test_gradient_reaches_every_parameter(network: StyleGan2) -> None:
    network.zero_grad()
    network(random(2, 8)).square().sum().backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in network.parameters())


def test_published_file_with_three_networks_in_it(network: StyleGan2) -> None:
    critic = StyleGan2Discriminator(8, most_channels=16)
    file = {f"generator.{n}": torch.zeros_like(t) for n, t in network.state_dict().items()}
    file |= {f"generator_ema.{n}": t.clone() for n, t in network.state_dict().items()}
    file |= {f"discriminator.{n}": t.clone() for n, t in critic.state_dict().items()}
    with uninitialised():
        other, judge = (
            StyleGan2(16, style_channels=8, mapping_layers=2, most_channels=24),
            StyleGan2Discriminator(8, most_channels=16),
        )
    load_tensors(other, file)
    load_tensors(judge, file)
    assert torch.equal(other(random(1, 8)), network(random(1, 8)))  # the averaged generator, not the raw one
    assert torch.equal(judge(random(2, 3, 8, 8)), critic(random(2, 3, 8, 8)))


def test_deviation_groups() -> None:
    features = random(8, 6, 4, 4)
    found = minibatch_deviation(features, group=4, channel_groups=3)
    assert found.shape == (8, 3, 4, 4)
    for sample in range(8):  # sample n belongs to group n mod 2; channel group c has channels 2c and 2c + 1
        deviation = features[sample % 2 :: 2].var(dim=0, unbiased=False).add(1e-8).sqrt()
        for group in range(3):
            assert torch.allclose(found[sample, group], deviation[2 * group : 2 * group + 2].mean(), atol=1e-6)
    assert torch.allclose(minibatch_deviation(features[:1]), torch.tensor(1e-4))


def test_parameter_counts_are_the_published_ones() -> None:
    with torch.device("meta"), uninitialised():
        for size, generator, discriminator in ((256, 30_034_338, 28_864_321), (1024, 30_370_060, 29_012_769)):
            assert sum(p.numel() for p in StyleGan2(size).parameters()) == generator
            assert sum(t.numel() for t in StyleGan2Discriminator(size).state_dict().values()) == discriminator
    assert [channels_at(side, 1) for side in (32, 64, 1024)] == [512, 256, 16]


def test_uninitialised_keeps_constants() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with uninitialised():
        layer, conv = nn.Linear(9, 9), ModulatedConv(4, 4, 3, 8, upsample=True)
    assert torch.equal(torch.get_rng_state(), before)
    assert layer.weight.shape == (9, 9)
    assert torch.equal(conv.style_modulation.bias, torch.ones(4))
    assert float(conv.blur.kernel.sum()) == pytest.approx(4)
