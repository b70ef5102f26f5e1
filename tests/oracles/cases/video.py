"""Video networks, interpolation networks and their layers: published calls onto ours."""

from __future__ import annotations

import re

from torch import Tensor

from finesight.models.video.basicvsr import BasicVsr
from finesight.models.video.basicvsr_plusplus import BasicVsrPlusPlus
from finesight.models.video.spynet import SpyNet
from finesight.nn.deformable import deformable_convolution
from finesight.nn.flow_warp import flow_warp
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle

__all__ = ["CASES"]


def _flow_warp(oracle: Oracle) -> Answers:
    flow = oracle.inputs["flow"].permute(0, 3, 1, 2)
    answers = {}
    for name in oracle.outputs:
        interpolation, padding, corners = name.split("_")
        answers[name] = flow_warp(
            oracle.inputs["x"],
            flow,
            interpolation=interpolation,  # type: ignore[arg-type]
            padding=padding,  # type: ignore[arg-type]
            align_corners=corners == "corners",
        )
    return answers


def _deformable(oracle: Oracle) -> Answers:
    answers = {}
    for name, settings in oracle.config.items():
        given = {part: oracle.inputs.get(f"{name}_{part}") for part in ("x", "offset", "weight", "bias", "mask")}
        for suffix, border in (("", "zeros"), ("_legacy", "legacy")):
            answers[name + suffix] = deformable_convolution(
                given["x"],
                given["offset"],
                given["weight"],
                given["bias"],
                mask=given["mask"],
                stride=settings["stride"],
                padding=settings["padding"],
                dilation=settings["dilation"],
                groups=settings["groups"],
                border=border,  # type: ignore[arg-type]
            )
    return answers


def _sampled(answer: Tensor, call: str) -> Tensor:
    """Every n-th pixel, where the call says ``[..., ::n, ::n]``."""
    found = re.search(r"\[\.\.\., ::(\d+), ::(\d+)\]", call)
    return answer if found is None else answer[..., :: int(found[1]), :: int(found[2])]


def _only_output(oracle: Oracle, answer: Tensor) -> Answers:
    (name,) = oracle.outputs
    return {name: _sampled(answer, oracle.call)}


def _only_input(oracle: Oracle) -> Tensor:
    (clip,) = oracle.inputs.values()
    return clip


def _basicvsr(oracle: Oracle) -> Answers:
    config = oracle.config
    network = oracle.filled(BasicVsr(width=config.get("mid_channels", 64), blocks=config.get("num_blocks", 30)))
    return _only_output(oracle, network(_only_input(oracle)))


def _basicvsr_plusplus(oracle: Oracle) -> Answers:
    config = oracle.config  # cpu_cache_length changes where features lie, not their values
    network = BasicVsrPlusPlus(
        width=config.get("mid_channels", 64),
        blocks=config.get("num_blocks", 7),
        scale=4 if config.get("is_low_res_input", True) else 1,
        largest_residue=config.get("max_residue_magnitude", 10),
    )
    return _only_output(oracle, oracle.filled(network)(_only_input(oracle)))


def _spynet(oracle: Oracle) -> Answers:
    network = oracle.filled(SpyNet())
    return {
        name: network(oracle.inputs[name.replace("flow", "ref")], oracle.inputs[name.replace("flow", "supp")])[
            ..., ::2, ::2
        ]
        for name in oracle.outputs
    }


CASES: dict[str, Case] = {
    "BasicVSRNet": Case(_basicvsr),
    "BasicVSRPlusPlus": Case(_basicvsr_plusplus),
    "SPyNet (6 levels, no batch norm)": Case(_spynet),
    "flow_warp": Case(_flow_warp),
    "deformable convolution v1 and v2": Case(_deformable),
}
