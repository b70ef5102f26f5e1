"""Which device computes."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from finesight.errors import SettingError, nearest

__all__ = ["Device", "find_device", "find_devices", "present"]

Device = Literal["auto", "cpu", "cuda", "mps", "xpu"]

_WHY = {
    "cuda": "no NVIDIA GPU with a working driver, or a PyTorch built without CUDA",
    "xpu": "no Intel GPU with a working driver, or a PyTorch built without XPU",
    "mps": "no Apple GPU, or macOS older than 12.3",
}


def present(name: str) -> bool:
    """Whether a kind of device can be used on this machine."""
    match name:
        case "cpu":
            return True
        case "cuda":
            return torch.cuda.is_available()
        case "xpu":
            return hasattr(torch, "xpu") and torch.xpu.is_available()
        case "mps":
            return torch.backends.mps.is_available()
    return False


def find_device(wanted: str = "auto") -> torch.device:
    """The device of that name (``cuda:1`` names the second GPU), or the fastest kind present for ``auto``.

    Raises:
        SettingError: an unknown name, or a device that is not there.
    """
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "xpu", "mps", "cpu") if present(name)))
    kind, _, index = wanted.partition(":")
    names = get_args(Device)
    if kind not in names or kind == "auto" or (index and not index.isdigit()):
        raise SettingError(
            f"device: expected one of {', '.join(names)}, got '{wanted}'. {nearest(kind, names)}".strip()
        )
    if not present(kind):
        raise SettingError(f"device {wanted} is not there ({_WHY[kind]}). Use --device cpu, or auto.")
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise SettingError(f"device {wanted} is not there: this machine has {torch.cuda.device_count()}, from cuda:0.")
    return torch.device(wanted)


def find_devices(wanted: str = "auto") -> tuple[str, ...]:
    """Devices that share the work: names separated by commas; ``auto`` is every NVIDIA GPU, else the fastest device.

    >>> find_devices("cpu,cpu")
    ('cpu', 'cpu')

    Raises:
        SettingError: an unknown name, or a device that is not there.
    """
    if wanted == "auto" and present("cuda") and torch.cuda.device_count() > 1:
        return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    return tuple(str(find_device(name.strip())) for name in wanted.split(","))
