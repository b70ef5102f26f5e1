"""Monotone curves from a metric's scores to people's, fitted before the linear correlation is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from finesight.errors import InputError, SettingError

__all__ = ["Curve", "Fit", "fit_curve"]

Curve = Literal["logistic4", "logistic5", "cubic"]


@dataclass(frozen=True)
class Fit:
    """A fitted curve: its kind, its parameters, and the values (n,) that it gives for the predictions."""

    curve: Curve
    parameters: Tensor
    values: Tensor


def fit_curve(predicted: Tensor, subjective: Tensor, curve: Curve = "logistic4", *, fixed_level: bool = False) -> Fit:
    """Least squares of a curve that maps ``predicted`` (n,) to ``subjective`` (n,).

    Args:
        predicted: the metric. For ``logistic4`` turn it so that higher is better.
        subjective: people's scores.
        curve: ``logistic4`` (b1 - b2)/(1 + exp(-(x - b3)/b4)) + b2; ``logistic5`` b1(1/2 - 1/(1 + exp(b2(x - b3)))) +
            b4 x + b5, the best of several starts (the start that pyiqa publishes ends in a worse optimum); ``cubic``.
        fixed_level: keep b5 of ``logistic5`` at the mean score. That is what SciPy's fit does, unasked, for scores
            that were standardised: its numerical derivative cannot move a parameter that starts at 1e-16.

    Raises:
        InputError: fewer pairs than parameters, or constant predictions.
    """
    if curve not in ("logistic4", "logistic5", "cubic"):
        raise SettingError(f"curve must be logistic4, logistic5 or cubic, got {curve!r}")
    x, y = predicted.double(), subjective.double()
    if x.ndim != 1 or x.shape != y.shape or len(x) < 6 or float(x.std()) == 0:
        raise InputError(
            f"a fit needs two lists of one length, at least 6 pairs and predictions that differ, got {tuple(x.shape)} "
            f"and {tuple(y.shape)}"
        )
    # Curves are fitted to standardised predictions, so that steps have one size; then turned back.
    if curve == "cubic":
        return _cubic(x, y)
    middle, width = x.mean(), x.std()
    scaled = (x - middle) / width
    if curve == "logistic4":
        start = torch.stack([y.max(), y.min(), y.new_zeros(()), y.new_tensor(0.25)])
        best = _levenberg_marquardt(_logistic4, scaled, y, start, y.new_ones(4))
        parameters = torch.stack([best[0], best[1], best[2] * width + middle, best[3] * width])
        return Fit(curve, parameters, _logistic4(x, parameters)[0])
    spread, level, centre = y.max() - y.min(), y.mean(), scaled.median()
    free = y.new_tensor([1, 1, 1, 1, 0 if fixed_level else 1])
    found = []
    for slope in (2.0, -2.0, 6.0, 0.5):
        # b4 multiplies the unscaled prediction, so that b5 means the same in both scales
        start = torch.stack([spread, y.new_tensor(slope), centre, y.new_zeros(()), level])
        found.append(_levenberg_marquardt(_logistic5(middle / width), scaled, y, start, free))
    formula = _logistic5(middle / width)
    b1, b2, b3, b4, b5 = min(found, key=lambda b: float((formula(scaled, b)[0] - y).square().sum()))
    parameters = torch.stack([b1, b2 / width, b3 * width + middle, b4 / width, b5])
    return Fit(curve, parameters, _logistic5(x.new_zeros(()))(x, parameters)[0])


def _cubic(x: Tensor, y: Tensor) -> Fit:
    """Parameters from the highest power, as ``numpy.polyfit`` gives them."""
    scale = x.abs().max()
    powers = torch.stack([(x / scale) ** power for power in (3, 2, 1, 0)], dim=1)
    solution = torch.linalg.lstsq(powers, y[:, None]).solution[:, 0]
    return Fit("cubic", solution / torch.stack([scale**power for power in (3, 2, 1, 0)]), powers @ solution)


Formula = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From x (n,) and parameters (p,) to values (n,) and their derivatives (n, p)."""


def _logistic4(x: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    place = (x - b[2]) / b[3]
    share = torch.sigmoid(place)
    steep = (b[0] - b[1]) * share * (1 - share) / b[3]
    return (b[0] - b[1]) * share + b[1], torch.stack([share, 1 - share, -steep, -steep * place], dim=1)


def _logistic5(offset: Tensor) -> Formula:
    """The curve for predictions to which ``offset`` is added in its linear part."""

    def formula(x: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        share = torch.sigmoid(b[1] * (x - b[2]))
        steep = b[0] * share * (1 - share)
        derivatives = [share - 0.5, steep * (x - b[2]), -steep * b[1], x + offset, torch.ones_like(x)]
        return b[0] * (share - 0.5) + b[3] * (x + offset) + b[4], torch.stack(derivatives, dim=1)

    return formula


def _levenberg_marquardt(
    formula: Formula, x: Tensor, y: Tensor, start: Tensor, free: Tensor, steps: int = 300
) -> Tensor:
    """Damped least squares over the parameters that are ``free`` (1) and not fixed (0)."""
    parameters: Tensor = start.clone()
    damping = 1e-3
    values, jacobian = formula(x, parameters)
    error = float((values - y).square().sum())
    for _ in range(steps):
        jacobian = jacobian * free
        normal, slope = jacobian.T @ jacobian, jacobian.T @ (y - values)
        weights = torch.diag(normal.diagonal().clamp(min=1e-12))
        while damping < 1e12:
            proposal: Tensor = parameters + torch.linalg.solve(normal + damping * weights, slope)
            values, jacobian = formula(x, proposal)
            proposed = float((values - y).square().sum())
            if proposed <= error:
                break
            damping *= 4
        else:
            return parameters
        gain = error - proposed
        parameters, error, damping = proposal, proposed, max(damping / 10, 1e-12)
        if gain <= 1e-14 * max(error, 1e-300):
            return parameters
    return parameters
