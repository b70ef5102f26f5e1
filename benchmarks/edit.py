"""Editing (inpainting) the published way against ours, time and memory: ``python -m benchmarks.edit [-o JSON]``.

Plain is eager float32 torch as the published code computes it. Time: both sides in one process, alternating; the median
of the ratios of neighbouring runs. Memory: each side in a process of its own, largest resident size less that of the
same process before the call. Both sides must agree. Prints a table.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.published_attention import published_contextual_attention
from finesight.nn.contextual_attention import ContextualAttention

GOALS = {"contextual attention, 512x512": (3.0, 5.0)}
"""Times faster and times less memory."""

Call = Callable[[], Tensor]


def attention(side: int) -> dict[str, Call]:
    """DeepFillv2's attention for a picture of ``side``: 96 channels at a quarter of it, a box of an eighth missing."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, 96, side // 4, side // 4, generator=generator)
    mask = torch.zeros(1, 1, side // 4, side // 4)
    mask[..., side // 16 : side // 8, side // 16 : side // 6] = 1
    ours = ContextualAttention()
    return {
        "published": lambda: published_contextual_attention(features, features, mask),
        "ours": lambda: ours(features, features, mask),
    }


CASES: dict[str, Callable[[], dict[str, Call]]] = {"contextual attention, 512x512": lambda: attention(512)}


def seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def memory(name: str, side: str, threads: int) -> int:
    """Bytes that one side takes at most, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.edit", "--one", name, side, "--threads", str(threads)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    return int(found.stdout.split()[-1])


@torch.inference_mode()
def one(name: str, side: str) -> int:
    """Growth of this process's largest resident size, in bytes, over a call."""
    call = CASES[name]()[side]
    torch.randn(64, 64) @ torch.randn(64, 64)  # what the first product of a process loads counts for neither side
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call()
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


@torch.inference_mode()
def measure(name: str, rounds: int, taken: dict[str, int]) -> dict[str, float | str]:
    calls = CASES[name]()
    expected, found = calls["published"](), calls["ours"]()
    difference = float((found - expected).abs().max() / expected.abs().max())
    runs = [{side: seconds(call) for side, call in calls.items()} for _ in range(rounds)]
    faster, less = GOALS[name]
    return {
        "case": name,
        "published, ms": 1000 * statistics.median(run["published"] for run in runs),
        "ours, ms": 1000 * statistics.median(run["ours"] for run in runs),
        "times faster": statistics.median(run["published"] / run["ours"] for run in runs),
        "goal, faster": faster,
        "published, MB": taken["published"] / 1e6,
        "ours, MB": taken["ours"] / 1e6,
        "times less memory": taken["published"] / max(taken["ours"], 1),
        "goal, less memory": less,
        "largest difference": difference,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", "-o", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("CASE", "SIDE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.one:
        print(one(*arguments.one))
        return 0
    both = ("published", "ours")
    # Memory first: a child's ru_maxrss begins at what its parent holds when it is made.
    taken = {name: {side: memory(name, side, arguments.threads) for side in both} for name in CASES}
    rows = [measure(name, arguments.rounds, taken[name]) for name in CASES]
    print(f"{'':34}{'published':>19}{'ours':>19}{'faster':>9}{'goal':>6}{'less':>7}{'goal':>6}{'difference':>12}")
    for row in rows:
        sides = "".join(
            f"{row[f'{side}, ms']:>8.0f} ms {row[f'{side}, MB']:>5.0f} MB" for side in ("published", "ours")
        )
        print(
            f"{row['case']:34}{sides}{row['times faster']:>8.1f}x{row['goal, faster']:>5g}x"
            f"{row['times less memory']:>6.1f}x{row['goal, less memory']:>5g}x{row['largest difference']:>12.0e}"
        )
    if arguments.output:
        content = {"threads": arguments.threads, "torch": torch.__version__, "rows": rows}
        arguments.output.write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
