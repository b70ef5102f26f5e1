"""Networks that take details from a reference picture: it is looked at once, and every tile sees all of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.media.picture import Picture
from finesight.nn.traits import Traits
from finesight.run.pixels import to_tensor
from finesight.zoo.model import Model

__all__ = ["Bound", "bind", "takes_reference"]


@runtime_checkable
class _Remembers(Protocol):
    """A network that can look at a reference once; see ``finesight.models.prior.ttsr``."""

    def remember(self, reference: Tensor) -> list[Tensor]: ...
    def recall(self, image: Tensor, remembered: list[Tensor]) -> Tensor: ...


def takes_reference(traits: Traits) -> bool:
    """Whether a network takes a picture and a whole reference picture."""
    return len(traits.inputs) == 2 and traits.inputs[1].space == "whole"


class _Memory:
    """What a network keeps of its reference, computed when it is first needed, once for each device, in float32.

    Copies of the network share it.
    """

    def __init__(self, network: nn.Module, reference: Tensor) -> None:
        self._network, self._reference = network, reference
        self._kept: dict[torch.device, list[Tensor]] = {}

    def __deepcopy__(self, memo: dict[int, object]) -> _Memory:
        return self

    def on(self, device: torch.device) -> list[Tensor]:
        """The memory on ``device``; the reference itself where the network cannot remember."""
        if device not in self._kept:
            reference = self._reference.to(device)
            if isinstance(self._network, _Remembers):
                with torch.inference_mode():
                    network = self._network if device.type == "cpu" else copy.deepcopy(self._network).to(device)
                    self._kept[device] = network.remember(reference)
            else:
                self._kept[device] = [reference]
        return self._kept[device]


class Bound(nn.Module):
    """A network together with its reference: an ordinary network of one picture.

    Args:
        network: float32, ``forward(image, reference)`` and perhaps ``remember`` and ``recall``; stays as it is.
        reference: (1, 3, H, W) in [0, 1].
    """

    def __init__(self, network: nn.Module, reference: Tensor) -> None:
        super().__init__()
        traits: Traits = network.traits  # type: ignore[assignment]  # every network has traits
        self.network = network
        self.memory = _Memory(network, reference)
        self.traits = replace(traits, inputs=traits.inputs[:1])

    @property
    def inner(self) -> nn.Module | None:
        """The part that may compute in a lower precision; none where the network does not name it."""
        part = getattr(self.network, "inner", None)
        return part if isinstance(part, nn.Module) else None

    def forward(self, image: Tensor) -> Tensor:
        memory = self.memory.on(image.device)
        if isinstance(self.network, _Remembers):
            return self.network.recall(image, memory)
        answer: Tensor = self.network(image, memory[0])
        return answer


def bind(model: Model, reference: Picture | None) -> Model:
    """``model`` together with its reference, ready for pictures; ``model`` itself where it takes none.

    Raises:
        SettingError: it needs a reference and none is given, or the other way round.
        InputError: the reference holds NaN or infinity.
    """
    name = model.card.name or type(model.network).__name__
    if not takes_reference(model.traits):
        if reference is None:
            return model
        raise SettingError(f"{name} takes no reference picture. Leave out --reference, or use --model ttsr-gan-x4.")
    if reference is None:
        raise SettingError(f"{name} takes details from a reference picture of similar content; add --reference FILE.")
    network = Bound(model.network, _tensor_of(reference))
    return replace(model, network=network, traits=network.traits)


def _tensor_of(reference: Picture) -> Tensor:
    """(1, 3, H, W); colours are carried on under what is transparent."""
    if reference.alpha is not None:
        from finesight.media.alpha import bleed

        reference = bleed(reference)
    if reference.depth == 32 and not np.isfinite(reference.pixels).all():
        raise InputError("The reference holds NaN or infinity. Replace them first, for instance with np.nan_to_num.")
    tensor = to_tensor(reference.pixels, torch.device("cpu"))
    return tensor.expand(3, -1, -1).contiguous()[None]
