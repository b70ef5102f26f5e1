"""Video networks, interpolation networks and their layers: published calls onto ours."""

from __future__ import annotations

import math
import re

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from finesight.data.windows import interpolated_times, window_frames, window_sequence
from finesight.degrade.blur_down import blur_down, blur_down_kernel
from finesight.degrade.filtering import unsharp_mask
from finesight.degrade.resize import resize, resize_8bit
from finesight.models.interpolation.cain import Cain
from finesight.models.interpolation.flavr import Flavr
from finesight.models.interpolation.toflow import ToFlowInterpolation
from finesight.models.video.basicvsr import BasicVsr
from finesight.models.video.basicvsr_plusplus import BasicVsrPlusPlus
from finesight.models.video.edvr import Edvr
from finesight.models.video.iconvsr import IconVsr
from finesight.models.video.realbasicvsr import RealBasicVsr
from finesight.models.video.spynet import SpyNet
from finesight.models.video.tdan import Tdan
from finesight.models.video.toflow import ToFlow
from finesight.nn.deformable import deformable_convolution
from finesight.nn.dynamic_filter import dynamic_filter
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


def _sampled(oracle: Oracle, answers: Answers) -> Answers:
    """Each output that the file holds, every n-th pixel where the call says ``name = ...[..., ::n, ::n]``."""
    sampled = {}
    for name in oracle.outputs:
        text = " ".join(re.findall(rf"\b{re.escape(name)} = [^;]*", oracle.call))
        steps = re.findall(r"\[\.\.\., ::(\d+), ::(\d+)\]", text)
        down, right = map(int, steps[-1]) if steps else (1, 1)
        sampled[name] = answers[name][..., ::down, ::right]
    return sampled


def _only_output(oracle: Oracle, answer: Tensor) -> Answers:
    (name,) = oracle.outputs
    return _sampled(oracle, {name: answer})


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


def _iconvsr(oracle: Oracle) -> Answers:
    config = oracle.config
    network = IconVsr(
        width=config.get("mid_channels", 64),
        blocks=config.get("num_blocks", 30),
        stride=config.get("keyframe_stride", 5),
        padding=config.get("padding", 2),
    )
    return _only_output(oracle, oracle.filled(network)(_only_input(oracle)))


def _realbasicvsr(oracle: Oracle) -> Answers:
    config = oracle.config  # is_fix_cleaning concerns training, is_sequential_cleaning memory
    network = RealBasicVsr(
        width=config.get("mid_channels", 64),
        blocks=config.get("num_propagation_blocks", 20),
        cleaning_blocks=config.get("num_cleaning_blocks", 20),
        threshold=config.get("dynamic_refine_thres", 255),
        together=True,
    )
    oracle.filled(network)
    clip = _only_input(oracle)
    return _sampled(oracle, {"sr": network(clip), "cleaned": network.clean(clip)})


def _edvr(oracle: Oracle) -> Answers:
    config = oracle.config
    network = Edvr(
        width=config.get("mid_channels", 64),
        frames=config.get("num_frames", 5),
        deform_groups=config.get("deform_groups", 8),
        extraction_blocks=config.get("num_blocks_extraction", 5),
        blocks=config.get("num_blocks_reconstruction", 10),
        centre=config.get("center_frame_idx", 2),
        attention=config.get("with_tsa", True),
    )
    return _only_output(oracle, oracle.filled(network)(_only_input(oracle)))


def _tdan(oracle: Oracle) -> Answers:
    config = oracle.config
    clip = _only_input(oracle) + 0.5
    answers = {}
    for suffix, border in (("", "zeros"), ("_legacy", "legacy")):
        network = Tdan(
            width=config.get("mid_channels", 64),
            blocks_before=config.get("num_blocks_before_align", 5),
            blocks_after=config.get("num_blocks_after_align", 10),
            border=border,  # type: ignore[arg-type]
        )
        oracle.filled(network)
        aligned = network.align([network.encode(frame) for frame in clip.unbind(1)])
        answers[f"sr{suffix}"] = network.restore(aligned) - 0.5
        answers[f"aligned{suffix}"] = aligned - 0.5
    return _sampled(oracle, answers)


def _toflow(oracle: Oracle) -> Answers:
    network = ToFlow(scale=1, reference_first=oracle.config.get("adapt_official_weights", False))
    return _only_output(oracle, oracle.filled(network)(_only_input(oracle)))


def _toflow_interpolation(oracle: Oracle) -> Answers:
    flow = oracle.config.get("flow_cfg") or {}
    network = ToFlowInterpolation(batch_norm=flow.get("norm_cfg") is not None)
    return _only_output(oracle, oracle.filled(network)(_only_input(oracle)))


def _cain(oracle: Oracle) -> Answers:
    config = oracle.config
    norms = {None: None, "in": "instance", "bn": "batch"}
    padded = "padding_flag=True" in oracle.call
    depth = config.get("depth", 3)
    network = Cain(
        groups=config.get("num_block_groups", 5),
        blocks=config.get("num_block_layers", 12),
        depth=depth,
        reduction=config.get("reduction", 16),
        kernel=config.get("kernel_size", 3),
        norm=norms[config.get("norm")],  # type: ignore[arg-type]
        padding=config.get("padding", 7) if padded else depth,
        channels=config.get("in_channels", 3),
    )
    return _only_output(oracle, oracle.filled(network)(_only_input(oracle)))


def _flavr(oracle: Oracle) -> Answers:
    config = oracle.config
    network = Flavr(
        frames=config.get("num_input_frames", 4),
        outputs=config.get("num_output_frames", 1),
        widths=tuple(reversed(config.get("mid_channels_list", [512, 256, 128, 64]))),
        blocks=tuple(config.get("encoder_layers_list", [2, 2, 2, 2])),
        bias=config.get("bias", False),
        batch_norm=config.get("norm_cfg") is not None,
        join=config.get("join_type", "concat"),
        enlargement="transpose" if config.get("up_mode", "transpose") == "transpose" else "trilinear",
    )
    clip = _only_input(oracle)
    middle = oracle.filled(network)(clip)
    mean = clip.mean((1, 3, 4), keepdim=True)
    answers = {"middle": middle, "residual": middle - (mean.squeeze(1) if middle.ndim == 4 else mean)}
    return _sampled(oracle, answers)


def _dynamic_filter(oracle: Oracle) -> Answers:
    filters = oracle.inputs["filters"]
    kernel = oracle.config.get("filter_size", [5, 5])
    out = dynamic_filter(oracle.inputs["x"], filters, kernel=(kernel[0], kernel[1]))
    return _sampled(oracle, {"out": out, "image": F.pixel_shuffle(out, math.isqrt(filters.shape[2]))})


def _spynet(oracle: Oracle) -> Answers:
    network = oracle.filled(SpyNet())
    frames = oracle.inputs
    return _sampled(
        oracle,
        {
            name: network(frames[name.replace("flow", "ref")], frames[name.replace("flow", "supp")])
            for name in oracle.outputs
        },
    )


def _window_frames(oracle: Oracle) -> Answers:
    answers = {}
    for name in oracle.outputs:
        border, length, count = name.rsplit("_", 2)
        answers[name] = np.array(
            [window_frames(int(length), int(count), i, border=border) for i in range(int(length))]  # type: ignore[arg-type]
        )
    return answers


def _window_sequence(oracle: Oracle) -> Answers:
    return {name: np.array(window_sequence(*map(int, name.split("_")[1:]))) for name in oracle.outputs}


def _timeline(oracle: Oracle) -> Answers:
    windows = {"two": 2, "four": 4}
    return {
        name: np.array(interpolated_times(int(name.split("_")[1]), windows[name.split("_")[0]]))
        for name in oracle.outputs
    }


def _bi(oracle: Oracle) -> Answers:
    eight = oracle.inputs["gt"].permute(2, 0, 1)
    exact = resize(eight.double() / 255, scale=0.25)
    rounded = (exact * 255 + 0.5).floor().clamp(0, 255).byte()
    answers = {"double": exact, "double8": rounded, "uint8": resize_8bit(eight, scale=0.25)}
    return {name: answer.permute(1, 2, 0) for name, answer in answers.items()}


def _bd(oracle: Oracle) -> Answers:
    image = oracle.inputs["gt"].permute(2, 0, 1)
    return {
        "bd": blur_down(image).permute(1, 2, 0),
        "kernel": blur_down_kernel(),
        "duf": blur_down(image, form="duf").permute(1, 2, 0),
        "duf_kernel": blur_down_kernel("duf"),
    }


def _unsharp(oracle: Oracle) -> Answers:
    config = oracle.config
    sharp = unsharp_mask(
        oracle.inputs["gt"].permute(2, 0, 1)[None],
        weight=config["weight"],
        threshold=config["threshold"],
        size=config["kernel_size"],
        sigma=config["sigma"],
    )
    return {"sharp": sharp[0].permute(1, 2, 0)}


CASES: dict[str, Case] = {
    "BasicVSRNet": Case(_basicvsr),
    "BasicVSRPlusPlus": Case(_basicvsr_plusplus),
    "EDVRNet": Case(_edvr),
    "IconVSR": Case(_iconvsr),
    "RealBasicVSRNet": Case(_realbasicvsr),
    "TDANNet": Case(_tdan),
    "TDAN_VSR (authors' release)": Case(_tdan),
    "TOFlow": Case(_toflow),
    "TOFlowVFINet": Case(_toflow_interpolation),
    "CAINNet": Case(_cain),
    "FLAVRNet": Case(_flavr),
    "DynamicUpsamplingFilter": Case(_dynamic_filter),
    "SPyNet (6 levels, no batch norm)": Case(_spynet),
    "sliding-window frame indices": Case(_window_frames),
    "sequence padding before a sliding window": Case(_window_sequence),
    "frame order after interpolation": Case(_timeline),
    "MATLAB bicubic x1/4 (BI degradation)": Case(_bi),
    "blur-down (BD) degradation x4": Case(_bd),
    "UnsharpMasking": Case(_unsharp),
    "flow_warp": Case(_flow_warp),
    "deformable convolution v1 and v2": Case(_deformable),
}
