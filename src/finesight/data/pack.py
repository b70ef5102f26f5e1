"""Many crops in one file, so that training data can be carried to another machine.

A pack is an uncompressed zip archive: ``pack.json`` (where the crops come from) and lossless WebP crops. Reading it
needs only Pillow and numpy.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from finesight.data.drawn import drawn_picture
from finesight.errors import InputError, SettingError
from finesight.media.atomic import atomically
from finesight.progress import Progress, silent

__all__ = ["pack_folder", "read_pack"]

_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
_DETAIL = 3.0  # grey levels of mean gradient; flatter crops (sky, walls, night) teach nothing
_SHRINK = 0.75  # JPEG photographs are averaged down a little, so that their compression does not teach artefacts


def _candidates(path: Path, side: int, seed: int) -> list[tuple[float, np.ndarray]]:
    """Non-overlapping crops of one photograph with their detail (mean absolute gradient of luma)."""
    try:
        with Image.open(path) as file:
            picture = file.convert("RGB")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error
    size = (round(picture.width * _SHRINK), round(picture.height * _SHRINK))
    if min(size) < side:
        return []
    pixels = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    random = np.random.default_rng(seed)
    top, left = (int(random.integers(0, (extent % side) + 1)) for extent in pixels.shape[:2])
    found = []
    for row in range(top, pixels.shape[0] - side + 1, side):
        for column in range(left, pixels.shape[1] - side + 1, side):
            crop = pixels[row : row + side, column : column + side]
            luma = crop.astype(np.float32).mean(2)
            found.append((float(np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean()), crop))
    return found


def _encoded(crop: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "WEBP", lossless=True, quality=60, method=4, exact=True)
    return buffer.getvalue()


def pack_folder(
    folder: Path,
    output: Path,
    *,
    side: int = 192,
    limit: int = 29_000_000,
    drawn: float = 0.12,
    seed: int = 0,
    progress: Progress = silent,
) -> int:
    """Cut every photograph of ``folder`` into crops and write the most detailed, an equal share of each, into one file.

    Args:
        folder: searched recursively for pictures.
        output: the archive; it appears only when it is whole.
        side: width and height of a crop in pixels.
        limit: largest size of the archive in bytes.
        drawn: share of the bytes that goes to pictures drawn by ``drawn_picture``.
        seed: decides the grid offsets and the drawn pictures.

    Returns:
        The number of crops.

    Raises:
        InputError: the folder holds no picture that is large enough, or one cannot be read.
        SettingError: a setting is out of range.
        OutputError: the archive cannot be written.
    """
    if side < 32 or limit < 100_000 or not 0 <= drawn < 1:
        raise SettingError(f"expected side >= 32, limit >= 100000 and 0 <= drawn < 1, got {side}, {limit}, {drawn}")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _ENDINGS)
    share = (limit - 50_000) * (1 - drawn) / max(len(paths), 1)
    crops: list[tuple[str, bytes]] = []
    spare = 0.0
    for number, path in enumerate(paths):
        spare += share
        ranked = sorted(_candidates(path, side, seed + number), key=lambda item: -item[0])
        for index, (detail, crop) in enumerate(ranked):
            data = _encoded(crop)
            if detail < _DETAIL or len(data) + 200 > spare:
                break
            spare -= len(data) + 200
            crops.append((f"{path.stem}_{index:03d}.webp", data))
        progress(number + 1, len(paths), path.name)
    if not crops:
        raise InputError(
            f"{folder} holds no picture with detail and at least {round(side / _SHRINK)} pixels on its short side"
        )
    random = np.random.default_rng(seed)
    left = limit - 50_000 - sum(len(data) + 200 for _, data in crops)
    while drawn:
        data = _encoded(drawn_picture(random, side))
        left -= len(data) + 200
        if left < 0:
            break
        crops.append((f"drawn_{len(crops):05d}.webp", data))
    _write(output, crops, side=side, sources=[p.name for p in paths])
    return len(crops)


def _write(output: Path, crops: Sequence[tuple[str, bytes]], *, side: int, sources: Sequence[str]) -> None:
    about = {"side": side, "crops": len(crops), "sources": list(sources)}
    with atomically(output) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("pack.json"), json.dumps(about, indent=1))
        for name, data in crops:  # ZipInfo carries no clock: the same crops, the same bytes
            archive.writestr(zipfile.ZipInfo(name), data)


def read_pack(path: Path) -> list[np.ndarray]:
    """Every crop of a pack, uint8 RGB ``(side, side, 3)``.

    Raises:
        InputError: the file is missing, is not a pack, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".webp")]
            return [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read as a pack of crops: {error}. Make one with: finesight data pack"
        ) from error
