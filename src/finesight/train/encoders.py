"""Encoders that start from published classifiers, whose files name their layers in their own ways.

Kernels and norms of both are walked through in the order of computation; each of ours takes the next published one of
its kind and shape. A first kernel of fewer channels fills the first ones of ours; those of the trimap become zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from finesight.errors import InputError

__all__ = ["is_classifier", "start_encoder"]

CLASSIFIERS = frozenset({"dim-vgg16", "gca-resnet34", "indexnet-mobilenetv2"})
"""Entries of the catalog that are read in this way."""

_LEAST = 0.6  # of the published kernels must find a place

_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class _Layer:
    """One kernel with its bias, or one norm: tensors by the last part of their names."""

    name: str
    tensors: Mapping[str, Tensor]

    @property
    def kernel(self) -> Tensor | None:
        """Four axes, or ``None`` of a norm."""
        found = self.tensors.get("weight_orig", self.tensors.get("weight"))
        return found if found is not None and found.ndim == 4 else None

    def takes(self, other: _Layer) -> bool:
        """Whether the other's values fit here."""
        mine, theirs = self.kernel, other.kernel
        if mine is None or theirs is None:
            same = mine is theirs and all(name in other.tensors for name in _NORM)
            return same and self.tensors["running_mean"].shape == other.tensors["running_mean"].shape
        outer = mine.shape[:1] == theirs.shape[:1] and mine.shape[2:] == theirs.shape[2:]
        return outer and (mine.shape[1] == theirs.shape[1] or theirs.shape[1] == 3 < mine.shape[1] <= 6)


def is_classifier(name: str) -> bool:
    """Whether a name of the catalog means such a file."""
    return name in CLASSIFIERS


def start_encoder(network: nn.Module, prefix: str, tensors: Mapping[str, Tensor], *, source: str) -> int:
    """Fill the part of ``network`` whose names begin with ``prefix``.

    Args:
        network: changed in place.
        prefix: ``encoder.``, say.
        tensors: of a classifier, in the order of its file.
        source: for errors.

    Returns:
        How many tensors were taken.

    Raises:
        InputError: most of the kernels find no place.
    """
    own = _layers({name: tensor for name, tensor in network.state_dict().items() if name.startswith(prefix)})
    given = _layers(tensors)
    kernels = sum(layer.kernel is not None for layer in given)
    taken, placed, place = 0, 0, 0
    for layer in own:
        found = next((index for index in range(place, len(given)) if layer.takes(given[index])), None)
        if found is None:
            continue
        taken += _copy(layer, given[found])
        placed += layer.kernel is not None
        place = found + 1
    if placed < _LEAST * kernels or not placed:
        raise InputError(
            f"{source} has {kernels} kernels, of which {placed} fit {type(network).__name__} ({prefix}); it is no "
            "classifier that this network starts from."
        )
    return taken


def _layers(tensors: Mapping[str, Tensor]) -> list[_Layer]:
    """Kernels and norms in their order."""
    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        before, _, last = name.rpartition(".")
        grouped.setdefault(before, {})[last] = tensor
    layers = [_Layer(name, own) for name, own in grouped.items()]
    return [layer for layer in layers if layer.kernel is not None or "running_mean" in layer.tensors]


@torch.no_grad()
def _copy(layer: _Layer, other: _Layer) -> int:
    mine, theirs = layer.kernel, other.kernel
    count = 0
    if mine is not None and theirs is not None:
        mine.zero_()
        mine[:, : theirs.shape[1]].copy_(theirs)
        count = 1
    names = ("bias",) if mine is not None else _NORM
    for name in names:
        if name in layer.tensors and name in other.tensors:
            layer.tensors[name].copy_(other.tensors[name])
            count += 1
    return count
