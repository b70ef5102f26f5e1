"""What limits published networks on this CPU: ``python -m benchmarks.limits [--json FILE]``.

Every network of ``benchmarks.zoo`` runs in OpenVINO with bfloat16 inside and its counters on. Printed are the seconds
of the whole call, the share of each kind of operation, and how near the convolutions come to the machine's measured
bfloat16 matrix rate. For LIIF and TTSR, which torch computes, torch's own profiler says the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.upscale import drawn, matrix_rate, operations
from benchmarks.zoo import NETWORKS, model_of
from finesight import media
from finesight.run import Upscaler
from finesight.run.engines.openvino import write_openvino
from finesight.run.fuse import fuse

__all__ = ["main"]

_SHOWN = 6


def graph_shares(network: torch.nn.Module, side: int) -> tuple[float, dict[str, float]]:
    """Seconds of one call, and of each kind of operation in it."""
    import openvino

    image = torch.rand(1, 3, side, side).numpy()
    with tempfile.TemporaryDirectory() as folder:
        write_openvino(network, Path(folder), mixed=True)
        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "PERF_COUNT": True,
        }
        request = core.compile_model(
            core.read_model(Path(folder) / "graph.xml"), "CPU", settings
        ).create_infer_request()
        best, kinds = float("inf"), {}
        for _ in range(3):
            began = time.perf_counter()
            request.infer([image], share_inputs=True)
            took = time.perf_counter() - began
            if took < best:
                best, kinds = took, defaultdict(float)
                for row in request.profiling_info:
                    kinds[f"{row.node_type} {row.exec_type}"] += row.real_time.total_seconds()
    return best, dict(kinds)


def torch_shares(upscaler: Upscaler, side: int, scale: int) -> tuple[float, dict[str, float]]:
    """The same for what torch computes."""
    picture = media.from_array(drawn(side, side, 0))
    upscaler(picture, scale)
    began = time.perf_counter()
    upscaler(picture, scale)
    took = time.perf_counter() - began
    with profile(activities=[ProfilerActivity.CPU]) as found:
        upscaler(picture, scale)
    return took, {row.key: row.self_cpu_time_total / 1e6 for row in found.key_averages()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rate = matrix_rate(torch.bfloat16)
    rows: list[dict[str, Any]] = []
    for name, (arguments, side) in NETWORKS.items():
        model = model_of(name, arguments)
        seconds, kinds = graph_shares(model.network, side)
        reached = operations(fuse(model.network)) * side**2 / seconds / rate
        rows.append({"model": name, "side": side, "seconds": seconds, "share of rate": reached, "kinds": kinds})
    liif = Upscaler(model_of("liif-edsr", {}), device="cpu")
    ttsr = Upscaler(model_of("ttsr", {}), device="cpu", reference=drawn(256, 256, 1))
    for title, upscaler, side, scale in (("liif-edsr x8", liif, 48, 8), ("ttsr", ttsr, 64, 4)):
        seconds, kinds = torch_shares(upscaler, side, scale)
        rows.append({"model": title, "side": side, "seconds": seconds, "kinds": kinds})
    for row in rows:
        total = sum(row["kinds"].values())
        shares = sorted(row["kinds"].items(), key=lambda pair: -pair[1])[:_SHOWN]
        rated = f", {row['share of rate']:.0%} of the matrix rate" if "share of rate" in row else ""
        print(f"{row['model']} {row['side']}x{row['side']}: {row['seconds']:.3f} s{rated}")
        print("   " + ", ".join(f"{kind} {value / total:.0%}" for kind, value in shares))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
