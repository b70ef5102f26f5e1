"""``finesight doctor``: what is installed, which devices work, what would make it faster."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata, util
from pathlib import Path
from typing import Any

import typer

from finesight.cli.console import print_json
from finesight.cli.options import Debug, Json

__all__ = ["doctor", "examine"]

PACKAGES = ("torch", "numpy", "safetensors", "pyvips", "pyvips-binary", "pillow", "av", "typer", "rich", "pydantic")

EXTRAS = {
    "fast": (("openvino", "onnxruntime", "onnx", "onnxscript"), "runs exported networks faster on CPUs"),
    "heic": (("pillow_heif",), "reads HEIC pictures"),
    "explain": (("sklearn", "matplotlib"), "analysis and plots"),
    "web": (("fastapi", "uvicorn"), "the local web application"),
    "community": (("spandrel",), "other people's architectures"),
}


def doctor(json: Json = False, debug: Debug = False) -> int:  # noqa: ARG001 (finesight.cli.app looks for debug)
    """Report what is installed, which devices work, and what would make finesight faster."""
    found = examine()
    if json:
        print_json(found)
        return 0
    for line in _report(found):
        typer.echo(line)
    return 0


def _report(found: dict[str, Any]) -> list[str]:
    """The findings for people."""
    lines = []
    for section in ("versions", "processor", "memory"):
        lines += [section.capitalize(), *_table({k: _words(v) for k, v in found[section].items()})]
    devices = {
        name: (facts.get("name") or "works") if facts["works"] else facts["reason"]
        for name, facts in found["devices"].items()
    }
    extras = {
        name: ("installed: " if facts["installed"] else "not installed: ") + facts["purpose"]
        for name, facts in found["extras"].items()
    }
    lines += ["Devices", *_table(devices), "Extras", *_table(extras)]
    return [*lines, "Advice", *(f"  {told}" for told in found["advice"] or ["nothing to add"])]


def _table(facts: dict[str, str]) -> list[str]:
    width = max(len(key) for key in facts)
    return [f"  {key.replace('_', ' '):<{width}}  {value}" for key, value in facts.items()]


def _words(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def examine() -> dict[str, Any]:
    """Everything that the doctor knows, as plain JSON values."""
    versions = _versions()
    cpu, memory, devices = _cpu(), _memory(), _devices()
    extras = {name: _extra(name) for name in EXTRAS}
    return {
        "versions": versions,
        "processor": cpu,
        "memory": memory,
        "devices": devices,
        "extras": extras,
        "advice": _advice(cpu, memory, devices, extras),
    }


def _versions() -> dict[str, str]:
    from finesight import __version__

    found = {"finesight": __version__, "python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    try:
        from finesight.media.libvips import vips

        pyvips = vips()
        found["libvips"] = ".".join(str(pyvips.version(part)) for part in range(3))
    except (ImportError, OSError) as error:
        found["libvips"] = f"does not load: {str(error).splitlines()[0]}"
    return found


def _cpu() -> dict[str, Any]:
    import torch

    from finesight.run.precision import native

    return {
        "name": _cpu_name(),
        "cores": _cores(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "native_bfloat16": "bfloat16" in native(torch.device("cpu")),
    }


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _cores() -> int:
    """Processor cores that this process may use: by affinity and by the quota of its control group."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return usable if quota is None else max(1, min(usable, round(quota)))


def _quota() -> float | None:
    root = Path("/sys/fs/cgroup")
    try:
        if (root / "cpu.max").is_file():
            most, period = (root / "cpu.max").read_text(encoding="ascii").split()
        else:
            most, period = (
                (root / "cpu" / name).read_text(encoding="ascii").strip()
                for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            )
    except (OSError, ValueError):
        return None
    return int(most) / int(period) if most.isdigit() and int(most) > 0 else None


def _memory() -> dict[str, str]:
    from finesight.run.memory import available, format_bytes

    found = {"free": format_bytes(available())}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["installed"] = format_bytes(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return found


def _devices() -> dict[str, dict[str, Any]]:
    """Every kind of device with whether a small convolution ran on it."""
    from finesight.run.devices import present

    found: dict[str, dict[str, Any]] = {}
    for name in ("cpu", "cuda", "mps", "xpu"):
        if not present(name):
            found[name] = {"works": False, "reason": "not there"}
            continue
        reason = _try_device(name)
        found[name] = {"works": reason is None, "name": _device_name(name), "reason": reason}
    return found


def _try_device(name: str) -> str | None:
    """Why a small convolution fails on a device, ``None`` if it does not."""
    import torch

    try:
        picture = torch.ones(1, 3, 8, 8, device=name)
        answer = torch.nn.functional.conv2d(picture, torch.ones(3, 3, 3, 3, device=name)).sum().item()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return None if answer == 27 * 3 * 36 else f"a convolution gave {answer}, expected {27 * 3 * 36}"


def _device_name(name: str) -> str | None:
    import torch

    match name:
        case "cuda":
            return str(torch.cuda.get_device_name())
        case "xpu":
            return str(torch.xpu.get_device_name())
    return None


def _extra(name: str) -> dict[str, Any]:
    modules, purpose = EXTRAS[name]
    missing = [module for module in modules if util.find_spec(module) is None]
    return {"installed": not missing, "purpose": purpose, **({"missing": missing} if missing else {})}


def _advice(
    cpu: dict[str, Any], memory: dict[str, str], devices: dict[str, dict[str, Any]], extras: dict[str, Any]
) -> list[str]:
    """What would make finesight faster here, one sentence each."""
    import torch

    from finesight.run.memory import available

    told = []
    computing = any(devices[name]["works"] for name in ("cuda", "xpu", "mps"))
    if not computing and not extras["fast"]["installed"]:
        told.append("For more speed on this processor: pip install 'finesight[fast]'")
    if cpu["threads"] < cpu["cores"]:
        told.append(f"Only {cpu['threads']} of {cpu['cores']} cores are used (see OMP_NUM_THREADS).")
    if not devices["cuda"]["works"] and sys.platform == "linux" and Path("/dev/nvidia0").exists():
        told.append(
            f"There is an NVIDIA GPU, but torch {torch.__version__} does not use it: see https://pytorch.org/get-started"
        )
    if available() < 10**9:
        told.append(f"Little memory is free ({memory['free']}): tiles will be small and slow.")
    return told
