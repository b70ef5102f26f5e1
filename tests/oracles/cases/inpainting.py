"""Inpainting: its layers, generators, discriminators and losses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.losses import adversarial, perceptual, pixel
from finesight.metrics import psnr, ssim
from finesight.models.inpainting.aot_gan import AotBlock, AotGan, AotGanDiscriminator
from finesight.models.inpainting.deepfill import AttentionNeck, DeepFill
from finesight.models.inpainting.deepfillv1 import DeepFillV1, DeepFillV1Discriminators
from finesight.models.inpainting.deepfillv2 import DeepFillV2, DeepFillV2Discriminator
from finesight.models.inpainting.global_local import GlobalLocal, GlobalLocalDiscriminators
from finesight.models.inpainting.pconv import PConv
from finesight.models.quality.vgg import Vgg, vgg_layers
from finesight.nn.boxes import box_masks, box_patches, discounted_mask, patch_boxes
from finesight.nn.construct import uninitialised
from finesight.nn.contextual_attention import ContextualAttention
from finesight.nn.gated_conv import Activation, GatedConv2d
from finesight.nn.partial_conv import PartialConv2d
from tests.oracles.case import Answers, Case
from tests.oracles.cases.image import arguments
from tests.oracles.reader import Oracle

__all__ = ["CASES"]

CONVOLUTION = {"in_channels": "inputs", "out_channels": "outputs", "kernel_size": "kernel", "stride": "stride"} | {
    "padding": "padding",
    "dilation": "dilation",
    "bias": "bias",
}
ACTIVATIONS = {"ELU": F.elu, "ReLU": F.relu, "LeakyReLU": F.leaky_relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh}
ATTENTION = {"softmax_scale": "softmax_scale", "fuse_kernel_size": "fuse"}


def activation(config: Mapping[str, Any] | None) -> Activation | None:
    """The function that mmediting's description of an activation stands for."""
    if config is None:
        return None
    names = {"type": "", "negative_slope": "negative_slope", "alpha": "alpha", "inplace": ""}
    return partial(ACTIVATIONS[config["type"]], **arguments(config, names))


def gated(oracle: Oracle) -> Answers:
    config = {"padding": 0} | oracle.config
    given = {
        name: activation(config.pop(published))
        for published, name in (("feat_act_cfg", "activation"), ("gate_act_cfg", "gate"))
        if published in config
    }
    names = CONVOLUTION | {"padding_mode": "border"}
    network = oracle.filled(GatedConv2d(**arguments(config, names), **given))  # type: ignore[arg-type]
    return {"output": network(oracle.inputs["x"])}


def partial_convolution(oracle: Oracle) -> Answers:
    names = CONVOLUTION | {"multi_channel": "multi_channel"}
    config = {"multi_channel": False} | oracle.config
    config.pop("eps", None)
    network = oracle.filled(PartialConv2d(**arguments(config, names)))
    output, valid = network(oracle.inputs["x"], oracle.inputs.get("valid"))
    return {"output": output} if valid is None else {"output": output, "mask_out": valid}


def attention_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    given = arguments(config, ATTENTION)
    if "fuse" in given:
        given["fuse"] = {1: False, 3: True}[given["fuse"]]
    return given


def attention(oracle: Oracle) -> Answers:
    module = oracle.filled(ContextualAttention(**attention_arguments(oracle.config), chunk=600))
    assert isinstance(module, ContextualAttention)
    output, score = module.scores(oracle.inputs["x"], oracle.inputs["context"], oracle.inputs.get("mask"))
    return {"output": output, "score": score}


class Neck(nn.Module):
    """The file's tensors begin with ``neck.``."""

    ignored = (r"fuse_kernel$",)

    def __init__(self, neck: AttentionNeck) -> None:
        super().__init__()
        self.neck = neck


def attention_neck(oracle: Oracle) -> Answers:
    names = {"in_channels": "width", "gated": "gated", "padding": "border"} | ATTENTION
    module = Neck(AttentionNeck(**arguments(oracle.config, names)))
    oracle.filled(module)
    x, mask = oracle.inputs["x"], oracle.inputs["mask"]
    return {"output": module.neck(x, mask), "score": module.neck.contextual_attention.scores(x, x, mask)[1]}


def composed(answer: Tensor, masked: Tensor, mask: Tensor) -> Tensor:
    return answer * mask + masked * (1 - mask)


def unit(signed: Tensor, *, flip: bool = True) -> Tensor:
    """From a published network's input to what ours takes."""
    return ((signed.flip(1) if flip else signed) + 1) / 2


DEEPFILL = {"channel_factor": "channel_factor", "padding": "border"} | {
    "stage2_decoder_channel_factor": "decoder_factor",
    "softmax_scale": "softmax_scale",
}


def deepfill(kind: type[DeepFillV1] | type[DeepFillV2], oracle: Oracle) -> Answers:
    config = dict(oracle.config)
    gate = {"conv": False, "gated_conv": True}[config.pop("conv")] if "conv" in config else kind is DeepFillV2
    with uninitialised():
        network = kind(**arguments(config, DEEPFILL), gated=gate)
    oracle.filled(network)
    assert isinstance(network, DeepFill)
    masked, mask = oracle.inputs["masked_img"], oracle.inputs["mask"]
    coarse, fine = network.complete(masked, mask)
    return {"stage1": coarse, "stage2": fine, "fake_img": composed(fine, masked, mask)}


def deepfillv1_discriminators(oracle: Oracle) -> Answers:
    names = {"global_size": "size", "local_size": "local_size"}
    with uninitialised():
        network = DeepFillV1Discriminators(**arguments(oracle.config, names))
    oracle.filled(network)
    whole, local = network(unit(oracle.inputs["image"]), unit(oracle.inputs["local"]))
    return {"global_pred": whole[:, None], "local_pred": local[:, None]}


def deepfillv2_discriminator(oracle: Oracle) -> Answers:
    with uninitialised():
        network = DeepFillV2Discriminator(**arguments(oracle.config, {}))
    oracle.filled(network)
    return {"pred": network.judge(oracle.inputs["x"])}


def aot_block(oracle: Oracle) -> Answers:
    names = {"in_channels": "width", "dilation_rates": "rates"}
    return {"output": oracle.filled(AotBlock(**arguments(oracle.config, names)))(oracle.inputs["x"])}


def aot_generator(oracle: Oracle) -> Answers:
    names = {"dilation_rates": "rates", "num_aotblock": "blocks", "mid_channels": ""}
    with uninitialised():
        network = AotGan(**arguments(oracle.config, names))
    oracle.filled(network)
    masked, mask = oracle.inputs["masked_img"], oracle.inputs["mask"]
    (answer,) = network.complete(masked, mask)
    return {"fake_res": answer, "fake_img": composed(answer, masked + mask, mask)}


def aot_discriminator(oracle: Oracle) -> Answers:
    with uninitialised():
        network = AotGanDiscriminator(**arguments(oracle.config, {}))
    return {"pred": oracle.filled(network)(unit(oracle.inputs["image"], flip=False))}


def pconv(oracle: Oracle) -> Answers:
    config = {"num_layers": 7} | oracle.config
    with uninitialised():
        network = PConv(**arguments(config, {"num_layers": "levels"}))
    oracle.filled(network)
    masked, mask = oracle.inputs["masked_img"], oracle.inputs["mask"]
    answer, valid = network.complete_with_validity(masked, mask)
    return {"fake_res": answer, "final_mask": valid, "fake_img": composed(answer, masked, mask)}


def global_local(oracle: Oracle) -> Answers:
    config = dict(oracle.config)
    norm: Any = {"BN": "batch", "SyncBN": "batch", None: None}[config.pop("norm", "BN")]
    output: Any = {"clip": "clamp", "sigmoid": "sigmoid"}[config.pop("out_act", "clip")]
    with uninitialised():
        network = GlobalLocal(**arguments(config, {}), norm=norm, output=output)
    oracle.filled(network)
    masked, mask = oracle.inputs["masked_img"], oracle.inputs["mask"]
    (answer,) = network.complete(masked, mask)
    return {"fake_res": answer, "fake_img": composed(answer, masked, mask)}


def global_local_discriminators(oracle: Oracle) -> Answers:
    names = {"global_size": "size", "local_size": "local_size"}
    with uninitialised():
        network = GlobalLocalDiscriminators(**arguments(oracle.config, names))
    oracle.filled(network)
    pictures = unit(oracle.inputs["image"]), unit(oracle.inputs["local"])
    whole, local = network.features(*pictures)
    return {"pred": network(*pictures)[:, None], "global_feat": whole, "local_feat": local}


def losses(oracle: Oracle) -> Answers:
    pred, gt, mask = (oracle.inputs[name] for name in ("pred", "gt", "mask"))
    logits, patches = oracle.inputs["logits"], oracle.inputs["patch_logits"]
    weight = oracle.config["gan_loss_weight"]
    answers: dict[str, Tensor] = {
        "l1_hole": pixel.l1(pred, gt, mask),
        "l1_valid": pixel.l1(pred, gt, 1 - mask),
        "l1_plain": pixel.l1(pred, gt),
        "l1_hole_samplewise": pixel.l1(pred, gt, mask, reduction="sample-mean"),
        "tv": pixel.total_variation(pred, mask),
        "mse_hole": pixel.mse(pred, gt, mask),
        "charbonnier_hole": pixel.charbonnier(pred, gt, mask),
        "smgan_disc_real": adversarial.mask_discriminator_loss(patches, mask, real=True),
        "smgan_disc_fake": adversarial.mask_discriminator_loss(patches, mask, real=False),
        "smgan_gen": weight * adversarial.mask_generator_loss(patches, mask),
        "blurred_mask": adversarial.mask_target(mask),
        "disc_shift": adversarial.shift_penalty(logits, weight=1),
    }
    kinds: tuple[adversarial.Adversarial, ...] = ("vanilla", "lsgan", "wgan", "hinge")
    for kind in kinds:
        answers |= {
            f"{kind}_disc_real": adversarial.discriminator_loss(logits, kind, real=True),
            f"{kind}_disc_fake": adversarial.discriminator_loss(logits, kind, real=False),
            f"{kind}_gen": weight * adversarial.generator_loss(logits, kind),
        }
    return answers


def penalty(oracle: Oracle) -> Answers:
    """The critic is made from its description, such as ``Conv2d(3,4,3,stride 2,pad 1), ELU, Flatten, Linear(.,1)``."""
    first = oracle.tensors()["0.weight"]
    features = oracle.tensors()["3.weight"].shape[1]
    stride, padding = (int(oracle.config["net"].split(word)[1][0]) for word in ("stride ", "pad "))
    critic = nn.Sequential(
        nn.Conv2d(first.shape[1], len(first), first.shape[2], stride, padding),
        nn.ELU(),
        nn.Flatten(),
        nn.Linear(features, 1),
    )
    oracle.filled(critic)
    real, fake, mask = (oracle.inputs[name] for name in ("real", "fake", "mask"))
    alpha = oracle.inputs["alpha"].view(-1, 1, 1, 1)
    return {
        "masked": adversarial.gradient_penalty(critic, real, fake, alpha, mask),
        "unmasked": adversarial.gradient_penalty(critic, real, fake, alpha),
    }


def perceptual_losses(oracle: Oracle) -> Answers:
    config = oracle.config
    depth = {"vgg16": 16, "vgg19": 19}[config["vgg"]]
    names = vgg_layers(depth)  # type: ignore[arg-type]
    layers = {names[int(index)]: float(value) for index, value in config["layer_weights"].items()}
    styles = {
        names[int(index)]: float(value)
        for index, value in (config.get("layer_weights_style") or config["layer_weights"]).items()
    }
    network = oracle.filled(Vgg(depth, layers=list(layers | styles)))  # type: ignore[arg-type]
    restored, truth = (network((oracle.inputs[name] + 1) / 2) for name in ("pred", "gt"))
    answers = {
        "percep": config["perceptual_weight"] * perceptual.perceptual(restored, truth, layers),
        "style": config["style_weight"] * perceptual.style(restored, truth, styles),
    }
    return answers | {f"feat{names.index(name)}": restored[name].mean((2, 3)) for name in layers}


def metrics(oracle: Oracle) -> Answers:
    gt, raw, mask = (oracle.inputs[name] for name in ("gt", "fake_res", "mask"))
    filled = composed(raw, gt, mask)
    pictures = [((picture.clamp(-1, 1) + 1) * 127.5).round() for picture in (filled, gt)]
    scores = [picture.double() / 255 for picture in pictures]
    return {
        "l1_hole": pixel.l1(raw, gt, mask),
        "l1_whole": pixel.l1(filled, gt),
        "psnr": psnr(*scores).mean(),
        "ssim": ssim(*scores).mean(),
        "fake_u8": pictures[0][0].flip(0).permute(1, 2, 0),
    }


def boxes(oracle: Oracle) -> Answers:
    image, given = oracle.inputs["image"], oracle.inputs["boxes"]
    side, size = oracle.config["target_size"], (image.shape[-2], image.shape[-1])
    discount = discounted_mask(given[:1], size, gamma=oracle.config["gamma"], beta=oracle.config["beta"])
    return {
        "patch": box_patches(image, given, side),
        "new_boxes": patch_boxes(given, side),
        "mask": box_masks(given, size).permute(0, 2, 3, 1),
        "discount": discount[0].permute(1, 2, 0),
    }


CASES: dict[str, Case] = {
    "gated convolution": Case(gated),
    "partial convolution": Case(partial_convolution),
    "contextual attention": Case(
        attention, tolerance=3e-5
    ),  # the published float32 answers differ by 1e-5 from float64
    "contextual attention neck": Case(attention_neck, tolerance=3e-5),
    "deepfillv1 generator": Case(partial(deepfill, DeepFillV1)),
    "deepfillv2 generator": Case(partial(deepfill, DeepFillV2)),
    "deepfillv1 discriminators": Case(deepfillv1_discriminators),
    "deepfillv2 discriminator": Case(deepfillv2_discriminator),
    "aot block": Case(aot_block),
    "aot-gan generator": Case(aot_generator, tolerance=3e-5),  # the published float32 differs by 2.3e-5 from float64
    "aot-gan discriminator": Case(aot_discriminator),
    "pconv generator": Case(pconv),
    "global-local generator": Case(global_local),
    "global-local discriminators": Case(global_local_discriminators),
    "inpainting losses": Case(losses),
    "wgan gradient penalty": Case(penalty, gradient=True),
    "perceptual and style loss": Case(perceptual_losses),
    "inpainting metrics": Case(metrics),
    "box tools": Case(boxes),
}
