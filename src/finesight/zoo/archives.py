"""The three file formats that ``torch.save`` has had, read without running anything (see ``pickles``).

- zip archive (since torch 1.6): one pickle, one uncompressed member for each storage, mapped into memory;
- plain file (torch 0.1.10 to 1.5): five pickles, then the storages one after the other;
- tar archive (before torch 0.1.10): lists of storages and of tensors, then one pickle.
"""

from __future__ import annotations

import io
import mmap
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from finesight.errors import ModelError
from finesight.zoo.pickles import Storage, StorageType, read_pickle, rebuild_tensor

__all__ = ["BROKEN_ZIP", "read_plain", "read_tar", "read_zip", "zip_members"]

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
LOCAL_HEADER = (
    30  # bytes of a zip member's own header before its name; the lengths of name and extra field are its last two
)


BROKEN_ZIP = (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError, struct.error, zlib.error)
"""What ``zipfile`` raises for archives that are damaged, encrypted or of a kind that nobody writes."""


def zip_members(path: Path) -> list[str] | None:
    """The names in a zip archive, ``None`` if the file is none.

    Raises:
        ModelError: it is a zip archive, but broken.
    """
    try:
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except BROKEN_ZIP as error:
        raise ModelError(f"it is a broken or cut off zip archive ({error})") from error


def _values(dtype: torch.dtype, count: Any, room: int) -> int:
    """Bytes of ``count`` values, refused where the file does not hold as many."""
    if not isinstance(count, int) or count < 0 or count * dtype.itemsize > room:
        raise ModelError(f"it claims a storage of {count} values and has only {room} bytes")
    return count * dtype.itemsize


def read_zip(path: Path) -> Any:
    """The content of a zip archive; its tensors are private views of the mapped file."""
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            members = {m.filename: m for m in archive.infolist()}
            pickles = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
            if not pickles:
                raise ModelError("it is a zip archive without the data.pkl that torch.save writes")
            root = pickles[0].removesuffix("data.pkl")
            if any(name.startswith(f"{root}code/") for name in members):
                raise ModelError("it is a TorchScript program, not weights; save its state_dict() instead")
            if f"{root}byteorder" in members and _stored(archive, members[f"{root}byteorder"], 16) != b"little":
                raise ModelError("it was written on a big-endian machine")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            pickled = _stored(archive, members[pickles[0]], len(mapped))
    except BROKEN_ZIP as error:
        raise ModelError(f"it is a broken or cut off zip archive ({error})") from error
    storages: dict[str, Tensor] = {}

    def persistent(saved: Any) -> Storage:
        dtype, key, _count = _storage_id(saved)
        if key not in storages:
            member = members.get(f"{root}data/{key}")
            if member is None:
                raise ModelError(f"it has no member for the storage {key}")
            storages[key] = _mapped(mapped, member)
        flat = storages[key]
        return Storage(flat[: flat.numel() // dtype.itemsize * dtype.itemsize].view(dtype))

    return read_pickle(io.BytesIO(pickled), persistent)


def _stored(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    """A small member as bytes; compressed ones are refused, since they may unfold to any size."""
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > limit:
        raise ModelError(f"its member {member.filename} is compressed or larger than the file")
    return archive.read(member)


def _mapped(mapped: mmap.mmap, member: zipfile.ZipInfo) -> Tensor:
    """The bytes of an uncompressed member as a view of the mapped file."""
    head = mapped[member.header_offset : member.header_offset + LOCAL_HEADER]
    if len(head) < LOCAL_HEADER or member.compress_type != zipfile.ZIP_STORED:
        raise ModelError(f"its member {member.filename} is compressed or cut off")
    begin = member.header_offset + LOCAL_HEADER + sum(struct.unpack("<HH", head[26:30]))
    if begin + member.file_size > len(mapped):
        raise ModelError(f"its member {member.filename} is cut off")
    if member.file_size == 0:
        return torch.empty(0, dtype=torch.uint8)
    return torch.frombuffer(mapped, dtype=torch.uint8, count=member.file_size, offset=begin)


def _storage_id(saved: Any) -> tuple[torch.dtype, str, Any]:
    """``("storage", type, key, location, count[, view])`` as torch writes it."""
    if not (
        isinstance(saved, tuple) and len(saved) >= 5 and saved[0] == "storage" and isinstance(saved[1], StorageType)
    ):
        raise ModelError(f"it refers to something that is not a storage: {str(saved)[:80]}")
    return saved[1].dtype, str(saved[2]), saved[4]


def read_plain(path: Path) -> Any:
    """The content of a plain file: magic number, protocol, machine, content, keys of the storages, storages."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if read_pickle(file) != MAGIC:
            raise ModelError("it is a pickle, but not one that torch.save wrote")
        if read_pickle(file) != PROTOCOL:
            raise ModelError("it has an unknown version of the format")
        read_pickle(file)
        storages: dict[str, Tensor] = {}
        claimed = 0

        def persistent(saved: Any) -> Any:
            nonlocal claimed
            if isinstance(saved, tuple) and saved and saved[0] == "module":
                return saved[1]
            dtype, key, count = _storage_id(saved)
            view = saved[5] if len(saved) > 5 else None
            if key not in storages:
                claimed += _values(dtype, count, size - claimed)
                storages[key] = torch.empty(count, dtype=dtype)
            flat = storages[key]
            if view is not None:
                flat = flat[view[1] : view[1] + view[2]]
            return Storage(flat)

        content = read_pickle(file, persistent)
        keys = read_pickle(file)
        if not isinstance(keys, list) or set(map(str, keys)) != set(storages):
            raise ModelError("its list of storages does not agree with its content")
        for key in keys:
            _fill(file, storages[str(key)])
    return content


def _fill(file: io.BufferedReader, flat: Tensor) -> None:
    """Read one storage: its length in values, then the values."""
    (count,) = struct.unpack("<q", _exactly(file, 8))
    if count != flat.numel():
        raise ModelError(f"a storage has {count} values where {flat.numel()} were announced")
    if count and file.readinto(cast("Any", flat.view(torch.uint8).numpy())) != flat.nbytes:
        raise ModelError("it is cut off in the middle of its values")


def _exactly(file: IO[bytes], count: int) -> bytes:
    found = file.read(count)
    if len(found) != count:
        raise ModelError("it is cut off")
    return found


def read_tar(path: Path) -> Any:
    """The content of a tar archive, torch's first format."""
    size = os.path.getsize(path)
    try:
        with tarfile.open(path, mode="r:") as archive:
            parts = {}
            for name in ("storages", "tensors", "pickle"):
                member = archive.getmember(name)
                found = archive.extractfile(member) if member.isfile() and member.size <= size else None
                if found is None:
                    raise ModelError(f"its member {name} is not a file")
                parts[name] = found
            storages = _tar_storages(parts["storages"], size)
            tensors = _tar_tensors(parts["tensors"], storages)

            def persistent(saved: Any) -> Any:
                if isinstance(saved, tuple):
                    return saved[0]
                if int(saved) in tensors:
                    return tensors[int(saved)]
                return storages[int(saved)]

            return read_pickle(parts["pickle"], persistent)
    except (tarfile.TarError, KeyError, OSError, ValueError, struct.error) as error:
        raise ModelError(f"it is a broken or cut off tar archive of weights ({error})") from error


def _tar_storages(file: IO[bytes], size: int) -> dict[int, Storage]:
    storages = {}
    for _ in range(_count(read_pickle(file))):
        key, _location, kind = read_pickle(file)
        if not isinstance(kind, StorageType):
            raise ModelError("one of its storages has no type")
        (count,) = struct.unpack("<q", _exactly(file, 8))
        _values(kind.dtype, count, size)
        raw = bytearray(_exactly(file, _values(kind.dtype, count, size)))
        storages[int(key)] = Storage(
            torch.frombuffer(raw, dtype=kind.dtype) if raw else torch.empty(0, dtype=kind.dtype)
        )
    for target, root, offset, count in read_pickle(file):
        storages[int(target)] = Storage(storages[int(root)].flat[offset : offset + count])
    return storages


def _tar_tensors(file: IO[bytes], storages: dict[int, Storage]) -> dict[int, Tensor]:
    tensors = {}
    for _ in range(_count(read_pickle(file))):
        key, storage, _kind = read_pickle(file)
        (dimensions,) = struct.unpack(
            "<i4x", _exactly(file, 8)
        )  # four bytes that an older version used for the same number
        if not 0 <= dimensions <= 64:
            raise ModelError(f"one of its tensors has {dimensions} dimensions")
        numbers = struct.unpack(f"<{2 * dimensions + 1}q", _exactly(file, 8 * (2 * dimensions + 1)))
        sizes, strides, offset = numbers[:dimensions], numbers[dimensions:-1], numbers[-1]
        tensors[int(key)] = rebuild_tensor(storages[int(storage)], offset, sizes, strides)
    return tensors


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 1_000_000:
        raise ModelError(f"it claims {value} entries")
    return value
