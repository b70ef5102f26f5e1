"""A model run on a test set and measured, its published numbers beside."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finesight.errors import SettingError
from finesight.evaluate.answering import answers, frames_around
from finesight.evaluate.cost import Cost, network_cost
from finesight.evaluate.matching import Pair
from finesight.evaluate.named import METRICS, load_metrics
from finesight.evaluate.protocols import Protocol, protocol
from finesight.evaluate.published import PublishedRow, find_row, published_rows
from finesight.evaluate.scoring import score_pairs
from finesight.evaluate.tables import Table
from finesight.evaluate.testsets import Example, find_examples
from finesight.media import Picture, write
from finesight.models.table import network_class
from finesight.nn.traits import Traits
from finesight.progress import Cancel, Progress, silent
from finesight.run.reference import takes_reference
from finesight.zoo.cards import card, catalog
from finesight.zoo.model import Model

__all__ = ["Evaluation", "drawn_model", "evaluate", "protocol_for"]

DEFAULTS = {"inpainting": "inpaint-places", "matting": "comp1k", "interpolation": "interpolation"}


@dataclass(frozen=True)
class Evaluation:
    """One model on one test set.

    Args:
        model: its name.
        table: what was measured.
        on: the test set's name.
        scale: the enlargement.
        published: the catalog's numbers for this test set, scale and protocol, if it has them.
        cost: parameters and multiply-adds.
        seconds_per_megapixel: of output, of the whole way from 8-bit picture to 8-bit picture.
        drawn: whether weights were drawn instead of published: the numbers mean nothing.
    """

    model: str
    table: Table
    on: str
    scale: int
    published: PublishedRow | None
    cost: Cost
    seconds_per_megapixel: float
    drawn: bool = False
    protocol: str = field(default="")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; without ``measured`` where weights were drawn."""
        means = {name: mean.value for name, mean in self.table.means().items()}
        return {
            "model": self.model,
            "on": self.on,
            "scale": self.scale,
            "protocol": self.protocol,
            "measured": None if self.drawn else means,
            "published": None if self.published is None else dict(self.published.values),
            "pictures": len(self.table.rows),
            "parameters": self.cost.parameters,
            "multiply_adds_per_megapixel": self.cost.multiply_adds,
            "seconds_per_megapixel": self.seconds_per_megapixel,
        }


def drawn_model(name: str, *, seed: int = 0) -> Model:
    """A model of the catalog with drawn weights instead of the published ones: to try a row without its file.

    Raises:
        ModelError: there is no such model, or no network for it yet.
    """
    found = card(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = network_class(found.architecture)(**found.arguments).eval()
    traits: Traits = network.traits  # type: ignore[assignment]  # every network has traits
    return Model(network, traits, found)


def protocol_for(model: Model, data: str | Path, name: str | None, on: str | None, scale: int) -> Protocol:
    """The protocol asked for, or that of the published result on this test set, or the usual one of the task."""
    if name is not None:
        return protocol(name)
    rows = [row for row in _rows(model) if row.scale == scale]
    fitting = [row for row in rows if find_row([row], on or Path(data).name, protocol=row.protocol, scale=scale)]
    names = {row.protocol for row in fitting or rows}
    return protocol(names.pop() if len(names) == 1 else DEFAULTS.get(model.traits.task, "sr-y"))


def _rows(model: Model) -> list[PublishedRow]:
    return published_rows([model.card.name]) if model.card.name in catalog() else []


def evaluate(
    model: Model,
    data: str | Path,
    *,
    protocol_name: str | None = None,
    on: str | None = None,
    metrics: Sequence[str] = (),
    scale: int | None = None,
    keep: str | Path | None = None,
    drawn: bool = False,
    device: str = "cpu",
    offline: bool | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Evaluation:
    """Run a model on a test set and measure its 8-bit answers.

    Args:
        model: from ``finesight.load``.
        data: the test set's folder, see ``find_examples``.
        protocol_name: by default that of the published result on this test set.
        on: the test set's name in the catalog; by default the folder's.
        metrics: by default those that were published and can be measured, or the protocol's.
        scale: by default the network's own, 4 for one of any scale.
        keep: folder for the answers; by default they are measured and forgotten.
        drawn: say in the answer that its weights are not the published ones.
        device: where the network runs.
        offline: never fetch parameters of metrics.
        progress: pictures made.
        cancel: stops between pictures.

    Raises:
        InputError, ModelError, SettingError: as ``find_examples``, ``answers``, ``score_pairs``.
    """
    check_task(model)
    traits = model.traits
    scale = scale or traits.scale or (4 if traits.kind == "query" else 1)
    chosen = protocol_for(model, data, protocol_name, on, scale)
    name = on or Path(data).name
    row = find_row(_rows(model), name, protocol=chosen.name, scale=scale)
    examples = find_examples(
        data,
        traits.task,
        scale=scale,
        blurred="BD" in name.split(),
        reference=takes_reference(traits),
        frames=frames_around(model),
    )
    wanted = tuple(metrics) or _measurable(row, chosen)
    loaded = load_metrics(wanted, device=device, offline=offline)
    with tempfile.TemporaryDirectory(prefix="finesight-") as made:
        folder = Path(keep) if keep is not None else Path(made)
        pairs, seconds, pixels = [], 0.0, 0
        for answer in answers(model, examples, scale=scale, device=device, progress=progress, cancel=cancel):
            file = folder / f"{answer.example.name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, Picture(pixels=np.ascontiguousarray(answer.pixels)))
            pairs.append(_pair(answer.example, file))
            seconds += answer.seconds
            pixels += answer.pixels.shape[0] * answer.pixels.shape[1]
        # inputs made from a truth that is no multiple of the scale answer for its top left part
        table = score_pairs(pairs, loaded, chosen, scale=scale, align="crop", device=device, cancel=cancel)
    cost = network_cost(model.network, traits, scale=scale)
    return Evaluation(
        model.card.name, table, name, scale, row, cost, seconds / pixels * 1e6, drawn, protocol=chosen.name
    )


def _measurable(row: PublishedRow | None, chosen: Protocol) -> tuple[str, ...]:
    published: Mapping[str, float] = {} if row is None else row.values
    return tuple(name for name in published if name in METRICS) or chosen.metrics


def _pair(example: Example, file: Path) -> Pair:
    return Pair(example.name, file, example.truth, example.clip, example.mask)


def check_task(model: Model) -> None:
    """Raises ``SettingError`` for networks that make nothing that could be compared."""
    if model.traits.task not in ("super-resolution", "restoration", "inpainting", "matting", "interpolation"):
        raise SettingError(f"{model.card.name} is for {model.traits.task}: there is nothing to evaluate on pictures")
