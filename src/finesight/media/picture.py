"""One picture with everything that its file said about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from finesight.errors import InputError

__all__ = ["Depth", "Picture", "from_array", "to_array", "to_depth"]

Depth = Literal[8, 16, 32]
Pixels = NDArray[Any]

DTYPES: dict[int, type[np.generic]] = {8: np.uint8, 16: np.uint16, 32: np.float32}
ROWS = 256  # rows converted at a time, so that a large picture never needs a second copy of itself in float


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """One picture as its file holds it, upright, with the metadata that goes back into a file.

    Attributes:
        pixels: (height, width, 1 or 3), contiguous: grey, or red, green, blue; uint8 in 0..255, uint16 in 0..65535, or
            float32, nominally in 0..1. In the colour space that `icc` describes, sRGB without one. Never premultiplied.
        alpha: (height, width) of the same dtype, 0 = transparent, or None.
        depth: 8, 16 or 32, always that of `pixels`.
        icc: the ICC profile that `pixels` are in, or None for sRGB.
        exif: EXIF as TIFF-structured bytes (no ``Exif\\0\\0`` in front), its orientation already 1, or None.
        xmp: the XMP packet as UTF-8 bytes, or None.
        iptc: the IPTC-IIM records, or None.
        comments: (key, value) texts of PNG files and comments of JPEG and GIF files.
        dpi: (horizontal, vertical) pixels per inch, or None.
        format: name of the format it was read from, "array" or "pil" where it never was a file.
        times: (access, modification) of the file in nanoseconds, as `os.utime` takes them, or None.
        notes: what reading could not keep or had to assume, each one plain sentence.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    depth: Depth = 8
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    format: str = "array"
    times: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    iptc: bytes | None = None
    comments: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        _check(self.pixels, self.alpha, self.depth)

    def __repr__(self) -> str:
        depth = "float" if self.depth == 32 else f"{self.depth} bits"
        return f"<Picture {self.width} x {self.height} {self.mode}, {depth}, {self.format}>"

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[1])

    @property
    def channels(self) -> int:
        """Colour channels without alpha: 1 (grey) or 3."""
        return int(self.pixels.shape[2])

    @property
    def mode(self) -> str:
        """In words: "grey", "grey+alpha", "RGB" or "RGBA"."""
        if self.channels == 1:
            return "grey" if self.alpha is None else "grey+alpha"
        return "RGB" if self.alpha is None else "RGBA"

    def replace(self, **changes: Any) -> Picture:
        """A copy with some attributes changed.

        New pixels bring their own depth: ``picture.replace(pixels=uint16_array)`` is 16 bits deep, unless `depth` says
        otherwise. An alpha that is not replaced with them is brought to that depth.

        Raises:
            InputError: the result would not fit together, for instance an alpha of another size.
        """
        pixels = changes.get("pixels")
        if isinstance(pixels, np.ndarray) and "depth" not in changes:
            changes["depth"] = _depth_of(pixels)
            if "alpha" not in changes and self.alpha is not None and self.alpha.dtype != pixels.dtype:
                changes["alpha"] = to_depth(self.alpha, changes["depth"])
        return dataclasses.replace(self, **changes)

    def to_depth(self, depth: Depth) -> Picture:
        """The same picture with 8, 16 or 32 (float) bits a channel; integers are rounded, never cut."""
        if depth == self.depth:
            return self
        alpha = None if self.alpha is None else to_depth(self.alpha, depth)
        return dataclasses.replace(self, pixels=to_depth(self.pixels, depth), alpha=alpha, depth=depth)

    def noted(self, *notes: str) -> Picture:
        """The same picture with more notes."""
        return dataclasses.replace(self, notes=(*self.notes, *notes)) if notes else self


def _depth_of(array: Pixels) -> Depth:
    for depth, dtype in DTYPES.items():
        if array.dtype == dtype:
            return depth  # type: ignore[return-value]
    raise InputError(f"Pixels must be uint8, uint16 or float32; these are {array.dtype}. Convert them first.")


def _check(pixels: Pixels, alpha: Pixels | None, depth: int) -> None:
    if depth != _depth_of(pixels):
        raise InputError(
            f"A picture {depth} bits deep needs {DTYPES[depth].__name__} pixels; these are {pixels.dtype}."
        )
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
        raise InputError(f"Pixels must have the shape (height, width, 1 or 3) with no side 0; this is {pixels.shape}.")
    if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
        raise InputError(
            f"Alpha must be {pixels.dtype} of shape {pixels.shape[:2]} like its pixels; "
            f"this is {alpha.dtype} {alpha.shape}."
        )


def to_depth(array: Pixels, depth: Depth) -> Pixels:
    """Bring an array of uint8, uint16 or float32 (0..1) to another depth: rounded to nearest, float clipped to 0..1.

    Args:
        array: any shape with at least one axis.
        depth: 8, 16 or 32.

    Raises:
        InputError: another dtype.
    """
    source = _depth_of(array)
    if source == depth:
        return array
    table = None
    if source != 32:  # a table has 256 or 65536 entries, whatever the size of the picture
        levels = np.arange(2**source, dtype=np.float64) / (2**source - 1)
        table = levels.astype(np.float32) if depth == 32 else np.rint(levels * (2**depth - 1)).astype(DTYPES[depth])
    result = np.empty(array.shape, DTYPES[depth])
    for start in range(0, array.shape[0], ROWS):
        rows = array[start : start + ROWS]
        if table is not None:
            result[start : start + ROWS] = table[rows]
        else:
            finite = np.nan_to_num(rows, nan=0.0, posinf=1.0, neginf=0.0)
            result[start : start + ROWS] = np.rint(np.clip(finite, 0.0, 1.0) * np.float32(2**depth - 1))
    return result


def from_array(array: NDArray[Any], *, metadata: Mapping[str, Any] | None = None) -> Picture:
    """A picture from pixels in memory.

    Args:
        array: (H, W) grey, (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGBA. uint8, uint16,
            bool (0 or 1), or a float type, whose values must be finite and within 0..1 up to rounding.
        metadata: attributes of `Picture` to go with them (icc, exif, dpi, ...).

    Raises:
        InputError: another dtype, shape or range; says what was found.

    >>> from_array(np.zeros((4, 5), np.uint8)).mode
    'grey'
    """
    if not isinstance(array, np.ndarray):
        raise InputError(f"A NumPy array is wanted, this is a {type(array).__name__}. Use np.asarray(...) on it.")
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] > 4):
        raise InputError(
            f"An array of shape {array.shape} is not a picture: (H, W) or (H, W, 1 to 4) with no side 0 is wanted."
        )
    array = _as_known_dtype(array)
    if array.ndim == 2:
        array = array[:, :, None]
    colour = 1 if array.shape[2] in (1, 2) else 3
    alpha = np.ascontiguousarray(array[:, :, colour]) if array.shape[2] in (2, 4) else None
    pixels = np.ascontiguousarray(array[:, :, :colour])
    return Picture(pixels=pixels, alpha=alpha, depth=_depth_of(pixels), **dict(metadata or {}))


def _as_known_dtype(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u" and array.dtype.itemsize in (1, 2):
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())  # NaN spreads into both
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError("The array holds NaN or infinity. Replace them first, for instance with np.nan_to_num.")
        if low < -1e-3 or high > 1 + 1e-3:
            raise InputError(
                f"A float array must lie in 0..1; this one goes from {low:.4g} to {high:.4g}. "
                "Divide it by its peak (255 or 65535), or pass it as uint8 or uint16."
            )
        return array.astype(np.float32, copy=False)
    raise InputError(f"Arrays of {array.dtype} are not pictures: use uint8, uint16, or float in 0..1.")


def to_array(picture: Picture) -> Pixels:
    """Pixels and alpha in one array, depth unchanged: (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) or (H, W, 4)."""
    if picture.alpha is not None:
        return np.concatenate([picture.pixels, picture.alpha[:, :, None]], axis=2)
    return picture.pixels[:, :, 0] if picture.channels == 1 else picture.pixels
