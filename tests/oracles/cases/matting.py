"""Matting: its layers and networks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.data.matting_augment import Affine, Jitter, composed_levels, jittered, two_foregrounds, warped
from finesight.data.matting_trimaps import ellipse, trimap_by_distance, trimap_by_morphology
from finesight.losses import matting, pixel
from finesight.losses.matting import unknown_weight
from finesight.metrics.alpha import gaussian_slope, gradient_length
from finesight.models.matting.dim import Dim, PlainRefiner
from finesight.models.matting.fba import Fba
from finesight.models.matting.gca import Gca
from finesight.models.matting.indexnet import Aspp, IndexedUpsample, IndexNet
from finesight.nn.construct import uninitialised
from finesight.nn.fba_fusion import fuse_estimates
from finesight.nn.guided_attention import GuidedContextualAttention
from finesight.nn.learned_index import IndexBlock
from finesight.nn.padding import mirror_to_multiple
from finesight.nn.trimap import impose, one_hot, transformed, two_channels
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


def fba(oracle: Oracle) -> Answers:
    fixed(oracle.config, norm="GN32", conv="weight standardised (encoder and decoder)", dilations=[1, 1, 2, 4])
    assert oracle.config["depth"] == 50
    with uninitialised():
        network = Fba(pool_scales=oracle.config["pool_scales"])
    oracle.filled(network)
    return {"raw": network.raw(*(oracle.inputs[name] for name in ("merged", "trimap6", "trimap2", "image")))}


def affine(oracle: Oracle) -> Answers:
    assert oracle.config == {}, f"settings that nobody reads: {oracle.config}"
    alpha = oracle.inputs["alpha"].numpy()
    maps = [
        Affine(angle=row[0], translate=(row[1], row[2]), scale=(row[3], row[4]), shear=row[5], flip=(row[6], row[7]))
        for row in oracle.inputs["params"].tolist()
    ]
    return {
        "matrices": np.stack([one.inverse(*alpha.shape) for one in maps]),
        "warped": np.stack([warped(alpha, one) for one in maps]),
    }


def augmentation(oracle: Oracle) -> Answers:
    draws = [Jitter(*one) for one in oracle.config["draws"]]
    assert oracle.config == {"draws": oracle.config["draws"]}
    front, back = (oracle.inputs[name].numpy()[..., ::-1].astype(np.float32) for name in ("fg", "bg"))
    alpha, second = (oracle.inputs[name].numpy() for name in ("alpha", "alpha2"))
    both, opaque = two_foregrounds(front, alpha, back, second)
    return {
        "jittered": np.stack([jittered(front, alpha, one)[..., ::-1] for one in draws]),
        "merged": composed_levels(front, back, alpha)[..., ::-1],
        "two_fg": both[..., ::-1],
        "two_alpha": opaque,
    }


def gaussian_gradient(oracle: Oracle) -> Answers:
    assert oracle.config == {"sigma": oracle.config["sigma"], "epsilon": oracle.config["epsilon"]}
    normal, slope = gaussian_slope(oracle.config["sigma"], epsilon=oracle.config["epsilon"])
    length = gradient_length(oracle.inputs["alpha"][None, None], sigma=oracle.config["sigma"])
    return {
        "filter_x": torch.outer(normal, slope),
        "filter_y": torch.outer(slope, normal),
        "magnitude": length[0, 0],
    }


def losses(oracle: Oracle) -> Answers:
    fixed(oracle.config, eps=1e-12, loss_weight=1.0)
    given = oracle.inputs
    alpha, truth = given["pred"], given["alpha"]
    colours = (given["fg"], given["bg"], given["merged"])
    weight = unknown_weight(given["trimap"] * 255 / 128)
    return {
        "weight": weight,
        "charbonnier": pixel.charbonnier(alpha, truth, weight),
        "charbonnier_comp": matting.charbonnier_composition(alpha, *colours, weight),
        "l1": pixel.l1(alpha, truth, weight),
        "charbonnier_samplewise": pixel.charbonnier(alpha, truth, weight, reduction="sample-mean"),
        "charbonnier_comp_samplewise": matting.charbonnier_composition(
            alpha, *colours, weight, reduction="sample-mean"
        ),
        "l1_samplewise": pixel.l1(alpha, truth, weight, reduction="sample-mean"),
        "l1_comp": matting.l1_composition(alpha, *colours, weight),
        "mse_comp": matting.mse_composition(alpha, *colours, weight),
        "gradient": pixel.gradient(alpha, truth, weight),
        "gradient_plain": pixel.gradient(alpha, truth),
        "charbonnier_nomask_weight": pixel.charbonnier(alpha, truth, torch.zeros_like(weight)),
    }


def trimaps(oracle: Oracle) -> Answers:
    config = dict(oracle.config)
    alpha = oracle.inputs["alpha"].numpy()
    erode, dilate = config.pop("erode_kernel"), config.pop("dilate_kernel")
    near = trimap_by_distance(alpha, config.pop("dist_thr"))
    trimap = trimap_by_morphology(alpha, erode, dilate, **config)
    classes = torch.from_numpy(trimap_classes(trimap))[None, None]
    return {
        "trimap": trimap,
        "trimap_distance": near,
        "transformed": transformed(classes)[0].permute(1, 2, 0),
        "two_channel": two_channels(classes)[0].permute(1, 2, 0) * 255,
        "index": classes[0],
        "onehot": one_hot(classes)[0],
        "padded": mirror_to_multiple(torch.from_numpy(trimap)[None, None], 32)[0, 0],
        "erode_element": ellipse(erode),
        "dilate_element": ellipse(dilate),
    }


def trimap_classes(levels: np.ndarray) -> np.ndarray:
    """0, 128 and 255 as classes."""
    return np.rint(levels.astype(np.float32) / 127.5)


CASES: dict[str, Case] = {
    "fba": Case(fba, tolerance=1e-4),
    "random affine": Case(affine),
    "matting augmentation": Case(augmentation),
    "gaussian gradient": Case(gaussian_gradient),
    "matting losses": Case(losses),
    "trimap tools": Case(trimaps),
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
