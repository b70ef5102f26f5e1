"""Losses, schedules and averages of weights against published implementations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from finesight.losses import adversarial, perceptual, pixel
from finesight.models.quality.vgg import Vgg, vgg_layers
from finesight.train.schedules import cosine_restart, multi_step
from finesight.train.state import Average
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle


def _pixel(oracle: Oracle) -> Answers:
    pred, target = oracle.inputs["pred"].requires_grad_(True), oracle.inputs["target"]
    mask, weight = oracle.inputs["mask"], oracle.inputs["weight"]
    losses = {
        "l1": pixel.l1,
        "mse": pixel.mse,
        "charbonnier": pixel.charbonnier,
        "charbonnier_eps1e3": lambda *a, **k: pixel.charbonnier(*a, epsilon=1e-3, **k),
    }
    answers: dict[str, Tensor] = {}
    for name, loss in losses.items():
        answers |= {
            name: loss(pred, target),
            f"{name}_sum": loss(pred, target, reduction="sum"),
            f"{name}_w01": 0.01 * loss(pred, target),
            f"{name}_masked": loss(pred, target, mask),
            f"{name}_maskedc": loss(pred, target, weight),
            f"{name}_masked_sum": loss(pred, target, mask, reduction="sum"),
            f"{name}_masked_samplewise": loss(pred, target, mask, reduction="sample-mean"),
        }
    one, other = pred[:, :1], target[:, :1]
    (slope,) = torch.autograd.grad(pixel.charbonnier(pred, target, mask), pred)
    return answers | {
        "charbonnier_none": pixel.charbonnier(pred, target, reduction="none")[:1, :1],
        "masked_tv": 0.1 * pixel.total_variation(pred, mask),
        "l1_masked_empty": pixel.l1(pred, target, torch.zeros_like(mask)),
        "gradient": pixel.gradient(one, other),
        "gradient_masked": 2 * pixel.gradient(one, other, mask),
        "gradient_sum": pixel.gradient(one, other, reduction="sum"),
        "grad_charbonnier_masked": slope,
    }


def _gan(oracle: Oracle) -> Answers:
    real, fake = oracle.inputs["real"], oracle.inputs["fake"].requires_grad_(True)
    answers: dict[str, Tensor] = {"disc_shift": adversarial.shift_penalty(real)}
    for published, kind in (
        ("vanilla", "vanilla"),
        ("lsgan", "lsgan"),
        ("wgan", "wgan"),
        ("hinge", "hinge"),
        ("wgan_softplus", "wgan-softplus"),
    ):
        loss = 0.05 * adversarial.generator_loss(fake, kind)
        answers[f"{published}_g"] = loss
        (answers[f"grad_{published}_g"],) = torch.autograd.grad(loss, fake)
        answers[f"{published}_d_real"] = adversarial.discriminator_loss(real, kind, real=True)
        answers[f"{published}_d_fake"] = adversarial.discriminator_loss(fake, kind, real=False)
        soft = {"real_label": 0.9, "fake_label": 0.1}
        answers[f"{published}_d_real_soft"] = adversarial.discriminator_loss(real, kind, real=True, **soft)
        answers[f"{published}_d_fake_soft"] = adversarial.discriminator_loss(fake, kind, real=False, **soft)
    for kind in ("vanilla", "lsgan"):
        answers |= _relativistic(real, fake.detach(), kind)
    return answers


def _relativistic(real: Tensor, fake: Tensor, kind: adversarial.Adversarial) -> dict[str, Tensor]:
    """Values, and derivatives with D(x) = p x at p = 1 and G(x) = x + p at p = 0, which show what is detached."""
    p = torch.ones((), requires_grad=True)
    on_real = adversarial.relativistic_discriminator_loss(p * real, p * fake, kind, real=True)
    on_fake = adversarial.relativistic_discriminator_loss(p * fake, p * real, kind, real=False)
    (d_slope,) = torch.autograd.grad(on_real + on_fake, p)
    q = torch.zeros((), requires_grad=True)
    generator = 0.005 * adversarial.relativistic_generator_loss(fake + q, real, kind)
    (g_slope,) = torch.autograd.grad(generator, q)
    return {
        f"ra_{kind}_g": generator,
        f"ra_{kind}_d_real": on_real,
        f"ra_{kind}_d_fake": on_fake,
        f"ra_{kind}_d_grad": d_slope,
        f"ra_{kind}_g_grad": g_slope,
    }


class _Discriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, 1)
        self.conv2 = nn.Conv2d(8, 1, 3, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.conv2(nn.functional.leaky_relu(self.conv1(image), 0.2))


def _penalty(oracle: Oracle) -> Answers:
    network = oracle.filled(_Discriminator())
    real, fake, alpha, mask = (oracle.inputs[name] for name in ("real", "fake", "alpha", "mask"))
    return {
        "penalty": adversarial.gradient_penalty(network, real, fake, alpha),
        "penalty_masked_w10": 10 * adversarial.gradient_penalty(network, real, fake, alpha, mask),
    }


def _perceptual(oracle: Oracle) -> Answers:
    config = oracle.config
    depth = int(config["vgg_type"].removeprefix("vgg"))
    names = vgg_layers(depth)  # type: ignore[arg-type]
    layers = {names[int(index)]: float(weight) for index, weight in config["layer_weights"].items()}
    network = oracle.filled(Vgg(depth, layers=list(layers), normalise=config["use_input_norm"]))  # type: ignore[arg-type]
    pred, target = oracle.inputs["pred"].requires_grad_(True), oracle.inputs["target"]
    restored, truth = (network((p + 1) / 2 if config["norm_img"] else p) for p in (pred, target))
    answers = {}
    if config["perceptual_weight"] > 0:
        answers["perceptual"] = config["perceptual_weight"] * perceptual.perceptual(restored, truth, layers)
    if config["style_weight"] > 0:
        answers["style"] = config["style_weight"] * perceptual.style(restored, truth, layers)
    (slope,) = torch.autograd.grad(torch.stack(list(answers.values())).sum(), pred)
    return answers | {"grad": slope}


def _schedules(oracle: Oracle) -> Answers:
    answers = {}
    for name, settings in oracle.config.items():
        steps = oracle.inputs[f"{name}_at"].tolist()
        answers[name] = np.array([_rate(step, settings) for step in steps])
    return answers


def _rate(step: int, settings: dict[str, object]) -> float:
    if "periods" in settings:
        return cosine_restart(
            step,
            base=settings["base_lr"],  # type: ignore[arg-type]
            periods=settings["periods"],  # type: ignore[arg-type]
            restart_weights=settings["restart_weights"],  # type: ignore[arg-type]
            minimum=settings["min_lr"],  # type: ignore[arg-type]
        )
    return multi_step(step, base=settings["base_lr"], milestones=settings["steps"], gamma=settings["gamma"])  # type: ignore[arg-type]


class _Weights(nn.Module):
    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values.clone())
        self.register_buffer("steps", torch.zeros(()))


def _ema(oracle: Oracle) -> Answers:
    weights = oracle.inputs["weights"]
    live = _Weights(weights[0])
    average = Average(live, oracle.config["momentum"], warm_up=False)
    rows = []
    for step, values in enumerate(weights[1:], start=1):
        live.values.data.copy_(values)
        live.steps.fill_(step)
        average.update(live, step)
        rows.append(torch.cat([average.network.values, average.network.steps[None]]))
    return {"average": torch.stack(rows)}


def _charbonnier(oracle: Oracle) -> Answers:
    pred, target = oracle.inputs["pred"].requires_grad_(True), oracle.inputs["target"]
    answers: dict[str, Tensor] = {"eps1e-3_mean": pixel.charbonnier(pred, target, epsilon=1e-3)}
    for reduction in ("mean", "sum"):
        loss = pixel.charbonnier(pred, target, reduction=reduction)
        answers[reduction] = loss
        (answers[f"{reduction}_grad"],) = torch.autograd.grad(loss, pred)
    return answers


def _restarts(oracle: Oracle) -> Answers:
    steps = oracle.inputs["iteration"].tolist()
    return {name: np.array([_rate(step, settings) for step in steps]) for name, settings in oracle.config.items()}


CASES = {
    "pixel losses": Case(_pixel, gradient=True),
    "adversarial losses": Case(_gan, gradient=True),
    "gradient penalty (WGAN-GP)": Case(_penalty, gradient=True),
    "PerceptualLoss (VGG19)": Case(_perceptual, gradient=True),
    "learning-rate schedules": Case(_schedules),
    "exponential moving average of weights": Case(_ema),
    "CharbonnierLoss": Case(_charbonnier, gradient=True),
    "CosineRestart learning rate": Case(_restarts),
}
