"""What a run must remember to go on exactly where it was, and the weights that it gives at its end."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from finesight.errors import InputError, OutputError

__all__ = ["Average", "State", "load_state", "save_state", "save_weights", "write_text"]


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


@dataclass
class State:
    """A run in progress; ``step`` optimizer steps are done."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average
    step: int = 0


def _replace(write: Any, path: Path) -> None:
    """Write beside and rename, so that the former file stays whole until the new one is."""
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
    _replace(lambda temporary: temporary.write_text(text, encoding="utf-8"), path)


def save_state(state: State, path: Path, *, recipe: str) -> None:
    """Write everything that ``load_state`` needs, atomically.

    Raises:
        OutputError: the file cannot be written (the former one stays).
    """
    content = {
        "network": state.network.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "average": state.average.network.state_dict(),
        "step": state.step,
        "recipe": recipe,
    }
    _replace(lambda temporary: torch.save(content, temporary), path)


def load_state(state: State, path: Path, *, recipe: str) -> None:
    """Continue from ``path``: everything in ``state`` becomes what it was.

    Raises:
        InputError: the file is damaged or belongs to a run of other settings.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        if content["recipe"] != recipe:
            raise InputError(
                f"{path} belongs to a run with other settings. Choose another folder, or remove it to start anew"
            )
        state.network.load_state_dict(content["network"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.average.network.load_state_dict(content["average"])
        state.step = int(content["step"])
    except InputError:
        raise
    except Exception as error:  # torch, zip and pickle each have their own errors for a damaged file
        raise InputError(f"{path} is not a training state that can be continued: {error}") from error


def save_weights(
    network: nn.Module, path: Path, *, architecture: str, arguments: dict[str, Any], card: dict[str, Any]
) -> None:
    """Write the network as float16 safetensors with its architecture, arguments and card in the metadata.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors: dict[str, Tensor] = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    metadata = {
        "format": "pt",
        "architecture": architecture,
        "arguments": json.dumps(arguments, sort_keys=True),
        "card": json.dumps(card, sort_keys=True),
    }
    _replace(lambda temporary: save_file(tensors, temporary, metadata=metadata), path)
