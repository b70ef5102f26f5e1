"""Enlarge a picture: ``upscale`` for one, ``Upscaler`` for many with the same networks."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, TypeVar, get_args

import numpy as np
import torch
from torch import Tensor

from finesight.errors import InputError, ModelError, SettingError, nearest
from finesight.media.picture import Picture
from finesight.progress import Cancel, Progress, silent
from finesight.run.choose import DEFAULT_SCALE, LARGEST_SCALE, chain_of_scales, check_scale, choose_models
from finesight.run.devices import find_device
from finesight.run.engines import Engine, Precision
from finesight.run.faces import check_scale_of, check_size
from finesight.run.foresee import estimate
from finesight.run.kinds import AnyPicture, as_picture
from finesight.run.many import alike, together
from finesight.run.memory import parse_bytes
from finesight.run.particular import enlarge_alpha, sees_colours_only
from finesight.run.reference import bind, takes_reference
from finesight.run.report import Estimate, Report
from finesight.run.seams import find_seam
from finesight.run.work import Networks, Settings, Work
from finesight.zoo.model import Model

__all__ = ["Upscaler", "upscale"]

Choice = TypeVar("Choice")


class Upscaler:
    """Enlarges pictures; loads and prepares each network once.

    Args:
        model: a name of the zoo, a file, or a ``Model``; default: shipped weights by scale and file format
            (``choose_models``).
        memory: peak resident memory of this process (CPU) or memory of the device: ``"2GB"``, ``"800MB"`` or bytes.
            Default: three quarters of what is free.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``, ``xpu``.
        precision: ``auto``, ``float32``, ``bfloat16``, ``float16``.
        engine: ``auto``, ``torch``, ``compile``, ``openvino``, ``onnxruntime``.
        exact: tiles equal the whole picture, whatever it costs.
        wrap: pictures continue as themselves on all sides (textures that tile).
        tile: most pixels on a side of a tile, for experiments; memory decides otherwise.
        self_ensemble: every tile is computed in its eight orientations and the answers are averaged: eight times the
            work for a little less error.
        denoise: strength from 0 to 1, for a model whose card names weights that denoise weakly; default: its own, 1.
        reference: for a model that takes details from a reference picture; anything that can be enlarged, of any size.

    Raises:
        SettingError: a setting that cannot work, or a device that is not there.
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str] | None = None,
        *,
        memory: str | int | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        engine: Engine = "auto",
        exact: bool = False,
        wrap: bool = False,
        tile: int | None = None,
        self_ensemble: bool = False,
        denoise: float | None = None,
        reference: AnyPicture | None = None,
    ) -> None:
        if model is None and reference is not None:
            raise SettingError("a reference needs a model that takes one. Add --model ttsr-gan-x4.")
        if model is None and denoise is not None:
            raise SettingError("denoise needs a model that offers it, such as realesr-general-x4v3.")
        settings = Settings(
            device=find_device(device),
            memory=None if memory is None else parse_bytes(memory),
            precision=_one_of("precision", precision, get_args(Precision)),
            engine=_one_of("engine", engine, get_args(Engine)),
            exact=exact,
            wrap=wrap,
            tile=tile,
            self_ensemble=self_ensemble,
        )
        self._model = model
        self._reference = None if reference is None else as_picture(reference)[0]
        self._denoise = denoise
        self._bound: Model | None = None
        self._loaded: dict[str, Model] = {}
        self._networks = Networks(settings)

    def __call__(
        self,
        picture: Picture,
        scale: float | None = None,
        *,
        size: tuple[int, int] | None = None,
        check_seams: bool = False,
        progress: Progress = silent,
        cancel: Cancel | None = None,
    ) -> tuple[Picture, Report]:
        """Enlarge ``picture``; it stays as it is.

        Args:
            scale: output over input size, above 1 and at most 16; default: the network's own, 4 without a model. Sides
                are rounded to the nearest pixel.
            size: ``(width, height)`` of the output instead; the larger ratio of the two chooses the networks.
            check_seams: look for visible borders of tiles in the result (``Report.seam``).
            progress: counts pixels that went through a network.
            cancel: looked at between tiles.

        Returns:
            The picture with its metadata, and how it was computed.

        Raises:
            SettingError, ModelError, MemoryLimitError, CalculationError, CancelledError
        """
        began = time.perf_counter()
        scale, (height, width) = self._size(picture, scale, size)
        models = self.models(scale, picture.format)
        clear = sees_colours_only(models)
        planes = 1 + (_varies(picture.alpha) and not clear)
        work = Work(self._networks, models, (height, width), planes=planes, progress=progress, cancel=cancel)
        if picture.alpha is None or not _varies(picture.alpha):
            colours = work.plane(picture.pixels)
            alpha = None if picture.alpha is None else np.full((height, width), picture.alpha[0, 0])
        else:
            from finesight.media.alpha import bleed

            colours = work.plane(bleed(picture).pixels)
            if clear:
                alpha = enlarge_alpha(picture.alpha, (height, width))
            else:
                alpha = work.plane(picture.alpha[:, :, None])[:, :, 0]
        result = picture.replace(pixels=colours, alpha=alpha)
        seam = None
        if check_seams:
            stage = work.stages[len(models) - 1]
            seam = find_seam(colours, stage.plan, stage.view.pixels.shape[:2], frame=stage.view.top)
        return result, work.report(scale, time.perf_counter() - began, seam)

    def many(
        self,
        pictures: Sequence[Picture],
        scale: float | None = None,
        *,
        size: tuple[int, int] | None = None,
        progress: Progress = silent,
        cancel: Cancel | None = None,
    ) -> list[tuple[Picture, Report]]:
        """Enlarge pictures; small ones of one size and kind are computed together. As calling for each, otherwise.

        Results of a batch equal those of single pictures but for rounding. ``progress`` counts pictures.
        """
        results: dict[int, tuple[Picture, Report]] = {}

        def counted(done: int, total: int, note: str) -> None:  # noqa: ARG001 (of a group, here of all)
            progress(len(results) + done, len(pictures), note)

        for places in alike(pictures):
            group = [pictures[place] for place in places]
            found = None
            if len(group) > 1:
                sizes = [self._size(picture, scale, size) for picture in group]  # each is looked at
                reached, target = sizes[0]
                models = self.models(reached, group[0].format)
                work = Work(self._networks, models, target, progress=counted, cancel=cancel)
                found = together(work, group, reached)
            if found is None:
                found = [self(picture, scale, size=size, cancel=cancel) for picture in group]
            results.update(zip(places, found, strict=True))
            progress(len(results), len(pictures), "pictures")
        return [results[place] for place in range(len(pictures))]

    def estimate(
        self, picture: Picture, scale: float | None = None, *, size: tuple[int, int] | None = None
    ) -> Estimate:
        """What enlarging ``picture`` would take, from a short probe on it; arguments as for calling.

        Reading and writing files is not counted.
        """
        scale, target = self._size(picture, scale, size)
        models = self.models(scale, picture.format)
        planes = 1 + (_varies(picture.alpha) and not sees_colours_only(models))
        return estimate(Work(self._networks, models, target, planes=planes), picture)

    @property
    def settings(self) -> Settings:
        """What holds for all pictures."""
        return self._networks.settings

    def check(self, width: int, height: int) -> None:
        """Whether the model can take pictures of that size; most take any.

        Raises:
            InputError: it cannot; says what it takes.
        """
        if self._model is not None:
            check_size(self._enlarging(self._model), width, height)

    def _size(
        self, picture: Picture, scale: float | None, size: tuple[int, int] | None
    ) -> tuple[float, tuple[int, int]]:
        """The scale that networks must reach, and the height and width of the result."""
        height, width = picture.pixels.shape[:2]
        self.check(width, height)
        if picture.depth == 32 and not np.isfinite(picture.pixels).all():
            raise InputError("The picture holds NaN or infinity. Replace them first, for instance with np.nan_to_num.")
        if size is not None:
            if scale is not None:
                raise SettingError("give either a scale or a size, not both")
            scale = max(size[0] / width, size[1] / height)
            if min(size) < 1 or not 1 < scale <= LARGEST_SCALE:
                raise SettingError(
                    f"size: {size[0]}x{size[1]} is {scale:.3g} times the picture of {width}x{height}; expected more "
                    f"than 1 and at most {LARGEST_SCALE:g} times."
                )
            return scale, (size[1], size[0])
        if scale is None:
            scale = (
                DEFAULT_SCALE
                if self._model is None
                else float(self._enlarging(self._model).traits.scale or DEFAULT_SCALE)
            )
        check_scale(scale)
        return scale, (max(1, round(height * scale)), max(1, round(width * scale)))

    def models(self, scale: float, format: str = "") -> list[Model]:  # noqa: A002  (the word of Picture.format)
        """The networks that reach ``scale``, in the order they are applied.

        Raises:
            ModelError: the chosen model does not enlarge pictures.
        """
        if self._model is None:
            return [self._load(name) for name in choose_models(scale, format)]
        model = self._enlarging(self._model)
        check_scale_of(model, scale)
        if model.traits.kind == "query":
            return [model]
        return [model] * len(chain_of_scales(scale, (model.traits.scale or 0,)))

    def _enlarging(self, name: Model | str | os.PathLike[str]) -> Model:
        """The model, which must enlarge pictures, with its reference."""
        if self._bound is not None:
            return self._bound
        model = self._load(name)
        if self._denoise is not None:
            from finesight.zoo import denoising

            model = denoising(model, self._denoise)
        traits = model.traits
        one = (
            traits.kind == "image" and (traits.scale or 0) > 1 and (len(traits.inputs) == 1 or takes_reference(traits))
        )
        if traits.kind != "query" and not one:
            raise ModelError(
                f"{model.card.name} does not enlarge pictures (task {traits.task}, scale {traits.scale}); "
                "see: finesight models list --task super-resolution"
            )
        self._bound = bind(model, self._reference)
        return self._bound

    def _load(self, model: Model | str | os.PathLike[str]) -> Model:
        if isinstance(model, Model):
            return model
        key = os.fspath(model)
        if key not in self._loaded:
            from finesight.zoo import load

            self._loaded[key] = load(key)
        return self._loaded[key]


def _varies(alpha: np.ndarray | None) -> bool:
    return alpha is not None and bool(alpha.min() != alpha.max())


def _one_of(name: str, value: Choice, known: tuple[Choice, ...]) -> Choice:
    if value not in known:
        hint = nearest(str(value), [str(k) for k in known])
        raise SettingError(f"{name}: expected one of {', '.join(map(str, known))}, got '{value}'. {hint}".strip())
    return value


def upscale(
    picture: AnyPicture,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    model: Model | str | os.PathLike[str] | None = None,
    memory: str | int | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    engine: Engine = "auto",
    exact: bool = False,
    wrap: bool = False,
    self_ensemble: bool = False,
    denoise: float | None = None,
    reference: AnyPicture | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Any:
    """Enlarge a picture and give back the kind that was given.

    Args:
        picture: a path (gives a ``Picture``), a ``Picture``, a PIL image, a NumPy array ``(H, W[, 1-4])`` of uint8,
            uint16 or floats in [0, 1], or a tensor ``([N,] 1-4, H, W)``. Two and four channels end in alpha.
        scale, size, progress, cancel: see ``Upscaler.__call__``.
        model, memory, device, precision, engine, exact, wrap, self_ensemble, denoise, reference: see ``Upscaler``.

    Returns:
        The same kind, depth and channels, enlarged. Nothing given is changed.

    >>> upscale(np.zeros((3, 5, 3), np.uint8), scale=2).shape  # doctest: +SKIP
    (6, 10, 3)

    Raises:
        InputError: not a picture, or a file that cannot be read.
        SettingError, ModelError, MemoryLimitError, CalculationError, CancelledError
    """
    upscaler = Upscaler(
        model,
        memory=memory,
        device=device,
        precision=precision,
        engine=engine,
        exact=exact,
        wrap=wrap,
        self_ensemble=self_ensemble,
        denoise=denoise,
        reference=reference,
    )
    if isinstance(picture, Tensor) and picture.dim() == 4:
        kinds = [as_picture(one) for one in picture]
    else:
        kinds = [as_picture(picture)]
    results = [back(upscaler(given, scale, size=size, progress=progress, cancel=cancel)[0]) for given, back in kinds]
    return torch.stack(results) if isinstance(picture, Tensor) and picture.dim() == 4 else results[0]
