"""mGANprior's inversion: latent codes and channel weights of a frozen generator, fitted to one picture.

Gu et al., "Image Processing Using Multi-Code GAN Prior", CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from finesight.errors import CalculationError, SettingError
from finesight.models.prior.pggan import Pggan

__all__ = ["Inversion", "fit_codes", "start"]


@dataclass(frozen=True)
class Inversion:
    """The result of ``fit_codes``.

    Args:
        codes: (1, K, latent).
        weights: (1, K, C) of every channel at the split.
        losses: before every step.
        image: the last estimate, (1, 3, H, W) in the generator's own range of about [-1, 1].
    """

    codes: Tensor
    weights: Tensor
    losses: list[float]
    image: Tensor


def start(network: Pggan, *, codes: int, blocks: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Codes from N(0, 1) and equal weights 1 / K: (1, K, latent) and (1, K, C)."""
    drawn = torch.randn(1, codes, network.latent, generator=generator, device=generator.device)
    return drawn, torch.full((1, codes, network.channels_after(blocks)), 1 / codes, device=drawn.device)


def fit_codes(
    network: Pggan,
    loss: Callable[[Tensor], Tensor],
    codes: Tensor,
    weights: Tensor | None,
    *,
    blocks: int,
    steps: int,
    optimiser: Literal["sgd", "adam"] = "sgd",
    learning_rate: float = 1.0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Inversion:
    """Minimise ``loss`` of the generator's picture over codes and weights together.

    Args:
        network: its parameters are not changed and get no gradient.
        loss: from a picture (1, 3, H, W) in the generator's range to a scalar, such as ``objective`` with its target.
        codes, weights: where to start, see ``start``; not changed. ``weights`` of ``None`` fits one code through the
            whole generator (``codes`` of (1, 1, latent)).
        blocks: where the generator is split.
        steps: published are 1500 to 3000.
        optimiser, learning_rate: published is plain gradient descent of rate 1.
        progress: called with (done, total, note) after every step.

    Raises:
        CalculationError: the loss is not finite.
        SettingError: no weights for more than one code.
    """
    codes = codes.detach().clone().requires_grad_()
    fitted = [codes]
    if weights is not None:
        weights = weights.detach().clone().requires_grad_()
        fitted.append(weights)
    elif codes.shape[1] != 1:
        raise SettingError(f"Without weights one code can be fitted, not {codes.shape[1]}.")

    def picture() -> Tensor:
        if weights is None:
            return network.synthesise(codes[:, 0])
        return network.second_part(network.compose(codes, weights, blocks), blocks)

    choices = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    if optimiser not in choices:
        raise SettingError(f"optimiser: expected sgd or adam, got {optimiser}")
    descent = choices[optimiser](fitted, lr=learning_rate)
    losses = []
    for step in range(steps):
        value = loss(picture())
        if not torch.isfinite(value):
            loss_now = float(value.detach())
            raise CalculationError(f"The inversion's loss is {loss_now} at step {step}; lower the learning rate.")
        # only codes and weights: the generator keeps its own gradients untouched
        for tensor, gradient in zip(fitted, torch.autograd.grad(value, fitted), strict=True):
            tensor.grad = gradient
        descent.step()
        losses.append(float(value.detach()))
        if progress is not None:
            progress(step + 1, steps, f"loss {losses[-1]:.4g}")
    with torch.no_grad():
        image = picture()
    kept = codes.new_ones(1, 1, network.channels_after(blocks)) if weights is None else weights
    return Inversion(codes.detach(), kept.detach(), losses, image)
