"""Building large networks quickly when every tensor is about to be loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

__all__ = ["uninitialised"]

_RANDOM = ("normal_", "uniform_", "trunc_normal_", "orthogonal_", "kaiming_normal_", "kaiming_uniform_")
_IN_PLACE = frozenset(getattr(init, name) for name in (*_RANDOM, "xavier_normal_", "xavier_uniform_")) | {
    Tensor.normal_,
    Tensor.uniform_,
}


class uninitialised(TorchFunctionMode):  # noqa: N801  (used as a statement: ``with uninitialised():``)
    """Inside the block random numbers are not drawn: weights are whatever the memory holds. Only for this thread.

    A network of 150 million parameters is built in a fraction of the time, its values being overwritten anyway.
    Buffers and constants are made as always. Load every tensor strictly afterwards.

    >>> with uninitialised():
    ...     layer = torch.nn.Linear(4096, 4096)
    >>> layer.weight.shape
    torch.Size([4096, 4096])
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func in _IN_PLACE:  # the functions of torch.nn.init name their tensor when they come through here
            return args[0] if args else named["tensor"]
        if func in (torch.randn, torch.rand):
            named.pop("generator", None)
            return torch.empty(*args, **named)
        return func(*args, **named)
