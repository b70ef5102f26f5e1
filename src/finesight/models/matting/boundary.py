"""What every matting network does to a picture and a trimap before its first layer."""

from __future__ import annotations

from torch import Tensor

from finesight.errors import InputError
from finesight.nn.padding import mirror_to_multiple
from finesight.nn.traits import Port

__all__ = ["INPUTS", "OUTPUTS", "fit", "normalised"]

INPUTS = (Port("image"), Port("trimap", channels=1))
OUTPUTS = (Port("alpha", channels=1),)

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(image: Tensor) -> Tensor:
    """RGB in [0, 1] ``(N, 3, H, W)``, minus the mean of ImageNet's colours, over their deviation."""
    mean, deviation = (image.new_tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _DEVIATION))
    return (image - mean) / deviation


def fit(image: Tensor, trimap: Tensor, multiple: int) -> tuple[Tensor, Tensor]:
    """Both mirrored at their right and lower border to multiples of ``multiple``; the trimap in the picture's type.

    Raises:
        InputError: the trimap is not ``(N, 1, H, W)`` of the picture's size.
    """
    wanted = (len(image), 1, *image.shape[-2:])
    if trimap.shape != wanted:
        raise InputError(f"the trimap must be {wanted} for this picture, got {tuple(trimap.shape)}.")
    return mirror_to_multiple(image, multiple), mirror_to_multiple(trimap.to(image.dtype), multiple)
