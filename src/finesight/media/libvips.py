"""libvips behind one door: imported late, cache bounded, messages in one line, use in a forked child refused.

A process forked after its parent used libvips hangs for ever at the first operation, because libvips' threads do not
exist in the child. Workers that read pictures must be spawned (``multiprocessing.get_context("spawn")``).
"""

from __future__ import annotations

import os
import sys
from typing import Any

from finesight.errors import InputError

__all__ = ["damage", "failure", "from_bands", "vips"]

_CACHED_OPERATIONS = 32  # of libvips' usual 100; every picture is read and written once, so the cache rarely helps
_CACHED_BYTES = 32 * 2**20
_state: dict[str, int] = {}


def vips() -> Any:
    """The `pyvips` module, ready to use.

    The cache is bounded at the first use, unless the program had imported `pyvips` by itself before: then its settings
    are its own business.

    Raises:
        InputError: this process was forked from one that had used libvips already.
    """
    owner = _state.get("pid")
    if owner is not None and owner != os.getpid():
        raise InputError(
            "A worker process that was forked cannot read or write pictures after its parent did (libvips would hang). "
            'Start workers with multiprocessing.get_context("spawn").'
        )
    if owner is None:
        already = "pyvips" in sys.modules
        if already:
            import pyvips
        else:
            pyvips = _quietly_imported()
            pyvips.cache_set_max(_CACHED_OPERATIONS)
            pyvips.cache_set_max_mem(_CACHED_BYTES)
        _state["pid"] = os.getpid()
    return sys.modules["pyvips"]


def _quietly_imported() -> Any:
    """`pyvips` with libvips' warnings off: what matters comes as an error, the rest is printed past everybody.

    libvips looks at the variable once, when it starts. The handler of `pyvips`, which would come before libvips' own,
    prints a traceback where a warning quotes bytes of a damaged file that are no UTF-8.
    """
    before = os.environ.get("VIPS_WARNING")
    os.environ["VIPS_WARNING"] = "0"
    try:
        import pyvips
    finally:
        if before is None:
            del os.environ["VIPS_WARNING"]
        else:
            os.environ["VIPS_WARNING"] = before
    remove = getattr(pyvips, "_remove_log_handler", None)
    if remove is not None:
        remove()
    return pyvips


def failure(error: Exception) -> str:
    """What libvips complained about, on one line and without the names of its functions."""
    if isinstance(error, UnicodeDecodeError):  # libvips quoted bytes of the file
        return "the file holds bytes where text is due"
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith("unable to ")]
    parts = list(dict.fromkeys(line.split(": ", 1)[-1] for line in told))
    return "; ".join(parts[:3]) or (lines[0] if lines else type(error).__name__)


def damage(name: str, format: str, error: Exception) -> str:  # noqa: A002 (the word of Opened.format)
    """The message for a picture file that libvips could not decode."""
    return f"{name} is damaged or cut short, or not a {format} picture that can be read: {failure(error)}."


def from_bands(*arrays: Any) -> Any:
    """A libvips image over NumPy arrays (height, width[, bands]) of one dtype, their bands in order, nothing copied."""
    images = [vips().Image.new_from_array(array) for array in arrays]
    return images[0].bandjoin(images[1:]) if len(images) > 1 else images[0]
