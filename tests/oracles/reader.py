"""Reading a reference output: the published answer for given inputs, and the tensors that each name stands for."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Oracle", "relative_error", "tensor_of"]


def tensor_of(name: str, shape: tuple[int, ...], role: str = "parameter") -> np.ndarray:
    """The float32 values that a tensor's name, shape and role stand for (see the format's description)."""
    values = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    if role == "statistic":
        return np.abs(values) + 0.5 if name.endswith("running_var") else 0.1 * values
    if len(shape) > 1:
        return values / np.float32(np.sqrt(np.prod(shape[1:])))
    if len(shape) == 1 and name.endswith("weight"):
        return 1 + 0.1 * values
    return 0.05 * values


@dataclass(frozen=True)
class Oracle:
    """One file: build ``model`` with ``config``, give it ``tensors``, feed it ``inputs``: it answers ``outputs``."""

    path: Path
    model: str
    config: dict[str, Any]
    keys: list[tuple[str, tuple[int, ...], str]]
    call: str
    inputs: dict[str, Tensor]
    outputs: dict[str, np.ndarray]
    constants: dict[str, np.ndarray]

    @classmethod
    def load(cls, path: Path) -> Oracle:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))

        def part(head: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(head): value for name, value in arrays.items() if name.startswith(head)}

        return cls(
            path=path,
            model=meta["model"],
            config=meta["config"],
            keys=[(name, tuple(shape), role) for name, shape, role in meta["keys"]],
            call=meta["call"],
            inputs={name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in part("in_").items()},
            outputs=part("out_"),
            constants=part("const_"),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor under its published name."""
        return {
            name: torch.from_numpy(
                np.array(self.constants[name] if role == "constant" else tensor_of(name, shape, role))
            )
            for name, shape, role in self.keys
        }

    def filled(self, network: nn.Module) -> nn.Module:
        """``network`` in evaluation mode with these tensors, by the same code that a user's checkpoint goes through."""
        from finesight.zoo.tensors import load_tensors

        load_tensors(network, self.tensors(), source=self.path.name)
        return network.eval()


def relative_error(expected: np.ndarray, answer: Tensor | np.ndarray | float) -> float:
    """Largest absolute difference over the largest absolute expected value; shapes must be equal."""
    found = np.asarray(answer.detach().cpu() if isinstance(answer, Tensor) else answer)
    if found.shape != expected.shape:
        raise AssertionError(f"shape {found.shape}, expected {expected.shape}")
    scale = max(float(np.abs(expected).max(initial=0)), 1e-12)
    return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max(initial=0)) / scale


Answers = Mapping[str, Tensor | np.ndarray | float]
