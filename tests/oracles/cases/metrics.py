"""Metrics against the published tables' code, IQA-PyTorch and BasicSR."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finesight.metrics import (
    NiqeModel,
    brisque_features,
    brisque_scaled,
    fsim,
    gmsd,
    luma,
    ms_ssim,
    niqe,
    niqe_features,
    piqe_report,
    psnr,
    ssim,
    ssim_blue,
    vif,
)
from finesight.metrics.alpha import alpha_mse, connectivity_error, gradient_error, sad
from finesight.metrics.colour import luma_levels
from finesight.metrics.scene_statistics import fit_asymmetric, local_contrast
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle

__all__ = ["CASES", "SHARED", "niqe_model", "picture", "pyramid_filters"]

SHARED = Path(__file__).resolve().parents[4] / "shared"


def published(name: str) -> dict[str, np.ndarray]:
    """The small published parameters of a metric, which lie beside the checkout and never in it."""
    path = SHARED / "data" / name
    if not path.is_file():
        raise LookupError(f"needs {path}, which is not there")
    with np.load(path) as file:
        return {key: file[key] for key in file.files}


def pyramid_filters() -> dict[str, Tensor]:
    return {k: torch.from_numpy(v) for k, v in published("vif/sp5_filters.npz").items() if v.dtype.kind == "f"}


def niqe_model() -> NiqeModel:
    file = {name: torch.from_numpy(value) for name, value in published("niqe/niqe_pris_params.npz").items()}
    return NiqeModel(file["mu_pris_param"][0], file["cov_pris_param"], "published", file["gaussian_window"])


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


def full_reference(oracle: Oracle) -> Answers:
    distorted = picture(oracle.inputs["distorted"])
    reference = picture(oracle.inputs["reference"]).expand_as(distorted)
    grey = luma(distorted, "gray-rounded"), luma(reference, "gray-rounded")
    return {
        "ssim": ssim(*grey, clamp=True),
        "ssim_rgb": ssim(distorted, reference, clamp=True),
        "ssim_downsampled": ssim(*grey, clamp=True, shrink=True),
        "ms_ssim": ms_ssim(*grey),
        "ms_ssim_sum": ms_ssim(*grey, combine="sum"),
        "gmsd": gmsd(*grey),
        "gmsd_rgb": gmsd(distorted, reference),
        "fsim": fsim(distorted, reference, colour=False),
        "fsimc": fsim(distorted, reference),
        "vif": vif(*grey, pyramid_filters()),
    }


def niqe_values(oracle: Oracle) -> Answers:
    image, model = picture(oracle.inputs["image"]), niqe_model()
    luminance, grey = niqe(image, model)[0], niqe(image, model, luma="gray-rounded")[0]
    height, width = (side // 96 * 96 for side in image.shape[-2:])
    levels = luma_levels(image, "matlab-rounded")[..., :height, :width]
    contrast = local_contrast(levels, window=model.window)[0][0, 0]
    return {
        "niqe_y": luminance,
        "niqe_y_border4": niqe(image, model, border=4)[0],
        "niqe_gray": grey,
        "niqe_y_float64": luminance,
        "niqe_yiq_float64": grey,
        "mscn_corner": contrast[:32, :32],
        "features_block0": niqe_features(image, window=model.window)[0, 0, :18],
        "aggd": torch.stack(fit_asymmetric(contrast[:96, :96].flatten())[:3]),
    }


def no_reference(oracle: Oracle) -> Answers:
    image = picture(oracle.inputs["image"])
    features, report = brisque_features(image)[0], piqe_report(image)
    return {
        "brisque_features": features,
        "brisque_scaled": brisque_scaled(features),
        "brisque_features_matlab": brisque_features(image, variant="matlab")[0],
        "piqe": report.score,
        "piqe_artifact_share": report.impaired.double().mean(),
        "piqe_noise_share": report.noisy.double().mean(),
        "piqe_active_share": report.active.double().mean(),
    }


def matting(oracle: Oracle) -> Answers:
    truth, trimap, restored = (oracle.inputs[name][:, None] for name in ("alpha", "trimap", "pred"))
    unknown = (trimap > 0) & (trimap < 255)
    pair = restored.double() / 255, truth.double() / 255
    scores = [
        sad(*pair),
        alpha_mse(*pair, unknown),
        gradient_error(*pair, unknown, sigma=oracle.config["sigma"]),
        connectivity_error(*pair, unknown),
    ]
    return {"scores": torch.stack(scores, dim=1)}


CASES = {
    "matting metrics": Case(matting, tolerance=1e-6),
    "PSNR / SSIM": Case(psnr_ssim, absolute=frozenset({"psnr_black_white"})),
    # The published VIF loses eigenvalues in float32: 1e-4 on photographs, 5e-3 on drawn pictures.
    "full_reference_metrics": Case(full_reference, looser={"vif": 5e-3}),
    "niqe": Case(
        niqe_values,
        looser=dict.fromkeys(("niqe_y", "niqe_y_border4", "niqe_gray"), 5e-3)
        | {"mscn_corner": 2e-3, "niqe_y_float64": 1e-4, "niqe_yiq_float64": 1e-4},
    ),
    # A shape is a grid value: a tie may move it by one step.
    "brisque_features, piqe": Case(no_reference, tolerance=1e-4),
}
