"""Kernels, filters, noise, JPEG and the second-order pipeline against published implementations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from finesight.data import patches
from finesight.data.scales import fixed_scale_pair
from finesight.degrade import kernels, noise, sets
from finesight.degrade.filtering import filter_each, unsharp_kernel, unsharp_mask
from finesight.degrade.jpeg import jpeg
from finesight.degrade.second_order import finish, resized
from finesight.losses.artifact_map import artifact_loss, artifact_map
from finesight.losses.votes import refined_map, rejection_loss, rejection_map
from finesight.metrics.references import effective_label
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle


def _kernel(case: dict[str, Any]) -> Tensor:
    if case["family"] == "sinc":
        made = kernels.sinc(case["size"], case["cutoff"])
        return kernels.padded(made, case["pad_to"]) if "pad_to" in case else made
    return kernels.gaussian(
        case["size"],
        case["sigma_x"],
        None if case["isotropic"] else case["sigma_y"],
        angle=case.get("theta", 0.0),
        family=case["family"],
        shape=case.get("beta", 1.0),
    )


def _bsrgan(case: dict[str, Any]) -> Tensor:
    if case["family"] == "anisotropic":
        return kernels.bsrgan_anisotropic(case["size"], case["theta"], case["l1"], case["l2"])
    made = kernels.bsrgan_isotropic(case["size"], case["sigma"])
    return kernels.shifted(made, case["scale"]) if case["family"] == "shifted" else made


def _filter(oracle: Oracle) -> Answers:
    image, each = oracle.inputs["image"], oracle.inputs["kernels"]
    return {"per_sample": filter_each(image, each), "shared_first": filter_each(image, each[:1])}


def _jpeg(oracle: Oracle) -> Answers:
    image, quality = oracle.inputs["image"].requires_grad_(True), oracle.inputs["quality"]
    soft = jpeg(image, quality, differentiable=True)
    (slope,) = torch.autograd.grad((soft * oracle.inputs["cotangent"]).sum(), image)
    return {
        "rounded": jpeg(image, quality),
        "differentiable": soft,
        "differentiable_grad": slope,
        "rounded_scalar_quality": jpeg(image[:1], float(quality[0])),
    }


def _usm(oracle: Oracle) -> Answers:
    image, size = oracle.inputs["image"], oracle.config["radius"]
    sharp = unsharp_mask(image, size=size)
    return {
        "sharp": sharp,
        "sharp_strong": unsharp_mask(image, size=size, weight=1.0, threshold=3),
        "sharp_numpy": sharp,
    }


def _usm_target(oracle: Oracle) -> Answers:
    config = oracle.config
    size, sigma = config["kernel_size"], config["sigma"]
    image = oracle.inputs["image"].permute(2, 0, 1)[None]
    sharp = unsharp_mask(image, weight=config["weight"], threshold=config["threshold"], size=size, sigma=sigma)
    return {"sharp": sharp[0].permute(1, 2, 0), "kernel_row": _middle_row(size, sigma)}


def _middle_row(size: int, sigma: float) -> Tensor:
    row = unsharp_kernel(size, sigma)
    return row * row[len(row) // 2]


def _noise(oracle: Oracle) -> Answers:
    """The published fields come from NumPy's generator in H W C order: the same standard numbers, our arithmetic."""
    seed, image = oracle.config["seed"], oracle.inputs["image"][None]
    height, width = image.shape[-2:]

    def standard(channels: int) -> Tensor:
        drawn = np.random.RandomState(seed).randn(height, width, channels)
        return torch.from_numpy(drawn).permute(2, 0, 1)[None].float()

    def photons(plane: Tensor) -> Tensor:
        """``poisson_field`` with NumPy's draws in place of torch's."""
        levels = (plane * 255).round().clamp(0, 255) / 255
        count = noise.poisson_levels(levels)
        mean = (levels.double() * count)[0].permute(1, 2, 0).numpy()
        drawn = torch.from_numpy(np.random.RandomState(seed).poisson(mean) / float(count)).permute(2, 0, 1)[None]
        return (drawn - levels).float()

    blue, green, red = image.split(1, 1)
    grey = 0.114 * blue + 0.587 * green + 0.299 * red
    sigma, scale = oracle.config["sigma"], oracle.config["poisson_scale"]
    gaussian = noise.gaussian_field(standard(3), 30.0)
    answers = {
        "gaussian_colour": noise.gaussian_field(standard(3), sigma),
        "gaussian_gray": noise.gaussian_field(standard(1), sigma).expand_as(image),
        "poisson_colour": photons(image) * scale,
        "poisson_gray": (photons(grey) * scale).expand_as(image),
        "gaussian_added_clipped": noise.with_noise(image, gaussian),
        "gaussian_added_rounded": noise.with_noise(image, gaussian, rounded=True),
        "poisson_added_clipped": noise.with_noise(image, photons(image) * 2.5),
    }
    return {name: answer[0] for name, answer in answers.items()}


def _second_order(oracle: Oracle) -> Answers:
    config, inputs = oracle.config, oracle.inputs
    truth = inputs["gt"]
    height, width = truth.shape[-2:]
    sharp = unsharp_mask(truth) if config["usm"] else truth
    out = filter_each(sharp, inputs["kernel1"])
    out = resized(out, config["resize1"]["mode"], factor=config["resize1"]["factor"])
    noisy = noise.with_noise(out, inputs["noise1"])
    first = jpeg(noisy, torch.tensor(config["jpeg1"]))
    out = filter_each(first, inputs["kernel2"])
    factor = config["resize2"]["factor"] / config["scale"]
    out = resized(out, config["resize2"]["mode"], size=(int(height * factor), int(width * factor)))
    out = noise.with_noise(out, inputs["noise2"])
    size = (height // config["scale"], width // config["scale"])
    quality, last = torch.tensor(config["jpeg2"]), config["order"].endswith("jpeg")
    out = finish(out, config["resize3"]["mode"], inputs["sinc"], quality, size, last=last)
    return {
        "gt_usm": sharp,
        "after_first_noise": noisy,
        "after_first": first,
        "before_quantise": out,
        "lq": (out * 255).round().clamp(0, 255) / 255,
    }


def _ldl(oracle: Oracle) -> Answers:
    truth, average = oracle.inputs["gt"], oracle.inputs["ema"]
    restored = oracle.inputs["output"].requires_grad_(True)
    loss = artifact_loss(truth, restored, average, detach=False)
    held = artifact_loss(truth, restored, average)
    return {
        "map_3": artifact_map(truth, restored, average, window=3),
        "map_7": artifact_map(truth, restored, average),
        "loss": loss,
        "grad_output": torch.autograd.grad(loss, restored)[0],
        "grad_output_detached": torch.autograd.grad(held, restored)[0],
    }


def _votes(oracle: Oracle) -> Answers:
    """The published codes of labels count from 1."""
    label, count = effective_label(oracle.inputs["triples"])
    return {"label": label + 1, "count": count}


def _rejection(oracle: Oracle) -> Answers:
    given, config = oracle.inputs, oracle.config
    answers: dict[str, Tensor] = {}
    for suffix in {name.removeprefix("positive_map_") for name in oracle.outputs if name.startswith("positive_map_")}:
        wanted, unwanted = (int(digit) / 3 for digit in (suffix[1], suffix[3]))
        chosen = {"window": config["window"], "power": config["power"]}
        positive = rejection_map(given["original"], given["positive"], wanted, **chosen)
        negative = rejection_map(given["original"], given["negative"], unwanted, **chosen)
        refined = refined_map(negative, positive)
        answers |= {f"positive_map_{suffix}": positive, f"negative_map_{suffix}": negative}
        answers[f"refined_map_{suffix}"] = refined
        for name, used in (("refined", refined), ("unrefined", negative)):
            loss = rejection_loss(given["output"], given["negative"], used, weight=config["weight"])
            answers[f"loss_{name}_{suffix}"] = loss
    return answers


def _patch_test(oracle: Oracle) -> Answers:
    several = oracle.inputs["patches"].numpy()
    thresholds = {name: float(oracle.config[name]) for name in ("content_threshold", "laplacian_threshold")}
    return {
        "keep": np.array([patches.keeps(one, **thresholds) for one in several]),
        "content_std": np.array([patches.content(one) for one in several]),
        "laplacian_variance": np.array([patches.saturated_laplacian_variance(one) for one in several]),
        "distance_to_first": np.array([patches.brightness_distance(several[0], one) for one in several]),
    }


def _degraded_sets(oracle: Oracle) -> Answers:
    """Every set from the file's own standard numbers; JPEG is compared within 6 grey levels of 255."""
    pixels, drawn, config = oracle.inputs["image"].numpy(), oracle.inputs["noise"].numpy(), oracle.config
    answers: dict[str, np.ndarray] = {"blur2": sets.blurred(pixels, float(config["blur"]))}
    for name, wanted in sets.SETS.items():
        small = sets.shrunk(answers["blur2"] if wanted.blur else pixels, config["scale"])
        if wanted.noise:
            small = sets.noisy(small, drawn, float(config["noise"]))
        answers[name.replace("-", "_")] = sets.compressed(small, config["jpeg"]) if wanted.quality else small
    return answers


def _liif_pairs(oracle: Oracle) -> Answers:
    answers: dict[str, np.ndarray] = {}
    for name in oracle.outputs:
        if name.startswith("lq_"):
            scale = float(name.removeprefix("lq_").replace("p", "."))
            low, truth = fixed_scale_pair(oracle.inputs["image_u8"].numpy(), scale)
            answers |= {name: low, name.replace("lq_", "gt_size_"): np.array(truth.shape[:2])}
    return answers


CASES = {
    "blur_kernels": Case(lambda o: {n: _kernel(c) for n, c in o.config["cases"].items()}, tolerance=1e-12),
    "bsrgan_kernels": Case(lambda o: {n: _bsrgan(c) for n, c in o.config["cases"].items()}, tolerance=1e-9),
    "filter2d": Case(_filter, tolerance=1e-6),
    "batch_jpeg": Case(_jpeg, tolerance=1e-4, gradient=True),
    "usm_sharpen": Case(_usm, tolerance=1e-3),
    "additive_noise": Case(_noise, tolerance=1e-6),
    "unsharp masking of the target": Case(_usm_target),
    "second_order_degradation": Case(_second_order, looser={"lq": 1.01 / 255}),
    "ldl_artifact_map": Case(_ldl, gradient=True),
    "hggt_votes": Case(_votes),
    "hggt_negative_loss": Case(_rejection),
    "hggt_patch_test": Case(_patch_test, tolerance=1e-6),
    "the eight test degradations": Case(
        _degraded_sets, looser={f"{name.replace('-', '_')}": 6 / 255 for name in sets.SETS if "jpeg" in name}
    ),
    "LIIF fixed-scale LR images": Case(_liif_pairs),
}
