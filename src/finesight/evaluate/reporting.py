"""One HTML file that compares methods: pictures, maps and scores inside it, no server and no other file."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from finesight.errors import SettingError
from finesight.evaluate.figure import GAIN, Shown
from finesight.evaluate.maps import difference_map, dissimilarity_map, heat
from finesight.evaluate.tables import Comparison, Table
from finesight.metrics.ssim import WINDOW

__all__ = ["make_report"]

REFERENCE = "reference"


def make_report(tables: Mapping[str, Table], pictures: Sequence[Shown], *, title: str) -> str:
    """The page's text.

    Args:
        tables: method -> its scores, all by one protocol on the same pictures.
        pictures: those that can be looked at, of the same methods.
        title: of the page.

    Raises:
        SettingError: no pictures, a method called ``reference``, or tables that cannot be compared.
    """
    if not pictures:
        raise SettingError("a report needs at least one picture")
    if REFERENCE in tables:
        raise SettingError("a method cannot be called reference: rename its folder")
    comparison = Comparison(dict(tables))
    best = comparison.best()
    remarks = list(comparison.remarks())
    remarks.append(f"Difference: white is {GAIN:g} of the range. 1 - SSIM of the luma: white is the most.")
    content = {
        "title": title,
        "names": [REFERENCE, *tables],
        "columns": [{"name": c.name, "title": c.title, "better": c.better} for c in comparison.columns],
        "methods": [
            {
                "name": name,
                "means": {c.name: c.text(table.mean(c.name).value) for c in comparison.columns},
                "best": [metric for metric, methods in best.items() if name in methods],
            }
            for name, table in tables.items()
        ],
        "pictures": [_picture(shown, tables) for shown in pictures],
        "remarks": remarks,
    }
    page = files("finesight.evaluate").joinpath("page.html").read_text(encoding="utf-8")
    # no text of ours can end the script, whatever files are called
    text = json.dumps(content, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    return page.replace("@TITLE@", html.escape(title)).replace("@DATA@", text)


def _picture(shown: Shown, tables: Mapping[str, Table]) -> dict[str, Any]:
    height, width = shown.truth.shape[-2:]
    values = {}
    for name, table in tables.items():
        row = next(row for row in table.rows if row.name == shown.name)
        values[name] = {c.name: c.text(row.values.get(c.name, math.nan)) for c in table.columns}
    return {
        "name": shown.name,
        "width": width,
        "height": height,
        "images": {REFERENCE: _embedded(_levels(shown.truth))}
        | {name: _embedded(_levels(image)) for name, image in shown.methods.items()},
        "maps": {name: _maps(image, shown.truth) for name, image in shown.methods.items()},
        "values": values,
    }


def _maps(image: Tensor, truth: Tensor) -> dict[str, str]:
    found = {"difference": _embedded(_chw(heat(difference_map(image, truth), largest=GAIN)))}
    if min(truth.shape[-2:]) >= WINDOW:
        found["ssim"] = _embedded(_chw(heat(dissimilarity_map(image, truth), largest=1.0)))
    return found


def _levels(image: Tensor) -> np.ndarray[Any, Any]:
    return _chw(image[0].clamp(0, 1).mul(255).round().byte())


def _chw(levels: Tensor) -> np.ndarray[Any, Any]:
    pixels: np.ndarray[Any, Any] = levels.permute(1, 2, 0).contiguous().numpy()
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def _embedded(pixels: np.ndarray[Any, Any]) -> str:
    """A lossless picture as a data address."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
