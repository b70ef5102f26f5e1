"""The network of ``--model``, fetched before if need be, with the strength of ``--denoise``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finesight.cli.console import Console

if TYPE_CHECKING:
    from finesight.zoo import Model

__all__ = ["load_model"]


def load_model(name: str, console: Console, *, offline: bool, denoise: float | None = None) -> Model:
    """The network of a name of the catalog or a file; with ``denoise`` between it and its weakly denoising partner.

    Raises:
        ModelError: it cannot be had, or offers no strength of denoising.
        SettingError: ``denoise`` is outside [0, 1].
    """
    from finesight import zoo

    _fetch(name, console, offline=offline)
    model = zoo.load(name, offline=offline or None)
    if denoise is None:
        return model
    if denoise < 1:
        _fetch(model.card.denoise_weak, console, offline=offline)
    return zoo.denoising(model, denoise, offline=offline or None)


def _fetch(name: str, console: Console, *, offline: bool) -> None:
    from finesight import zoo

    if name in zoo.catalog():
        with console.progress("MB", per=1e6) as progress:
            zoo.get(name, offline=offline or None, progress=progress, say=console.note)
