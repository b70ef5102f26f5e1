"""Batches of aligned faces with landmarks (DIC): 16x16, 128x128, and heat maps of where the landmarks lie."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finesight.data.batch import Batch, chance
from finesight.data.picks import attempt, integer, picks, split_off
from finesight.data.pictures import Pictures, UndecodableError
from finesight.errors import InputError
from finesight.models.prior.dic import face_inputs
from finesight.models.prior.face_parts import landmark_heatmaps

__all__ = ["FaceSource", "read_landmarks"]

_PLAIN = {("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.dtypes", "Float64DType")}
_NUMPY_PARTS = ("numpy.core.", "numpy._core.")
_REBUILD = {"_reconstruct", "scalar", "_frombuffer"}


class _NumbersOnly(pickle.Unpickler):
    """Arrays, numbers, words, lists and dictionaries; nothing else is built and nothing is called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN or (module.startswith(_NUMPY_PARTS) and name in _REBUILD):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it wants {module}.{name}")


def _unpickled(path: Path) -> Any:
    """What an .npy file of Python objects holds."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        read(file)
        return _NumbersOnly(file).load()


def read_landmarks(path: Path) -> dict[str, NDArray[np.float64]]:
    """Landmarks by the name of their picture.

    Args:
        path: ``.json``, ``{"NAME": [[x, y], ...]}`` or a list of ``{"gt_path": NAME, "landmark": [[x, y], ...]}``; or
            ``.npy``, that list as mmediting's ``train_info_list_256.npy`` has it. No code in the file is run.

    Returns:
        ``(K, 2)`` as x, y for each picture, all with one K.

    Raises:
        InputError: the file cannot be read or holds something else.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else _unpickled(path)
        if isinstance(content, np.ndarray):
            content = content.tolist()
        if isinstance(content, Mapping):
            found = {str(name): np.asarray(points, np.float64) for name, points in content.items()}
        else:
            found = {str(entry["gt_path"]): np.asarray(entry["landmark"], np.float64) for entry in content}
    except (OSError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as landmarks: {error}") from error
    if not found or len({points.shape for points in found.values()}) != 1:
        raise InputError(f"{path}: expected landmarks of one number for every picture, as [[x, y], ...]")
    shape = next(iter(found.values())).shape
    if len(shape) != 2 or shape[1] != 2:
        raise InputError(f"{path}: expected [[x, y], ...] for every picture, found an array of {shape}")
    return found


class FaceSource:
    """Whole faces; the inputs are 16x16, the target 128x128, ``others["heatmaps"]`` ``(N, K, 32, 32)``.

    Args:
        pictures: aligned faces of any size.
        landmarks: from ``read_landmarks``, by names below the pictures' folder.
        size: side of the picture in which the landmarks are given.
        mirror: mirror half of the pictures; off in the published setting (landmarks left and right change places
            only for 68 and 5 of them, so others are refused).
        held_out: every so many faces one is kept for validation; 0 keeps none.
        validation: faces to validate with, instead; they need no landmarks.
        seed: decides every batch.

    Raises:
        InputError: a picture has no landmarks.
    """

    def __init__(
        self,
        pictures: Pictures,
        landmarks: Mapping[str, NDArray[np.float64]],
        *,
        size: int = 256,
        mirror: bool = False,
        held_out: int = 40,
        validation: Pictures | None = None,
        seed: int = 0,
    ) -> None:
        self.pictures, self.others, self.size, self.mirror, self.seed = pictures, validation, size, mirror, seed
        without = [entry.name for entry in pictures.entries if entry.name not in landmarks]
        if without:
            shown = ", ".join(without[:3]) + (", ..." if len(without) > 3 else "")
            raise InputError(
                f"{len(without)} of {len(pictures)} pictures of {pictures.files.place} have no landmarks: {shown}."
            )
        self.landmarks = {entry.name: np.asarray(landmarks[entry.name]) for entry in pictures.entries}
        count = len(next(iter(self.landmarks.values())))
        if mirror and count not in _MIRRORED:
            raise InputError(
                f"mirroring is known for {' and '.join(map(str, _MIRRORED))} landmarks, these are {count}."
            )
        self.chosen, self.kept = split_off(len(pictures), 0 if validation is not None else held_out)
        if not self.chosen:
            raise InputError(f"{pictures.files.place} has only pictures to hold out; training needs at least 2")

    def batch(self, step: int, size: int) -> Batch:
        """See ``finesight.data.batch.Source``."""
        generator = chance(self.seed, step)
        numbers = picks(self.seed, step, size, len(self.chosen))
        samples = [
            attempt(len(self.chosen), n, lambda number: self._sample(self.chosen[number], generator)) for n in numbers
        ]
        low, high, maps = (torch.stack([sample[part] for sample in samples]) for part in range(3))
        return Batch((low,), high, others={"heatmaps": maps})

    def _sample(self, index: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        flip = bool(integer(2, generator)) and self.mirror
        points = torch.from_numpy(self.landmarks[self.pictures.entries[index].name]).clone()
        low, high = face_inputs(_levels(self.pictures.whole(index)))
        if flip:
            low, high = low.flip(-1), high.flip(-1)
            points = points[list(_MIRRORED[len(points)])]
            points[:, 0] = self.size - 1 - points[:, 0]
        return low, high, landmark_heatmaps(points, size=(self.size, self.size)).float()

    def validation(self) -> Iterator[Batch]:
        """Held-out faces, or those given for it."""
        pictures = self.pictures if self.others is None else self.others
        for number in self.kept if self.others is None else range(len(pictures)):
            try:
                low, high = face_inputs(_levels(pictures.whole(number)))
            except UndecodableError:
                continue
            yield Batch((low[None],), high[None])


def _levels(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels).copy()).permute(2, 0, 1)


def _mirrored_68() -> tuple[int, ...]:
    """Which landmark of iBUG's 68 lies at the mirrored place of each."""
    pairs = {**{n: 16 - n for n in range(17)}, **{n: 43 - n for n in range(17, 27)}, **{n: n for n in range(27, 31)}}
    pairs |= {n: 66 - n for n in range(31, 36)}
    pairs |= {36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46} | {45: 36, 44: 37, 43: 38, 42: 39, 47: 40, 46: 41}
    pairs |= {n: 102 - n for n in range(48, 55)} | {n: 114 - n for n in range(55, 60)}
    pairs |= {n: 124 - n for n in range(60, 65)} | {n: 132 - n for n in range(65, 68)}
    return tuple(pairs[n] for n in range(68))


_MIRRORED = {5: (1, 0, 2, 4, 3), 68: _mirrored_68()}
