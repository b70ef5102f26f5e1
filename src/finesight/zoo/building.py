"""Making the network that a card or a file names: with fresh weights, ready to be filled, or without any memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from finesight.errors import ModelError, nearest
from finesight.models.table import network_class

__all__ = ["build", "skeleton", "vessel"]

CHANCE: set[Any] = {
    Tensor.normal_,
    Tensor.uniform_,
    nn.init.kaiming_normal_,
    nn.init.kaiming_uniform_,
    nn.init.normal_,
    nn.init.trunc_normal_,
    nn.init.uniform_,
    nn.init.xavier_normal_,
    nn.init.xavier_uniform_,
}


class _WithoutChance(TorchFunctionMode):
    """Leave tensors as they are where they would be filled by chance: the weights of a file are coming anyway."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func in CHANCE:
            return args[0] if args else named["tensor"]
        return func(*args, **named)


@contextmanager
def _untouched() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        yield


def _checked(architecture: str, arguments: Mapping[str, Any], source: str) -> type[nn.Module]:
    kind = network_class(architecture)
    known = inspect.signature(kind).parameters
    for name in arguments:
        if name not in known:
            where = f"{source}: " if source else ""
            raise ModelError(f"{where}'{name}' is not an argument of {architecture}. {nearest(name, known)}".strip())
    return kind


def build(architecture: str, arguments: Mapping[str, Any], *, source: str = "") -> nn.Module:
    """A network with fresh weights; their chance does not come from, nor change, the global random state.

    Raises:
        ModelError: the architecture is unknown, or does not take these arguments.
    """
    kind = _checked(architecture, arguments, source)
    with _untouched():
        try:
            return kind(**arguments)
        except (TypeError, ValueError) as error:
            raise ModelError(f"{architecture} cannot be built with {dict(arguments)}: {error}") from error


def vessel(architecture: str, arguments: Mapping[str, Any], *, source: str = "") -> nn.Module:
    """The same network whose weights have no meaning yet and must all be filled; much faster for large ones.

    Raises:
        ModelError: as ``build``.
    """
    with _WithoutChance():
        return build(architecture, arguments, source=source)


def skeleton(kind: type[nn.Module], arguments: Mapping[str, Any]) -> nn.Module:
    """A network without memory for its tensors; names and shapes are the real ones."""
    with _untouched(), torch.device("meta"), _WithoutChance():
        return kind(**arguments)
