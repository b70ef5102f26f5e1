"""Training a network to give back the high resolution: one loop, in the order in which things happen."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from finesight.data.batch import Batch, Source
from finesight.errors import CalculationError, SettingError
from finesight.models.table import network_class
from finesight.progress import Cancel, Progress, silent
from finesight.train.answers import answer
from finesight.train.recipe import Recipe
from finesight.train.settings.losses import Term
from finesight.train.start import build_network, formatted, start_from
from finesight.train.state import Average, State, load_state, save_state, save_weights, write_text
from finesight.train.validation import validate

__all__ = ["learning_rate", "train"]

_BAD_STEPS = 20  # so many steps in a row with NaN or infinity end the run


def learning_rate(recipe: Recipe, step: int) -> float:
    """The learning rate used by ``step`` (from 0): a linear rise, then a cosine to the final one."""
    settings = recipe.optimizer
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, recipe.steps - 1 - settings.warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return settings.final_learning_rate + (settings.learning_rate - settings.final_learning_rate) * cosine


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    stop_after: int | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Path | None:
    """Train, or go on training, in ``folder``.

    The folder holds ``recipe.json`` (the resolved recipe), ``state.pt`` (to continue), ``log.csv`` and, at the end, the
    weights ``NAME.safetensors``. On a CPU a resumed run ends with the same bits as an uninterrupted one.

    Args:
        recipe: the settings.
        folder: where everything is kept; a run that is found there is continued.
        device: ``cpu``, ``cuda``, ...
        stop_after: end this call after so many steps, with the state saved.
        progress, cancel: see ``finesight.progress``.

    Returns:
        The file of weights, or ``None`` when stopped before the last step.

    Raises:
        InputError, OutputError, SettingError: data, folder or recipe cannot be used.
        CalculationError: the loss stays NaN or infinite.
    """
    where = _device(device)
    state, source = _begin(recipe, folder, where)
    terms = [loss.term(where) for loss in recipe.loss]
    last = min(recipe.steps, state.step + (stop_after or recipe.steps))
    losses: list[float] = []
    bad, started = 0, time.perf_counter()
    while state.step < last:
        loss = _step(state, recipe, source.batch(state.step, recipe.data.batch).to(where), terms)
        state.step += 1
        if loss is None:  # the step is left out, as if the batch had not been drawn
            bad += 1
            if bad >= _BAD_STEPS:
                raise CalculationError(
                    f"The gradient was not finite for {bad} steps up to step {state.step}. Lower the learning rate."
                )
        else:
            bad = 0
            losses.append(loss)
        if state.step % recipe.validate_every == 0 or state.step == last:
            decibels = validate(state.average.network, source.validation(), recipe.validation, where)
            mean = sum(losses) / max(len(losses), 1)
            losses.clear()
            _log(folder / "log.csv", state.step, mean, decibels, time.perf_counter() - started)
            progress(state.step, recipe.steps, f"validation {decibels:.2f} dB, loss {mean:.5f}")
        stopping = cancel is not None and cancel.asked
        if state.step % recipe.save_every == 0 or state.step == last or stopping:
            save_state(state, folder / "state.pt", recipe=_resolved(recipe))
        if cancel is not None:
            cancel.check()
    return _finish(state, recipe, folder, where) if state.step == recipe.steps else None


def _device(name: str) -> torch.device:
    try:
        where = torch.device(name)
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"The device '{name}' cannot be used: {str(error).splitlines()[0]}") from error
    return where


def _resolved(recipe: Recipe) -> str:
    return recipe.model_dump_json(indent=1)


def _begin(recipe: Recipe, folder: Path, where: torch.device) -> tuple[State, Source]:
    """The run as it was left in ``folder``, or a new one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = build_network(network_class(recipe.network.architecture), recipe.network.arguments)
    if recipe.network.start_from:
        start_from(network, Path(recipe.network.start_from).expanduser())
    network = formatted(network.to(where), channels_last=recipe.channels_last).train()
    optimizer = torch.optim.Adam(
        network.parameters(), lr=recipe.optimizer.learning_rate, betas=recipe.optimizer.betas, fused=True
    )
    state = State(network, optimizer, Average(network, recipe.average))
    source = recipe.data.source(network.traits, seed=recipe.seed)
    if (folder / "state.pt").exists():
        load_state(state, folder / "state.pt", recipe=_resolved(recipe))
    write_text(folder / "recipe.json", _resolved(recipe) + "\n")
    return state, source


def _step(state: State, recipe: Recipe, batch: Batch, terms: Sequence[Term]) -> float | None:
    """One optimizer step: the loss, or ``None`` when the gradient was not finite and nothing was changed."""
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, state.step)
    reduced = recipe.precision != "float32" and state.step < recipe.steps - recipe.float32_steps
    with torch.autocast(batch.target.device.type, torch.bfloat16, enabled=reduced):
        found = answer(state.network, batch)
    found = found.float()
    loss = torch.stack(
        [
            settings.weight * term(found, batch)
            for settings, term in zip(recipe.loss, terms, strict=True)
            if state.step >= settings.from_step
        ]
    ).sum()
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), recipe.optimizer.clip or math.inf)
    if not torch.isfinite(norm):
        return None
    state.optimizer.step()
    state.average.update(state.network, state.step)
    return float(loss.detach())


def _finish(state: State, recipe: Recipe, folder: Path, where: torch.device) -> Path:
    """Write the averaged weights."""
    weights = folder / f"{recipe.name}.safetensors"
    save_weights(
        state.average.network,
        weights,
        architecture=recipe.network.architecture,
        arguments=dict(recipe.network.arguments),
        card={"recipe": recipe.model_dump(mode="json"), "steps": recipe.steps, "device": where.type},
    )
    return weights


def _log(path: Path, step: int, loss: float, decibels: float, seconds: float) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss", "psnr", "seconds"])
        writer.writerow([step, f"{loss:.6f}", f"{decibels:.4f}", f"{seconds:.1f}"])
