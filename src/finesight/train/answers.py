"""How a network in training is called, and what of its answer the losses see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from finesight.data.batch import Batch
from finesight.models.inpainting.completion import Completion
from finesight.models.prior.dic import Dic
from finesight.models.prior.ttsr import Ttsr, search_textures
from finesight.models.video.realbasicvsr import RealBasicVsr
from finesight.models.video.tdan import Tdan
from finesight.nn.resample import bicubic

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


Call = Callable[[Any, Batch, frozenset[str]], Answer]


def _forward(network: Any, batch: Batch, needs: frozenset[str]) -> Answer:  # noqa: ARG001
    return Answer(_pictures(network(*batch.inputs)))


def _query(network: Any, batch: Batch, needs: frozenset[str]) -> Answer:  # noqa: ARG001
    image, coordinates, cell = batch.inputs
    return Answer((network.query(network.encode(image), coordinates, cell),))


def _faces(network: Dic, batch: Batch, needs: frozenset[str]) -> Answer:  # noqa: ARG001
    steps = network.steps(*batch.inputs)
    return Answer(tuple(steps.images), {"heatmaps": torch.stack(list(steps.heatmaps), dim=1)})


def _textures(network: Ttsr, batch: Batch, needs: frozenset[str]) -> Answer:
    if "textures" not in needs:
        return _forward(network, batch, needs)
    image, reference = batch.inputs
    enlarged = bicubic(image, (image.shape[2] * 4, image.shape[3] * 4))
    key, *values = network.remember(reference)
    attention, textures = search_textures(network.extractor(enlarged)[0], key, values, chunk=network.chunk)
    picture = network.generator(image * 2 - 1, attention, textures) / 2 + 0.5
    maps = network.extractor(picture)
    others = {"attention": attention}
    for level, found, texture in zip((3, 2, 1), maps, textures, strict=True):
        others |= {f"map.{level}": found, f"texture.{level}": texture}
    return Answer((picture,), others)


def _holes(network: Completion, batch: Batch, needs: frozenset[str]) -> Answer:  # noqa: ARG001
    image, mask = batch.inputs
    stages = network.predictions(image, mask)
    return Answer((*stages, stages[-1] * mask + image * (1 - mask)))  # the last is what a user gets


def _aligned(network: Tdan, batch: Batch, needs: frozenset[str]) -> Answer:  # noqa: ARG001
    aligned = network.align([network.encode(frame) for frame in batch.inputs[0].unbind(1)])
    return Answer((network.restore(aligned),), {"aligned": aligned})


def _cleaned(network: RealBasicVsr, batch: Batch, needs: frozenset[str]) -> Answer:  # noqa: ARG001
    cleaned = network.clean(batch.inputs[0])
    return Answer((network.basicvsr(cleaned),), {"cleaned": cleaned})


CALLS: dict[type[nn.Module], Call] = {Dic: _faces, RealBasicVsr: _cleaned, Tdan: _aligned, Ttsr: _textures}
"""The networks that are called in another way than ``network(*batch.inputs)`` while they learn."""


def answer(
    network: nn.Module, batch: Batch, needs: frozenset[str] = frozenset(), *, average: nn.Module | None = None
) -> Answer:
    """The network's answers while training.

    Args:
        needs: names of what the losses want in ``others``; a network gives what it has.
        average: the moving average of its weights, called where ``average`` is needed.
    """
    plain = getattr(network, "_orig_mod", network)  # of a compiled network, whose forward alone is compiled
    called = _call(plain)
    found = called(network if called is _forward else plain, batch, needs)
    if "average" not in needs or average is None:
        return found
    with torch.no_grad():
        steady = called(average, batch, frozenset()).pictures[-1]
    return Answer(found.pictures, {**found.others, "average": steady})


def _call(network: nn.Module) -> Call:
    traits: Any = getattr(network, "traits", None)
    if traits is not None and traits.kind == "query":
        return _query
    return _holes if isinstance(network, Completion) else CALLS.get(type(network), _forward)


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
