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
    "mask_discriminator_loss",
    "mask_generator_loss",
    "mask_target",
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


def mask_target(mask: Tensor, *, kernel: int = 71, sigma: float = 10.0) -> Tensor:
    """What AOT-GAN's discriminator should answer on a filled picture: the mask, blurred (Zeng et al., section 3.3).

    Args:
        mask: ``(N, 1, H, W)``, 1 = hole.
        kernel: side of the Gaussian, odd; zero padding.
        sigma: its deviation in pixels.
    """
    if kernel < 1 or kernel % 2 == 0 or sigma <= 0:
        raise SettingError(f"mask_target: expected an odd kernel and a positive sigma, got {kernel} and {sigma}")
    place = torch.arange(kernel, dtype=mask.dtype, device=mask.device) - kernel // 2
    weight = torch.exp(-place.square() / (2 * sigma**2))
    weight = weight / weight.sum()
    down = F.conv2d(mask, weight.view(1, 1, -1, 1), padding=(kernel // 2, 0))
    return F.conv2d(down, weight.view(1, 1, 1, -1), padding=(0, kernel // 2))


def _at_mask(logits: Tensor, mask: Tensor) -> Tensor:
    return F.interpolate(logits, size=mask.shape[-2:], mode="bilinear", align_corners=True)


def mask_discriminator_loss(logits: Tensor, mask: Tensor, *, real: bool) -> Tensor:
    """AOT-GAN's loss of a discriminator that draws the mask: least squares to 1 on real pictures, to ``mask_target`` on
    filled ones, as the published code has it.

    Args:
        logits: ``(N, 1, h, w)``, enlarged to the mask's size with aligned corners.
        mask: ``(N, 1, H, W)``, 1 = hole.
        real: whether the logits are of real pictures.
    """
    target = torch.ones_like(mask) if real else mask_target(mask)
    return (_at_mask(logits, mask) - target).square().mean()


def mask_generator_loss(fake: Tensor, mask: Tensor, *, weighted: bool = False) -> Tensor:
    """AOT-GAN's loss of a generator: least squares to 1 on its pictures.

    Args:
        fake: logits ``(N, 1, h, w)`` with gradient.
        mask: ``(N, 1, H, W)``, 1 = hole.
        weighted: only inside the hole, as the paper describes. The published code multiplies by ``mask / mean(mask)``
            after the mean has been taken, where it cancels.
    """
    error = (_at_mask(fake, mask) - 1).square()
    if not weighted:
        return error.mean()
    return (error * mask).sum() / mask.sum().clamp(min=1e-12)
