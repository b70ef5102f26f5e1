"""How fast pictures are enlarged: the plain way against ours, in turns, in one run.

    python benchmarks/upscale.py [--quick] [--model NAME ...] [--engine NAME ...] [--json FILE]

Plain is what a published implementation does: eager float32 torch, NCHW, the whole picture at once, with the same fused
network and weights. Ours is the whole way of ``finesight.upscale`` from uint8 pixels to uint8 pixels: tiles,
conversion, quantisation. Every figure is the better of the repetitions; both sides alternate so that another load on
the machine meets both. Where the plain way does not fit into memory it is left out. Prints a table and, with
``--json``, writes one. Asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from finesight import load, media
from finesight.models.image.edsr import Edsr
from finesight.run import Upscaler
from finesight.run.budget import bytes_per_pixel
from finesight.run.cache import machine
from finesight.run.engines.torch import TorchNetwork
from finesight.run.fuse import fuse
from finesight.run.memory import available
from finesight.zoo.model import Card, Model

CPU = torch.device("cpu")
JOBS = {
    "256x256": (256, 256, 1),
    "folder of 100": (256, 256, 100),
    "1 megapixel": (1000, 1000, 1),
    "2 megapixels": (1200, 1680, 1),
    "24 megapixels": (4000, 6000, 1),
}
QUICK = {"128x128": (128, 128, 1), "folder of 5": (128, 128, 5), "0.25 megapixels": (400, 600, 1)}


def drawn(height: int, width: int, seed: int) -> np.ndarray:
    """A picture with the statistics of photographs: noise of all sizes, and edges."""
    generator = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    side = 2
    while side < max(height, width):
        coarse = generator.standard_normal((height // side + 2, width // side + 2, 3), np.float32)
        total += coarse.repeat(side, 0).repeat(side, 1)[:height, :width] * side**0.5
        side *= 2
    low, high = np.quantile(total[::7, ::7], [0.01, 0.99])
    return np.clip((total - low) / (high - low) * 255, 0, 255).astype(np.uint8)


def plain(network: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    """The published way."""
    with torch.no_grad():
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        answer = network(image).clamp(0, 1).mul(255).round().byte()
    return answer[0].permute(1, 2, 0).contiguous().numpy()


def matrix_rate(dtype: torch.dtype) -> float:
    """Floating point operations in a second of a large matrix product: what the machine can do at most, measured."""
    a, b = torch.rand(1024, 1024, dtype=dtype), torch.rand(1024, 1024, dtype=dtype)
    return 2 * 1024**3 / best(lambda: a @ b, 5)


def torch_alone() -> float:
    """Seconds of a process that only imports torch: what no command with a network can be faster than."""
    return best(lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True), 2)


def best(work: Callable[[], object], repetitions: int) -> float:
    """Seconds of the fastest repetition, after one that is not counted."""
    work()
    times = []
    for _ in range(repetitions):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def operations(network: torch.nn.Module, side: int = 32) -> float:
    """Floating point operations for one input pixel, counted in the convolutions and linear layers."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.rand(1, 3, side, side))
    return counter.get_total_flops() / side**2


def measure(
    model: Model, job: tuple[int, int, int], ways: dict[str, Upscaler], repetitions: int
) -> list[dict[str, Any]]:
    """One row for the plain way and one for each of ours."""
    height, width, count = job
    pictures = [media.from_array(drawn(height, width, seed)) for seed in range(count)]
    network = fuse(model.network)
    answers: dict[str, np.ndarray] = {}
    fits = bytes_per_pixel(TorchNetwork(model.network, CPU)) * height * width < 0.7 * available()
    seconds: dict[str, list[float]] = {**({"plain": []} if fits else {}), **{name: [] for name in ways}}
    reports = {}
    for turn in range(repetitions + 1):  # the first turn warms up
        for name in seconds:
            began = time.perf_counter()
            if name == "plain":
                for picture in pictures:
                    answers[name] = plain(network, picture.pixels)
            else:
                result, reports[name] = ways[name].many(pictures)[-1]
                answers[name] = result.pixels
            if turn:
                seconds[name].append(time.perf_counter() - began)
    rows = []
    megapixels = height * width * (model.traits.scale or 1) ** 2 * count / 1e6
    reference = next(iter(seconds))
    for name, times in seconds.items():
        largest, rms = difference(answers[name], answers[reference])
        report = reports.get(name)
        rows.append(
            {
                "way": name,
                "seconds": min(times),
                "megapixels per second": megapixels / min(times),
                "ratio": min(seconds[reference]) / min(times),
                "largest difference": largest,
                "rms difference": rms,
                "computed by": f"{report.engine} {report.precision}" if report else "torch float32",
                "tile": f"{report.tile[1]}x{report.tile[0]}" if report else f"{width}x{height}",
            }
        )
    return rows


def difference(answer: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Largest and root mean square difference in grey levels, a few rows at a time."""
    largest, total = 0.0, 0.0
    for top in range(0, len(answer), 256):
        part = answer[top : top + 256].astype(np.float32) - reference[top : top + 256]
        largest, total = max(largest, float(np.abs(part).max())), total + float((part**2).sum(dtype=np.float64))
    return largest, float((total / answer.size) ** 0.5)


def lanczos(job: tuple[int, int, int], scale: int) -> float:
    """Seconds of Pillow's Lanczos for the same job: the floor."""
    height, width, count = job
    picture = Image.fromarray(drawn(height, width, 0))
    return best(lambda: picture.resize((width * scale, height * scale), Image.Resampling.LANCZOS), 2) * count


def peak(model: str, height: int, width: int) -> int:
    """Peak resident memory in bytes of a process that enlarges one picture of that size by itself."""
    code = (
        "import sys, numpy as np; from finesight import media; from finesight.run import Upscaler; "
        "from finesight.run.memory import _status; from benchmarks.upscale import drawn\n"
        f"Upscaler({model!r}, device='cpu')(media.from_array(drawn({height}, {width}, 0))); print(_status('VmHWM'))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_root())
    return int(found.stdout.split()[-1])


def command(model: str, height: int, width: int) -> dict[str, float]:
    """Wall time of the whole command, and of starting up alone."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.png", Path(folder) / "out.png"
        media.write(source, media.from_array(drawn(height, width, 0)))
        start = [sys.executable, "-m", "finesight"]
        whole = [*start, "upscale", str(source), "-o", str(target), "--model", model, "--quiet", "--overwrite"]
        seconds = {}
        for name, words in (("command", whole), ("--help", [*start, "--help"])):
            seconds[name] = best(lambda words=words: subprocess.run(words, capture_output=True, check=True), 2)
    return seconds


def _root() -> Path:
    return Path(__file__).resolve().parents[1]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small pictures, for a look")
    parser.add_argument(
        "--model", action="append", help="names or files; default finesight-x4 and an EDSR of random weights"
    )
    parser.add_argument("--engine", action="append", help="default: auto, torch and openvino")
    parser.add_argument("--job", action="append", help="start of a job's name")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--no-command", action="store_true", help="leave out processes of their own")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def models(names: list[str] | None) -> list[Model]:
    """The networks to measure."""
    if names:
        return [load(name) for name in names]
    torch.manual_seed(0)
    edsr = Edsr(scale=4).eval()
    return [load("finesight-x4"), Model(edsr, edsr.traits, Card(name="edsr-baseline-x4 (random)"))]


def main() -> None:
    options = arguments()
    jobs = {
        k: v
        for k, v in (QUICK if options.quick else JOBS).items()
        if not options.job or any(k.startswith(j) for j in options.job)
    }
    rates = {name: matrix_rate(getattr(torch, name)) for name in ("float32", "bfloat16")}
    facts: dict[str, Any] = {
        "machine": machine(CPU),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "matrix gigaflops": {name: rate / 1e9 for name, rate in rates.items()},
        "rows": [],
    }
    print(f"{facts['machine']}, torch {torch.__version__}, load {facts['load']}")
    print("matrix product: " + ", ".join(f"{name} {rate / 1e9:.0f} gigaflops" for name, rate in rates.items()))
    for model in models(options.model):
        cost = operations(fuse(model.network))
        ways = {
            engine: Upscaler(model, device="cpu", engine=engine)
            for engine in options.engine or ("auto", "torch", "openvino")
        }
        for title, job in jobs.items():
            pixels = job[0] * job[1] * job[2]
            floor = lanczos(job, model.traits.scale or 1)
            print(f"\n{model.card.name}, {title} (Pillow's Lanczos: {floor:.3f} s)")
            print(f"{'way':12}{'seconds':>9}{'MP/s':>8}{'ratio':>7}{'max':>5}{'rms':>7}{'of bf16':>9}  computed by")
            rows = measure(model, job, ways, options.repetitions if pixels < 1.5e6 else 1)
            rates["bfloat16"] = max(
                rates["bfloat16"], matrix_rate(torch.bfloat16)
            )  # other work on the machine hides it
            for row in rows:
                share = cost * pixels / row["seconds"] / rates["bfloat16"]
                facts["rows"].append(
                    {"model": model.card.name, "job": title, "lanczos": floor, "share of bfloat16 rate": share, **row}
                )
                print(
                    f"{row['way']:12}{row['seconds']:9.3f}{row['megapixels per second']:8.2f}{row['ratio']:7.2f}"
                    f"{row['largest difference']:5.0f}{row['rms difference']:7.3f}{share:9.1%}  {row['computed by']}, "
                    f"tiles {row['tile']}"
                )
    if not options.no_command:
        height, width, _ = next(iter(jobs.values()))
        facts["command"] = command("finesight-x4", height, width)
        facts["smallest command"] = command("finesight-x4", 16, 16)["command"]
        facts["peak bytes"] = peak("finesight-x4", height, width)
        took = facts["command"]
        print(f"\nthe whole command on the first picture: {took['command']:.2f} s, --help {took['--help']:.2f} s")
        facts["import torch"] = torch_alone()
        print(f"importing torch alone: {facts['import torch']:.2f} s")
        print(f"the whole command on 16x16 pixels, which is start-up and the model: {facts['smallest command']:.2f} s")
        print(f"peak memory of a process on the first picture: {facts['peak bytes'] / 1e6:.0f} MB")
    facts["peak of this process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
