"""Losses of adversarial training on the logits of a discriminator, of any shape; means are over every element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError

__all__ = [
    "Adversarial",
    "discriminator_loss",
    "generator_loss",
    "gradient_penalty",
    "r1_penalty",
    "relativistic_discriminator_loss",
    "relativistic_generator_loss",
    "shift_penalty",
]

Adversarial = Literal["vanilla", "lsgan", "wgan", "wgan-softplus", "hinge"]
_KINDS = ("vanilla", "lsgan", "wgan", "wgan-softplus", "hinge")


def _target(logits: Tensor, kind: Adversarial, *, real: bool, label: float) -> Tensor:
    """How far ``logits`` are from being called real (or fake) with ``label``."""
    if kind == "vanilla":
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
    if kind == "lsgan":
        return (logits - label).square().mean()
    sign = -1 if real else 1
    if kind == "wgan":
        return sign * logits.mean()
    if kind == "wgan-softplus":
        return F.softplus(sign * logits).mean()
    if kind == "hinge":
        return F.relu(1 + sign * logits).mean()
    raise SettingError(f"adversarial loss: expected one of {', '.join(_KINDS)}, got {kind}")


def generator_loss(fake: Tensor, kind: Adversarial = "vanilla", *, real_label: float = 1.0) -> Tensor:
    """What the generator minimises on the discriminator's logits of its pictures.

    Args:
        fake: logits with gradient.
        kind: ``vanilla`` (binary cross-entropy), ``lsgan`` (least squares), ``wgan``, ``wgan-softplus`` (StyleGAN2's
            logistic loss), ``hinge``.
        real_label: what real pictures are called (vanilla and least squares).
    """
    if kind == "hinge":
        return -fake.mean()
    return _target(fake, kind, real=True, label=real_label)


def discriminator_loss(
    logits: Tensor, kind: Adversarial = "vanilla", *, real: bool, real_label: float = 1.0, fake_label: float = 0.0
) -> Tensor:
    """What the discriminator minimises on real pictures, or on fake ones; the whole loss is the sum of both."""
    return _target(logits, kind, real=real, label=real_label if real else fake_label)


def relativistic_generator_loss(fake: Tensor, real: Tensor, kind: Adversarial = "vanilla") -> Tensor:
    """ESRGAN's relativistic average loss of a generator: fakes above the mean real and reals below the mean fake.


    ``real`` is taken as a constant; the gradient flows through ``fake`` and its mean (Wang et al., ECCVW 2018, eq. 2).
    """
    real = real.detach()
    above = _target(fake - real.mean(0, keepdim=True), kind, real=True, label=1.0)
    below = _target(real - fake.mean(0, keepdim=True), kind, real=False, label=0.0)
    return (above + below) / 2


def relativistic_discriminator_loss(
    logits: Tensor, other: Tensor, kind: Adversarial = "vanilla", *, real: bool
) -> Tensor:
    """One of the two terms of ESRGAN's discriminator, already halved.

    Each term differentiates one side only, as in the published training step: ``logits`` of real (or fake) pictures
    against the mean of ``other``, which is taken as a constant.
    """
    relative = logits - other.detach().mean(0, keepdim=True)
    return _target(relative, kind, real=real, label=float(real)) / 2


def shift_penalty(logits: Tensor, *, weight: float = 0.1) -> Tensor:
    """Keeps the logits near zero: ``weight`` times their mean square."""
    return weight * logits.square().mean()


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, alpha: Tensor, mask: Tensor | None = None
) -> Tensor:
    """WGAN-GP as the published implementations compute it: the norm is over channels, per pixel, not over the sample.

    Args:
        discriminator: pictures to logits.
        real, fake: ``(N, C, H, W)``.
        alpha: ``(N, 1, 1, 1)`` in [0, 1): where between fake (0) and real (1) each sample is looked at.
        mask: ``(N, 1, H, W)``; the penalty is then divided by its mean.

    Returns:
        mean of (norm - 1)^2, with a graph for the second derivative.
    """
    mixed = (alpha * real + (1 - alpha) * fake).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(discriminator(mixed).sum(), mixed, create_graph=True)
    if mask is not None:
        slope = slope * mask
    penalty: Tensor = (slope.norm(2, dim=1) - 1).square().mean()
    return penalty if mask is None else penalty / mask.mean()


def r1_penalty(logits: Tensor, real: Tensor) -> Tensor:
    """Mean over samples of the squared gradient at ``real``, which needs one (Mescheder et al., ICML 2018)."""
    (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    penalty: Tensor = slope.square().flatten(1).sum(1).mean()
    return penalty
