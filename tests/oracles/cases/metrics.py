"""PSNR and SSIM against the published tables' code."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from finesight.metrics import luma, psnr, ssim, ssim_blue
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle

__all__ = ["CASES"]


def picture(levels: Tensor | np.ndarray, *, bgr: bool = False) -> Tensor:
    """(H, W, C) 8-bit levels -> (1, C, H, W) float64 in [0, 1], RGB."""
    image = torch.as_tensor(levels).double().movedim(-1, -3) / 255
    image = image if image.ndim == 4 else image[None]
    return image.flip(1) if bgr else image


def psnr_ssim(oracle: Oracle) -> Answers:
    first, second = (picture(oracle.inputs[f"image{i}"], bgr=True) for i in (1, 2))
    answers: dict[str, Tensor | float] = {}
    for border in oracle.config["crops"]:
        pairs = {"": (first, second), "_y": (luma(first), luma(second))}
        for name, pair in pairs.items():
            answers[f"psnr{name}_c{border}"] = answers[f"psnr{name}_basicsr_c{border}"] = psnr(*pair, border=border)[0]
            answers[f"ssim{name}_c{border}"] = ssim(*pair, border=border)[0]
            answers[f"ssim{name}_mmedit_c{border}"] = ssim_blue(*pair, border=border)[0]
    blue = first[:, 2:], second[:, 2:]
    flat = torch.ones_like(first)
    return answers | {
        "y_of_image1": luma(first)[0, 0] * 255,
        "psnr_same_is_inf": psnr(first, first).isinf().long()[0],
        "ssim_same": ssim(first, first)[0],
        "psnr_gray": psnr(*blue)[0],
        "ssim_gray": ssim(*blue)[0],
        "psnr_black_white": psnr(0 * flat, flat)[0],
        "ssim_black_white": ssim(0 * flat, flat)[0],
        "ssim_const": ssim(flat * 100 / 255, flat * 101 / 255)[0],
    }


CASES = {
    "PSNR / SSIM": Case(psnr_ssim, absolute=frozenset({"psnr_black_white"})),
}
