"""Finding the architecture of a bare file: every reading that ``recognise`` offers, compared with the real network."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from finesight.errors import ModelError
from finesight.models.table import NETWORKS, network_class
from finesight.zoo.building import skeleton
from finesight.zoo.recognise import RECOGNISERS
from finesight.zoo.shapes import Ask
from finesight.zoo.tensors import difference, namings, printable

__all__ = ["Match", "match", "nearest_architectures"]


UNBUILDABLE = (TypeError, NotImplementedError, RuntimeError)
"""What a network raises that cannot be built without arguments, or without memory for its tensors."""


@dataclass(frozen=True, slots=True)
class Match:
    """One reading of a file. ``arguments`` may hold ``Ask``; ``differences`` counts names and shapes that disagree."""

    architecture: str
    arguments: Mapping[str, Any]
    differences: int

    def asked(self) -> dict[str, tuple[Any, ...]]:
        """Arguments that the file does not tell, with the values that they may have."""
        return {name: value.choices for name, value in self.arguments.items() if isinstance(value, Ask)}


def _shapes_only(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.empty(t.shape, dtype=t.dtype, device="meta") for name, t in tensors.items()}


def _least(network: nn.Module, tensors: Mapping[str, Tensor]) -> int:
    return min(difference(network, candidate).count for candidate in namings(network, tensors))


def _readings(tensors: Mapping[str, Tensor], given: Mapping[str, Any]) -> Iterator[Match]:
    empty = _shapes_only(tensors)
    for architecture, recogniser in RECOGNISERS.items():
        if architecture not in NETWORKS:
            continue
        kind = network_class(architecture)
        for candidate in namings(kind, empty):
            arguments = recogniser({name: tuple(t.shape) for name, t in candidate.items()}, tensors.keys())
            if arguments is None:
                continue
            merged = {**arguments, **given}
            plain = {name: value.choices[0] if isinstance(value, Ask) else value for name, value in merged.items()}
            try:
                network = skeleton(kind, plain)
            except (ModelError, TypeError, ValueError, ZeroDivisionError):
                continue  # a wrong guess: sizes that this network does not have
            yield Match(architecture, merged, _least(network, empty))


def _plain_readings(tensors: Mapping[str, Tensor]) -> Iterator[Match]:
    """Architectures without a function of their own: as they are by default."""
    empty = _shapes_only(tensors)
    for architecture in NETWORKS:
        if architecture in RECOGNISERS:
            continue
        kind = network_class(architecture)
        try:
            network = skeleton(kind, {})
        except UNBUILDABLE:
            continue
        yield Match(architecture, {}, _least(network, empty))


def match(
    tensors: Mapping[str, Tensor], given: Mapping[str, Any], *, path: Path, architecture: str | None = None
) -> Match | None:
    """The reading that agrees with a file's tensors, or comes closest; ``None`` where no architecture can be read.

    Args:
        tensors: of the file.
        given: arguments that the caller knows; they go before what is read.
        path: for messages.
        architecture: only this one, where the caller knows it.

    Raises:
        ModelError: the tensors leave an argument open; the message says what to pass.
    """
    best: Match | None = None
    for reading in _readings(tensors, given):
        if architecture in (None, reading.architecture) and (best is None or reading.differences < best.differences):
            best = reading
        if best is not None and best.differences == 0:
            break
    if best is None and architecture is None and not given:
        best = next((reading for reading in _plain_readings(tensors) if reading.differences == 0), None)
    if best is None:
        if architecture is not None and _needs_nothing(architecture, given):
            return Match(architecture, given, 0)
        return None
    if best.asked():
        raise ModelError(f"{path} holds weights of {best.architecture}, but {_how_to_tell(best, path)}")
    return best


def _needs_nothing(architecture: str, given: Mapping[str, Any]) -> bool:
    parameters = inspect.signature(network_class(architecture)).parameters.values()
    return all(p.default is not p.empty or p.name in given for p in parameters)


def _how_to_tell(found: Match, path: Path) -> str:
    name, choices = next(iter(found.asked().items()))
    values = ", ".join(map(repr, choices[:-1])) + f" or {choices[-1]!r}"
    shown = f"scale={choices[-1]}" if name == "scale" else f"arguments={{{name!r}: {choices[-1]!r}}}"
    return f"its tensors cannot tell the {name}, {values}; say it: finesight.load({path.name!r}, {shown})"


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def nearest_architectures(tensors: Mapping[str, Tensor], *, number: int = 3) -> str:
    """One sentence with the architectures whose names are most like a file's, and the names that differ."""
    empty = _shapes_only(tensors)
    scored = []
    for architecture in NETWORKS:
        kind = network_class(architecture)
        try:
            network = skeleton(kind, {})
        except UNBUILDABLE:
            continue
        own = {_pattern(name) for name in next(namings(network, {}))}  # what its conversion adds to any file
        wanted = {_pattern(name) for name in network.state_dict()} - own
        best = max(
            ({_pattern(name) for name in candidate} for candidate in namings(network, empty)),
            key=lambda names: len(names & wanted) / len(names | wanted),
        )
        scored.append((len(best & wanted) / len(best | wanted), architecture, wanted - best, best - wanted))
    scored.sort(key=lambda entry: (-entry[0], entry[1]))
    near = [
        f"{architecture} (the file lacks {_some(lacking)}; it has besides {_some(besides)})"
        for likeness, architecture, lacking, besides in scored[:number]
        if likeness > 0
    ]
    names = _some({_pattern(name) for name in tensors})
    return f"Nearest: {', '.join(near)}." if near else f"None shares a name with it; it has {names}."


def _some(names: set[str], number: int = 2) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - number} more" if len(listed) > number else ""
    return (printable(", ".join(listed[:number])) or "nothing") + more
