"""What is kept on disk between runs: prepared graphs and measured speeds. All of it can be made again at any time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

__all__ = ["engine_folder", "fingerprint", "machine", "read_json", "remove", "store", "write_json"]


def engine_folder() -> Path:
    """``engines`` in the cache folder of finesight."""
    from finesight.zoo.cache import cache_folder

    return cache_folder() / "engines"


def fingerprint(network: nn.Module) -> str:
    """16 hexadecimal digits that name a network: its class, its structure and all its tensors."""
    digest = hashlib.sha256(f"{type(network).__module__}.{type(network).__qualname__}\n{network!r}".encode())
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def machine(device: torch.device) -> str:
    """What computes, as far as speed depends on it: processor and threads, or GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    return f"{_processor()} with {torch.get_num_threads()} threads"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; ``None`` where there is none, or it is damaged (it will be written anew)."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, content: dict[str, Any]) -> bool:
    """Write an object whole or not at all; ``False`` where the folder cannot be written to, which does no harm."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        return False
    return True


def remove(folder: Path) -> None:
    """Delete a folder of the cache; what cannot be deleted stays and will be replaced by nobody."""
    shutil.rmtree(folder, ignore_errors=True)


def store(made: Path, target: Path) -> bool:
    """Move a finished folder to its place in the cache; ``False`` where it cannot be written, or somebody was first.

    ``made`` may lie on another file system: it is copied beside ``target`` first, then renamed, so that nobody ever
    sees half of it.
    """
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made, beside)
        os.replace(beside, target)
    except OSError:
        shutil.rmtree(beside, ignore_errors=True)
        return False
    return True
