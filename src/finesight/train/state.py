"""What a run must remember to go on exactly where it was, and the weights that it gives at its end."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from finesight.errors import InputError, OutputError

__all__ = ["Average", "read_state", "replace_file", "save_state", "save_weights", "write_text"]


class Average:
    """Exponential moving average of a network's parameters; buffers are copied.

    Args:
        decay: what remains of the average at each update.
        warm_up: in the first steps ``(1 + step) / (10 + step)`` where that is less, so that the start is forgotten.
    """

    def __init__(self, network: nn.Module, decay: float, *, warm_up: bool = True) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay, self.warm_up = decay, warm_up

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards ``network`` after ``step``."""
        weight = 1 - (min(self.decay, (1 + step) / (10 + step)) if self.warm_up else self.decay)
        ours: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(ours, [p.detach() for p in network.parameters()], weight)
        for mine, other in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(other)


def replace_file(write: Callable[[Path], object], path: Path) -> None:
    """Write beside and rename, so that the former file stays whole until the new one is.

    Raises:
        OutputError: the file cannot be written.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.chmod(0o644)  # safetensors makes files for their owner alone
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise OutputError(f"{path} cannot be written: {error}. The file that was there before is unchanged.") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    replace_file(lambda temporary: temporary.write_text(text, encoding="utf-8"), path)


def save_state(content: Mapping[str, Any], path: Path, *, keep: int = 1) -> None:
    """Write what a run goes on from, atomically: the former state stays whole until the new one is.

    Args:
        content: tensors and plain values, among them ``step`` and ``recipe``.
        path: always the newest state.
        keep: so many are kept; the older ones as ``states/step-N.pt`` beside it.

    Raises:
        OutputError: the file cannot be written (the former one stays).
    """
    replace_file(lambda temporary: torch.save(dict(content), temporary), path)
    if keep < 2:
        return
    older = path.parent / "states"
    named = older / f"step-{content['step']:08d}.pt"
    replace_file(lambda temporary: _second_name(path, temporary), named)
    for old in sorted(older.glob("step-*.pt"))[:-keep]:
        old.unlink()


def _second_name(path: Path, other: Path) -> None:
    try:
        os.link(path, other)
    except OSError:  # a file system without links
        shutil.copyfile(path, other)


def read_state(path: Path) -> dict[str, Any]:
    """What ``save_state`` wrote.

    Raises:
        InputError: the file is damaged, or is something else.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        int(content["step"]), str(content["recipe"])
    except Exception as error:  # torch, zip and pickle each have their own errors for a damaged file
        raise InputError(f"{path} is not a training state that can be continued: {error}") from error
    return dict(content)


def save_weights(
    network: nn.Module,
    path: Path,
    *,
    architecture: str,
    arguments: dict[str, Any],
    card: dict[str, Any],
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write the network as safetensors with its architecture, arguments and card in the metadata.

    Args:
        dtype: of the stored numbers; float16 halves the file.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors: dict[str, Tensor] = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    metadata = {
        "format": "pt",
        "architecture": architecture,
        "arguments": json.dumps(arguments, sort_keys=True),
        "card": json.dumps(card, sort_keys=True),
    }
    replace_file(lambda temporary: save_file(tensors, temporary, metadata=metadata), path)
