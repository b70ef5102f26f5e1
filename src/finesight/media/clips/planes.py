"""Decoded frames to RGB arrays and back.

8-bit frames go through swscale, which must be told matrix and range. Deeper ones go through it for their chroma's size
only: its conversion to and from RGB is good to 8 bits or so.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, cast

import numpy as np

from .colour import Colour, matrix_weights, swscale_number
from .types import Pixels

if TYPE_CHECKING:
    import av

__all__ = ["depth_of", "from_rgb", "has_alpha", "is_rgb", "to_rgb"]

_DEEP = (9, 10, 12, 14, 16)


def depth_of(format: av.VideoFormat) -> int:  # noqa: A002 (PyAV's word)
    """Bits of the deepest component."""
    return max(component.bits for component in format.components)


def has_alpha(format: av.VideoFormat) -> bool:  # noqa: A002
    """Whether a pixel format carries alpha; palettes are taken to have none."""
    return any(component.is_alpha for component in format.components)


def is_rgb(format: av.VideoFormat) -> bool:  # noqa: A002
    """Whether a pixel format holds RGB (or a palette of it) rather than luma and chroma."""
    return bool(format.is_rgb or format.has_palette)


def to_rgb(frame: av.VideoFrame, colour: Colour) -> tuple[Pixels, Pixels | None]:
    """RGB (height, width, 3) of full range, uint8 for 8 bits and uint16 for more, and alpha or None."""
    alpha = has_alpha(frame.format)
    depth = depth_of(frame.format)
    if depth <= 8:
        whole = _scaled(frame, "rgba" if alpha else "rgb24", colour)
        array = _packed(whole, 4 if alpha else 3, np.uint8)
        return np.ascontiguousarray(array[:, :, :3]), np.ascontiguousarray(array[:, :, 3]) if alpha else None
    if is_rgb(frame.format):
        return _deep_rgb(frame, depth, alpha)
    deep = min(one for one in _DEEP if one >= depth)
    if alpha and deep == 14:
        deep = 16
    planar = _reshaped(frame, f"yuv{'a' if alpha else ''}444p{deep}le")
    planes = [_plane(planar, number, np.uint16) for number in range(4 if alpha else 3)]
    transparency = None
    if alpha:
        transparency = _full_scale(planes[3], deep)
    return _mixed_back(planes[0], planes[1], planes[2], colour, deep), transparency


def _deep_rgb(frame: av.VideoFrame, depth: int, alpha: bool) -> tuple[Pixels, Pixels | None]:
    if frame.format.name.startswith("gbr") and frame.format.name.endswith("le"):
        green, blue, red, *rest = (_plane(frame, n, np.uint16) for n in range(4 if alpha else 3))
        pixels = np.stack([_full_scale(one, depth) for one in (red, green, blue)], axis=-1)
        return pixels, _full_scale(rest[0], depth) if rest else None
    whole = frame.reformat(format="rgba64le" if alpha else "rgb48le")
    array = _packed(whole, 4 if alpha else 3, np.uint16)
    return np.ascontiguousarray(array[:, :, :3]), np.ascontiguousarray(array[:, :, 3]) if alpha else None


def _scaled(frame: av.VideoFrame, target: str, colour: Colour) -> av.VideoFrame:
    """Through swscale from the clip's matrix and range to full-range RGB."""
    from av.video.reformatter import Interpolation

    way = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    if colour.matrix == "rgb":
        return frame.reformat(format=target, interpolation=way)
    number = swscale_number(colour.matrix)
    return frame.reformat(
        format=target,
        src_colorspace=number,
        dst_colorspace=number,
        src_color_range=2 if colour.range == "full" else 1,
        dst_color_range=2,
        interpolation=way,
    )


def _reshaped(frame: av.VideoFrame, target: str) -> av.VideoFrame:
    """Only the places of chroma and planes change; ranges are said to be equal so that values stay."""
    from av.video.reformatter import Interpolation

    way = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
    return frame.reformat(
        format=target,
        src_colorspace=1,
        dst_colorspace=1,
        src_color_range=1,
        dst_color_range=1,
        interpolation=way,
    )


def _plane(frame: av.VideoFrame, number: int, dtype: type[np.generic]) -> Pixels:
    plane = frame.planes[number]
    rows: Pixels = np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // np.dtype(dtype).itemsize)
    return rows[: plane.height, : plane.width]


def _packed(frame: av.VideoFrame, channels: int, dtype: type[np.generic]) -> Pixels:
    plane = frame.planes[0]
    rows: Pixels = np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // np.dtype(dtype).itemsize)
    return rows[: frame.height, : frame.width * channels].reshape(frame.height, frame.width, channels)


def _full_scale(values: Pixels, depth: int) -> Pixels:
    """0 .. 2^depth - 1 to 0 .. 65535, rounded."""
    if depth == 16:
        return np.ascontiguousarray(values)
    top = 2**depth - 1
    return cast(Pixels, ((values.astype(np.uint32) * 65535 + top // 2) // top).astype(np.uint16))


@lru_cache(maxsize=32)
def _mixing(matrix: str, full: bool, depth: int) -> tuple[Pixels, Pixels]:
    """(3, 3) and (3,): levels of Y, Cb, Cr = RGB in 0..1 @ matrix + offset (BT.709 section 3, BT.2100 table 9)."""
    red, blue = matrix_weights(matrix)
    luma = np.array([red, 1 - red - blue, blue])
    rows = np.stack(
        [luma, (np.array([0, 0, 1]) - luma) / (2 * (1 - blue)), (np.array([1, 0, 0]) - luma) / (2 * (1 - red))]
    )
    unit = 2.0 ** (depth - 8)
    top = 2.0**depth - 1
    gains = np.array([top, top, top]) if full else np.array([219.0, 224.0, 224.0]) * unit
    offset = np.array([0.0 if full else 16 * unit, 128 * unit, 128 * unit])
    return (rows * gains[:, None]).T, offset


def _mixed_back(luma: Pixels, blue: Pixels, red: Pixels, colour: Colour, depth: int) -> Pixels:
    """YCbCr levels to RGB in uint16."""
    mix, offset = _mixing(colour.matrix, colour.range == "full", depth)
    back = (np.linalg.inv(mix) * 65535).astype(np.float32)
    result = np.empty((*luma.shape, 3), np.uint16)
    for start in range(0, luma.shape[0], 256):  # rows at a time: floats of a whole 4K frame need not exist
        part = slice(start, start + 256)
        levels = np.stack([luma[part], blue[part], red[part]], axis=-1).astype(np.float32) - offset.astype(np.float32)
        result[part] = np.rint(np.clip(levels @ back, 0, 65535))
    return result


def from_rgb(pixels: Pixels, alpha: Pixels | None, target: str, colour: Colour) -> av.VideoFrame:
    """A frame in pixel format `target` from RGB of full range.

    Args:
        pixels: (height, width, 3), uint8 or uint16.
        alpha: (height, width) of the same dtype, or None; opaque where `target` wants alpha and there is none.
        target: FFmpeg's name of a pixel format.
        colour: matrix and range that the frame is to have; "rgb" for RGB formats.
    """
    import av

    form = av.VideoFormat(target)
    depth, wants_alpha = depth_of(form), has_alpha(form)
    if wants_alpha and alpha is None:
        alpha = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
    if depth <= 8:
        return _shallow(pixels, alpha if wants_alpha else None, target, colour)
    if is_rgb(form):
        return _to_deep_rgb(pixels, alpha if wants_alpha else None, target, depth)
    if len(form.components) < 3:
        return _to_deep_grey(pixels, target, colour, depth)
    mixed = _mixed(pixels, colour, depth)
    planes = [mixed[:, :, 0], mixed[:, :, 1], mixed[:, :, 2]]
    if wants_alpha and alpha is not None:
        planes.append(_to_levels(alpha, depth))
    planar = f"yuv{'a' if wants_alpha else ''}444p{depth}le"
    return _converted(_filled(planes, planar), target)


def _shallow(pixels: Pixels, alpha: Pixels | None, target: str, colour: Colour) -> av.VideoFrame:
    import av
    from av.video.reformatter import Interpolation

    array = _to_levels(pixels, 8).astype(np.uint8)
    if alpha is not None:
        array = np.dstack([array, _to_levels(alpha, 8).astype(np.uint8)])
    source = "rgb24" if alpha is None else "rgba"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=source)
    if target == source:
        return frame
    way = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
    if colour.matrix == "rgb":
        return frame.reformat(format=target, interpolation=way)
    number = swscale_number(colour.matrix)
    return frame.reformat(
        format=target,
        src_colorspace=number,
        dst_colorspace=number,
        src_color_range=2,
        dst_color_range=2 if colour.range == "full" else 1,
        interpolation=way,
    )


def _to_levels(values: Pixels, depth: int) -> Pixels:
    """uint8 or uint16 of full scale to 0 .. 2^depth - 1, rounded."""
    if values.dtype == np.uint8 and depth == 8:
        return values
    if values.dtype == np.uint16 and depth == 16:
        return values
    top, peak = 2**depth - 1, int(np.iinfo(values.dtype).max)
    return cast(Pixels, ((values.astype(np.uint32) * top + peak // 2) // peak).astype(np.uint16))


def _to_deep_rgb(pixels: Pixels, alpha: Pixels | None, target: str, depth: int) -> av.VideoFrame:
    levels = _to_levels(pixels, depth)
    if target.startswith("gbr"):
        planes = [levels[:, :, 1], levels[:, :, 2], levels[:, :, 0]]
        return _filled([*planes, *([] if alpha is None else [_to_levels(alpha, depth)])], target)
    import av

    array = levels if alpha is None else np.dstack([levels, _to_levels(alpha, depth)])
    packed = "rgb48le" if alpha is None else "rgba64le"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=packed)
    return frame if target == packed else frame.reformat(format=target)


def _to_deep_grey(pixels: Pixels, target: str, colour: Colour, depth: int) -> av.VideoFrame:
    matrix = "bt709" if colour.matrix == "rgb" else colour.matrix
    luma = _mixed(pixels, Colour(matrix, colour.range, "", ""), depth)[:, :, 0]
    return _filled([luma], target)


def _mixed(pixels: Pixels, colour: Colour, depth: int) -> Pixels:
    """RGB to levels of Y, Cb, Cr in uint16."""
    mix, offset = _mixing(colour.matrix, colour.range == "full", depth)
    mix32 = (mix / float(np.iinfo(pixels.dtype).max)).astype(np.float32)
    result = np.empty(pixels.shape, np.uint16)
    for start in range(0, pixels.shape[0], 256):
        part = slice(start, start + 256)
        levels = pixels[part].astype(np.float32) @ mix32 + offset.astype(np.float32)
        result[part] = np.rint(np.clip(levels, 0, 2**depth - 1))
    return result


def _filled(planes: list[Pixels], format: str) -> av.VideoFrame:  # noqa: A002
    import av

    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, format)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        rows[:, : plane.width] = values
        plane.update(rows.tobytes())
    return frame


def _converted(frame: av.VideoFrame, target: str) -> av.VideoFrame:
    return frame if frame.format.name == target else _reshaped(frame, target)
