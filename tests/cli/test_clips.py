"""``upscale``, ``restore`` and ``interpolate`` on real clip files; the results are read back."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from finesight.media.clips import ClipWriter, Frame, inspect_clip, read_clip
from tests.media.clips.samples import make_rich, make_video
from tests.run.clips.material import clip_network, moving_clip

from .conftest import COMMAND, Command, one_line

ARGUMENTS: dict[str, dict[str, Any]] = {
    "collapsible": {"width": 8, "depth": 1, "expansion": 0, "scale": 2},
    "basicvsr": {"width": 8, "blocks": 1},
    "basicvsr-pp": {"width": 16, "blocks": 1, "scale": 1},
    "tdan": {"width": 8, "blocks_before": 1, "blocks_after": 1},
    "cain": {"groups": 1, "blocks": 1, "depth": 2, "padding": 2},
    "flavr": {"widths": (4, 4, 4, 4), "blocks": (1, 1, 1, 1)},
}


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Files of small networks."""
    from finesight.train.state import save_weights

    folder = tmp_path_factory.mktemp("networks")

    def file(name: str) -> Path:
        path = folder / f"{name}.safetensors"
        if not path.exists():
            model = clip_network(name, whole_flow=True, **ARGUMENTS[name])
            save_weights(model.network, path, architecture=name, arguments=ARGUMENTS[name], card={"licence": "MIT"})
        return path

    return file


def packets(path: Path, kind: str) -> list[str]:
    """Hashes of the packets of every stream of a kind."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        return [hashlib.sha256(bytes(packet)).hexdigest() for packet in container.demux(*streams) if packet.size]


def result_of(ran: Any) -> dict[str, Any]:
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)["results"][0]
    return found


def mean_colour(path: Path) -> np.ndarray:
    return np.stack([frame.pixels.mean((0, 1)) for frame in read_clip(path)])


def test_a_clip_with_sound_is_enlarged(installed: Command, network: Callable[[str], Path], tmp_path: Path) -> None:
    source, target = tmp_path / "a clip ü.mkv", tmp_path / "big.mkv"
    times = make_rich(source)
    ran = installed("upscale", source, "-o", target, "--model", network("collapsible"), "--json", "--segment", "7")
    result = result_of(ran)
    info, before = inspect_clip(target), inspect_clip(source)
    assert (info.width, info.height) == (2 * before.width, 2 * before.height)
    assert [frame.time for frame in read_clip(target)] == [frame.time for frame in read_clip(source)]
    assert result["frames"] == len(times)
    assert abs(float((info.duration or 0) - (before.duration or 0))) < 0.05
    assert [stream.kind for stream in info.streams] == [stream.kind for stream in before.streams]
    for kind in ("audio", "subtitle"):
        assert packets(target, kind) == packets(source, kind) != []
    assert len(info.chapters) == len(before.chapters) > 0
    provenance = info.provenance
    assert provenance["model"] == result["model"]
    assert provenance["weights"] == result["weights"] != ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a clip ü.mkv", "big.mkv"]


def test_colours_survive_a_network_that_only_enlarges(installed: Command, tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    make_video(source, count=4)
    result = result_of(installed("upscale", source, "-o", target, "--scale", "2", "--json", "--crf", "4"))
    assert result["model"] == "finesight-x2"
    assert result["width"] == 128
    assert np.abs(mean_colour(target) - mean_colour(source)).max() < 2
    again = installed("upscale", source, "-o", target)
    assert again.code == 2
    assert one_line(again.err)
    assert "exists already" in again.err


@pytest.mark.parametrize("name", ["basicvsr", "tdan"])
def test_networks_for_clips_enlarge(here: Command, network: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    make_video(tmp_path / "in.mp4", count=7)
    result = result_of(
        here("upscale", "in.mp4", "--model", network(name), "--json", "--codec", "ffv1", "-o", "out.mkv")
    )
    assert (result["frames"], result["width"], result["height"]) == (7, 256, 192)
    assert result["codec"] == "ffv1"
    assert len(list(read_clip(tmp_path / "out.mkv"))) == 7
    assert result["precision"] in ("float32", "bfloat16")


def test_a_clip_is_restored_at_its_own_size(installed: Command, network: Callable[[str], Path], tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    make_video(source, count=6)
    ran = installed("restore", source, "--model", network("basicvsr-pp"), "--json", "--end", "0.2", cwd=tmp_path)
    result = result_of(ran)
    target = tmp_path / "in_restored.mp4"
    assert result["output"] == str(target)
    frames = list(read_clip(target))
    assert len(frames) == 5
    assert frames[0].pixels.shape == (48, 64, 3)


@pytest.mark.parametrize(("name", "factor"), [("cain", 2), ("flavr", 4)])
def test_a_clip_gets_more_frames(
    installed: Command, network: Callable[[str], Path], tmp_path: Path, name: str, factor: int
) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    make_rich(source)
    before = list(read_clip(source))
    ran = installed("interpolate", source, "-o", target, "--factor", str(factor), "--model", network(name), "--json")
    result = result_of(ran)
    after = list(read_clip(target))
    assert len(after) == factor * (len(before) - 1) + 1 == result["frames"]
    assert [f.time for f in after[::factor]] == [f.time for f in before]
    middle = after[factor // 2].time - (before[0].time + before[1].time) / 2
    assert abs(middle) <= Fraction(1, 1000)  # what a Matroska file counts in
    assert packets(target, "audio") == packets(source, "audio")
    assert np.abs(mean_colour(target)[::factor] - mean_colour(source)).max() < 2
    assert abs(float((inspect_clip(target).duration or 0) - (inspect_clip(source).duration or 0))) < 0.05


def test_any_rate_by_time_stamp(here: Command, network: Callable[[str], Path], tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4", count=12, rate=24)
    result = result_of(here("interpolate", "in.mp4", "--fps", "59.94", "--model", network("cain"), "--json"))
    target = tmp_path / "in_59.94fps.mp4"
    assert result["output"] == str(target) or result["output"] == "in_59.94fps.mp4"
    frames = list(read_clip(target))
    assert len(frames) == 30  # half a second
    assert frames[7].time == 7 / Fraction(60000, 1001)
    assert inspect_clip(target).rate == Fraction(60000, 1001)


def test_folders_of_frames_in_and_out(here: Command, network: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for number, pixels in enumerate(moving_clip(5, 32, 40)):
        Image.fromarray(pixels).save(tmp_path / "frames" / f"{number:03d}.png")
    tiny = network("collapsible")
    result = result_of(here("upscale", "frames", "-o", "out.mkv", "--rate", "12.5", "--model", tiny, "--json"))
    assert result["frames"] == 5
    assert inspect_clip(tmp_path / "out.mkv").rate == Fraction(25, 2)
    result_of(here("upscale", "out.mkv", "-o", "big", "--model", tiny, "--json"))
    assert len(list((tmp_path / "big").glob("*.png"))) == 5
    assert Image.open(next((tmp_path / "big").glob("*.png"))).size == (160, 128)
    refused = here("upscale", "frames", "-o", "other.mkv", "--model", tiny)
    assert refused.code == 2
    assert one_line(refused.err)
    assert "--rate" in refused.err  # nothing is silently 25 a second


def test_previews_and_plans(here: Command, network: Callable[[str], Path], tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4", count=9)
    ran = here("upscale", "in.mp4", "--preview", "3", "--model", network("basicvsr"))
    assert ran.code == 0, ran.err
    assert Image.open(tmp_path / "in_x4_preview.png").size == (2 * 256, 3 * 192)
    ran = here("interpolate", "in.mp4", "--preview", "2", "--model", network("cain"), "-o", "look.png")
    assert ran.code == 0, ran.err
    assert Image.open(tmp_path / "look.png").size == (3 * 64, 2 * 48)
    plan = result_of(here("upscale", "in.mp4", "--dry-run", "--model", network("tdan"), "--json"))
    assert (plan["frames"], plan["width"]) == (9, 256)
    assert plan["seconds"] > 0
    assert here("interpolate", "in.mp4", "--dry-run", "--model", network("cain")).out.startswith(
        "in.mp4 -> in_2x.mp4: 17"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "in_x4_preview.png", "look.png"]


def test_a_killed_command_goes_on_and_gives_the_same_frames(
    installed: Command, environment: dict[str, str], network: Callable[[str], Path], tmp_path: Path
) -> None:
    source = tmp_path / "in.mkv"
    with ClipWriter(source, width=64, height=48, rate=Fraction(24)) as out:
        for index, pixels in enumerate(moving_clip(40, 48, 64)):
            out.write(Frame(pixels, Fraction(index, 24), Fraction(1, 24)))
    words = ["upscale", str(source), "--model", str(network("tdan")), "--precision", "float32", "--segment", "4"]
    assert installed(*words, "-o", tmp_path / "whole.mkv").code == 0
    wanted = np.random.default_rng(7).choice(np.arange(1, 9), 3, replace=False)
    for parts in sorted(wanted):
        process = subprocess.Popen(
            [COMMAND, *words, "-o", tmp_path / "cut.mkv"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while process.poll() is None:
            done = [path.read_bytes().count(b"\n") for path in tmp_path.glob(".cut*/done")]
            if done and done[0] >= parts:
                break
            time.sleep(0.005)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "cut.mkv").exists()
    ran = installed(*words, "-o", tmp_path / "cut.mkv", "--json")
    assert result_of(ran)["earlier"] >= 4 * max(wanted)
    whole, cut = list(read_clip(tmp_path / "whole.mkv")), list(read_clip(tmp_path / "cut.mkv"))
    assert [f.time for f in cut] == [f.time for f in whole]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(cut, whole, strict=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.mkv", "in.mkv", "whole.mkv"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["upscale", "missing.mp4"], "does not exist"),
        (["upscale", "sound.mka.mp4"], "no video stream"),
        (["upscale", "text.mp4"], "cannot be opened as a clip"),
        (["restore", "in.mp4"], "needs a model"),
        (["restore", "in.mp4", "--model", "finesight-x4"], "scale 1 is wanted"),
        (["interpolate", "in.mp4", "--model", "finesight-x4"], "is for super-resolution"),
        (["interpolate", "in.mp4", "--factor", "2", "--fps", "50"], "exclude each other"),
        (["interpolate", "in.mp4", "--fps", "fast"], "is no rate"),
        (["upscale", "in.mp4", "--start", "9"], "it has nothing at 9 s"),
        (["upscale", "in.mp4", "--start", "soon"], "--start: expected seconds"),
        (["upscale", "in.mp4", "--codec", "x266"], "no encoder 'x266'"),
        (["upscale", "in.mp4", "-o", "out.gif"], "not with .gif"),
        (["upscale", "in.mp4", "-o", "in.mp4", "--overwrite"], "is the input itself"),
        (["upscale", "in.mp4", "--device", "gpu"], "device: expected one of"),
    ],
)
def test_what_cannot_be_is_one_line(here: Command, tmp_path: Path, words: list[str], said: str) -> None:
    make_video(tmp_path / "in.mp4", count=3)
    (tmp_path / "text.mp4").write_text("no clip at all")
    with av.open(str(tmp_path / "sound.mka.mp4"), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    ran = here(*words)
    assert ran.code in (1, 2)
    assert one_line(ran.err), ran.err
    assert said in ran.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "sound.mka.mp4", "text.mp4"]
