"""Writing our weights: safetensors that name their architecture, arguments and card."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from finesight.errors import OutputError

__all__ = ["FORMAT", "save"]

FORMAT = "finesight"


def save(
    path: str | Path,
    network: nn.Module,
    *,
    architecture: str,
    arguments: Mapping[str, Any],
    card: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write the tensors of ``network`` with what is needed to build it again; the file appears only when it is whole.

    Args:
        architecture, arguments: name in ``finesight.models.table`` and keyword arguments; plain JSON values.
        card: facts for people: ``name``, ``summary``, ``licence``, ``steps``, ``data``, ``recipe`` ...
        dtype: floating point tensors are stored in this type (``torch.float16`` halves the file); default: as they are.

    Raises:
        OutputError: the file cannot be written.
    """
    target = Path(path)
    tensors = {}
    for name, tensor in network.state_dict().items():
        kept = tensor.detach().to("cpu", copy=True)  # a copy: tensors that share memory are stored one by one
        tensors[name] = (
            kept.to(dtype).contiguous() if dtype is not None and kept.is_floating_point() else kept.contiguous()
        )
    metadata = {
        "format": FORMAT,
        "architecture": architecture,
        "arguments": json.dumps(dict(arguments), sort_keys=True),
        "card": json.dumps(dict(card or {}), sort_keys=True),
    }
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, str(temporary), metadata=metadata)
        temporary.chmod(0o644)  # safetensors makes files for their owner alone
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target
