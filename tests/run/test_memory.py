"""Memory is read, measured and kept to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from finesight.errors import MemoryLimitError, SettingError
from finesight.media import from_array
from finesight.run import Upscaler, memory
from finesight.run.budget import SMALLEST_TILE, Budget, bytes_per_pixel
from finesight.run.devices import find_device
from finesight.run.engines.torch import TorchNetwork
from finesight.run.memory import LiveTensors, available, format_bytes, parse_bytes, resident
from tests.run.networks import Plain, model_of

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[2]


class TestSizes:
    @pytest.mark.parametrize(
        ("text", "count"),
        [("2GB", 2 * 10**9), ("1.5 GiB", 3 * 2**29), ("800m", 8 * 10**8), ("1,5g", 15 * 10**8), ("512", 512), (7, 7)],
    )
    def test_parse(self, text: str | int, count: int) -> None:
        assert parse_bytes(text) == count

    @pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "2XB", "two", "1e9", "1GBB"])
    def test_parse_refuses(self, text: str) -> None:
        with pytest.raises(SettingError, match="2GB"):
            parse_bytes(text)

    def test_format(self) -> None:
        assert [format_bytes(n) for n in (5, 1500, 2_340_000, 10**10, 3 * 10**12)] == [
            "5 B",
            "1.5 kB",
            "2.34 MB",
            "10 GB",
            "3 TB",
        ]


class TestSystem:
    def test_this_machine(self) -> None:
        assert 10**7 < resident() < 10**11
        assert 10**7 < available() < 10**14

    @pytest.mark.parametrize("version", [1, 2])
    def test_the_tightest_control_group_counts(self, tmp_path: Path, version: int) -> None:
        root, groups = tmp_path / "cgroup", tmp_path / "self"
        base = root / "memory" if version == 1 else root
        most, now = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes") if version == 1 else ("memory.max", "memory.current")
        )
        inner = base / "outer" / "inner"
        inner.mkdir(parents=True)
        (base / most).write_text("max\n" if version == 2 else str(2**63 - 4096))
        (base / now).write_text("123")
        (base / "outer" / most).write_text("1000000")
        (base / "outer" / now).write_text("400000")
        (base / "outer" / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
        (inner / most).write_text("5000000")
        (inner / now).write_text("100000")
        groups.write_text("0::/outer/inner\n" if version == 2 else "3:cpu:/x\n7:memory:/outer/inner\n")
        assert memory._group_free(root, groups) == 650_000
        (inner / most).write_text("300000")
        assert memory._group_free(root, groups) == 200_000

    def test_no_control_group(self, tmp_path: Path) -> None:
        assert memory._group_free(tmp_path, tmp_path / "missing") is None
        (tmp_path / "self").write_text("0::/\n")
        assert memory._group_free(tmp_path, tmp_path / "self") is None


class TestMeasuring:
    def test_live_tensors_are_counted_and_forgotten(self) -> None:
        with LiveTensors() as live:
            a = torch.zeros(1000)
            b = a.view(10, 100)  # no new storage
            c = a + 1
            del a, b
            c = c * 2
            d = c[:5]
            del c
            torch.zeros(500)
            del d
        assert live.peak == 8000
        assert live.now == 0

    def test_importing_no_compiler(self) -> None:
        code = (
            "import sys, torch; from finesight.run.memory import LiveTensors\n"
            "with LiveTensors(): torch.zeros(3) + 1\n"
            "assert 'torch._dynamo' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_bytes_per_pixel_of_a_known_network(self) -> None:
        found = bytes_per_pixel(TorchNetwork(Plain(depth=3, width=16, scale=2), CPU))
        # Two feature maps of 16 channels meet at a convolution or an activation.
        assert 2 * 16 * 4 <= found <= 2 * 16 * 4 + 3 * 4 * 4 * 3


class TestBudget:
    def test_what_is_in_use_and_the_result_are_taken_off(self) -> None:
        limit = resident() + 3 * 10**9
        small = Budget.of(limit, CPU, 1000.0, 10**9)
        large = Budget.of(limit, CPU, 1000.0, 10**8)
        assert small.limit == large.limit == limit
        assert small.tiles < large.tiles < 15 * 10**8

    def test_the_floor_is_stated_and_true(self) -> None:
        with pytest.raises(MemoryLimitError, match="Allow at least") as caught:
            Budget.of("10MB", CPU, 1000.0, 10**6)
        stated = str(caught.value).rsplit("at least ", 1)[1].rstrip(".")
        assert Budget.of(stated, CPU, 1000.0, 10**6).most_pixels >= SMALLEST_TILE

    def test_the_command_line_sees_one_line(self) -> None:
        with pytest.raises(MemoryLimitError) as caught:
            Upscaler(model_of(Plain()), memory="20MB")(from_array(np.zeros((50, 50, 3), np.uint8)))
        assert "\n" not in str(caught.value)


MEASURED = """
import json, sys
import numpy as np, torch
torch.set_num_threads(1)
from finesight.media import from_array
from finesight.run import Upscaler
from finesight.run.memory import _status, resident
from tests.run.networks import Plain, model_of
height, width, extra, scale = (float(v) for v in sys.argv[1:])
picture = from_array(np.random.default_rng(0).integers(0, 256, (int(height), int(width), 3), dtype=np.uint8))
limit = resident() + int(extra * 1e6)
result, report = Upscaler(model_of(Plain(depth=3, width=48, scale=4)), memory=limit)(picture, scale)
# Not ru_maxrss: a child inherits its parent's.
peak = _status("VmHWM")
print(json.dumps({"limit": limit, "peak": peak, "tile": report.tile, "size": result.pixels.shape}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(("extra", "scale"), [(110, 4.0), (160, 4.0), (115, 3.1)])
def test_the_peak_stays_below_the_limit(extra: int, scale: float) -> None:
    """A process of its own: 600 x 800 pixels, whose tiles would take 220 MB if nobody planned."""
    found = subprocess.run(
        [sys.executable, "-c", MEASURED, "600", "800", str(extra), str(scale)],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    answer = json.loads(found.stdout)
    assert answer["size"] == [round(600 * scale), round(800 * scale), 3]
    assert answer["peak"] <= answer["limit"]
    assert answer["tile"][0] * answer["tile"][1] > 2000  # and what is allowed is used


FORESEEN = """
import sys
import numpy as np
from finesight.media import from_array
from finesight.run import Upscaler
from finesight.run.memory import _status
height, width = int(sys.argv[1]), int(sys.argv[2])
picture = from_array(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))
upscaler = Upscaler("finesight-x4", device="cpu", engine="torch", precision="float32")
if sys.argv[3] == "foreseen":
    print(upscaler.estimate(picture).memory)
else:
    upscaler(picture)
    print(_status("VmHWM"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(("height", "width"), [(100, 120), (300, 400), (500, 700)])
def test_the_foreseen_memory_is_within_30_percent(height: int, width: int) -> None:
    """Of the peak of another process, with the network that ships."""
    foreseen, peak = (
        int(
            subprocess.run(
                [sys.executable, "-c", FORESEEN, str(height), str(width), mode],
                capture_output=True,
                check=True,
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            ).stdout
        )
        for mode in ("foreseen", "done")
    )
    assert foreseen == pytest.approx(peak, rel=0.3)


class TestDevices:
    def test_auto_and_cpu(self) -> None:
        assert find_device("cpu") == CPU
        assert find_device("auto").type in ("cpu", "cuda", "mps", "xpu")

    @pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cpu0", "auto:1"])
    def test_unknown(self, name: str) -> None:
        with pytest.raises(SettingError, match="device"):
            find_device(name)

    @pytest.mark.parametrize("name", ["cuda", "mps", "xpu"])
    def test_absent(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("finesight.run.devices.present", lambda kind: kind == "cpu")
        with pytest.raises(SettingError, match=f"device {name} is not there") as caught:
            find_device(name)
        assert "\n" not in str(caught.value)
        assert find_device("auto") == CPU
