"""How a run starts, goes on where it was, and ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from finesight.data.batch import Source
from finesight.errors import Error, InputError, SettingError
from finesight.models.table import NETWORKS
from finesight.nn.traits import Traits
from finesight.progress import Cancel, Progress
from finesight.train.cost import describe, multiply_adds
from finesight.train.feed import Feed
from finesight.train.learner import Learner
from finesight.train.processes import Processes, together
from finesight.train.recipe import NetworkSettings, Recipe
from finesight.train.records import Records
from finesight.train.session import Note, Session
from finesight.train.settings.optimizer import OptimizerSettings
from finesight.train.start import formatted, fresh, start_from
from finesight.train.state import Average, read_state, write_text
from finesight.train.validation import find_metric

__all__ = ["fine_tuning", "finish", "resolved", "session"]

FREE = frozenset({"workers", "validate_every", "log_every", "save_every", "keep", "stored", "validation"})
"""Settings that may differ when a run goes on: they do not decide what it learns."""


@contextmanager
def session(
    recipe: Recipe,
    folder: Path,
    *,
    device: str,
    stop_after: int | None,
    progress: Progress,
    note: Note,
    cancel: Cancel | None,
) -> Iterator[Session]:
    """The run of ``folder`` as it was left there, or a new one; its workers and processes end with the block."""
    recipe = resolved(recipe)
    with together(_device(device)) as (processes, where), torch.random.fork_rng(_gpus(where)):
        if processes.first:
            write_text(folder / "log.part", "")  # a folder that cannot be written to is found out now
            (folder / "log.part").unlink(missing_ok=True)
        run = _assembled(recipe, folder, where, processes, progress=progress, note=note, cancel=cancel)
        try:
            _go_on(run)
            run.last = min(recipe.steps, run.step + (stop_after or recipe.steps))
            _tell(run)
            yield run
        finally:
            run.feed.close()


def finish(run: Session) -> Path | None:
    """The file of weights of a run that is through, otherwise ``None``."""
    if run.step < run.recipe.steps:
        return None
    weights = run.folder / f"{run.recipe.name}.safetensors"
    if run.processes.first:
        run.write_weights(weights)
    return weights


def resolved(recipe: Recipe) -> Recipe:
    """The recipe with architecture and arguments, which may be those of the weights that it starts from."""
    network = recipe.network
    if network.architecture is not None:
        return recipe
    from finesight.zoo import load

    if not isinstance(network.start_from, str):
        raise SettingError("network: name an architecture, or the weights to start from")
    path = Path(network.start_from).expanduser()
    card = load(path if path.exists() else network.start_from).card
    if card.architecture not in NETWORKS:
        raise SettingError(f"{network.start_from} is a network of another project; only our own can be trained")
    found = NetworkSettings(
        architecture=card.architecture,
        arguments={**card.arguments, **network.arguments},
        start_from=network.start_from,
    )
    return recipe.model_copy(update={"network": found})


def fine_tuning(recipe: Recipe, weights: str) -> Recipe:
    """The recipe on other weights: where these are of another network than the recipe's, that network is trained.

    Raises:
        ModelError: the weights cannot be read, or must be fetched first.
        SettingError: the network of the weights is not one that finesight could build.
    """
    other = resolved(recipe.model_copy(update={"network": NetworkSettings(start_from=weights)})).network
    if other.architecture == recipe.network.architecture:
        return recipe.model_copy(update={"network": recipe.network.model_copy(update={"start_from": weights})})
    return recipe.model_copy(update={"network": other})


def _device(name: str) -> torch.device:
    try:
        where = torch.device(name)
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"The device '{name}' cannot be used: {str(error).splitlines()[0]}") from error
    return where


def _gpus(where: torch.device) -> list[torch.device]:
    return [where] if where.type == "cuda" else []


def _assembled(
    recipe: Recipe,
    folder: Path,
    where: torch.device,
    processes: Processes,
    *,
    progress: Progress,
    note: Note,
    cancel: Cancel | None,
) -> Session:
    """Everything new, as it is before the first step."""
    find_metric(recipe.validation.metric)
    network = _network(recipe, recipe.network, where, recipe.seed)
    traits: Any = getattr(network, "traits", None)
    if not isinstance(traits, Traits):
        raise SettingError(f"{type(network).__name__} does not say what it takes and gives; it cannot be trained")
    source = recipe.data.source(traits, seed=recipe.seed)
    critic = None
    if recipe.discriminator is not None:
        judge = _network(recipe, recipe.discriminator, where, recipe.seed + 1)
        critic = _learner(recipe, judge, recipe.discriminator.optimizer, processes)
    return Session(
        recipe=recipe,
        folder=folder,
        device=where,
        processes=processes,
        source=source,
        feed=_feed(recipe, source, where, processes),
        terms=[loss.term(where) for loss in recipe.loss],
        learner=_learner(recipe, network, recipe.optimizer, processes, compiled=recipe.compile),
        critic=critic,
        average=Average(network, recipe.average, warm_up=recipe.average_warmup),
        last=recipe.steps,
        progress=progress,
        note=note,
        cancel=cancel,
    )


def _feed(recipe: Recipe, source: Source, where: torch.device, processes: Processes) -> Feed:
    mine, parts = processes.parts(recipe.accumulate)
    if recipe.data.batch % parts:
        raise SettingError(f"data.batch {recipe.data.batch} cannot be shared by {parts} parts; set a multiple of it")
    return Feed(
        source,
        size=recipe.data.batch // parts,
        mine=mine,
        parts=parts,
        last=recipe.steps,
        workers=recipe.workers,
        device=where,
    )


def _learner(
    recipe: Recipe, network: nn.Module, optimizer: OptimizerSettings, processes: Processes, *, compiled: bool = False
) -> Learner:
    return Learner(
        network,
        optimizer,
        steps=recipe.steps,
        precision=recipe.precision,
        float32_steps=recipe.float32_steps,
        compiled=compiled,
        processes=processes,
    )


def _network(recipe: Recipe, settings: Any, where: torch.device, seed: int) -> nn.Module:
    network = fresh(settings.architecture, settings.arguments, seed=seed)
    if settings.start_from:
        start_from(network, settings.start_from)
    return formatted(network.to(where), channels_last=recipe.channels_last).train()


def _go_on(run: Session) -> None:
    """Restore the state that lies in the folder, or write the first one."""
    state = run.folder / "state.pt"
    content: Any = None
    problem: Error | None = None
    if run.processes.first and state.exists():
        try:
            content = read_state(state)
            _check_same(run.recipe, str(content["recipe"]), state)
        except Error as error:
            problem = error
    content, problem = run.processes.share((content, problem))
    if problem is not None:
        raise problem
    if content is not None:
        try:
            run.restore(content)
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise InputError(f"{state} is not a training state that can be continued: {error}") from error
    if not run.processes.first:
        return
    if content is None:
        run.save()
    write_text(run.folder / "recipe.json", run.recipe.model_dump_json(indent=1) + "\n")
    kinds = list(dict.fromkeys(f"loss.{loss.kind}" for loss in run.recipe.loss))
    if run.recipe.discriminator is not None:
        kinds += ["loss.adversarial", "loss.discriminator.real", "loss.discriminator.fake"]
    columns = ["step", "loss", run.recipe.validation.metric, "seconds", "learning_rate", "data_wait", *kinds]
    run.records = Records(run.folder, columns, step=run.step)


def _check_same(recipe: Recipe, former: str, path: Path) -> None:
    """The state must belong to this recipe; only what does not decide the result may differ."""
    try:
        before = Recipe.model_validate_json(former).model_dump()
    except ValueError as error:
        raise InputError(f"{path} was written by another version of finesight: {error}") from error
    now = recipe.model_dump()
    different = [name for name in now if name not in FREE and now[name] != before[name]]
    if different:
        raise InputError(
            f"{path} belongs to a run with other settings ({', '.join(different)}). Choose another folder, or remove "
            "it to start anew"
        )


def _tell(run: Session) -> None:
    """What the run consists of; how long it takes is said when some steps are measured."""
    if not run.processes.first or run.step >= run.last:
        return
    networks = {str(run.recipe.network.architecture): run.learner.network}
    if run.critic is not None and run.recipe.discriminator is not None:
        networks[run.recipe.discriminator.architecture] = run.critic.network
    batch = run.feed.parts(run.step, shift=run.shift)[0] if not run.recipe.workers else None
    batch = batch or run.source.batch(0, 1).to(run.device)
    run.note(f"{run.recipe.name}: {describe(networks, multiply_adds(run.average.network, batch))}")
