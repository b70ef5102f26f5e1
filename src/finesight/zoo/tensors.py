"""Published tensor names onto ours: the one way by which tensors get into a network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from finesight.errors import ModelError

__all__ = ["Renames", "load_tensors", "strip_prefix"]

Renames = Sequence[tuple[str, str]]
"""One published naming: (regular expression, replacement) pairs, all applied in order to every name by ``re.sub``."""

PREFIXES = ("module.", "generator_ema.", "generator.", "model.", "net_g.", "netG.", "network.")


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


def _candidates(network: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The tensors as they are, then with each prefix removed, each of these in every naming the network knows."""
    tables: Sequence[Renames] = ((), *getattr(network, "renames", ()))
    views = [dict(tensors)] + [part for prefix in PREFIXES if (part := strip_prefix(tensors, prefix))]
    for view in views:
        for table in tables:
            yield _renamed(view, table) if table else view


def load_tensors(network: nn.Module, tensors: Mapping[str, Tensor], *, source: str = "these tensors") -> None:
    """Copy published tensors into ``network``, strictly: every name and every shape must agree.

    The class of the network may help with three optional attributes:

    - ``renames``: tuple of ``Renames``, one for each published naming other than our own;
    - ``ignored``: tuple of regular expressions of published names that carry nothing (fixed filters, counters);
    - ``convert(tensors) -> tensors``: for layouts that differ by more than names.

    Raises:
        ModelError: names or shapes differ; the message lists the first of them.
    """
    ignored = [re.compile(pattern) for pattern in getattr(network, "ignored", ())]
    convert = getattr(network, "convert", None)
    wanted = network.state_dict()
    best: tuple[int, list[str], list[str], list[str]] | None = None
    for candidate in _candidates(network, tensors):
        found = dict(convert(candidate)) if convert is not None else candidate
        found = {n: t for n, t in found.items() if n in wanted or not any(p.search(n) for p in ignored)}
        missing = [n for n in wanted if n not in found]
        unknown = [n for n in found if n not in wanted]
        shapes = [
            f"{n} is {tuple(found[n].shape)}, expected {tuple(wanted[n].shape)}"
            for n in wanted
            if n in found and found[n].shape != wanted[n].shape
        ]
        differences = len(missing) + len(unknown) + len(shapes)
        if differences == 0:
            with torch.no_grad():
                network.load_state_dict({n: t.to(wanted[n].dtype) for n, t in found.items()}, strict=True)
            return
        if best is None or differences < best[0]:
            best = (differences, missing, unknown, shapes)
    assert best is not None
    parts = [
        f"{title}: {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
        for title, names in (("missing", best[1]), ("not expected", best[2]), ("of another shape", best[3]))
        if names
    ]
    raise ModelError(f"{source} does not fit {type(network).__name__}; {'; '.join(parts)}.")
