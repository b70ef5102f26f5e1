"""Pictures that the training code draws itself: text, lines, gradients and textures, free for any use."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["drawn_picture"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;!?&%+-=/()"
_OVERSAMPLING = 3  # drawn larger and averaged down, so that edges are as a camera would see them


def _colour(random: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in random.integers(0, 256, 3))
    return red, green, blue


def _gradient(random: np.random.Generator, side: int) -> Image.Image:
    """Two colours across the picture in a random direction."""
    angle = random.uniform(0, 2 * math.pi)
    rows, columns = np.mgrid[0:side, 0:side] / side - 0.5
    along = np.clip(0.5 + rows * math.sin(angle) + columns * math.cos(angle), 0, 1)[..., None]
    start, end = np.array(_colour(random)), np.array(_colour(random))
    return Image.fromarray((start + (end - start) * along).astype(np.uint8))


def _text(random: np.random.Generator, picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    top = 0.0
    while top < picture.height:
        size = random.uniform(9, 40) * _OVERSAMPLING
        words = "".join(random.choice(list(_LETTERS + "    "), 60))
        draw.text((-random.uniform(0, 20), top), words, fill=_colour(random), font=ImageFont.load_default(size))
        top += size * random.uniform(1.0, 1.6)


def _lines(random: np.random.Generator, picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    side = picture.width
    for _ in range(int(random.integers(6, 25))):
        ends = [tuple(random.uniform(-0.1 * side, 1.1 * side, 2)) for _ in range(int(random.integers(2, 4)))]
        width = max(1, int(random.exponential(3.0) * _OVERSAMPLING))
        draw.line([(float(x), float(y)) for x, y in ends], fill=_colour(random), width=width, joint="curve")


def _shapes(random: np.random.Generator, picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    side = picture.width
    for _ in range(int(random.integers(4, 16))):
        (x, y), (w, h) = random.uniform(-0.2, 1.0, 2) * side, random.uniform(0.05, 0.5, 2) * side
        box = (float(x), float(y), float(x + w), float(y + h))
        kind = random.integers(0, 3)
        if kind == 0:
            draw.ellipse(box, fill=_colour(random))
        elif kind == 1:
            draw.rectangle(box, fill=_colour(random))
        else:
            corners = random.uniform(0, side, (int(random.integers(3, 6)), 2))
            draw.polygon([(float(a), float(b)) for a, b in corners], fill=_colour(random))


def _grating(random: np.random.Generator, side: int) -> Image.Image:
    """A sum of a few waves, sharp or soft: weaves, stripes, checks, rings."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float64) / _OVERSAMPLING
    total = np.zeros((side, side))
    for _ in range(int(random.integers(1, 4))):
        angle, period = random.uniform(0, math.pi), random.uniform(3.0, 30.0)
        wave = rows * math.sin(angle) + columns * math.cos(angle)
        if random.random() < 0.3:
            wave = np.hypot(rows - random.uniform(0, side / 3), columns - random.uniform(0, side / 3))
        total += np.sin(2 * math.pi * wave / period + random.uniform(0, 6))
    amount = 1 / (1 + np.exp(-total * random.choice([1.0, 4.0, 30.0])))[..., None]
    start, end = np.array(_colour(random)), np.array(_colour(random))
    return Image.fromarray((start + (end - start) * amount).astype(np.uint8))


def drawn_picture(random: np.random.Generator, side: int) -> np.ndarray:
    """One drawn picture, uint8 RGB ``(side, side, 3)``, a function of the generator's state alone.

    >>> drawn_picture(np.random.default_rng(0), 32).shape
    (32, 32, 3)
    """
    large = side * _OVERSAMPLING
    picture = _grating(random, large) if random.random() < 0.3 else _gradient(random, large)
    for draw, chance in ((_shapes, 0.6), (_lines, 0.6), (_text, 0.5)):
        if random.random() < chance:
            draw(random, picture)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))
