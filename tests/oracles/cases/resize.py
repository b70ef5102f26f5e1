"""MATLAB-style resizing: ``degrade.resize`` against two published forms of it."""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor

from finesight.degrade.resize import resize, resize_8bit
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle


def _planes(image: Tensor) -> Tensor:
    return image.permute(2, 0, 1) if image.dim() == 3 else image


def _picture(image: Tensor) -> Tensor:
    return image.permute(1, 2, 0) if image.dim() == 3 else image


def _scale(words: str) -> float:
    """``1over3`` is a third, ``1over1p5`` two thirds, ``2p7`` is 2.7."""
    numerator, _, denominator = words.replace("p", ".").partition("over")
    return float(numerator) / float(denominator) if denominator else float(numerator)


def _mmediting(oracle: Oracle) -> Answers:
    eight = _planes(oracle.inputs["image_u8"])
    exact = eight.double() / 255
    answers = {}
    for name in oracle.outputs:
        form, words = name.split("_", 1)
        if words.startswith("to_"):
            height, width = map(int, words[3:].split("x"))
            arguments: dict[str, object] = {"size": (height, width)}
        else:
            arguments = {"scale": _scale(words)}
        image = resize(exact, **arguments) if form == "f" else resize_8bit(eight, **arguments)  # type: ignore[arg-type]
        answers[name] = _picture(image)
    return answers


def _operator(length: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """The published form of the one-dimensional operator: mirrored positions and their weights, row by row."""
    from finesight.degrade.resize import taps

    positions, weights = taps(length, out, out / length, "bicubic", antialias=True)
    return positions, weights


def _ntire(oracle: Oracle) -> Answers:
    answers: dict[str, Tensor | np.ndarray] = {}
    for name in oracle.outputs:
        if name.startswith(("weights", "indices")):
            length, out = map(int, re.findall(r"\d+", name))
            positions, weights = _operator(length, out)
            answers[name] = weights if name.startswith("weights") else positions
            continue
        source, words = name.split("_", 1)
        image = _planes(oracle.inputs[source])
        if words == "size":
            height, width = image.shape[-2:]
            answers[name] = _picture(resize(image, size=(height // 3, width * 2 // 3)))
            continue
        direction, amount = re.fullmatch(r"([a-z]+)([\d.]+)", words).groups()  # type: ignore[union-attr]
        if words.startswith("up3") and source.startswith("f"):
            image = image[:, :12, :10]
        scale = float(amount) if direction == "up" else 1 / float(amount)
        if image.dtype == torch.uint8:
            answers[name] = _picture(resize_8bit(image, scale=scale, rounding="half-even"))
        else:
            kernel = "bilinear" if direction == "bilinear" else "bicubic"
            answers[name] = _picture(resize(image, scale=scale, kernel=kernel))
    return answers


CASES = {"MATLAB-style bicubic resize": Case(_mmediting), "imresize": Case(_ntire)}
