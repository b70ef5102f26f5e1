"""What discriminators of inpainting need besides the picture: the mask, and the patch around a box."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from finesight.data.batch import Batch
from finesight.errors import SettingError
from finesight.losses.adversarial import (
    Adversarial,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    mask_discriminator_loss,
    mask_generator_loss,
)
from finesight.nn.boxes import box_patches

__all__ = ["distinguishing", "extra_inputs", "fooling", "local_penalties"]


def extra_inputs(network: Any, pictures: Tensor, batch: Batch) -> list[Tensor]:
    """The discriminator's inputs after the first, by the names of its ports; ``patch`` is cut out of ``pictures``.

    Raises:
        SettingError: the data gives none of that name.
    """
    found = []
    for port in network.traits.inputs[1:]:
        name = "boxes" if port.name == "patch" else port.name
        if name not in batch.others:
            raise SettingError(
                f"{type(network).__name__} judges a picture and its {port.name}, which this kind of data does not give"
                f"{'; use masks of kind box alone' if name == 'boxes' else ''}."
            )
        given = batch.others[name]
        side = round(port.ratio * pictures.shape[-1])
        found.append(box_patches(pictures, given, side) if port.name == "patch" else given)
    return found


def fooling(logits: Tensor, kind: Adversarial | str, batch: Batch) -> Tensor:
    """``generator_loss``, or AOT-GAN's where ``kind`` is ``mask``."""
    return mask_generator_loss(logits, batch.others["mask"]) if kind == "mask" else generator_loss(logits, kind)  # type: ignore[arg-type]


def distinguishing(logits: Tensor, kind: Adversarial | str, batch: Batch, *, real: bool) -> Tensor:
    """``discriminator_loss``, or AOT-GAN's where ``kind`` is ``mask``."""
    if kind == "mask":
        return mask_discriminator_loss(logits, batch.others["mask"], real=real)
    return discriminator_loss(logits, kind, real=real)  # type: ignore[arg-type]


def local_penalties(network: Any, true: Tensor, fake: Tensor, alpha: Tensor, batch: Batch) -> Tensor:
    """DeepFillv1's: of the critic of whole pictures inside the hole, plus of the critic of patches everywhere."""
    real_patch, fake_patch = (extra_inputs(network, one, batch)[0] for one in (true, fake))

    def whole(mixed: Tensor) -> Tensor:
        answer: Tensor = network(mixed, real_patch)[0]
        return answer

    def local(mixed: Tensor) -> Tensor:
        answer: Tensor = network(true, mixed)[1]
        return answer

    both = (
        gradient_penalty(whole, true, fake, alpha, batch.others["mask"]),
        gradient_penalty(local, real_patch, fake_patch, alpha),
    )
    return torch.stack(both).sum()
