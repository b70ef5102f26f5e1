"""Writing checkpoints the way training frameworks publish them, with objects of packages that are absent here."""

from __future__ import annotations

import argparse
import collections
import io
import pickle
import struct
import sys
import tarfile
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


def _class(module: str, name: str, base: type = object) -> type:
    made = type(name, (base,), {"__module__": module})
    made.__qualname__ = name
    return made


@contextmanager
def absent_framework() -> Iterator[Mapping[str, type]]:
    """Classes of a package that exists only inside this block, so that pickles name what is not there later."""
    classes = {
        "ConfigDict": _class("absentframework.config", "ConfigDict", dict),
        "Hook": _class("absentframework.hooks", "Hook"),
        "Names": _class("absentframework.names", "Names", list),
        "meter": _class("absentframework.meters", "meter"),
    }
    modules = {"absentframework": types.ModuleType("absentframework")}
    for kind in classes.values():
        module = modules.setdefault(kind.__module__, types.ModuleType(kind.__module__))
        setattr(module, kind.__name__, kind)
    sys.modules.update(modules)
    try:
        yield classes
    finally:
        for name in modules:
            del sys.modules[name]


def framework_extras(classes: Mapping[str, type]) -> dict[str, Any]:
    """What training codes leave beside the weights: numpy values, settings, counters, loggers."""
    hook = classes["Hook"]()
    hook.interval = 5  # type: ignore[attr-defined]
    meter = classes["meter"]()
    meter.average = np.float64(0.25)  # type: ignore[attr-defined]
    config = classes["ConfigDict"]()
    config["model"] = {"type": "EDSR"}
    config.text = "scale = 4"  # type: ignore[attr-defined]
    names = classes["Names"](["a", "b"])
    return {
        "meta": {"iter": np.int64(300000), "epoch": 1, "time": "then", "config": config, "hook": hook, "names": names},
        "best": np.float32(30.2),
        "history": np.linspace(0, 1, 5),
        "options": argparse.Namespace(scale=4, model="edsr", milestones=collections.Counter({200000: 1})),
        "losses": collections.defaultdict(list, {"pixel": [1.0]}),
        "meter": meter,
        "seeds": {1, 2},
        "step": np.array(3),
    }


def write_tar(path: Path, content: Any, tensors: Mapping[str, Tensor]) -> None:
    """Torch's first format: ``tensors`` by persistent number, ``content`` pickled with those numbers in their place.

    In ``content`` the string ``@name`` stands for the tensor ``name``.
    """
    kinds = {torch.float32: "FloatStorage", torch.int64: "LongStorage"}
    storages, listed = io.BytesIO(), io.BytesIO()
    pickle.dump(len(tensors), storages, 2)
    pickle.dump(len(tensors), listed, 2)
    numbers = {}
    for index, (name, tensor) in enumerate(tensors.items()):
        kind = getattr(torch, kinds[tensor.dtype])
        pickle.dump((index, "cpu", kind), storages, 2)
        storages.write(struct.pack("<q", tensor.numel()) + tensor.contiguous().numpy().tobytes())
        numbers[name] = 1000 + index
        pickle.dump((1000 + index, index, kind), listed, 2)
        listed.write(struct.pack("<i4x", tensor.dim()))
        listed.write(struct.pack(f"<{tensor.dim()}q", *tensor.shape))
        listed.write(struct.pack(f"<{tensor.dim()}q", *tensor.contiguous().stride()))
        listed.write(struct.pack("<q", 0))
    pickle.dump([], storages, 2)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return str(numbers[value[1:]]) if isinstance(value, str) and value[:1] == "@" else None

    pickled = io.BytesIO()
    Pickler(pickled, 2).dump(content)
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        for name, part in (
            ("sys_info", io.BytesIO()),
            ("pickle", pickled),
            ("tensors", listed),
            ("storages", storages),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(part.getvalue())
            archive.addfile(member, io.BytesIO(part.getvalue()))
