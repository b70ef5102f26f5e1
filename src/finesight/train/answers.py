"""How a network in training is called, and what of its answer the losses see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from finesight.data.batch import Batch

__all__ = ["Answer", "answer", "shown"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a network gave for a batch.

    Args:
        pictures: its answers in their order; the last is the result, those before are of earlier stages.
        others: what single losses need besides: ``average`` (the same from the moving average), ``heatmaps`` ...
    """

    pictures: tuple[Tensor, ...]
    others: Mapping[str, Tensor] = field(default_factory=dict)

    def float(self) -> Answer:
        """The same in float32, which is what losses are computed in."""
        return Answer(
            tuple(one.float() for one in self.pictures), {name: one.float() for name, one in self.others.items()}
        )


def answer(network: nn.Module, batch: Batch) -> Answer:
    """The network's answers while training; ``network(*batch.inputs)`` but for the kinds that are called otherwise."""
    traits: Any = getattr(network, "traits", None)
    if traits is not None and traits.kind == "query":
        image, coordinates, cell = batch.inputs
        called: Any = network
        return Answer((called.query(called.encode(image), coordinates, cell),))
    return Answer(_pictures(network(*batch.inputs)))


def shown(network: nn.Module, batch: Batch) -> Tensor:
    """The network's result for a held-out batch, as a user would get it: ``(N, C, H, W)`` or a clip, not clamped."""
    traits: Any = getattr(network, "traits", None)
    if traits is not None and traits.kind == "query":
        return _pictures(network(batch.inputs[0], size=tuple(batch.target.shape[-2:])))[-1]
    return _pictures(network(*batch.inputs))[-1]


def _pictures(given: Any) -> tuple[Tensor, ...]:
    if isinstance(given, Tensor):
        return (given,)
    if isinstance(given, Sequence):
        return tuple(given)
    raise TypeError(f"expected one tensor or several from the network, got {type(given).__name__}")
