"""The shipped video weights on a clip that none of them has seen: ``python -m benchmarks.video_weights CLIP``.

``finesight-interpolate`` predicts every second frame: of ``--triplets`` triplets, spread over the clip at half its
size, the middle one from the outer two. The floor is their average. PSNR is of RGB, rounded to 8 bits.

``finesight-video-x4`` enlarges a run of ``--frames`` frames, a crop of each reduced by the 8-bit MATLAB bicubic. The
floor is ``finesight-x4`` frame by frame. PSNR is of BT.601 luma with 4 border pixels left out, tOF that of TecoGAN (its
two first and last pairs are left out); lower is better.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import finesight
from finesight.degrade.resize import resize_8bit
from finesight.media.clips import read_clip
from finesight.metrics.colour import luma
from finesight.metrics.psnr import psnr
from finesight.metrics.temporal import SKIPPED, tof

__all__ = ["enlarged", "interpolated", "main"]

Frames = dict[int, Tensor]


def _chosen(path: Path, wanted: set[int]) -> Frames:
    """The frames of these numbers, uint8 ``(3, H, W)``."""
    with read_clip(path) as reader:
        frames: Iterator[Any] = iter(reader)
        return {
            number: torch.from_numpy(frame.pixels.copy()).permute(2, 0, 1)
            for number, frame in zip(range(max(wanted) + 1), frames, strict=False)
            if number in wanted
        }


def _length(path: Path) -> int:
    with read_clip(path) as reader:
        return sum(1 for _ in reader)


def _eight_bits(picture: Tensor) -> Tensor:
    return (picture.clamp(0, 1) * 255).round() / 255


@torch.inference_mode()
def interpolated(path: Path, network: nn.Module, triplets: int) -> dict[str, Any]:
    """PSNR of the predicted middle frames and of the average of their neighbours."""
    length = _length(path)
    starts = [round(i * (length - 3) / max(triplets - 1, 1)) for i in range(triplets)]
    frames = _chosen(path, {start + i for start in starts for i in range(3)})
    ours, floor = [], []
    for start in starts:
        clip = torch.stack([frames[start + i] for i in range(3)])
        clip = resize_8bit(clip, scale=0.5).float() / 255
        middle = _eight_bits(network(clip[None, ::2]))
        ours.append(float(psnr(middle, clip[1:2])))
        floor.append(float(psnr(_eight_bits(clip[::2].mean(0, keepdim=True)), clip[1:2])))
    return {"starts": starts, "psnr": ours, "psnr of the average": floor}


def _measured(restored: Tensor, truth: Tensor) -> dict[str, float]:
    steady = tof(restored, truth)[SKIPPED:-SKIPPED]
    return {
        "psnr": float(psnr(luma(restored), luma(truth), border=4).mean()),
        "psnr rgb": float(psnr(restored, truth, border=4).mean()),
        "tof": float(steady.mean()),
    }


@torch.inference_mode()
def enlarged(path: Path, network: nn.Module, picture: nn.Module, start: int, frames: int, side: int) -> dict[str, Any]:
    """PSNR and tOF of a run of frames enlarged by the network for clips and by the one for pictures."""
    chosen = _chosen(path, set(range(start, start + frames)))
    clip = torch.stack([chosen[start + i] for i in range(frames)])
    height, width = (min(side, length) // 4 * 4 for length in clip.shape[-2:])
    top, left = ((length - kept) // 2 for length, kept in zip(clip.shape[-2:], (height, width), strict=True))
    truth = clip[..., top : top + height, left : left + width]
    low = resize_8bit(truth, scale=0.25).float() / 255
    truth = truth.float() / 255
    calls: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: network(low[None])[0],
        "picture network": lambda: torch.cat([picture(frame[None]) for frame in low]),
    }
    return {"start": start, **{name: _measured(_eight_bits(call()), truth) for name, call in calls.items()}}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--triplets", type=int, default=20)
    parser.add_argument("--frames", type=int, default=12, help="of each run that is enlarged")
    parser.add_argument("--starts", type=int, nargs="+", default=[30, 110, 220], help="where the runs begin")
    parser.add_argument("--side", type=int, default=384, help="of the crop that is enlarged, pixels")
    parser.add_argument("--interpolate", default="finesight-interpolate")
    parser.add_argument("--enlarge", default="finesight-video-x4")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"clip": arguments.clip.name}
    if arguments.interpolate:
        network = finesight.load(arguments.interpolate).network.eval()
        found["interpolation"] = both = interpolated(arguments.clip, network, arguments.triplets)
        ours, floor = _mean(both["psnr"]), _mean(both["psnr of the average"])
        won = sum(a > b for a, b in zip(both["psnr"], both["psnr of the average"], strict=True))
        print(f"every second frame: {ours:.2f} dB, average {floor:.2f} dB, {ours - floor:+.2f} dB")
        print(f"  better in {won} of {len(both['psnr'])} triplets")
    if arguments.enlarge:
        network = finesight.load(arguments.enlarge).network.eval()
        picture = finesight.load("finesight-x4").network.eval()
        runs = [
            enlarged(arguments.clip, network, picture, start, arguments.frames, arguments.side)
            for start in arguments.starts
        ]
        found["x4"] = runs
        for measure, digits in (("psnr", 2), ("psnr rgb", 2), ("tof", 3)):
            ours, floor = (_mean([run[name][measure] for run in runs]) for name in ("ours", "picture network"))
            print(f"x4 {measure}: {ours:.{digits}f}, frame by frame {floor:.{digits}f}, {ours - floor:+.{digits}f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
