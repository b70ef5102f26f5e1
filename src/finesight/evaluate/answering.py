"""A model's answers to the examples of a test set, the published way: whole pictures and clips, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from finesight.degrade.resize import resize_8bit
from finesight.errors import InputError, ModelError
from finesight.evaluate.scoring import as_tensor
from finesight.evaluate.testsets import Example
from finesight.media import Picture, read
from finesight.progress import Cancel, Progress, silent
from finesight.run import Upscaler
from finesight.run.clips import ClipSettings, enlarge_frames, restore_frames
from finesight.run.devices import find_device
from finesight.zoo.model import Model

__all__ = ["Answer", "answers", "frames_around", "low_resolution"]


@dataclass(frozen=True)
class Answer:
    """What a model made of one example: 8-bit levels (H, W, 1 or 3), and the seconds its network took."""

    example: Example
    pixels: np.ndarray[Any, Any]
    seconds: float


def frames_around(model: Model) -> int:
    """How many frames an interpolation is given."""
    return model.traits.frames if model.traits.task == "interpolation" else 1


def answers(
    model: Model,
    examples: Sequence[Example],
    *,
    scale: int = 1,
    device: str = "cpu",
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Iterator[Answer]:
    """Run the model on every example, in float32 as its numbers were published.

    Raises:
        InputError: an input cannot be read, or does not fit the model.
        ModelError: the model is for something that is not evaluated on pictures.
    """
    task, kind = model.traits.task, model.traits.kind
    if task in ("super-resolution", "restoration") and kind in ("window", "recurrent"):
        made = _clips(model, examples, scale, device)
    elif task == "super-resolution" and kind == "query":
        made = _queried(model, examples, scale, device)
    elif task == "super-resolution" and kind == "image":
        made = _enlarged(model, examples, scale, device)
    elif task in ("inpainting", "matting", "interpolation", "restoration") and kind in ("image", "window"):
        made = _whole(model, examples, device)
    else:
        raise ModelError(f"{model.card.name} is a {kind} network for {task}: finesight evaluate does not run those")
    for done, answer in enumerate(made, 1):
        if cancel is not None:
            cancel.check()
        progress(done, len(examples), answer.example.name)
        yield answer


def _levels(path: Path) -> np.ndarray[Any, Any]:
    """8-bit RGB (H, W, 3)."""
    pixels = read(path).to_depth(8).pixels
    return np.array(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def low_resolution(example: Example, scale: int) -> np.ndarray[Any, Any]:
    """The given input, or the truth cut to multiples of the scale and reduced by MATLAB's 8-bit bicubic."""
    if example.low is not None:
        return _levels(example.low)
    truth = _levels(example.truth)
    if scale == 1:
        return truth
    height, width = (side // scale * scale for side in truth.shape[:2])
    if not (height and width):
        raise InputError(f"{example.truth} is smaller than {scale}x{scale} pixels")
    planes = torch.from_numpy(truth[:height, :width]).permute(2, 0, 1)
    return resize_8bit(planes, scale=1 / scale).permute(1, 2, 0).contiguous().numpy()


def _enlarged(model: Model, examples: Sequence[Example], scale: int, device: str) -> Iterator[Answer]:
    """Pictures, by the way of ``finesight upscale`` with torch and float32."""
    upscaler: Upscaler | None = None
    for example in examples:
        picture = Picture(pixels=low_resolution(example, scale))
        reference = None if example.reference is None else read(example.reference)
        if upscaler is None or reference is not None:
            upscaler = Upscaler(model, device=device, precision="float32", engine="torch", reference=reference)
        began = time.perf_counter()
        result, _ = upscaler(picture, scale)
        yield Answer(example, result.pixels, time.perf_counter() - began)


def _queried(model: Model, examples: Sequence[Example], scale: int, device: str) -> Iterator[Answer]:
    """Networks of any scale, at scales up to 30 that ``finesight upscale`` does not offer."""
    where = find_device(device)
    network = model.network.to(where).eval()
    for example in examples:
        image = torch.from_numpy(low_resolution(example, scale)).permute(2, 0, 1)[None].float() / 255
        size = (image.shape[-2] * scale, image.shape[-1] * scale)
        began = time.perf_counter()
        with torch.no_grad():
            found = network(image.to(where), size=size)
        yield Answer(example, _as_levels(found), time.perf_counter() - began)


def _as_levels(image: Tensor) -> np.ndarray[Any, Any]:
    """(1, C, H, W) in [0, 1] as 8-bit levels (H, W, C)."""
    levels = image[0].float().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
    return levels.cpu().contiguous().numpy()


def _clips(model: Model, examples: Sequence[Example], scale: int, device: str) -> Iterator[Answer]:
    """Each folder of frames as one clip without cuts."""
    settings = ClipSettings(devices=(device,), precision="float32", exact=True, cut=None)
    clips: dict[str, list[Example]] = {}
    for example in examples:
        clips.setdefault(example.clip, []).append(example)
    for members in clips.values():
        frames = [low_resolution(example, scale) for example in members]
        began = time.perf_counter()
        run = restore_frames if scale == 1 else enlarge_frames
        for example, pixels in zip(members, run(frames, model, settings=settings), strict=True):
            yield Answer(example, pixels, time.perf_counter() - began)
            began = time.perf_counter()


def _whole(model: Model, examples: Sequence[Example], device: str) -> Iterator[Answer]:
    """Networks that take several pictures: the whole of them at once."""
    where = find_device(device)
    network = model.network.to(where).eval()
    for example in examples:
        inputs = [part.to(where) for part in _inputs(model.traits.task, example)]
        began = time.perf_counter()
        with torch.no_grad():
            found = network(*inputs)
        seconds = time.perf_counter() - began
        picture: Tensor = found[0] if isinstance(found, tuple) else found
        if picture.ndim == 5:  # several frames were asked for
            picture = picture[:, picture.shape[1] // 2]
        if model.traits.task == "matting":
            picture = torch.where(inputs[1] == 1, picture, inputs[1] / 2)  # known pixels are known
        yield Answer(example, _as_levels(picture), seconds)


def _inputs(task: str, example: Example) -> tuple[Tensor, ...]:
    if task == "interpolation":
        return (torch.stack([_colour(frame) for frame in example.frames], dim=1),)
    if task == "inpainting":
        assert example.mask is not None
        image, mask = _colour(example.truth), (as_tensor(example.mask)[:, :1] > 0.5).float()
        _same(image, mask, example.truth, example.mask)
        return image, mask
    if task == "matting":
        assert example.image is not None
        assert example.mask is not None
        image, trimap = _colour(example.image), as_tensor(example.mask)[:, :1]
        _same(image, trimap, example.image, example.mask)
        classes = torch.where(trimap <= 0, 0.0, torch.where(trimap >= 1, 2.0, 1.0))
        return image, classes
    return (_colour(example.truth),)


def _colour(path: Path) -> Tensor:
    return as_tensor(path).expand(-1, 3, -1, -1)


def _same(first: Tensor, second: Tensor, name: Path, other: Path) -> None:
    if first.shape[-2:] != second.shape[-2:]:
        sizes = [f"{x.shape[-1]}x{x.shape[-2]}" for x in (first, second)]
        raise InputError(f"{name} has {sizes[0]} pixels, {other} {sizes[1]}: one size is expected")
