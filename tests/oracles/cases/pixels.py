"""From tensors to 8-bit pictures."""

from __future__ import annotations

import math

import numpy as np

from finesight.run.pixels import quantise
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle

__all__ = ["CASES"]

BYTE = np.dtype(np.uint8)


def answer(oracle: Oracle) -> Answers:
    """The file has BGR; its contact sheet, which is no part of finesight, is laid out here from our pictures."""
    pictures = oracle.inputs["x"]
    first = pictures[0]
    per_row, (height, width) = int(math.sqrt(len(pictures))), first.shape[1:]
    rows = math.ceil(len(pictures) / per_row)
    sheet = np.zeros((rows * (height + 2) + 2, per_row * (width + 2) + 2, 3), np.uint8)
    for place, picture in enumerate(pictures):
        top, left = (
            2 + index * (side + 2) for index, side in zip(divmod(place, per_row), (height, width), strict=True)
        )
        sheet[top : top + height, left : left + width] = quantise(picture, BYTE)
    return {
        "first": quantise(first, BYTE)[:, :, ::-1].copy(),
        "first_pm1": quantise((first + 1) / 2, BYTE)[:, :, ::-1].copy(),
        "gray": quantise(first[:1], BYTE)[:, :, 0],
        "float_": quantise(first.clamp(0, 1), np.dtype(np.float32))[:, :, ::-1].copy(),
        "batch_grid": sheet[:, :, ::-1].copy(),
    }


CASES: dict[str, Case] = {"tensor to 8-bit image": Case(answer)}
