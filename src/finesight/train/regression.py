"""Training a network to give back the truth: one loop, in the order in which things happen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from finesight.data.batch import Batch
from finesight.errors import SettingError
from finesight.progress import Cancel, Progress, silent
from finesight.train.answers import answer
from finesight.train.begin import finish, session
from finesight.train.recipe import Recipe
from finesight.train.session import Note, Session, unheard

__all__ = ["train"]


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    stop_after: int | None = None,
    progress: Progress = silent,
    note: Note = unheard,
    cancel: Cancel | None = None,
) -> Path | None:
    """Train, or go on training, in ``folder``.

    The folder holds ``recipe.json`` (the resolved recipe), ``state.pt`` (to continue), ``log.csv`` and ``log.jsonl``,
    ``pictures``, ``best`` and, at the end, the weights ``NAME.safetensors``. On a CPU a resumed run ends with the same
    bits as an uninterrupted one. Under ``torchrun`` the processes share every step.

    Args:
        recipe: the settings, without a discriminator.
        folder: where everything is kept; a run that is found there is continued.
        device: ``cpu``, ``cuda``, ...
        stop_after: end this call after so many steps, with the state saved.
        progress, cancel: see ``finesight.progress``.
        note: called with lines for people, such as what the run will cost.

    Returns:
        The file of weights, or ``None`` when stopped before the last step.

    Raises:
        InputError, OutputError, SettingError: data, folder or recipe cannot be used.
        CalculationError: the loss stays NaN or infinite.
    """
    if recipe.discriminator is not None:
        raise SettingError("A recipe with a discriminator is trained by finesight.train.adversarial.train")
    with session(
        recipe, folder, device=device, stop_after=stop_after, progress=progress, note=note, cancel=cancel
    ) as run:
        while run.step < run.last:
            values = _step(run, run.parts())
            run.passed(values)
        return finish(run)


def _step(run: Session, parts: Sequence[Batch]) -> dict[str, Tensor] | None:
    """One optimizer step: the losses, or ``None`` when the gradient was not finite and nothing was changed."""
    learner = run.learner
    learner.begin(run.step)
    values: dict[str, Tensor] = {}
    for batch in parts:
        with learner.autocast(run.step):
            found = answer(learner.called, batch, run.needs, average=run.average.network)
        losses = run.losses(found.float(), batch)
        learner.backward(torch.stack(list(losses.values())).sum() * run.share)
        for name, value in losses.items():
            values[name] = values.get(name, 0) + value.detach() * run.share
    if not learner.apply():
        return None
    run.average.update(learner.network, run.step)
    return values
