"""Losses of DIC: where the landmarks are, and who the face is (Ma et al., CVPR 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from finesight.losses.face import identity, landmarks
from finesight.train.settings.loss_kind import LossKind, Term

if TYPE_CHECKING:
    from finesight.data.batch import Batch
    from finesight.train.answers import Answer

__all__ = ["Identity", "Landmarks"]


class Landmarks(LossKind):
    """Between the heat maps of every step and the true ones, ``batch.others["heatmaps"]``; for the network ``dic``."""

    needs: ClassVar[frozenset[str]] = frozenset({"heatmaps"})

    kind: Literal["landmarks"] = "landmarks"
    criterion: Literal["mse", "l1"] = Field("mse", description="l1 is what mmediting 0.16.1 computes, with weight 1")

    def term(self, device: torch.device) -> Term:  # noqa: ARG002
        def compute(answer: Answer, batch: Batch) -> Tensor:
            found = answer.others["heatmaps"].unbind(1)
            return landmarks(found, batch.others["heatmaps"], criterion=self.criterion)

        return compute


class Identity(LossKind):
    """L1 between the features that a fixed network has of the restored and of the true face."""

    kind: Literal["identity"] = "identity"
    weights: str = Field("light-cnn-feature", description="name in the catalog, or file, of a light-cnn-features")

    def term(self, device: torch.device) -> Term:
        from finesight.zoo import load

        network = load(self.weights, device=device).network.requires_grad_(False)

        def compute(answer: Answer, batch: Batch) -> Tensor:
            with torch.no_grad():
                truth = network(batch.target)
            return identity(network(answer.pictures[-1]), truth)

        return compute
