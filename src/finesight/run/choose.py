"""Which weights enlarge a picture when nobody names any, and in which order several networks are applied."""

from __future__ import annotations

import itertools
import math

from finesight.errors import SettingError

__all__ = ["DEFAULT_SCALE", "LARGEST_SCALE", "chain_of_scales", "check_scale", "choose_models"]

DEFAULT_SCALE = 4.0
LARGEST_SCALE = 16.0
_CLEAN = {2: "finesight-x2", 3: "finesight-x3", 4: "finesight-x4"}
_PHOTO = "finesight-photo-x4"
_PHOTO_SCALE = 4
_LOSSY = frozenset({"jpeg", "jpg", "heif", "heic"})


def check_scale(scale: float) -> float:
    """``scale`` itself.

    Raises:
        SettingError: not above 1, or above 16.
    """
    if not (math.isfinite(scale) and 1 < scale <= LARGEST_SCALE):
        raise SettingError(f"scale: expected a number above 1 and at most {LARGEST_SCALE:g}, got {scale:g}.")
    return scale


def chain_of_scales(scale: float, known: tuple[int, ...]) -> tuple[int, ...]:
    """The scales of the networks to apply one after the other so that their product reaches ``scale``.

    The fewest networks, among those the smallest product, the smaller enlargement first (it makes the later one
    cheaper).

    >>> chain_of_scales(2.5, (2, 3, 4)), chain_of_scales(6, (2, 3, 4)), chain_of_scales(8, (4,))
    ((3,), (2, 3), (4, 4))
    """
    for length in itertools.count(1):
        reaching = [c for c in itertools.combinations_with_replacement(sorted(known), length) if math.prod(c) >= scale]
        if reaching:
            return min(reaching, key=math.prod)
    raise AssertionError("unreachable: products of scales above 1 grow without bound")


def choose_models(scale: float = DEFAULT_SCALE, format: str = "") -> tuple[str, ...]:  # noqa: A002
    """Names of the networks for a picture read from a file of ``format`` (``png``, ``jpeg`` ...; empty: unknown).

    JPEG and HEIF pictures carry the traces of their compression, which a network trained on clean pictures would
    enlarge with the rest: they begin with ``finesight-photo-x4``.

    >>> choose_models(2, "png"), choose_models(2, "jpeg"), choose_models(8, "jpeg")
    (('finesight-x2',), ('finesight-photo-x4',), ('finesight-photo-x4', 'finesight-x2'))

    Raises:
        SettingError: ``scale`` is not above 1, or above 16.
    """
    check_scale(scale)
    if format.lower() not in _LOSSY:
        return tuple(_CLEAN[s] for s in chain_of_scales(scale, tuple(_CLEAN)))
    rest = scale / _PHOTO_SCALE
    return (_PHOTO, *(_CLEAN[s] for s in chain_of_scales(rest, tuple(_CLEAN)))) if rest > 1 else (_PHOTO,)
