"""A run in progress: what it consists of, and what follows each of its steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from finesight.data.batch import Batch, Source
from finesight.errors import CalculationError, Error
from finesight.progress import Cancel, Progress
from finesight.train.answers import Answer
from finesight.train.cost import Stopwatch
from finesight.train.feed import Feed
from finesight.train.learner import Learner
from finesight.train.processes import Processes
from finesight.train.recipe import Recipe
from finesight.train.records import Records, save_picture
from finesight.train.settings.losses import Term
from finesight.train.settings.optimizer import Plateau
from finesight.train.state import Average, read_state, replace_file, save_state, save_weights
from finesight.train.validation import find_metric, validate

__all__ = ["Note", "Session", "unheard"]

_BAD_STEPS = 10
"""So many steps in a row without a finite gradient, and the run goes back to its last state."""

_RETURNS = 3
"""So often it goes back; then it stops."""


Note = Callable[[str], None]
"""Says one line to whoever watches the run."""


def unheard(text: str) -> None:
    """Say nothing."""


@dataclass
class Session:
    """Everything a loop needs; ``step`` optimizer steps are done.

    ``shift`` counts the batches that were left behind when the run went back; ``best`` holds the best validations, as
    (how good, step).
    """

    recipe: Recipe
    folder: Path
    device: torch.device
    processes: Processes
    source: Source
    feed: Feed
    terms: Sequence[Term]
    learner: Learner
    critic: Learner | None
    average: Average
    last: int
    progress: Progress
    note: Note
    cancel: Cancel | None
    records: Records | None = None
    step: int = 0
    shift: int = 0
    bad: int = 0
    returns: int = 0
    seconds: float = 0.0
    best: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.needs: frozenset[str] = frozenset().union(*(loss.needs for loss in self.recipe.loss))
        self._sums: dict[str, Tensor] = {}
        self._counted = 0
        self._stopwatch = Stopwatch(self.device)
        self._since = time.perf_counter()
        self._parts: list[Batch] = []

    # ---- before a step

    def parts(self) -> list[Batch]:
        """The batches of the coming step that are computed here; chance (dropout) starts anew from seed and step."""
        torch.manual_seed(
            ((self.recipe.seed * 1_000_003 + self.step + self.shift) * 1009 + self.processes.rank) % 2**63
        )
        try:
            self._parts = self.feed.parts(self.step, shift=self.shift)
        except Error:
            if self.cancel is not None and self.cancel.asked:  # what prepares batches was stopped as well
                self.save()
                self.cancel.check()
            raise
        return self._parts

    @property
    def share(self) -> float:
        """How much one part counts in its step."""
        return 1 / self.feed.all_parts

    def losses(self, found: Answer, batch: Batch) -> dict[str, Tensor]:
        """The weighted losses of the recipe that this step has, by name."""
        values: dict[str, Tensor] = {}
        for settings, term in zip(self.recipe.loss, self.terms, strict=True):
            if self.step >= settings.from_step:
                value = settings.weight * term(found, batch)
                values[settings.kind] = values[settings.kind] + value if settings.kind in values else value
        return values

    # ---- after a step

    def passed(self, values: Mapping[str, Tensor] | None) -> None:
        """Count a step and do whatever is due: judge, validate, log, save, stop.

        Args:
            values: losses of the step by name, shares of this process; ``None`` when nothing was changed because a
                gradient was not finite.

        Raises:
            CalculationError: the network stays sick.
            CancelledError: the run was asked to stop; its state is saved.
            OutputError: the disk is full.
        """
        recipe = self.recipe
        self.step += 1
        if values is None:
            self._judge()
        else:
            self.bad = 0
            self._add(values)
        if self._due(recipe.validate_every) or self._due(recipe.log_every):
            self._log(validation=self._due(recipe.validate_every))
        cost = self._stopwatch.passed(recipe.steps - self.step, self.feed.waited)
        if cost is not None and self.processes.first:
            self.note(cost)
        asked = self.cancel is not None and self.cancel.asked
        stopping = self.processes.any(asked, self.device)
        if self._due(recipe.save_every) or self.step == self.last or stopping:
            self.save()
        if stopping and self.cancel is not None:
            self.cancel.set()
            self.cancel.check()

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.recipe.steps

    def _add(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, torch.zeros((), device=self.device)) + value.detach()
        self._counted += 1

    def _judge(self) -> None:
        """A step without a finite gradient was left out; after many of them go back, and at last stop."""
        self.bad += 1
        if self.bad < _BAD_STEPS:
            return
        self.returns += 1
        reached, returns = self.step, self.returns
        if returns > _RETURNS:
            self._stop_sick()
        self.restore(self.processes.share(read_state(self.folder / "state.pt") if self.processes.first else None))
        left = reached - self.step
        self.shift += left
        self.returns, self.bad = returns, 0
        if self.records is not None:
            self.records.rewind(self.step)
        self._sums, self._counted = {}, 0
        if not self.processes.first:
            return
        self.note(
            f"The gradient was not finite for {_BAD_STEPS} steps up to step {reached}: going on from step {self.step} "
            f"with other batches"
        )

    def _stop_sick(self) -> None:
        path = self.folder / "bad-batch.pt"
        if self.processes.first:
            content = [
                {"inputs": one.inputs, "target": one.target, "weight": one.weight, "others": dict(one.others)}
                for one in self._parts
            ]
            replace_file(lambda temporary: torch.save({"step": self.step, "parts": content}, temporary), path)
        raise CalculationError(
            f"The gradient was not finite for {_BAD_STEPS} steps up to step {self.step}, again after going back "
            f"{_RETURNS} times. Lower the learning rate, or look at the batch in {path}."
        )

    def _log(self, *, validation: bool) -> None:
        recipe, metric = self.recipe, find_metric(self.recipe.validation.metric)
        value = math.nan
        if validation and self.processes.first:
            value = self._validate()
        if validation:
            value = self.processes.share(value)
            self._use_validation(value, higher=metric.higher)
        names = sorted(self._sums)
        sums = [self._sums[name].clone() for name in names]
        self.processes.add(sums)
        means = {name: float(one) / self._counted for name, one in zip(names, sums, strict=True)} if names else {}
        self._sums, self._counted = {}, 0
        if not self.processes.first or self.records is None:
            return
        now = time.perf_counter()
        self.seconds, self._since = self.seconds + now - self._since, now
        total = sum(one for name, one in means.items() if not name.startswith("discriminator")) if means else math.nan
        row = {"step": self.step, "loss": total, recipe.validation.metric: value, "seconds": round(self.seconds, 3)}
        rate = self.learner.optimizer.param_groups[-1]["lr"]
        row |= {"learning_rate": rate, "data_wait": round(self.feed.waited, 3)}
        self.records.add(row | {f"loss.{name}": one for name, one in means.items()})
        shown = "" if math.isnan(value) else f"validation {value:.4g} {metric.unit}, "
        self.progress(self.step, recipe.steps, f"{shown}loss {total:.5f}")

    def _validate(self) -> float:
        name = f"step-{self.step:08d}"

        def keep(number: int, result: Tensor, batch: Batch) -> None:
            folder = self.folder / "pictures"
            save_picture(folder / f"{number:02d}-{name}.png", result[0])
            truth = folder / f"{number:02d}-truth.png"
            if not truth.exists():
                save_picture(truth, batch.target[0])

        network = self.average.network
        return validate(network, self.source.validation(), self.recipe.validation, self.device, keep=keep)

    def _use_validation(self, value: float, *, higher: bool) -> None:
        """Let plateau schedules see it, and keep the weights if they are among the best."""
        for learner in (self.learner, self.critic):
            if learner is not None and isinstance(learner.settings.schedule, Plateau):
                learner.falling.see(value, learner.settings.schedule, higher=higher)
        if math.isnan(value) or not self.recipe.keep.best:
            return
        ranked = sorted([*self.best, (value if higher else -value, self.step)], reverse=True)
        self.best, dropped = ranked[: self.recipe.keep.best], ranked[self.recipe.keep.best :]
        if not self.processes.first:
            return
        if any(step == self.step for _, step in self.best):
            self.write_weights(self._best_file(self.step))
        for _, step in dropped:
            self._best_file(step).unlink(missing_ok=True)

    def _best_file(self, step: int) -> Path:
        return self.folder / "best" / f"step-{step:08d}.safetensors"

    # ---- on the disk

    def save(self) -> None:
        """Write the state, from which the run can go on exactly."""
        if not self.processes.first:
            return
        content = {
            "recipe": self.recipe.model_dump_json(),
            "step": self.step,
            "shift": self.shift,
            "bad": self.bad,
            "returns": self.returns,
            "seconds": self.seconds,
            "best": self.best,
            "learner": self.learner.state(),
            "critic": None if self.critic is None else self.critic.state(),
            "average": self.average.network.state_dict(),
        }
        save_state(content, self.folder / "state.pt", keep=self.recipe.keep.last)

    def restore(self, content: dict[str, Any]) -> None:
        """Become what ``save`` wrote."""
        self.learner.load(content["learner"])
        if self.critic is not None:
            self.critic.load(content["critic"])
        self.average.network.load_state_dict(content["average"])
        self.step, self.shift = int(content["step"]), int(content["shift"])
        self.bad, self.returns = int(content["bad"]), int(content["returns"])
        self.seconds = float(content["seconds"])
        self.best = [(float(value), int(step)) for value, step in content["best"]]

    def write_weights(self, path: Path) -> None:
        """The averaged weights as a file that ``finesight.load`` reads."""
        recipe = self.recipe
        save_weights(
            self.average.network,
            path,
            architecture=str(recipe.network.architecture),
            arguments=dict(recipe.network.arguments),
            card={"recipe": recipe.model_dump(mode="json"), "steps": self.step, "device": self.device.type},
            dtype=torch.float16 if recipe.stored == "float16" else torch.float32,
        )
