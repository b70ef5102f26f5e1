"""A network for training: built from a recipe, and started from the tensors of another that fit."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from finesight.errors import InputError, SettingError, nearest

__all__ = ["build_network", "formatted", "start_from"]


def build_network(kind: type[nn.Module], arguments: Mapping[str, Any]) -> Any:
    """An instance of ``kind``.

    Raises:
        SettingError: an argument is not known to the constructor, or has a value it refuses.
    """
    known = [name for name in inspect.signature(kind.__init__).parameters if name != "self"]
    for name in arguments:
        if name not in known:
            raise SettingError(f"{kind.__name__} has no argument '{name}'. {nearest(name, known)}".rstrip())
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise SettingError(f"{kind.__name__} cannot be built with {dict(arguments)}: {error}") from error


def start_from(network: nn.Module, path: Path) -> int:
    """Take over every tensor of a weights file whose name and shape fit; the rest keeps its initial values.

    Returns:
        How many tensors were taken.

    Raises:
        InputError: the file cannot be read, or nothing in it fits.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"The weights {path} to start from cannot be read: {error}") from error
    own = network.state_dict()
    fitting = {name: t for name, t in tensors.items() if name in own and own[name].shape == t.shape}
    if not fitting:
        raise InputError(f"Nothing in {path} fits {type(network).__name__}; check architecture and arguments")
    with torch.no_grad():
        for name, tensor in fitting.items():
            own[name].copy_(tensor)
    return len(fitting)


def formatted(network: nn.Module, *, channels_last: bool) -> nn.Module:
    """The network with the kernels of its 2-D convolutions in the memory format that is faster on most processors."""
    if channels_last:
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
