"""PGGAN and mGANprior: which of our calls each published case is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from finesight.adapt import mgan_tasks as tasks
from finesight.adapt.mgan import fit_codes
from finesight.models.prior.pggan import Pggan
from finesight.models.quality.vgg import Vgg, vgg_layers
from finesight.nn.construct import uninitialised
from tests.oracles.case import Answers, Case
from tests.oracles.cases.prior import overall, sampled, to_signed, values
from tests.oracles.reader import Oracle

__all__ = ["CASES"]

PGGAN = {
    "resolution": "size",
    "z_space_dim": "latent",
    "image_channels": "channels",
    "fused_scale": "fused_scale",
    "fmaps_base": "base_channels",
    "fmaps_max": "most_channels",
}


def _pggan(oracle: Oracle, *others: str) -> Pggan:
    config = {name: value for name, value in oracle.config.items() if name not in others}
    with uninitialised():
        network = Pggan(**values(config, PGGAN))
    oracle.filled(network)
    return network


def pggan_generator(oracle: Oracle) -> Answers:
    image = to_signed(_pggan(oracle)(oracle.inputs["z"]))
    return {"image": sampled(image, oracle.outputs["image"].shape), **overall(image)}


def mgan_composition(oracle: Oracle) -> Answers:
    network = _pggan(oracle, "codes", "layers")
    answers = {}
    for blocks in oracle.config["layers"]:
        features = network.compose(oracle.inputs["z"], oracle.inputs[f"alpha{blocks}"], blocks)
        answers[f"feature{blocks}"] = features[:, ::16, ::2, ::2]
        answers[f"image{blocks}"] = network.second_part(features, blocks)[..., ::8, ::8]
    return answers


def mgan_operators(oracle: Oracle) -> Answers:
    given = oracle.inputs
    x, target, picture, other, mask = (given[name] for name in ("x", "gt", "unit", "unit2", "mask"))

    def loss(task: Callable[[Tensor], Tensor], **weights: float) -> Tensor:
        return tasks.objective(x, target, task=task, **weights)

    small = tasks.shrink(picture, 4)
    return {
        "sr4_loss": loss(partial(tasks.shrink, factor=4)),
        "sr8_bicubic_l1": loss(partial(tasks.shrink, factor=8, mode="bicubic"), l1=1.0, l2=0.0),
        "colour_loss": loss(partial(tasks.luma, channels=3)),
        "inpaint_loss": loss(partial(tasks.masked, mask=mask)),
        "down4": small,
        "down16": tasks.shrink(picture, 16),
        "up4_nearest": tasks.enlarge(small, 4),
        "up4_bilinear": tasks.enlarge(small, 4, mode="bilinear"),
        "gray": tasks.luma(picture),
        "masked": tasks.masked(picture, mask),
        "combined": tasks.paste(other, picture, mask),
        "to_tanh": tasks.signed(picture)[..., :4, :4],
        "to_unit": tasks.unit(x)[..., :4, :4],
        "video_frame": tasks.frames(1.3 * x),
    }


def mgan_objective(oracle: Oracle) -> Answers:
    config = oracle.config
    network = oracle.filled(Vgg(16, layers=(vgg_layers(16)[config["layers"] - 1],)))
    criterion = {"L1": "l1", "L2": "mse"}[config["norm"]]
    difference = partial(tasks.perceptual_difference, vgg=network, side=config["image_size"], criterion=criterion)
    x, target = oracle.inputs["x"], oracle.inputs["gt"]

    def combined(task: Callable[[Tensor], Tensor] | None) -> Tensor:
        weight = config["perceptual"]
        weights = {"l1": config["l1"], "l2": config["l2"], "perceptual_weight": weight}
        return tasks.objective(x, target, task=task, perceptual=difference, **weights)

    return {
        "perceptual": config["perceptual"] * difference(x, target),
        "combined": combined(None),
        "sr": combined(partial(tasks.shrink, factor=4)),
        "colour": combined(partial(tasks.luma, channels=3)),
    }


def _fitted(oracle: Oracle, *, several: bool) -> Answers:
    config, given = oracle.config, oracle.inputs
    network = _pggan(oracle, "layer", "codes", "optimiser", "lr", "steps", "task")
    task = {"reconstruct": None, "inpaint": partial(tasks.masked, mask=given["mask"])}[config["task"]]
    codes = given["z0"] if several else given["z0"][:, None]
    found = fit_codes(
        network,
        lambda image: tasks.objective(image, given["target"], task=task),
        codes,
        given["alpha0"] if several else None,
        blocks=config["layer"],
        steps=config["steps"],
        optimiser={"GD": "sgd", "SGD": "sgd", "Adam": "adam"}[config["optimiser"]],
        learning_rate=config["lr"],
    )
    answers = {"losses": torch.tensor(found.losses), "image": found.image}
    if several:
        return answers | {"dz": found.codes - codes, "dalpha": found.weights - given["alpha0"]}
    return answers | {"dz": (found.codes - codes)[:, 0]}


def mgan_colourise(oracle: Oracle) -> Answers:
    truth, estimate = oracle.inputs["gt"], oracle.inputs["estimate"]
    return {
        "result": tasks.colourised(truth, estimate),
        "gray": tasks.levels(tasks.luma(truth))[..., 0],
        "inversion": tasks.levels(tasks.unit(estimate)),
    }


def mgan_edit_path(oracle: Oracle) -> Answers:
    codes, direction = oracle.inputs["z"], oracle.inputs["direction"]
    last, count = oracle.config["max_step"], oracle.config["frames"]
    return {
        "path": tasks.edit_path(codes, direction, first=-last, last=last, count=count),
        "one_sided": tasks.edit_path(codes, direction, first=0, last=3, count=5),
    }


CASES = {
    "mgan_colourise": Case(mgan_colourise),
    "mgan_edit_path": Case(mgan_edit_path),
    # five steps of optimisation: independent loops differ by 7e-6
    "mgan_inversion": Case(partial(_fitted, several=True), tolerance=1e-4, gradient=True),
    "mgan_objective": Case(mgan_objective),
    "mgan_operators": Case(mgan_operators),
    "single_code_inversion": Case(partial(_fitted, several=False), tolerance=1e-4, gradient=True),
    "mgan_composition": Case(mgan_composition),
    "pggan_generator": Case(pggan_generator),
}
