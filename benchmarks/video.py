"""How fast clips are computed: the plain way against ours, in turns, in one run.

    python -m benchmarks.video [--quick] [--network NAME ...] [--size NAME ...] [--repetitions N] [--json FILE]

Plain is what a published implementation does: eager float32 torch, NCHW, the whole clip at once (recurrent networks) or
one window after the other, each with all of its frames (window and interpolation networks). Ours is the whole way of
``finesight.run.clips`` from uint8 frames to uint8 frames: segments, shared features, the precision that it chooses by
itself. ``ours float32`` is the same held to float32, so that what precision and what reuse give can be told apart. The
ways alternate so that another load on the machine meets all of them; the best of the repetitions counts. Weights are
random: speed does not depend on them, but how far bfloat16 is off does. Prints tables and, with ``--json``, writes one.
Asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.upscale import drawn
from finesight.data.windows import window_frames
from finesight.models.table import network_class
from finesight.run.cache import machine
from finesight.run.clips import ClipRunner, ClipSettings, Interpolator
from finesight.run.clips.windows import border_of
from finesight.run.precision import native
from finesight.zoo.model import Card, Model

CPU = torch.device("cpu")
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "BasicVSR": ("basicvsr", {}),
    "BasicVSR++": ("basicvsr-pp", {}),
    "EDVR-M": ("edvr", {}),
    "TDAN": ("tdan", {}),
    "CAIN": ("cain", {}),
    "FLAVR": ("flavr", {}),
}
SIZES = {"64x64": (64, 64, 10), "180x320": (180, 320, 5)}
QUICK = {"64x64": (64, 64, 5)}
LENGTHS = (8, 16, 32)


def clip(height: int, width: int, frames: int) -> list[np.ndarray]:
    """A drawn picture that moves by one pixel down and two to the right each frame."""
    large = drawn(height + frames, width + 2 * frames, 0)
    return [np.ascontiguousarray(large[i : i + height, 2 * i : 2 * i + width]) for i in range(frames)]


def model(name: str, **changes: Any) -> Model:
    """A network of random weights in its published size, of which all are small enough not to explode."""
    architecture, arguments = NETWORKS[name]
    torch.manual_seed(0)
    network = network_class(architecture)(**{**arguments, **changes}).eval()
    return Model(network, network.traits, Card(name=name, architecture=architecture, arguments=arguments))


def plain(network: Model, frames: list[np.ndarray]) -> list[np.ndarray]:
    """The published way."""
    count = network.traits.frames
    with torch.no_grad():
        whole = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float()[None] / 255
        if network.traits.kind == "recurrent":
            answers = list(network.network(whole)[0])
        elif network.traits.task == "interpolation":
            starts = range(len(frames) - count + 1)
            answers = [network.network(whole[:, start : start + count])[0] for start in starts]
        else:
            border = border_of(network.network)
            windows = [window_frames(len(frames), count, i, border=border) for i in range(len(frames))]
            answers = [network.network(whole[:, window])[0] for window in windows]
        return [a.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).contiguous().numpy() for a in answers]


def ours(network: Model, settings: ClipSettings) -> Any:
    """What computes in our way, to be used again."""
    if network.traits.task == "interpolation":
        return Interpolator(network, factor=2, settings=settings)
    return ClipRunner(network, settings=settings)


def made(runner: Any, frames: list[np.ndarray]) -> list[np.ndarray]:
    """All frames of a clip; of interpolation those that were made between others."""
    answers = [frame for piece in runner.pieces(frames) for frame in piece.frames]
    return answers[1::2] if isinstance(runner, Interpolator) else answers


def measure(name: str, size: tuple[int, int, int], repetitions: int, *, short: bool = False) -> list[dict[str, Any]]:
    """One row a way: frames per second, and its ratio to the plain way; ``short`` leaves ours in float32 out."""
    height, width, count = size
    network, frames = model(name), clip(height, width, count)
    runners = {
        "ours float32": ours(network, ClipSettings(devices=("cpu",), precision="float32")),
        "ours": ours(network, ClipSettings(devices=("cpu",))),
    }
    if short:
        del runners["ours float32"]
    ways: dict[str, Callable[[], list[np.ndarray]]] = {"plain": lambda: plain(network, frames)}
    for way, runner in runners.items():
        ways[way] = lambda runner=runner: made(runner, frames)  # type: ignore[misc]
    for runner in runners.values():
        made(runner, frames[: max(2, network.traits.frames)])  # the choice of a precision is made once for a clip
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    answers: dict[str, list[np.ndarray]] = {}
    for _ in range(repetitions):
        for way, work in ways.items():
            began = time.perf_counter()
            answers[way] = work()
            seconds[way].append((time.perf_counter() - began) / len(answers[way]))
    rows = []
    for way in ways:
        precision = "float32" if way == "plain" else runners[way].report.precision
        rows.append(
            {
                "network": name,
                "clip": f"{count} x {width}x{height}",
                "way": way,
                "precision": precision,
                "frames per second": 1 / min(seconds[way]),
                "ratio": min(seconds["plain"]) / min(seconds[way]),
                "rms difference": _difference(answers[way], answers["plain"]),
            }
        )
    return rows


def _difference(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """RMS in grey levels over the frames that both ways give (FLAVR's first and last gap only ours fills)."""
    extra = (len(one) - len(other)) // 2
    pairs = zip(one[extra : len(one) - extra], other, strict=True)
    return float(np.sqrt(np.mean([np.square(a.astype(np.float32) - b).mean() for a, b in pairs])))


MEMORY = """
import sys
from benchmarks import video
from finesight.run.memory import _status
way, count = sys.argv[1], int(sys.argv[2])
network = video.model("BasicVSR", blocks=2)
frames = video.clip(64, 64, count)
if way == "plain":
    video.plain(network, frames)
else:
    settings = video.ClipSettings(devices=("cpu",), precision="float32", segment=8, overlap=2)
    for piece in video.ours(network, settings).pieces(iter(frames)):
        for frame in piece.frames:
            pass
print(_status("VmHWM"))
"""


def memory(lengths: tuple[int, ...]) -> list[dict[str, Any]]:
    """Peak resident memory of a process by frames of the clip (BasicVSR with two blocks on 64x64), plain and ours."""
    rows = []
    for count in lengths:
        row: dict[str, Any] = {"frames": count}
        for way in ("plain", "ours"):
            words = [sys.executable, "-c", MEMORY, way, str(count)]
            ran = subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
            row[f"{way} MB"] = int(ran.stdout.split()[-1]) / 1e6
        rows.append(row)
    return rows


def command(height: int, width: int, frames: int) -> dict[str, float]:
    """The whole command on a clip over the network's own time on its frames, with the shipped network of scale 2."""
    from finesight.media.clips import ClipWriter, Frame, read_clip

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.mp4", Path(folder) / "out.mp4"
        with ClipWriter(source, width=width, height=height, rate=Fraction(24)) as out:
            for index, pixels in enumerate(clip(height, width, frames)):
                out.write(Frame(pixels, Fraction(index, 24), Fraction(1, 24)))
        given = [frame.pixels for frame in read_clip(source)]
        runner = ClipRunner(scale=2, settings=ClipSettings(devices=("cpu",)))
        own, job, wall = [], [], []
        for _ in range(2):
            began = time.perf_counter()
            made(runner, given)
            own.append(time.perf_counter() - began)
            words = [sys.executable, "-m", "finesight", "upscale", str(source), "-o", str(target), "--scale", "2"]
            began = time.perf_counter()
            ran = subprocess.run([*words, "--overwrite", "--json"], capture_output=True, text=True, check=True)
            wall.append(time.perf_counter() - began)
            job.append(json.loads(ran.stdout)["results"][0]["seconds"])
    return {
        "frames": frames,
        "network seconds": min(own),
        "decode, compute, encode seconds": min(job),
        "command seconds": min(wall),
        "ratio": min(job) / min(own),
        "ratio with start": min(wall) / min(own),
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small clip, for a look")
    parser.add_argument("--network", action="append", choices=list(NETWORKS))
    parser.add_argument("--size", action="append", choices=list(SIZES))
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--no-command", action="store_true", help="leave out processes of their own")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every network on every size; of the large one a single turn, for it takes long."""
    sizes = QUICK if given.quick else {name: SIZES[name] for name in given.size or SIZES}
    for label, size in sizes.items():
        for name in given.network or NETWORKS:
            small = label == "64x64"
            yield from measure(name, size, given.repetitions if small else 1, short=not small)


def main() -> None:
    """Measure and tell."""
    given = arguments()
    found: dict[str, Any] = {
        "machine": machine(CPU),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "native": list(native(CPU)),
        "speed": [],
    }
    print("network     clip             way           frames/s  ratio  rms    precision")
    for row in rows(given):
        found["speed"].append(row)
        print(
            f"{row['network']:<11} {row['clip']:<16} {row['way']:<13} {row['frames per second']:8.3g} "
            f"{row['ratio']:6.2f} {row['rms difference']:6.2f}  {row['precision']}",
            flush=True,
        )
    if not given.no_command:
        found["memory"] = memory(LENGTHS)
        for row in found["memory"]:
            print(f"memory of {row['frames']} frames: plain {row['plain MB']:.0f} MB, ours {row['ours MB']:.0f} MB")
        found["command"] = command(*((180, 320, 12) if given.quick else (720, 1280, 6)))
        print("command:", ", ".join(f"{name} {value:.3g}" for name, value in found["command"].items()))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
