"""Boxes (top, left, height, width) around holes: the patches that local discriminators judge, masks, discounts."""

from __future__ import annotations

import torch
from torch import Tensor

from finesight.errors import InputError

__all__ = ["box_masks", "box_patches", "discounted_mask", "patch_boxes"]


def patch_boxes(boxes: Tensor, size: int) -> Tensor:
    """Boxes of ``size`` x ``size`` around smaller ones, ``(N, 4)``; moved inside at the top and left only (published).

    Args:
        boxes: ``(N, 4)`` whole numbers, top, left, height, width.
    """
    corner = (boxes[:, :2] - (size - boxes[:, 2:]).div(2, rounding_mode="floor")).clamp(min=0)
    return torch.cat((corner, torch.full_like(corner, size)), dim=1)


def box_patches(image: Tensor, boxes: Tensor, size: int) -> Tensor:
    """The patch of ``size`` x ``size`` pixels around each picture's box, ``(N, C, size, size)``.

    Args:
        image: ``(N, C, H, W)``.
        boxes: ``(N, 4)``, one for each picture.

    Raises:
        InputError: a patch would reach over the lower or right border.
    """
    patches = []
    for picture, (top, left, _, _) in zip(image, patch_boxes(boxes, size).tolist(), strict=True):
        patch = picture[:, top : top + size, left : left + size]
        if patch.shape[1:] != (size, size):
            raise InputError(
                f"a patch of {size} x {size} at row {top}, column {left} does not fit into a picture of "
                f"{picture.shape[1]} x {picture.shape[2]}; keep boxes away from the border."
            )
        patches.append(patch)
    return torch.stack(patches)


def box_masks(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks ``(N, 1, H, W)``, float32, 1 inside each box."""
    rows, columns = torch.arange(size[0], device=boxes.device), torch.arange(size[1], device=boxes.device)
    top, left, height, width = boxes[:, :, None].unbind(1)
    down = (rows >= top) & (rows < top + height)
    right = (columns >= left) & (columns < left + width)
    return (down[:, :, None] & right[:, None, :])[:, None].float()


def discounted_mask(boxes: Tensor, size: tuple[int, int], *, gamma: float = 0.99, beta: float = 1.5) -> Tensor:
    """Weights that fall towards the middle of a hole: ``gamma ** (beta * d)``, ``(N, 1, H, W)``, 0 outside the boxes.

    ``d`` is the distance to the nearest pixel of the box's edge (Yu et al., CVPR 2018, section 3.3). Used by no
    published configuration.
    """
    rows, columns = torch.arange(size[0], device=boxes.device), torch.arange(size[1], device=boxes.device)
    top, left, height, width = boxes[:, :, None].unbind(1)
    down = torch.minimum(rows - top, top + height - 1 - rows)
    right = torch.minimum(columns - left, left + width - 1 - columns)
    distance = torch.minimum(down[:, :, None], right[:, None, :])[:, None]
    weights = gamma ** (beta * distance.clamp(min=0).double())
    return torch.where(distance >= 0, weights, torch.zeros_like(weights)).float()
