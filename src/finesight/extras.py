"""The one place where optional packages are imported."""

from __future__ import annotations

import importlib
from types import ModuleType

from finesight.errors import MissingExtraError

__all__ = ["need"]


def need(module: str, *, extra: str, why: str) -> ModuleType:
    """Import ``module``, or say which extra of finesight brings it.

    >>> need("math", extra="fast", why="to count").pi > 3
    True

    Raises:
        MissingExtraError: the package is not installed; names ``pip install 'finesight[extra]'``.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module} is needed {why} and is not installed ({error}). Run: pip install 'finesight[{extra}]'"
        ) from error
