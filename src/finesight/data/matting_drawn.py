"""Alpha mattes that the training code draws itself: hair, fur, leaves, glass, nets, smoke, motion and defocus blur."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["KINDS", "drawn_alpha"]

Plane = NDArray[np.float32]

_OVERSAMPLING = 3  # drawn larger and averaged down: a hair is thinner than a pixel


def _canvas(side: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("L", (side * _OVERSAMPLING, side * _OVERSAMPLING))
    return picture, ImageDraw.Draw(picture)


def _averaged(picture: Image.Image, side: int) -> Plane:
    found: Plane = np.asarray(picture.resize((side, side), Image.Resampling.BOX), np.float32) / np.float32(255)
    return found


def _outline(random: np.random.Generator, side: float, *, rough: float = 1.0) -> NDArray[np.float64]:
    """A closed curve of random waves around a centre, ``(180, 2)`` points x, y in canvas pixels."""
    angles = np.linspace(0, 2 * math.pi, 180, endpoint=False)
    radius = np.ones_like(angles)
    for wave in range(1, 9):
        radius += rough * random.normal(0, 0.22 / wave) * np.sin(wave * angles + random.uniform(0, 2 * math.pi))
    radius *= random.uniform(0.22, 0.5) * side
    centre = random.uniform(0.1, 0.9, 2) * side
    stretch = random.uniform(0.7, 1.4)
    return np.stack([centre[0] + radius * np.cos(angles) * stretch, centre[1] + radius * np.sin(angles)], axis=1)


def _polygon(draw: ImageDraw.ImageDraw, points: NDArray[np.float64], fill: int = 255) -> None:
    draw.polygon([(float(x), float(y)) for x, y in points], fill=fill)


def _strand(
    random: np.random.Generator, start: NDArray[np.float64], angle: float, length: float, curl: float
) -> list[tuple[float, float]]:
    """A strand of hair as a polyline whose direction drifts."""
    count = max(4, min(14, int(length / 12)))
    turns = angle + np.cumsum(random.normal(0, curl, count) + random.normal(0, curl))
    steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * (length / count)
    points = np.concatenate([start[None], start + np.cumsum(steps, axis=0)])
    return [(float(x), float(y)) for x, y in points]


def _hair(random: np.random.Generator, side: int) -> Plane:
    """A body from whose edge long strands fall in one direction, in clumps."""
    picture, draw = _canvas(side)
    large = side * _OVERSAMPLING
    body = _outline(random, large, rough=0.6)
    main, curl = random.uniform(0, 2 * math.pi), random.uniform(0.01, 0.16)
    reach = random.uniform(0.15, 0.6) * large
    for _ in range(int(random.integers(8, 40))):
        root = body[int(random.integers(len(body)))]
        outwards = math.atan2(*(root - body.mean(0))[::-1])
        angle = main + random.normal(0, 0.35) if random.random() < 0.6 else outwards + random.normal(0, 0.4)
        for _ in range(int(random.integers(3, 26))):
            start = root + random.normal(0, random.uniform(1, 6) * _OVERSAMPLING, 2)
            width = max(1, int(random.exponential(0.5) * _OVERSAMPLING))
            line = _strand(random, start, angle + random.normal(0, 0.12), reach * random.uniform(0.3, 1.2), curl)
            draw.line(line, fill=int(random.integers(140, 256)), width=width)
    _polygon(draw, body)
    return _averaged(picture, side)


def _fur(random: np.random.Generator, side: int) -> Plane:
    """A body with short hairs all along its edge."""
    picture, draw = _canvas(side)
    large = side * _OVERSAMPLING
    body = _outline(random, large)
    centre, length = body.mean(0), random.uniform(3, 16) * _OVERSAMPLING
    lean = random.normal(0, 0.5)
    for _ in range(int(random.integers(250, 900))):
        place = random.uniform(0, len(body))
        low, share = int(place) % len(body), place % 1
        root = body[low] * (1 - share) + body[(low + 1) % len(body)] * share
        inwards = (centre - root) / (np.linalg.norm(centre - root) + 1e-6)
        angle = math.atan2(-inwards[1], -inwards[0]) + lean + random.normal(0, 0.3)
        line = _strand(random, root + inwards * 3, angle, length * random.uniform(0.4, 1.4), 0.15)
        draw.line(line, fill=int(random.integers(120, 256)), width=int(random.integers(1, 4)))
    _polygon(draw, body)
    return _averaged(picture, side)


def _leaves(random: np.random.Generator, side: int) -> Plane:
    """Twigs with pointed leaves, gaps between them."""
    picture, draw = _canvas(side)
    large = side * _OVERSAMPLING
    size = random.uniform(6, 34) * _OVERSAMPLING
    for _ in range(int(random.integers(2, 7))):
        twig = _strand(
            random, random.uniform(0, 1, 2) * large, random.uniform(0, 7), random.uniform(0.4, 1) * large, 0.12
        )
        draw.line(twig, fill=255, width=int(random.integers(1, 3 * _OVERSAMPLING)))
        for x, y in np.repeat(np.array(twig), 3, axis=0) + random.normal(0, size * 0.3, (3 * len(twig), 2)):
            angle, long = random.uniform(0, 2 * math.pi), size * random.uniform(0.5, 1.5)
            wide = long * random.uniform(0.15, 0.4)
            along = np.linspace(0, 1, 12)
            half = wide * np.sin(math.pi * along) ** random.uniform(0.7, 1.6)
            edge = np.concatenate([np.stack([along * long, half], 1), np.stack([along[::-1] * long, -half[::-1]], 1)])
            turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
            _polygon(draw, edge @ turn + (x, y))
    return _averaged(picture, side)


def _waves(random: np.random.Generator, side: int, *, octaves: int = 4) -> Plane:
    """Smooth noise in [0, 1]."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        small = random.normal(0, 0.6**octave, (2 + 2**octave * 2,) * 2).astype(np.float32)
        total += np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))
    stretched: Plane = (total - total.min()) / np.float32(max(float(np.ptp(total)), 1e-6))
    return stretched


def _smoke(random: np.random.Generator, side: int) -> Plane:
    """Clouds, from nothing to dense."""
    clouds = _waves(random, side)
    low = random.uniform(0.25, 0.5)
    found: Plane = np.clip((clouds - low) / random.uniform(0.2, 0.6), 0, 1)
    return found


def _glass(random: np.random.Generator, side: int) -> Plane:
    """A thin clear body with a denser rim, reflections, and a base that is solid."""
    picture, draw = _canvas(side)
    outline = _outline(random, side * _OVERSAMPLING, rough=0.4)
    _polygon(draw, outline, int(random.integers(20, 150)))
    line = [(float(x), float(y)) for x, y in [*outline, outline[0]]]
    draw.line(line, fill=int(random.integers(150, 256)), width=int(random.uniform(1, 6) * _OVERSAMPLING))
    body = _averaged(picture.filter(ImageFilter.GaussianBlur(random.uniform(0, 3) * _OVERSAMPLING)), side)
    body = body * (0.6 + 0.8 * _waves(random, side, octaves=3))
    solid, draw = _canvas(side)
    _polygon(draw, _outline(random, side * _OVERSAMPLING, rough=0.5) * random.uniform(0.3, 0.7))
    found: Plane = np.clip(np.maximum(body, _averaged(solid, side)), 0, 1)
    return found


def _net(random: np.random.Generator, side: int) -> Plane:
    """Crossing threads, bent: lace, wire, nets, feathers."""
    picture, draw = _canvas(side)
    large = side * _OVERSAMPLING
    step, width = random.uniform(5, 24) * _OVERSAMPLING, int(random.integers(1, 3 * _OVERSAMPLING))
    bend, phase, turn = random.uniform(0, 0.5) * step, random.uniform(0, 7), random.uniform(0, math.pi)
    along = np.linspace(-0.8, 0.8, 40) * large
    for direction in (turn, turn + random.uniform(0.5, 1.6))[: int(random.integers(1, 3))]:
        ahead = np.array([math.cos(direction), math.sin(direction)])
        beside = np.array([-ahead[1], ahead[0]])
        for offset in np.arange(-0.8 * large, 0.8 * large, step):
            waves = offset + bend * np.sin(along / step + phase)
            points = large / 2 + along[:, None] * ahead + waves[:, None] * beside
            draw.line([(float(x), float(y)) for x, y in points], fill=255, width=width)
    _polygon(draw, _outline(random, large, rough=0.5))
    return _averaged(picture, side)


def _solid(random: np.random.Generator, side: int) -> Plane:
    """One or two bodies with sharp edges."""
    picture, draw = _canvas(side)
    for _ in range(int(random.integers(1, 3))):
        _polygon(draw, _outline(random, side * _OVERSAMPLING, rough=1.4))
    return _averaged(picture, side)


def _moved(random: np.random.Generator, side: int) -> Plane:
    """Anything solid, blurred along a line as by motion."""
    margin = side // 8  # what moves in from outside
    draw = _solid if random.random() < 0.6 else _leaves
    alpha = draw(random, side + 2 * margin)
    length, angle = random.uniform(4, 2 * margin + 4), random.uniform(0, math.pi)
    picture = Image.fromarray(alpha)
    total, count = np.zeros_like(alpha), max(3, int(length))
    for place in np.linspace(-0.5, 0.5, count):
        shift = (1, 0, length * place * math.cos(angle), 0, 1, length * place * math.sin(angle))
        total += np.asarray(picture.transform(picture.size, Image.Transform.AFFINE, shift, Image.Resampling.BILINEAR))
    found: Plane = total[margin:, margin:][:side, :side] / np.float32(count)
    return found


def _defocused(random: np.random.Generator, side: int) -> Plane:
    """Anything drawn, out of focus."""
    draw = (_solid, _leaves, _fur, _hair)[int(random.integers(4))]
    picture = Image.fromarray((draw(random, side) * 255).astype(np.uint8))
    radius = min(float(random.exponential(2.5)) + 0.5, 10.0)
    blurred: Plane = np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), np.float32) / np.float32(255)
    return blurred


KINDS: dict[str, Callable[[np.random.Generator, int], Plane]] = {
    "hair": _hair,
    "fur": _fur,
    "leaves": _leaves,
    "glass": _glass,
    "net": _net,
    "smoke": _smoke,
    "solid": _solid,
    "motion blur": _moved,
    "defocus": _defocused,
}
"""What is drawn, by name."""

_SHARES = (0.28, 0.14, 0.1, 0.08, 0.07, 0.05, 0.08, 0.08, 0.12)


def drawn_alpha(random: np.random.Generator, side: int, kind: str = "") -> Plane:
    """One drawn alpha, float32 ``(side, side)`` in [0, 1], a function of the generator's state alone.

    Values within half a grey level of 0 and 1 are 0 and 1, so that a trimap finds known pixels.

    Args:
        random: where chance comes from.
        side: width and height in pixels.
        kind: one of ``KINDS``; by default any, hair and fur more often than others.

    >>> drawn_alpha(np.random.default_rng(0), 32).shape
    (32, 32)
    """
    name = kind or str(random.choice(list(KINDS), p=_SHARES))
    alpha = KINDS[name](random, side)
    stretched: Plane = np.clip((alpha - 0.004) / 0.992, 0, 1).astype(np.float32)
    return stretched
