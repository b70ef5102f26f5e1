"""Inpainting: its layers, generators, discriminators and losses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.models.inpainting.aot_gan import AotBlock, AotGan, AotGanDiscriminator
from finesight.models.inpainting.deepfill import AttentionNeck, DeepFill
from finesight.models.inpainting.deepfillv1 import DeepFillV1, DeepFillV1Discriminators
from finesight.models.inpainting.deepfillv2 import DeepFillV2, DeepFillV2Discriminator
from finesight.models.inpainting.global_local import GlobalLocal, GlobalLocalDiscriminators
from finesight.models.inpainting.pconv import PConv
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
}
