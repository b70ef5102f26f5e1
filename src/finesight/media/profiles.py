"""ICC profiles for colour spaces that files state in numbers only (PNG cICP, gAMA and cHRM; AVIF nclx).

ICC.1:2022 (version 4) matrix and tone curve profiles; primaries and curves from ITU-T H.273, tables 2 and 3.
"""

from __future__ import annotations

import struct

import numpy as np

__all__ = ["adobe_rgb", "profile_for_gamma", "profile_for_numbers"]

Curve = tuple[float, ...]
"""(g,): Y = X^g. (g, a, b, c, d): Y = (aX + b)^g from d on, cX below: ICC.1 parametric curves 0 and 3."""

_D65 = (0.3127, 0.3290)
_D50 = np.array([0.9642, 1.0, 0.8249])  # ICC.1, 6.3.4.3
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

_SRGB: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709: Curve = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_TRANSFERS: dict[int, Curve] = {
    1: _BT709,
    4: (2.2,),
    5: (2.8,),
    6: _BT709,
    8: (1.0,),
    13: _SRGB,
    14: _BT709,
    15: _BT709,
}
_PRIMARIES: dict[int, tuple[str, tuple[float, ...], tuple[float, float]]] = {
    1: ("sRGB", (0.640, 0.330, 0.300, 0.600, 0.150, 0.060), _D65),
    9: ("BT.2020", (0.708, 0.292, 0.170, 0.797, 0.131, 0.046), _D65),
    11: ("DCI-P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060), (0.314, 0.351)),
    12: ("Display P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060), _D65),
}
_SDR_LIKE_SRGB = {0, 1, 2, 6, 13, 14, 15}  # every viewer shows these curves as sRGB where the primaries are sRGB's


def profile_for_numbers(cicp: tuple[int, int, int, int]) -> tuple[bytes | None, str]:
    """The profile for colour by numbers and a note, "" where all is well; no profile means sRGB.

    >>> profile_for_numbers((1, 13, 0, 1))
    (None, '')
    """
    primaries, transfer = cicp[:2]
    if transfer in (16, 18):
        name = "PQ" if transfer == 16 else "HLG"
        return None, f"The file is HDR ({name}): its values were taken as they are, and the tag that says so is lost."
    if primaries in (0, 1, 2) and transfer in _SDR_LIKE_SRGB:
        return None, ""
    known = _PRIMARIES.get(1 if primaries in (0, 2) else primaries)
    curve = _TRANSFERS.get(13 if transfer in (0, 2) else transfer)
    if known is None or curve is None:
        return None, f"The colour numbers {primaries}/{transfer} of the file are not known; taken for sRGB."
    name, xy, white = known
    return _profile(name, xy, white, curve), ""


def adobe_rgb() -> bytes:
    """Adobe RGB (1998): its primaries, D65, and a gamma of 563/256."""
    return _profile("Adobe RGB (1998) compatible", (0.640, 0.330, 0.210, 0.710, 0.150, 0.060), _D65, (563 / 256,))


def profile_for_gamma(gamma: float | None, chromaticities: tuple[float, ...] | None, *, grey: bool) -> bytes | None:
    """The profile for PNG's gAMA and cHRM values, None where they mean sRGB (within 1 %) or are impossible."""
    usual = gamma is None or abs(gamma - 1 / 2.2) < 0.005
    curve: Curve = _SRGB if gamma is None or usual else (1 / gamma if gamma > 0.01 else 2.2,)
    if grey:
        return None if usual else _profile("grey of a PNG file", None, _D65, curve)
    xy = _PRIMARIES[1][1] if chromaticities is None else chromaticities[2:]
    white = _D65 if chromaticities is None else (chromaticities[0], chromaticities[1])
    if usual and np.allclose([*white, *xy], [*_D65, *_PRIMARIES[1][1]], atol=0.003):
        return None
    if min(white[1], *xy[1::2]) < 0.01 or max(*white, *xy) > 1:
        return None
    try:
        return _profile("RGB of a PNG file", xy, white, (2.2,) if usual and gamma is not None else curve)
    except np.linalg.LinAlgError:  # three primaries on one line
        return None


def _xyz(x: float, y: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _profile(name: str, xy: tuple[float, ...] | None, white: tuple[float, float], curve: Curve) -> bytes:
    """A display profile: RGB with the primaries `xy` (red, green, blue), or grey where they are None."""
    ratio = (_BRADFORD @ _D50) / (_BRADFORD @ _xyz(*white))
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(ratio) @ _BRADFORD
    tags: list[tuple[bytes, bytes]] = [
        (b"desc", _text(name)),
        (b"cprt", _text("No copyright; made by finesight")),
        (b"wtpt", _xyz_tag(_D50)),
        (b"chad", b"sf32" + bytes(4) + _fixed(adapt.ravel())),
    ]
    if xy is None:
        tags.append((b"kTRC", _curve_tag(curve)))
    else:
        columns = np.stack([_xyz(xy[k], xy[k + 1]) for k in (0, 2, 4)], axis=1)
        matrix = adapt @ (columns * np.linalg.solve(columns, _xyz(*white)))
        tags += [(key, _xyz_tag(matrix[:, k])) for k, key in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
        tags += [(key, _curve_tag(curve)) for key in (b"rTRC", b"gTRC", b"bTRC")]
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for key, data in tags:
        table += key + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"\0\0\0\0", 0x04400000, b"mntr", b"RGB " if xy else b"GRAY", b"XYZ "
    )
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(_D50)
    return header.ljust(128, b"\0") + table + body


def _fixed(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(float(value) * 65536) for value in values))


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _xyz_tag(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _curve_tag(curve: Curve) -> bytes:
    return b"para" + bytes(4) + struct.pack(">HH", 0 if len(curve) == 1 else 3, 0) + _fixed(np.array(curve))
