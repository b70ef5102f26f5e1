"""Steps of training a second: ours against the published way, same network, batch and patch, on the CPU.

``python benchmarks/train.py [--steps 6] [--rounds 5] [--threads 1] [--json FILE]`` takes turns between the ways and
prints steps a second and the median of the ratios of neighbouring runs.

The published way, written here as plainly as it is described: sub-images of 480x480 and their low resolution as PNG
files; of each sample both files are decoded whole, cut and turned in NumPy, and made float32; the network runs eagerly
in NCHW float32; Adam goes parameter by parameter, and so does the moving average; the loss is read after every step.
Ours: the same crops from one pack, kept in memory; the loop of ``finesight train`` as it is, logging and guarding
included. Both prepare their batches in the training process, so that the time of the process holds everything.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from finesight.data.drawn import drawn_picture
from finesight.degrade.resize import resize_8bit
from finesight.progress import silent
from finesight.train.begin import session
from finesight.train.recipe import with_settings
from finesight.train.regression import _step
from finesight.train.session import unheard
from finesight.train.start import fresh

SIDE, SCALE, PICTURES = 480, 4, 12
NETWORKS: dict[str, tuple[str, dict[str, Any], int, int]] = {  # architecture, arguments, patch, batch
    "edsr": ("edsr", {"scale": SCALE}, 24, 4),
    "collapsible": ("collapsible", {"width": 64, "depth": 10, "expansion": 128, "scale": SCALE}, 32, 8),
}


class PlainPairs:
    """Pairs of PNG files: whole files are decoded, patches cut and turned in NumPy."""

    def __init__(self, folder: Path, patch: int) -> None:
        self.high, self.patch = sorted((folder / "high").glob("*.png")), patch
        self.random = random.Random(0)

    def sample(self) -> tuple[Tensor, Tensor]:
        path = self.random.choice(self.high)
        high = np.asarray(Image.open(path).convert("RGB")).astype(np.float32) / 255.0
        low = np.asarray(Image.open(path.parents[1] / "low" / path.name).convert("RGB")).astype(np.float32) / 255.0
        top = self.random.randint(0, low.shape[0] - self.patch)
        left = self.random.randint(0, low.shape[1] - self.patch)
        low = low[top : top + self.patch, left : left + self.patch]
        s = SCALE
        high = high[s * top : s * (top + self.patch), s * left : s * (left + self.patch)]
        for axis in (0, 1):
            if self.random.random() < 0.5:
                low, high = np.flip(low, axis), np.flip(high, axis)
        if self.random.random() < 0.5:
            low, high = low.transpose(1, 0, 2), high.transpose(1, 0, 2)
        return tuple(torch.from_numpy(np.ascontiguousarray(one.transpose(2, 0, 1))) for one in (low, high))  # type: ignore[return-value]

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        low, high = zip(*(self.sample() for _ in range(size)), strict=True)
        return torch.stack(low), torch.stack(high)


class PlainTraining:
    """Eager float32 in NCHW, Adam and the moving average parameter by parameter."""

    def __init__(self, network: nn.Module, pairs: PlainPairs, batch: int) -> None:
        self.network, self.pairs, self.batch = network.train(), pairs, batch
        self.average = copy.deepcopy(network)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, foreach=False, fused=False)
        self.log: list[float] = []

    def step(self) -> None:
        low, high = self.pairs.batch(self.batch)
        self.optimizer.zero_grad()
        loss = (self.network(low) - high).abs().mean()
        loss.backward()
        self.optimizer.step()
        averages, values = dict(self.average.named_parameters()), dict(self.network.named_parameters())
        for name in averages:
            averages[name].data.mul_(0.999).add_(values[name].data, alpha=1 - 0.999)
        self.log.append(loss.item())


@contextmanager
def ours(name: str, pack: Path, folder: Path, precision: str) -> Iterator[Callable[[], None]]:
    """One step of the loop of ``finesight train``, state and validation far away."""
    architecture, arguments, patch, batch = NETWORKS[name]
    far = {"steps": 10**6, "save_every": 10**6, "validate_every": 10**6, "log_every": 100}
    recipe = with_settings(
        {
            "name": "ours",
            "network": {"architecture": architecture, "arguments": arguments},
            "data": {"pack": str(pack), "patch": patch, "batch": batch},
            "optimizer": {"learning_rate": 1e-4, "schedule": {"kind": "constant"}, "warmup": 0, "clip": None},
            "precision": precision,
        }
        | far
    )
    with session(recipe, folder, device="cpu", stop_after=None, progress=silent, note=unheard, cancel=None) as run:

        def step() -> None:
            run.passed(_step(run, run.parts()))

        yield step


def prepare(folder: Path) -> Path:
    """The sub-images as files for one way, and as a pack for the other."""
    from finesight.data.pack import pack_folder

    (folder / "high").mkdir()
    (folder / "low").mkdir()
    for number in range(PICTURES):
        pixels = drawn_picture(np.random.default_rng(number), SIDE)
        low = resize_8bit(torch.from_numpy(pixels.copy()).permute(2, 0, 1), scale=1 / SCALE)
        Image.fromarray(pixels).save(folder / "high" / f"{number:03d}.png")
        Image.fromarray(low.permute(1, 2, 0).numpy()).save(folder / "low" / f"{number:03d}.png")
    pack_folder(folder / "high", folder / "crops.pack", side=240, drawn=0.3, limit=4_000_000)
    return folder / "crops.pack"


def seconds(step: Callable[[], None], count: int) -> float:
    """Of this process alone, so that others on the machine disturb less; with one thread it is time by the clock."""
    start = time.process_time()
    for _ in range(count):
        step()
    return time.process_time() - start


def measure(name: str, folder: Path, pack: Path, steps: int, rounds: int) -> list[dict[str, Any]]:
    architecture, arguments, patch, batch = NETWORKS[name]
    plain = PlainTraining(fresh(architecture, arguments, seed=0), PlainPairs(folder, patch), batch)
    rows = []
    for precision in ("float32", "bfloat16"):
        with ours(name, pack, folder / f"{name}-{precision}", precision) as step:
            seconds(plain.step, 2)
            seconds(step, 2)
            times = [(seconds(plain.step, steps), seconds(step, steps)) for _ in range(rounds)]
        rows.append(
            {
                "network": name,
                "precision": precision,
                "patch": patch,
                "batch": batch,
                "published_per_second": steps / statistics.median(one[0] for one in times),
                "ours_per_second": steps / statistics.median(one[1] for one in times),
                "ratio": statistics.median(one[0] / one[1] for one in times),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--network", action="append", choices=sorted(NETWORKS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        pack = prepare(Path(folder))
        for name in arguments.network or sorted(NETWORKS):
            rows += measure(name, Path(folder), pack, arguments.steps, arguments.rounds)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; published: float32, whole files")
    print(f"{'network':14}{'ours in':12}{'published/s':>12}{'ours/s':>9}{'ratio':>8}")
    for row in rows:
        print(
            f"{row['network']:14}{row['precision']:12}{row['published_per_second']:12.2f}"
            f"{row['ours_per_second']:9.2f}{row['ratio']:8.2f}"
        )
    if arguments.json:
        content = {"torch": torch.__version__, "threads": torch.get_num_threads(), "rows": rows}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
