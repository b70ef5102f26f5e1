"""A network for training: built from a recipe, and started from the tensors of another that fit."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from finesight.errors import InputError, ModelError, SettingError, nearest
from finesight.models.prior.ttsr import Ttsr
from finesight.models.table import network_class
from finesight.train.encoders import is_classifier, start_encoder

__all__ = ["build_network", "formatted", "fresh", "start_from"]

_RENAMES: dict[type[nn.Module], tuple[tuple[str, str], ...]] = {
    Ttsr: (
        (r"^features\.0\.", "slice1.0."),
        (r"^features\.([25])\.", r"slice2.\1."),
        (r"^features\.(7|10)\.", r"slice3.\1."),
    )
}
"""Names in weights that a part of a network starts from -> names in that part (TTSR's extractor begins as a VGG-19)."""


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


def fresh(architecture: str, arguments: Mapping[str, Any], *, seed: int) -> nn.Module:
    """A network with the initial values that ``seed`` decides; the global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = build_network(network_class(architecture), arguments)
    return network


def start_from(network: nn.Module, weights: str | Path | Mapping[str, str]) -> int:
    """Take over every tensor of other weights whose name and shape fit; the rest keeps its initial values.

    Args:
        network: changed in place.
        weights: a name of the catalog or a file of any layout that ``finesight.load`` reads; or several, each under the
            beginning of the names of the part that it fills (``{"generator.": "stylegan2-..."}``).

    Returns:
        How many tensors were taken.

    Raises:
        InputError: nothing in the weights fits.
        ModelError: the weights cannot be read, or must be fetched first.
    """
    parts = weights if isinstance(weights, Mapping) else {"": str(weights)}
    own = network.state_dict()
    taken = 0
    for prefix, name in parts.items():
        if is_classifier(name):
            taken += start_encoder(network, prefix, _classifier(name), source=name)
            continue
        found = {f"{prefix}{_renamed(network, one)}": tensor for one, tensor in _tensors(name).items()}
        fitting = {one: t for one, t in found.items() if one in own and own[one].shape == t.shape}
        if not fitting:
            raise InputError(f"Nothing in {name} fits {type(network).__name__}; check architecture and arguments")
        with torch.no_grad():
            for one, tensor in fitting.items():
                own[one].copy_(tensor)
        taken += len(fitting)
    return taken


def _classifier(name: str) -> Mapping[str, Tensor]:
    """The tensors of an entry of the catalog that is no network of ours, in the order of its file."""
    from finesight.zoo import checkpoint, get

    return checkpoint.read(get(name)).tensors


def _renamed(network: nn.Module, name: str) -> str:
    for pattern, replacement in _RENAMES.get(type(network), ()):
        name = re.sub(pattern, replacement, name)
    return name


def _tensors(name: str) -> Mapping[str, Tensor]:
    from finesight.zoo import load

    path = Path(name).expanduser()
    try:
        return load(path if path.exists() else name).network.state_dict()
    except ModelError:
        if path.suffix != ".safetensors" or not path.exists():
            raise
    try:  # of no whole network, such as a part of one
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"The weights {path} to start from cannot be read: {error}") from error


def formatted(network: nn.Module, *, channels_last: bool) -> nn.Module:
    """The network with the kernels of its 2-D convolutions in the memory format that is faster on most processors."""
    if channels_last:
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
