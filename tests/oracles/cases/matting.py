"""Matting: its layers and networks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.models.matting.dim import Dim, PlainRefiner
from finesight.models.matting.gca import Gca
from finesight.models.matting.indexnet import Aspp, IndexedUpsample, IndexNet
from finesight.nn.construct import uninitialised
from finesight.nn.fba_fusion import fuse_estimates
from finesight.nn.guided_attention import GuidedContextualAttention
from finesight.nn.learned_index import IndexBlock
from finesight.nn.trimap import impose
from tests.oracles.case import Answers, Case
from tests.oracles.cases.image import arguments
from tests.oracles.reader import Oracle

__all__ = ["CASES"]


def fixed(config: Mapping[str, Any], **expected: object) -> dict[str, Any]:
    """The configuration without settings that are constants of ours; another value is an error."""
    for name, value in expected.items():
        if config.get(name, value) != value:
            raise LookupError(f"{name} is always {value} here, the file says {config[name]}")
    return {name: value for name, value in config.items() if name not in expected}


def guided_attention(oracle: Oracle) -> Answers:
    config = fixed(oracle.config, rate=2, kernel_size=3, penalty=-1e4, eps=1e-4)
    module = GuidedContextualAttention(**arguments(config, {"channels": "channels"}), chunk=50)
    oracle.filled(module)
    return {"output": module(oracle.inputs["img_feat"], oracle.inputs["alpha_feat"], oracle.inputs.get("unknown"))}


def classes(trimap: Tensor) -> Tensor:
    """From a published encoding of a trimap to classes."""
    if trimap.shape[1] == 3:
        return trimap.argmax(1, keepdim=True).float()
    return trimap if trimap.max() > 1 else (trimap * 2).round()


def gca(oracle: Oracle, *, attention: bool) -> Answers:
    config = fixed(oracle.config, spectral_norm=True)
    config["in_channels"] -= 3
    names = {"encoder_layers": "encoder_blocks", "decoder_layers": "decoder_blocks", "in_channels": "trimap_channels"}
    with uninitialised():
        network = Gca(**arguments(config, names), attention=attention, chunk=100)
    oracle.filled(network)
    merged, trimap = oracle.inputs["merged"], classes(oracle.inputs["trimap"])
    if "img_feat" in oracle.outputs:
        _, guidance, unknown = network.seen(merged, trimap)
        assert guidance is not None
        return {"img_feat": guidance, "unknown": unknown}
    raw = network.raw(merged, trimap)
    return {"raw_alpha": raw, "pred_alpha": network(restored(merged), trimap)}


def dim(oracle: Oracle) -> Answers:
    with uninitialised():
        network = Dim(refine={1: False, 3: True}[oracle.config["stage"]])
    assert oracle.config == {"stage": oracle.config["stage"], "refiner": network.refiner is not None}
    oracle.filled(network)
    merged, trimap = oracle.inputs["merged"], oracle.inputs["trimap"]
    if trimap.max() > 1:  # both inputs are amplified, so that the signal lives
        raw = network.decoder(*network.encoder(torch.cat((merged, trimap), dim=1)))
    else:
        raw = network.raw(merged, classes(trimap))
    answers: dict[str, Tensor] = {"raw_alpha": raw, "pred_alpha": raw.sigmoid()}
    return answers if network.refiner is None else answers | {"pred_refine": network.refiner(merged, raw)}


class Refining(nn.Module):
    """The file's tensors begin with ``refiner.``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.refiner = PlainRefiner(width)


def plain_refiner(oracle: Oracle) -> Answers:
    module = Refining(**arguments(oracle.config, {"conv_channels": "width"}))
    oracle.filled(module)
    return {"pred_refine": module.refiner(oracle.inputs["merged"], oracle.inputs["raw_alpha"])}


def restored(merged: Tensor) -> Tensor:
    """RGB in [0, 1] from normalised colours."""
    mean, deviation = (merged.new_tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return merged * deviation + mean


def index_block(oracle: Oracle) -> Answers:
    names = {"kind": "kind", "channels": "channels", "use_context": "context", "use_nonlinear": "nonlinear"}
    encoder, decoder = oracle.filled(IndexBlock(**arguments(oracle.config, names)))(oracle.inputs["x"])
    return {"encoder_index": encoder, "decoder_index": decoder}


def aspp(oracle: Oracle) -> Answers:
    config = fixed(oracle.config, separable_conv=True, activation="ReLU6")
    names = {"in_channels": "inputs", "out_channels": "outputs", "mid_channels": "width", "dilations": "dilations"}
    return {"output": oracle.filled(Aspp(**arguments(config, names)))(oracle.inputs["x"])}


def indexed_upsample(oracle: Oracle) -> Answers:
    config = fixed(oracle.config, kernel_size=5)
    module = oracle.filled(IndexedUpsample(**arguments(config, {"in_channels": "inputs", "out_channels": "outputs"})))
    given = {name.removeprefix("decoder_"): value for name, value in oracle.inputs.items()}
    return {"output": module(given["x"], given["shortcut"], given["index"])}


def indexnet(oracle: Oracle) -> Answers:
    config = fixed(oracle.config, out_stride=32, aspp=True, width_mult=1)
    names = {"index_mode": "index", "use_context": "context", "use_nonlinear": "nonlinear"}
    network = IndexNet(**arguments(config, names))
    oracle.filled(network)
    return {"raw_alpha": network.raw(oracle.inputs["merged"], classes(oracle.inputs["trimap"]))}


def fba_fusion(oracle: Oracle) -> Answers:
    assert oracle.config == {}, f"settings that nobody reads: {oracle.config}"
    found = fuse_estimates(*(oracle.inputs[name] for name in ("alpha", "image", "fg", "bg")))
    return dict(zip(("alpha_out", "fg_out", "bg_out"), found, strict=True))


def restore(oracle: Oracle) -> Answers:
    assert oracle.config == {}, f"settings that nobody reads: {oracle.config}"
    levels, padded, resized = (oracle.inputs[name] for name in ("trimap", "padded_pred", "resized_pred"))
    trimap = (levels.float() / 127.5).round()[None, None]
    size = list(trimap.shape[-2:])
    enlarged = F.interpolate(resized[None, None], size, mode="bicubic", align_corners=False)
    return {
        "from_padded": impose(padded[None, None, : size[0], : size[1]], trimap)[0, 0],
        "from_resized": impose(enlarged, trimap)[0, 0],
    }


CASES: dict[str, Case] = {
    "guided contextual attention": Case(guided_attention),
    "deep image matting": Case(dim),
    "plain refiner": Case(plain_refiner),
    "fba fusion": Case(fba_fusion),
    "restore": Case(restore),
    "index block": Case(index_block),
    "aspp": Case(aspp),
    "indexed upsample": Case(indexed_upsample),
    "indexnet": Case(indexnet),
    "gca": Case(partial(gca, attention=True)),
    "gca baseline": Case(partial(gca, attention=False)),
}
