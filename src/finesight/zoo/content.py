"""What lies in a checkpoint: which of its dictionaries holds the weights that one wants to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from finesight.errors import ModelError
from finesight.zoo.pickles import Inert

__all__ = ["find_tensors"]

PREFERRED = (
    "params_ema", "ema", "model_ema", "generator_ema", "g_ema", "state_dict_ema", "params", "state_dict",
    "model_state_dict", "net_g", "generator", "model", "net", "network", "sd", "weights", "params_g", "G", "g",
)  # fmt: skip
"""Names that training codes give to the weights; an average over training comes before the last step's."""
UNWANTED = ("optim", "scheduler", "scaler", "loss", "discriminator", "net_d", "params_d", "history")
DEPTH = 6


def _as_tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return torch.from_numpy(np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("=")))
    return None


def _module_tensors(module: Inert, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a module that was pickled whole, under the names that its ``state_dict`` would give them."""
    state = module.state if isinstance(module.state, dict) else {}
    for kind in ("_parameters", "_buffers"):
        for name, value in (state.get(kind) or {}).items():
            if (tensor := _as_tensor(value)) is not None:
                yield prefix + str(name), tensor
    if depth < 64:
        for name, child in (state.get("_modules") or {}).items():
            if isinstance(child, Inert):
                yield from _module_tensors(child, f"{prefix}{name}.", depth + 1)


def _dictionaries(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Every dictionary of named tensors inside ``value``, with the keys that lead to it."""
    if isinstance(value, Inert):
        if found := dict(_module_tensors(value)):
            yield path, found
        return
    if not isinstance(value, Mapping) or len(path) > DEPTH:
        return
    named = {k: t for k, v in value.items() if isinstance(k, str) and (t := _as_tensor(v)) is not None}
    if named:
        yield path, named
    for key, member in value.items():
        if isinstance(key, str) and not any(word in key.lower() for word in UNWANTED):
            yield from _dictionaries(member, (*path, key))


def _rank(path: tuple[str, ...], tensors: Mapping[str, Tensor]) -> tuple[int, int]:
    last = next((PREFERRED.index(key) for key in reversed(path) if key in PREFERRED), len(PREFERRED))
    return (last, -len(tensors))


def find_tensors(content: Any) -> dict[str, Tensor]:
    """The weights inside what a checkpoint holds, whatever its training code called them.

    An average over training (``params_ema``) is preferred to the last step's weights (``params``); optimizers, losses
    and discriminators beside the network are left out.

    Raises:
        ModelError: there are no named tensors in it.
    """
    found = list(_dictionaries(content))
    if not found:
        keys = ", ".join(map(str, list(content)[:4])) if isinstance(content, Mapping) else type(content).__name__
        raise ModelError(f"it holds no named tensors, only: {keys or 'nothing'}")
    return min(found, key=lambda item: _rank(*item))[1]
