"""Cut things out: ``matte`` for one picture, ``Matter`` for many with the same network."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finesight.errors import InputError, ModelError
from finesight.media.picture import Depth, Picture
from finesight.nn.trimap import FOREGROUND
from finesight.progress import Cancel, Progress, silent
from finesight.run.devices import find_device
from finesight.run.kinds import AnyPicture, as_picture
from finesight.run.matting.foreground import estimate_foreground
from finesight.run.matting.results import alpha_picture, composite, cutout
from finesight.run.matting.tiles import compute_alpha
from finesight.run.matting.trimaps import Classes, ReadTrimap, read_trimap
from finesight.run.memory import parse_bytes
from finesight.zoo.model import Model

__all__ = ["DEFAULT_MODEL", "Matte", "MatteReport", "Matter", "matte"]

DEFAULT_MODEL = "finesight-matte"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteReport:
    """How an alpha was computed.

    Args:
        model: name of the network; empty where nothing was unknown.
        unknown: pixels that the trimap left open.
        share: of the picture.
        tile: height and width of the tiles, margins included.
        tiles: how many the picture has.
        computed: how many of them hold unknown pixels and were computed.
        overlap: context that every kept pixel has at least.
        exact: whether the tiles equal the whole picture.
        difference: what the overlap costs in grey levels (RMS), ``None`` when exact.
        device: what computed.
        seconds: wall time.
        notes: everything a user should hear of.
    """

    model: str
    unknown: int
    share: float
    tile: tuple[int, int] = (0, 0)
    tiles: int = 0
    computed: int = 0
    overlap: int = 0
    exact: bool = True
    difference: float | None = None
    device: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Matte:
    """What was found: ``alpha`` float32 ``(H, W)`` in [0, 1], exactly 0 and 1 where the trimap knows."""

    picture: Picture
    alpha: NDArray[np.float32]
    report: MatteReport

    def as_alpha(self, depth: Depth | None = None) -> Picture:
        """Alpha as a grey picture of the picture's depth, or another."""
        return alpha_picture(self.picture, self.alpha, depth)

    def cutout(self, depth: Depth | None = None, *, cancel: Cancel | None = None) -> Picture:
        """The foreground's own colours with alpha; nothing of the background is left in them."""
        return cutout(self.picture, self.alpha, self.foreground(cancel=cancel), depth)

    def over(self, background: Picture | tuple[int, int, int], *, cancel: Cancel | None = None) -> Picture:
        """The foreground on another picture, which is brought to cover this one's size, or on a colour (0 to 255)."""
        return composite(self.picture, self.alpha, self.foreground(cancel=cancel), background)

    def foreground(self, *, cancel: Cancel | None = None) -> NDArray[Any]:
        """The foreground's colours, ``(H, W, c)`` of the picture's type."""
        return estimate_foreground(self.picture.pixels, self.alpha, cancel=cancel)


class Matter:
    """Finds the alpha of pictures; loads its network once.

    Args:
        model: a name of the zoo, a file, or a ``Model``; default: ``finesight-matte``, which ships.
        memory: peak resident memory of this process (CPU) or memory of the device; default: three quarters of what is
            free.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``, ``xpu``.
        exact: tiles equal the whole picture, whatever it costs.

    Raises:
        ModelError: the model takes no trimap, or cannot be loaded.
        SettingError: the device is not there, or the memory is no size.
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str] | None = None,
        *,
        memory: str | int | None = None,
        device: str = "auto",
        exact: bool = False,
    ) -> None:
        self.device = find_device(device)
        self.memory = None if memory is None else parse_bytes(memory)
        self.exact = exact
        self.model = _cutting_out(model)

    def __call__(
        self,
        picture: Picture,
        trimap: ReadTrimap | Classes,
        *,
        progress: Progress = silent,
        cancel: Cancel | None = None,
    ) -> Matte:
        """The alpha of one picture.

        Args:
            trimap: classes ``(H, W)`` of 0 background, 1 unknown, 2 foreground; see ``read_trimap``.
            progress: counts tiles.
            cancel: looked at between tiles.

        Raises:
            InputError: the trimap has another size, or the picture holds what is no number.
            MemoryLimitError, CalculationError, CancelledError
        """
        began = time.perf_counter()
        given = trimap if isinstance(trimap, ReadTrimap) else ReadTrimap(np.asarray(trimap, np.uint8))
        classes = given.classes
        if classes.shape != (picture.height, picture.width) or int(classes.max()) > FOREGROUND:
            raise InputError(
                f"a trimap is ({picture.height}, {picture.width}) of 0, 1 and 2 for this picture, got {classes.shape} "
                f"up to {int(classes.max())}; see finesight.run.matting.read_trimap."
            )
        if picture.depth == 32 and not np.isfinite(picture.pixels).all():
            raise InputError("The picture holds NaN or infinity. Replace them first, for instance with np.nan_to_num.")
        facts: dict[str, Any] = {"unknown": given.unknown, "share": given.unknown / classes.size}
        if given.unknown == 0:
            alpha = (classes == FOREGROUND).astype(np.float32)
            return Matte(picture, alpha, MatteReport(model="", **facts, notes=given.notes))
        tiled = compute_alpha(
            picture.pixels,
            classes,
            self.model.network,
            self.device,
            memory=self.memory,
            exact=self.exact,
            progress=progress,
            cancel=cancel,
        )
        report = MatteReport(
            model=self.model.card.name,
            **facts,
            tile=tiled.tile,
            tiles=tiled.tiles,
            computed=tiled.computed,
            overlap=tiled.overlap,
            exact=tiled.exact and tiled.difference is None,
            difference=tiled.difference,
            device=str(self.device),
            seconds=time.perf_counter() - began,
            notes=(*given.notes, *tiled.notes),
        )
        return Matte(picture, tiled.alpha, report)


def _cutting_out(model: Model | str | os.PathLike[str] | None) -> Model:
    """A model that takes a picture and a trimap.

    Raises:
        ModelError: it does not.
    """
    if not isinstance(model, Model):
        from finesight.zoo import load

        model = load(DEFAULT_MODEL if model is None else os.fspath(model))
    if model.traits.task != "matting":
        raise ModelError(
            f"{model.card.name} finds no alpha (task {model.traits.task}); see: finesight models list --task matting"
        )
    return model


def matte(
    picture: AnyPicture,
    trimap: AnyPicture,
    *,
    model: Model | str | os.PathLike[str] | None = None,
    resize_trimap: bool = False,
    memory: str | int | None = None,
    device: str = "auto",
    exact: bool = False,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Matte:
    """The alpha of what a trimap marks as foreground.

    Args:
        picture: a path, a ``Picture``, a PIL image, a NumPy array ``(H, W[, 1-4])`` or a tensor ``(1-4, H, W)``.
        trimap: the same kinds: black is background, white foreground, between is unknown.
        model, memory, device, exact: see ``Matter``.
        resize_trimap: bring a trimap of another size to the picture's.
        progress, cancel: see ``Matter.__call__``.

    Returns:
        The alpha, and from it cut-outs and composites (``Matte``).

    >>> grey = np.full((64, 64, 3), 90, np.uint8)
    >>> marks = np.full((64, 64), 128, np.uint8)
    >>> marks[:9], marks[-9:] = 0, 255
    >>> matte(grey, marks).alpha.shape  # doctest: +SKIP
    (64, 64)

    Raises:
        InputError: not a picture, or a trimap that does not fit or knows nothing.
        ModelError, SettingError, MemoryLimitError, CalculationError, CancelledError
    """
    given, _ = as_picture(picture)
    marks, _ = as_picture(trimap)
    read = read_trimap(marks, given, resize=resize_trimap)
    return Matter(model, memory=memory, device=device, exact=exact)(given, read, progress=progress, cancel=cancel)
