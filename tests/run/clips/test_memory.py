"""A long clip takes no more memory than a short one."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

CODE = """
import re, resource, sys
from pathlib import Path
import numpy as np
import torch
from finesight.run.clips import ClipSettings, enlarge_frames, interpolate_frames
from tests.run.clips.material import clip_network, moving_clip

class TinyFlow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(6, 2, 3, padding=1)

    def forward(self, reference, supporting):
        return self.convolution(torch.cat((reference, supporting), dim=1))

name, count = sys.argv[1], int(sys.argv[2])
arguments = {"basicvsr": {"width": 4, "blocks": 1}, "collapsible": {"width": 4, "depth": 1, "expansion": 0, "scale": 2}}
settings = ClipSettings(precision="float32", engine="torch", segment=16, overlap=4, memory="4GB")
loop = moving_clip(10, 64, 64)
source = (np.roll(loop[i % 10], i // 10, axis=1) for i in range(count))  # never all of them at once
run = interpolate_frames if name == "cain" else enlarge_frames
model = clip_network(name, **arguments.get(name, {"groups": 1, "blocks": 1, "depth": 2, "padding": 2}))
if name == "basicvsr":
    network = model.network  # flow and tail have one size, with which 1,100 frames take minutes
    network.spynet = TinyFlow()
    network.upsample2 = type(network.upsample1)(4, 4, factor=2)
    network.conv_hr, network.conv_last = torch.nn.Conv2d(4, 4, 3, padding=1), torch.nn.Conv2d(4, 3, 3, padding=1)
more = {"factor": 2} if name == "cain" else {}
done = sum(1 for _ in run(source, model, settings=settings, **more))
try:  # ru_maxrss of a new process begins with that of the one that started it
    status = Path("/proc/self/status").read_text()
except OSError:
    status = f"VmHWM: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} kB"
print(done, re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""


def peak(name: str, count: int) -> tuple[int, int]:
    """Frames that came out, and the largest resident memory in kB."""
    ran = subprocess.run(
        [sys.executable, "-c", CODE, name, str(count)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    done, kilobytes = ran.stdout.split()
    return int(done), int(kilobytes)


@pytest.mark.parametrize("name", ["basicvsr", "cain", "collapsible"])
def test_a_thousand_frames_take_as_much_memory_as_a_hundred(name: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        (few, small), (many, large) = pool.map(peak, [name] * 2, [100, 1000])
    assert (few, many) == ((199, 1999) if name == "cain" else (100, 1000))
    print(f"{name}: {few} frames {small / 1e3:.0f} MB, {many} frames {large / 1e3:.0f} MB")
    assert large <= 1.1 * small
