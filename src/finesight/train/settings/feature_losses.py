"""Losses between features of a fixed VGG."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor

from finesight.losses import perceptual
from finesight.train.settings.loss_kind import LossKind, Term, frames

if TYPE_CHECKING:
    from finesight.data.batch import Batch
    from finesight.train.answers import Answer

__all__ = ["FeatureLoss", "Perceptual", "Style"]

Distance = Callable[..., Tensor]


class FeatureLoss(LossKind):
    """Which layers of which weights, and how they are compared."""

    weights: str = Field("vgg19-imagenet", description="name in the catalog, or file, of a VGG")
    layers: dict[str, float] = Field(
        default=perceptual.ESRGAN_LAYERS, min_length=1, description="weight of each layer by name, such as conv5_4: 1.0"
    )
    criterion: Literal["l1", "mse", "frobenius"] = "l1"
    signed: bool = Field(False, description="the VGG gets 2x - 1, as GLEAN's published settings for cats have it")
    outputs: Literal["last", "first", "all"] = Field("last", description="of a network with several answers")
    target: str = Field("", description="name of another target than the batch's own, such as plain")

    def distance(self) -> Distance:
        """The loss between two dictionaries of features."""
        raise NotImplementedError

    def term(self, device: torch.device) -> Term:
        from finesight.zoo import load

        network = load(self.weights, device=device, arguments={"layers": tuple(self.layers)}).network
        network.requires_grad_(False)
        between = self.distance()

        def compute(answer: Answer, batch: Batch) -> Tensor:
            truth = self._seen(batch.others[self.target] if self.target else batch.target)
            with torch.no_grad():
                wanted = network(truth)
            pictures = {"last": answer.pictures[-1:], "first": answer.pictures[:1], "all": answer.pictures}[
                self.outputs
            ]
            found = [network(self._seen(one)) for one in pictures]
            return torch.stack([between(one, wanted, self.layers, criterion=self.criterion) for one in found]).sum()

        return compute

    def _seen(self, pictures: Tensor) -> Tensor:
        flat = frames(pictures)
        return flat * 2 - 1 if self.signed else flat


class Perceptual(FeatureLoss):
    """Distance between features (Johnson et al., ECCV 2016)."""

    kind: Literal["perceptual"] = "perceptual"

    def distance(self) -> Distance:
        return perceptual.perceptual


class Style(FeatureLoss):
    """Distance between Gram matrices of features (Gatys et al., CVPR 2016)."""

    kind: Literal["style"] = "style"

    def distance(self) -> Distance:
        return perceptual.style
