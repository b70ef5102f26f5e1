"""What all losses of a recipe have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from finesight.train.settings.strict import Strict

if TYPE_CHECKING:
    from finesight.data.batch import Batch
    from finesight.train.answers import Answer

__all__ = ["LossKind", "PixelLoss", "Term", "frames"]

Term = Callable[["Answer", "Batch"], Tensor]
"""A loss made ready: from what the network answered and the batch to one number."""


class LossKind(Strict):
    """What every loss of a recipe has."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """What ``finesight.train.answers`` must put into ``answer.others`` for it, such as ``average``."""

    kind: str
    weight: float = Field(1.0, ge=0)
    from_step: int = Field(0, ge=0, description="steps before this one are without it")

    def term(self, device: torch.device) -> Term:
        """The loss without its weight, with whatever it needs on ``device``."""
        raise NotImplementedError


class PixelLoss(LossKind):
    """A loss between pictures, element by element, weighted by the batch's own weight."""

    outputs: Literal["last", "all"] = Field("last", description="of a network with several answers; all are summed")
    target: str = Field("", description="name of another target than the batch's own, such as plain")

    def between(self, restored: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:
        """The loss of one picture."""
        raise NotImplementedError

    def term(self, device: torch.device) -> Term:  # noqa: ARG002 (nothing lives on a device)
        def compute(answer: Answer, batch: Batch) -> Tensor:
            truth = batch.others[self.target] if self.target else batch.target
            wanted = answer.pictures[-1:] if self.outputs == "last" else answer.pictures
            return torch.stack([self.between(one, truth, batch.weight) for one in wanted]).sum()

        return compute


def frames(pictures: Tensor) -> Tensor:
    """Clips ``(N, T, C, H, W)`` as so many pictures ``(N * T, C, H, W)``; pictures as they are."""
    return pictures.flatten(0, 1) if pictures.ndim == 5 else pictures
