"""The colour tags of clips: which matrix, range, primaries and transfer hold, and their FFmpeg numbers (H.273)."""

from __future__ import annotations

from dataclasses import dataclass

from finesight.errors import InputError

__all__ = ["Colour", "default_matrix", "matrix_weights", "named_colour", "number_of", "swscale_number"]

_MATRICES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020nc"}
_UNREADABLE = {8: "YCgCo", 10: "BT.2020 constant luminance", 11: "SMPTE 2085", 12: "chromaticity-derived YCbCr",
               13: "chromaticity-derived constant luminance", 14: "ICtCp", 15: "IPT-C2", 16: "YCgCo-R",
               17: "YCgCo-R"}  # fmt: skip
_PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
              10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"}  # fmt: skip
_TRANSFERS = {1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
              10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
              16: "smpte2084", 17: "smpte428", 18: "arib-std-b67"}  # fmt: skip
_WEIGHTS = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114), "fcc": (0.30, 0.11), "smpte240m": (0.212, 0.087),
            "bt2020nc": (0.2627, 0.0593)}  # fmt: skip
_SWSCALE = {"bt709": 1, "fcc": 4, "bt601": 5, "smpte240m": 7, "bt2020nc": 9}
_WRITTEN = {"rgb": 0, "bt709": 1, "fcc": 4, "bt601": 6, "smpte240m": 7, "bt2020nc": 9}
HD_LINES = 720


@dataclass(frozen=True)
class Colour:
    """What the numbers in a file mean."""

    matrix: str
    range: str
    primaries: str
    transfer: str
    assumed: bool = False

    @property
    def hdr(self) -> bool:
        """PQ or HLG."""
        return self.transfer in ("smpte2084", "arib-std-b67")


def default_matrix(lines: int) -> str:
    """The matrix of a clip that does not name one: BT.709 from 720 lines on, BT.601 below.

    >>> default_matrix(576), default_matrix(720)
    ('bt601', 'bt709')
    """
    return "bt709" if lines >= HD_LINES else "bt601"


def named_colour(*, matrix: int, full: bool, primaries: int, transfer: int, rgb: bool, lines: int, name: str) -> Colour:
    """The tags of a clip in words.

    Args:
        matrix, primaries, transfer: numbers of H.273; 2 (or 3, or 0 for the last two) says nothing.
        full: whether the file says full range.
        rgb: whether its pixel format is RGB.
        lines: of a stored frame.
        name: of the clip, for errors.

    Raises:
        InputError: a matrix that cannot be undone here (constant luminance, ICtCp ...).
    """
    if not rgb and matrix in _UNREADABLE:
        raise InputError(
            f"{name} stores colours as {_UNREADABLE[matrix]}, which finesight cannot undo. Convert it first to "
            "BT.709 or BT.2020 non-constant luminance."
        )
    found = "rgb" if rgb else _MATRICES.get(matrix, "")
    assumed = found == "" or (found == "rgb" and not rgb)
    return Colour(
        matrix=default_matrix(lines) if assumed else found,
        range="full" if full or rgb else "limited",
        primaries=_PRIMARIES.get(primaries, "unknown"),
        transfer=_TRANSFERS.get(transfer, "unknown"),
        assumed=assumed,
    )


def matrix_weights(matrix: str) -> tuple[float, float]:
    """How much red and blue count in luma."""
    return _WEIGHTS[matrix]


def swscale_number(matrix: str) -> int:
    """The number under which swscale knows a matrix."""
    return _SWSCALE[matrix]


def number_of(colour: Colour) -> tuple[int, int, int, int]:
    """(matrix, range, primaries, transfer) as FFmpeg counts them, for an encoder; range 1 = limited, 2 = full."""
    primaries = {word: number for number, word in _PRIMARIES.items()}.get(colour.primaries, 2)
    transfer = {word: number for number, word in _TRANSFERS.items()}.get(colour.transfer, 2)
    return _WRITTEN[colour.matrix], 2 if colour.range == "full" else 1, primaries, transfer
