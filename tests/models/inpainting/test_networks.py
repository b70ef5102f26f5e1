"""What the inpainting networks promise beyond the contract of all networks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from finesight.errors import InputError, ModelError, SettingError
from finesight.models.inpainting.aot_gan import AotBlock, AotGan, AotGanDiscriminator
from finesight.models.inpainting.completion import Completion
from finesight.models.inpainting.deepfillv1 import DeepFillV1, DeepFillV1Discriminators
from finesight.models.inpainting.deepfillv2 import DeepFillV2, DeepFillV2Discriminator
from finesight.models.inpainting.global_local import GlobalLocal, GlobalLocalDiscriminators
from finesight.models.inpainting.pconv import PConv
from finesight.zoo.tensors import load_tensors

SMALL: dict[str, Callable[[], Completion]] = {
    "aot-gan": lambda: AotGan(width=4, blocks=1, rates=(1, 2)),
    "deepfillv1": lambda: DeepFillV1(channel_factor=0.125, decoder_factor=0.125),
    "deepfillv2": lambda: DeepFillV2(channel_factor=0.125, decoder_factor=0.125),
    "global-local": lambda: GlobalLocal(width=4),
    "pconv": lambda: PConv(levels=3, width=4),
}


def small(name: str) -> Completion:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = SMALL[name]().eval()
        for tensor in network.state_dict().values():
            if tensor.ndim > 1:
                tensor.normal_(0, tensor[0].numel() ** -0.5)
    return network


def picture_and_mask(height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height)
    mask = torch.zeros(1, 1, height, width)
    mask[..., height // 3 : height // 2, width // 4 : width // 2] = 1
    return torch.rand(1, 3, height, width, generator=generator), mask


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (GlobalLocal, 6_069_155),
        (PConv, 25_779_860),
        (DeepFillV1, 3_601_542),
        (DeepFillV2, 4_414_908),
        (AotGan, 15_200_835),
        (AotGanDiscriminator, 2_763_777),
    ],
)
def test_published_parameter_counts(build: Callable[[], nn.Module], parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in build().parameters()) == parameters


@pytest.mark.parametrize("name", SMALL)
@torch.inference_mode()
def test_known_pixels_stay_and_hidden_ones_are_not_looked_at(name: str) -> None:
    network = small(name)
    image, mask = picture_and_mask(41, 35)
    answer = network(image, mask)
    known = (mask == 0).expand_as(image)
    assert torch.equal(answer[known], image[known])
    assert not torch.equal(answer[~known], image[~known])
    assert torch.equal(network(torch.where(known, image, 0.9), mask), answer)
    nothing = torch.zeros_like(mask)
    assert torch.equal(network(image, nothing), image)
    assert network(image, torch.ones_like(mask)).isfinite().all()


@pytest.mark.parametrize("name", SMALL)
@torch.inference_mode()
def test_forward_is_the_published_network_in_its_range_and_order(name: str) -> None:
    network = small(name)
    image, mask = picture_and_mask(80, 72)
    flip = name != "aot-gan"
    fed = (image.flip(1) if flip else image) * 2 - 1
    stages = network.complete(fed * (1 - mask), mask)
    answer = (stages[-1].flip(1) if flip else stages[-1]) / 2 + 0.5
    assert torch.allclose(network(image, mask), torch.where(mask > 0, answer, image), atol=1e-6)
    assert len(network.predictions(image, mask)) == len(stages) == (2 if name.startswith("deepfill") else 1)
    with pytest.raises(InputError, match="of one size"):
        network(image, mask[..., :-1])


@pytest.mark.parametrize("name", SMALL)
def test_training_checkpoints_load_whole(name: str) -> None:
    """Generator, discriminator and VGG stand in one published dictionary; all-ones buffers beside the weights."""
    network, other = small(name), SMALL[name]()
    tensors = {f"generator.{key}": tensor for key, tensor in network.state_dict().items()}
    if name == "pconv":
        tensors["generator.encoder.enc1.conv.weight_mask_updater"] = torch.ones(4, 3, 7, 7)
    if name.startswith("deepfill"):
        place = "generator.stage2.contextual_attention_neck.contextual_attention.fuse_kernel"
        tensors[place] = torch.eye(3)[None, None]
    tensors |= {"disc.conv1.conv.weight": torch.ones(2), "loss_percep.vgg.mean": torch.ones(3)}
    load_tensors(other, tensors)
    assert all(torch.equal(tensor, other.state_dict()[key]) for key, tensor in network.state_dict().items())
    with pytest.raises(ModelError, match="does not fit"):
        load_tensors(other, {key: value for key, value in tensors.items() if "dec" not in key})


@pytest.mark.parametrize(
    "build",
    [
        lambda: DeepFillV1Discriminators(size=32, local_size=16),
        lambda: DeepFillV2Discriminator(widths=(4, 6)),
        lambda: AotGanDiscriminator(width=2),
        lambda: GlobalLocalDiscriminators(size=64, local_size=32, widths=(4, 6), local_widths=(4,), hidden=3),
    ],
    ids=["deepfillv1", "deepfillv2", "aot-gan", "global-local"],
)
def test_discriminators_load_out_of_training_checkpoints(build: Callable[[], nn.Module]) -> None:
    network, other = build(), build()
    tensors = {f"disc.{key}": tensor for key, tensor in network.state_dict().items()}
    tensors |= {"generator.encoder.enc1.conv.weight": torch.ones(2), "loss_percep.vgg.mean": torch.ones(3)}
    load_tensors(other, tensors)
    assert all(torch.equal(tensor, other.state_dict()[key]) for key, tensor in network.state_dict().items())


def test_second_stage_of_pconv_keeps_the_encoder_norms() -> None:
    frozen, plain = (PConv(levels=2, width=4, freeze_encoder_norms=freeze).train() for freeze in (True, False))
    image, mask = picture_and_mask(16, 16)
    before = {key: tensor.clone() for key, tensor in frozen.state_dict().items()}
    for network in (frozen, plain):
        network(image.expand(2, -1, -1, -1), mask.expand(2, -1, -1, -1)).sum().backward()
    moved = {key for key, tensor in frozen.state_dict().items() if not torch.equal(tensor, before[key])}
    assert moved
    assert all(key.startswith("decoder.") for key in moved)
    norms = [p for key, p in frozen.named_parameters() if ".bn." in key and key.startswith("encoder.")]
    assert norms
    assert all(parameter.grad is None for parameter in norms)
    assert float(plain.state_dict()["encoder.enc2.bn.num_batches_tracked"]) == 1


def test_initial_values_are_the_published_ones() -> None:
    for network in (DeepFillV1(), DeepFillV2()):
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                assert not parameter.any()
            elif parameter.numel() > 20_000:
                assert float(parameter.detach().std()) == pytest.approx(0.02, rel=0.05)
    judge = AotGanDiscriminator()
    assert float(judge.state_dict()["model.3.conv.weight_orig"].std()) == pytest.approx(0.02, rel=0.05)
    weight = GlobalLocal().state_dict()["encoder.enc5.conv.weight"]
    assert float(weight.std()) == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.05)


def test_patch_scores_have_the_published_size() -> None:
    with torch.inference_mode():
        assert AotGanDiscriminator(width=1)(torch.rand(1, 3, 512, 512)).shape == (1, 1, 62, 62)
        judge = DeepFillV2Discriminator(widths=(1, 1, 1, 1, 1, 2))
        assert judge(torch.rand(1, 3, 256, 192), torch.zeros(1, 1, 256, 192)).shape == (1, 2, 4, 3)


def test_gate_of_an_aot_block_uses_the_unbiased_deviation() -> None:
    block = AotBlock(4, (1,)).double()
    x = torch.randn(1, 4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gate = block.gate(x).flatten(2)
    mean = gate.mean(2, keepdim=True)
    deviation = ((gate - mean).square().sum(2, keepdim=True) / 5).sqrt()
    opening = torch.sigmoid(10 * (gate - mean) / (deviation + 1e-9) - 5).view_as(x)
    mixed = block.fuse(block.blocks[0](x))
    assert torch.allclose(block(x), x + (mixed - x) * opening)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(SettingError, match="multiple of its 3 rates"):
        AotBlock(4, (1, 2, 4))
    with pytest.raises(SettingError, match="multiples of 16"):
        DeepFillV1Discriminators(size=40)
    with pytest.raises(SettingError, match="at least one level"):
        PConv(levels=0)
    with pytest.raises(InputError, match="picture must be"):
        GlobalLocalDiscriminators(size=64, local_size=32, widths=(4, 6), local_widths=(4,), hidden=3)(
            torch.rand(1, 3, 60, 64), torch.rand(1, 3, 32, 32)
        )
