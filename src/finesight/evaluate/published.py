"""Every published result of the catalog as an entry that can be run: model, test set, scale, protocol, values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from finesight.errors import SettingError
from finesight.evaluate.protocols import PROTOCOLS
from finesight.zoo.cards import card, catalog
from finesight.zoo.model import Card, Score

__all__ = ["NOT_MEASURED", "PublishedRow", "find_row", "metric_names", "published_rows"]

NOT_MEASURED = "not measured here"

_BY_TEXT = (
    ("REDS4: RGB, the others: Y", ""),  # depends on the test set
    ("the configuration crops 4 for every scale", "liif-rgb"),
    ("the published SSIM is of the blue channel alone", "mmediting-rgb"),
    ("clips extended by reflection_circle", "toflow-vid4"),
    ("Set5 reduced by plain bicubic", "real-esrgan"),
    ("PSNR and SSIM on Y, 8 border pixels", "tdan"),
    ("PSNR and SSIM on Y, as many border pixels", "sr-y"),
    ("frames 0, 50 and 99", "videolq"),
    ("8-bit alpha with the test set's trimaps", "comp1k"),
    ("random crops and masks", "inpaint-places"),
    ("frames rounded to 8 bits", "interpolation"),
    ("as published, reference = LR", "real-esrgan"),
    ("PSNR on RGB, nothing cropped", "real-esrgan"),
)
_BORDERS = MappingProxyType({8: "dic-rgb", 4: "cufed"})
METRIC_OF: Mapping[str, str] = MappingProxyType({"mse": "alpha-mse"})
"""Names of published values that we call differently; others keep theirs."""


@dataclass(frozen=True)
class PublishedRow:
    """One published result.

    Args:
        model: name in the catalog.
        on: the test set, as the catalog calls it.
        scale: the enlargement; 1 where there is none.
        protocol: of ``PROTOCOLS``, what the numbers were measured with.
        values: metric of ``METRICS`` -> published value. ``nrqm``, ``pi`` and the unit-less ``l1`` are only quoted.
        runnable: whether this version has the network.
    """

    model: str
    on: str
    scale: int
    protocol: str
    values: Mapping[str, float]
    runnable: bool

    @property
    def key(self) -> str:
        """What tells it apart: ``edsr-x4 on Set5 x4``."""
        return f"{self.model} on {self.on} x{self.scale}"


def metric_names(values: Mapping[str, float], *, matting: bool = False) -> dict[str, float]:
    """Published values under our names of metrics."""
    return {(METRIC_OF.get(name, name) if matting else name): value for name, value in values.items()}


def protocol_of(score: Score) -> str:
    """The protocol that the catalog's sentence describes.

    Raises:
        SettingError: the sentence is not known: the catalog has a new one.
    """
    text, on = score.protocol, score.on
    if text.startswith("REDS4: RGB"):
        return "reds4" if "REDS" in on else "vimeo-t" if "Vimeo-90K-T" in on else "vid4-y"
    if "frames rounded to 8 bits" in text and "REDS" in on:
        return "reds4"
    if "blue channel alone" in text and (border := re.search(r"RGB, (\d+) border pixels", text)):
        return _BORDERS[int(border[1])]
    for part, name in _BY_TEXT:
        if name and part in text:
            return name
    raise SettingError(f"no protocol is known for '{text}' of {on}")


def _row(found: Card, score: Score) -> PublishedRow:
    name = protocol_of(score)
    assert name in PROTOCOLS
    values = metric_names(score.values, matting=found.task == "matting")
    scale = int(score.scale or found.scale or 1)
    return PublishedRow(found.name, score.on, scale, name, values, found.runnable)


def published_rows(models: Iterable[str] = ()) -> list[PublishedRow]:
    """All published results, or those of some models, in the order of the catalog.

    Raises:
        ModelError: a model is not in the catalog.
    """
    cards = [card(name) for name in models] or list(catalog().values())
    return [_row(found, score) for found in cards for score in found.scores]


def find_row(rows: Iterable[PublishedRow], on: str, *, protocol: str, scale: int) -> PublishedRow | None:
    """The published result on a test set: by its name without signs and case, also where one begins with the other."""

    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.lower())

    wanted = plain(on)
    fitting = [row for row in rows if row.protocol == protocol and row.scale == scale]
    exact = [row for row in fitting if plain(row.on) == wanted]
    near = [row for row in fitting if wanted and (plain(row.on).startswith(wanted) or wanted.startswith(plain(row.on)))]
    found = exact or near
    return found[0] if len(found) == 1 else None
