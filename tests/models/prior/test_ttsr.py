"""TTSR: laws that the published answers cannot show."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.models.prior.ttsr import Ttsr, aligned_inputs
from finesight.models.prior.ttsr_discriminator import TtsrDiscriminator
from finesight.nn.construct import uninitialised
from finesight.zoo.tensors import load_tensors


def tiny(blocks: tuple[int, int, int, int] = (1, 1, 1, 1), chunk: int = 2**22) -> Ttsr:
    torch.manual_seed(0)
    network = Ttsr(width=8, blocks=blocks, chunk=chunk).eval()
    network.generator.merge_features.conv_last2.weight.data.mul_(0.1)  # away from the final clamp
    return network


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network() -> Ttsr:
    return tiny()


@pytest.mark.parametrize("size", [(1, 1), (3, 10), (5, 4)])
@pytest.mark.parametrize("reference", [(4, 4), (13, 30), (24, 9)])
def test_any_size_of_both(network: Ttsr, size: tuple[int, int], reference: tuple[int, int]) -> None:
    image, example = picture(1, 3, *size), picture(1, 3, *reference, seed=1)
    kept = image.clone(), example.clone()
    with torch.no_grad():
        found = network(image, example)
        assert found.shape == (1, 3, 4 * size[0], 4 * size[1])
        assert found.isfinite().all()
        assert torch.equal(found, network(image, example))
        cut = example[..., : reference[0] // 4 * 4, : reference[1] // 4 * 4]
        assert torch.equal(found, network(image, cut))
    assert torch.equal(image, kept[0])
    assert torch.equal(example, kept[1])


def test_batch_is_its_pictures(network: Ttsr) -> None:
    images, references = picture(3, 3, 6, 5), picture(3, 3, 16, 20, seed=1)
    with torch.no_grad():
        together = network(images, references)
        single = torch.cat([network(i[None], r[None]) for i, r in zip(images, references, strict=True)])
        assert torch.allclose(together, single, atol=1e-5)
        shared = network(images, references[:1])
        assert torch.allclose(shared, network(images, references[:1].repeat(3, 1, 1, 1)), atol=1e-5)
        assert not torch.allclose(shared, together, atol=1e-4)  # the reference matters


def test_blockwise_search_changes_nothing(network: Ttsr) -> None:
    image, example = picture(1, 3, 9, 11), picture(1, 3, 36, 44, seed=1)
    small = tiny(chunk=900)
    with torch.no_grad():
        assert torch.allclose(small(image, example), network(image, example), atol=1e-6)


@pytest.mark.parametrize("blocks", [(3, 1, 1, 1), (2, 2, 0, 3), (16, 16, 8, 4)])
def test_halo_is_exact(blocks: tuple[int, int, int, int]) -> None:
    network = tiny(blocks).double()
    for name, parameter in network.named_parameters():  # nothing may be switched off on the way
        parameter.data.abs_().mul_(0.3 if "body" in name or "res_block" in name else 1)
    network.generator.merge_features.conv_last2.weight.data.mul_(1e-100)
    reach, size = network.traits.halo, 2 * network.traits.halo + 9
    image = (0.6 + 0.4 * picture(1, 3, 3, size).double()).requires_grad_()
    found = network(image, picture(1, 3, 16, 16).double())
    place = size // 2
    found[..., 4 * place : 4 * place + 4].sum().backward()
    seen = image.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten() - place
    assert int(seen.abs().max()) == reach


def test_published_sizes() -> None:
    with torch.device("meta"), uninitialised():
        network = Ttsr()
    assert sum(p.numel() for p in network.generator.parameters()) == 6_174_275
    assert network.traits.halo == 100


def test_gradient_reaches_every_parameter(network: Ttsr) -> None:
    network.zero_grad()
    network(picture(1, 3, 8, 8), picture(1, 3, 32, 32, seed=1)).square().mean().backward()
    for name, parameter in network.named_parameters():
        if name.startswith("extractor.img_normalize"):
            assert not parameter.requires_grad
        else:
            assert float(parameter.grad.abs().sum()) > 0, name


def test_published_file_loads(network: Ttsr) -> None:
    critic = TtsrDiscriminator(32, width=4, hidden=8)
    file = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    file |= {f"discriminator.{name}": tensor.clone() for name, tensor in critic.state_dict().items()}
    file |= {"step_counter": torch.zeros(1), "perceptual_loss.vgg.mean": torch.zeros(1, 3, 1, 1)}
    file |= {"perceptual_loss.vgg.vgg_layers.0.weight": torch.zeros(1)}
    other, judge = Ttsr(width=8, blocks=(1, 1, 1, 1)), TtsrDiscriminator(32, width=4, hidden=8)
    load_tensors(other, file)
    load_tensors(judge, file)
    assert torch.equal(other.extractor.slice3[3].weight, network.extractor.slice3[3].weight)
    image = picture(2, 3, 32, 32)
    assert torch.equal(judge(image), critic(image))
    assert judge(image).shape == (2,)


def test_inputs_are_cut_and_filled() -> None:
    levels = torch.full((3, 12, 8), 200, dtype=torch.uint8)
    found = aligned_inputs(levels, torch.full((3, 4, 20), 255, dtype=torch.uint8))
    assert found["image"].shape == (3, 3, 2)
    assert found["reference"].shape == found["enlarged"].shape == (3, 12, 8)
    assert torch.equal(found["reference"][:, :4], torch.ones(3, 4, 8))
    assert torch.equal(found["reference"][:, 4:], torch.zeros(3, 8, 8))
    assert torch.allclose(found["enlarged"], torch.tensor(200 / 255))


def test_mistakes_are_named(network: Ttsr) -> None:
    image = picture(2, 3, 4, 4)
    for reference in (picture(1, 3, 3, 8), picture(3, 3, 8, 8), picture(2, 1, 8, 8)):
        with pytest.raises(InputError, match=r"one (reference )?for (all|each)"):
            network(image, reference)
    with pytest.raises(SettingError, match="multiple of 32"):
        TtsrDiscriminator(100)
    with pytest.raises(InputError, match=r"\(N, 3, 32, 32\)"):
        TtsrDiscriminator(32, width=2, hidden=2)(picture(1, 3, 64, 64))
