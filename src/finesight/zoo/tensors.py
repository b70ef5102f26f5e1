"""Published tensor names onto ours: the one way by which tensors get into a network."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from finesight.errors import ModelError

__all__ = ["Difference", "Renames", "difference", "load_tensors", "namings", "printable", "strip_prefix"]

Renames = Sequence[tuple[str, str]]
"""One published naming: (regular expression, replacement) pairs, all applied in order to every name by ``re.sub``."""

PREFIXES = ("module.", "generator_ema.", "generator.", "model.", "net_g.", "netG.", "network.")
BESIDE = re.compile(r"^(step_counter$|disc(riminator)?\.|perceptual_loss\.|feature_loss\.|loss(_\w+)?\.|criterion\.)")
"""What training codes keep in one dictionary with the network and what is no part of it."""


def printable(text: str, *, most: int = 400) -> str:
    """Words from a file on one line: nothing in them moves the cursor or fills the screen."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: most + 1])
    return " ".join(line.split()) if len(line) <= most else " ".join(line[:most].split()) + " ..."


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose name begins with ``prefix``, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _renamed(tensors: Mapping[str, Tensor], renames: Renames) -> dict[str, Tensor]:
    answer = {}
    for published, tensor in tensors.items():
        name = published
        for pattern, replacement in renames:
            name = re.sub(pattern, replacement, name)
        answer[name] = tensor
    return answer


def namings(network: nn.Module | type[nn.Module], tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The tensors as they are, then with each prefix removed, each of these in every naming that the network knows.

    ``network.convert`` has been applied; one that needs an instance, only to an instance.
    """
    convert = getattr(network, "convert", None)
    if isinstance(network, type) and not isinstance(inspect.getattr_static(network, "convert", None), staticmethod):
        convert = None
    tables: Sequence[Renames] = ((), *getattr(network, "renames", ()))
    views = [dict(tensors)] + [part for prefix in PREFIXES if (part := strip_prefix(tensors, prefix))]
    for view in views:
        for table in tables:
            named = _renamed(view, table) if table else view
            yield dict(convert(named)) if convert is not None else named


@dataclass(frozen=True, slots=True)
class Difference:
    """How tensors and a network disagree: names missing, names not expected, and descriptions of unequal shapes."""

    missing: list[str]
    unknown: list[str]
    shapes: list[str]

    @property
    def count(self) -> int:
        """How many names disagree; 0 means that the tensors fit."""
        return len(self.missing) + len(self.unknown) + len(self.shapes)

    def __str__(self) -> str:
        listed = (("missing", self.missing), ("not expected", self.unknown), ("of another shape", self.shapes))
        return "; ".join(
            f"{title}: {printable(', '.join(names[:3]))}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
            for title, names in listed
            if names
        )


def difference(network: nn.Module, tensors: Mapping[str, Tensor]) -> Difference:
    """Compare names and shapes of ``tensors`` with the network's, both ways."""
    wanted = network.state_dict()
    ignored = [BESIDE, *(re.compile(pattern) for pattern in getattr(network, "ignored", ()))]
    return Difference(
        missing=[name for name in wanted if name not in tensors],
        unknown=[name for name in tensors if name not in wanted and not any(p.search(name) for p in ignored)],
        shapes=[
            f"{name} is {tuple(tensors[name].shape)}, expected {tuple(wanted[name].shape)}"
            for name in wanted
            if name in tensors and tensors[name].shape != wanted[name].shape
        ],
    )


def load_tensors(network: nn.Module, tensors: Mapping[str, Tensor], *, source: str = "these tensors") -> None:
    """Copy published tensors into ``network``, strictly: every name and every shape must agree.

    The class of the network may help with three optional attributes:

    - ``renames``: tuple of ``Renames``, one for each published naming other than our own;
    - ``ignored``: tuple of regular expressions of published names that carry nothing (fixed filters, counters);
    - ``convert(tensors) -> tensors``: for layouts that differ by more than names.

    Raises:
        ModelError: names or shapes differ; the message lists the first of them.
    """
    wanted = network.state_dict()
    best: Difference | None = None
    for candidate in namings(network, tensors):
        found = difference(network, candidate)
        if found.count == 0:
            with torch.no_grad():
                for name, own in wanted.items():
                    own.copy_(candidate[name])  # one by one, so that no second copy of the network is made
            return
        if best is None or found.count < best.count:
            best = found
    assert best is not None
    raise ModelError(f"{source} does not fit {type(network).__name__}; {best}.")
