"""Reading a file of weights, ours or published, without ever running what it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from finesight.errors import ModelError
from finesight.zoo.archives import BROKEN_ZIP, read_plain, read_tar, read_zip, zip_members
from finesight.zoo.content import find_tensors
from finesight.zoo.tensors import printable

__all__ = ["SUFFIXES", "Checkpoint", "read"]

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".tar", ".npz", ".bin", ".th", ".pkl")
PICKLES = (b"\x80", b"(", b"c", b"]", b"}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file of weights holds.

    Args:
        path: the file.
        tensors: named tensors on the CPU, in the file's own types; they may be views of the file.
        architecture, arguments: how to build the network, where the file says so (ours do).
        card: further facts that the file states about itself.
    """

    path: Path
    tensors: dict[str, Tensor]
    architecture: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)


def read(path: str | Path) -> Checkpoint:
    """Read a checkpoint: safetensors, all three formats of ``torch.save``, or a NumPy archive; known by its content.

    Raises:
        ModelError: the file is missing, cut off, not a checkpoint, holds no weights, or asks to run code.
    """
    file = Path(path)
    try:
        with file.open("rb") as opened:
            head = opened.read(512)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}.") from error
    try:
        return _read(file, head)
    except ModelError as error:
        raise ModelError(f"{file} cannot be used as weights: {printable(str(error))}.") from error
    except MemoryError as error:
        raise ModelError(f"{file} cannot be used as weights: it needs more memory than there is.") from error


def _read(file: Path, head: bytes) -> Checkpoint:
    if not head:
        raise ModelError("it is empty")
    if head[:1] == b"<" or head[:16].lower().startswith(b"version https://"):
        raise ModelError("it is a web page or a pointer, not weights; the download went wrong")
    if _is_safetensors(file, head):
        return _read_safetensors(file)
    if (members := zip_members(file)) is not None:
        numpy = bool(members) and all(name.endswith(".npy") for name in members)
        return _read_npz(file) if numpy else Checkpoint(file, find_tensors(_read_zip(file)))
    if head[257:262] == b"ustar" or (head[:8] in (b"storages", b"sys_info", b"pickle\0\0") and len(head) == 512):
        return Checkpoint(file, find_tensors(read_tar(file)))
    if head.startswith(b"PK\x03\x04"):
        raise ModelError("it is a zip archive that is cut off; fetch it again")
    if head[:1] in PICKLES:
        return Checkpoint(file, find_tensors(read_plain(file)))
    raise ModelError(f"it is not a checkpoint (it begins with {head[:8]!r}); expected one of {', '.join(SUFFIXES)}")


def _is_safetensors(file: Path, head: bytes) -> bool:
    if file.suffix == ".safetensors":
        return True
    length = int.from_bytes(head[:8], "little")
    return len(head) > 8 and head[8:9] == b"{" and length < file.stat().st_size


def _read_safetensors(file: Path) -> Checkpoint:
    try:
        with safe_open(str(file), framework="pt", device="cpu") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (it is not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"it is not a whole safetensors file ({error})") from error
    if not tensors:
        raise ModelError("it holds no tensors")
    try:
        arguments, card = (json.loads(metadata.get(key, "{}")) for key in ("arguments", "card"))
    except json.JSONDecodeError as error:
        raise ModelError(f"its metadata is not JSON ({error})") from error
    if not (isinstance(arguments, dict) and isinstance(card, dict)):
        raise ModelError("its metadata does not hold dictionaries")
    return Checkpoint(file, tensors, metadata.get("architecture", "").strip('"'), arguments, card)


def _read_npz(file: Path) -> Checkpoint:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return Checkpoint(file, find_tensors({name: arrays[name] for name in arrays.files}))
    except BROKEN_ZIP as error:
        raise ModelError(f"it is not a NumPy archive of plain numbers ({error})") from error


def _read_zip(file: Path) -> Any:
    """By torch's own safe reader where it accepts the file, otherwise by ours, which also says what is wrong."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # it raises many kinds; our reader looks at the same bytes and answers or explains
        return read_zip(file)
