"""Codecs, containers and pixel formats; files that appear whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from finesight.errors import OutputError, SettingError
from finesight.media.clips import ClipWriter, Frame, inspect_clip, read_clip
from finesight.media.clips.checking import Plan, check_written
from finesight.media.clips.colour import Colour

from .samples import HEIGHT, WIDTH, gradient, make_video

RATE = Fraction(24)


def write(
    path: Path, pictures: list[NDArray[Any]], *, alphas: list[NDArray[Any]] | None = None, **settings: Any
) -> ClipWriter:
    height, width = pictures[0].shape[:2]
    settings.setdefault("rate", RATE)
    with ClipWriter(path, width=width, height=height, alpha=alphas is not None, **settings) as out:
        for index, pixels in enumerate(pictures):
            alpha = alphas[index] if alphas is not None else None
            out.write(Frame(pixels, index / RATE, 1 / RATE, alpha))
    return out


def read(path: Path) -> list[Frame]:
    with read_clip(path) as clip:
        return list(clip)


def noise(depth: int, *, count: int = 3, side: int = 33) -> list[NDArray[Any]]:
    generator = np.random.default_rng(depth)
    values = generator.integers(0, 2**depth, (count, side, side + 2, 3))
    if depth == 8:
        return list(values.astype(np.uint8))
    top = 2**depth - 1
    return list(((values * 65535 + top // 2) // top).astype(np.uint16))


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_ffv1_loses_nothing(tmp_path: Path, depth: int) -> None:
    pictures = noise(depth)
    write(tmp_path / "out.mkv", pictures, codec="ffv1", depth=depth)
    info = inspect_clip(tmp_path / "out.mkv")
    assert (info.depth, info.matrix) == (depth, "rgb")
    for before, after in zip(pictures, read(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(after.pixels, before)


@pytest.mark.parametrize(("name", "codec"), [("a.mov", "png"), ("a.mov", "qtrle"), ("a.mkv", "ffv1")])
@pytest.mark.parametrize("transparent", [False, True], ids=["opaque", "alpha"])
def test_other_lossless_codecs(tmp_path: Path, name: str, codec: str, transparent: bool) -> None:
    pictures = noise(8)
    alphas = [picture[:, :, 0].copy() for picture in pictures] if transparent else None
    write(tmp_path / name, pictures, alphas=alphas, codec=codec)
    for index, frame in enumerate(read(tmp_path / name)):
        np.testing.assert_array_equal(frame.pixels, pictures[index])
        if alphas is not None:
            np.testing.assert_array_equal(frame.alpha, alphas[index])
        else:
            assert frame.alpha is None


@pytest.mark.parametrize("depth", [8, 10, 16])
def test_alpha_in_ffv1_of_any_depth(tmp_path: Path, depth: int) -> None:
    pictures = noise(depth)
    alphas = [picture[:, :, 1].copy() for picture in pictures]
    out = write(tmp_path / "a.mkv", pictures, alphas=alphas, depth=depth)
    assert out.encoding is not None
    assert out.encoding.codec == "ffv1"
    for index, frame in enumerate(read(tmp_path / "a.mkv")):
        np.testing.assert_array_equal(frame.pixels, pictures[index])
        np.testing.assert_array_equal(frame.alpha, alphas[index])


def smooth_alpha() -> NDArray[np.uint8]:
    return np.linspace(0, 255, WIDTH).astype(np.uint8)[None].repeat(HEIGHT, axis=0)


@pytest.mark.parametrize(("name", "codec"), [("a.mov", "prores_ks"), ("a.webm", "libvpx-vp9")])
def test_alpha_of_edited_and_web_clips(tmp_path: Path, name: str, codec: str) -> None:
    pictures = [gradient(index) for index in range(3)]
    out = write(tmp_path / name, pictures, alphas=[smooth_alpha()] * 3)
    assert out.encoding is not None
    assert out.encoding.codec == codec
    frames = read(tmp_path / name)
    assert len(frames) == 3
    assert frames[0].alpha is not None
    peak = 257 if codec == "prores_ks" else 1
    assert frames[0].pixels.dtype == (np.uint16 if codec == "prores_ks" else np.uint8)
    assert np.abs(frames[0].alpha / peak - smooth_alpha()).max() < (1 if codec == "prores_ks" else 6)
    assert np.abs(frames[0].pixels / peak - pictures[0]).mean() < 2.5


def test_mp4_refuses_alpha(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"MP4 cannot hold transparency.*\.mov, \.mkv or \.webm"):
        write(tmp_path / "a.mp4", [gradient(0)], alphas=[smooth_alpha()])


@pytest.mark.parametrize(
    ("name", "depth", "codec"),
    [("a.mp4", 8, "h264"), ("a.mov", 8, "h264"), ("a.mkv", 8, "h264"), ("a.webm", 8, "vp9"), ("a.mp4", 10, "hevc"),
     ("a.mkv", 10, "hevc"), ("a.webm", 10, "av1")],
)  # fmt: skip
def test_each_container_has_a_sensible_codec(tmp_path: Path, name: str, depth: int, codec: str) -> None:
    pictures: list[NDArray[Any]] = [gradient(index, width=128, height=96) for index in range(3)]
    if depth > 8:
        pictures = [(picture * np.uint16(257)) for picture in pictures]
    write(tmp_path / name, pictures, depth=depth, provenance={"model": "x"})
    info = inspect_clip(tmp_path / name)
    assert info.depth == depth
    assert info.streams[0].codec in (codec, f"lib{codec}", "libdav1d")
    assert info.provenance == {"model": "x"}
    peak = 1 if depth == 8 else 257
    frames = read(tmp_path / name)
    assert len(frames) == 3
    assert frames[0].time == 0
    for frame, picture in zip(frames, pictures, strict=True):
        assert np.abs(frame.pixels.astype(float) - picture).mean() / peak < 2.5


@pytest.mark.parametrize(
    ("name", "codec", "depth"),
    [("a.mp4", "mpeg4", 8), ("a.mov", "mjpeg", 8), ("a.mov", "dnxhd", 8), ("a.mov", "dnxhd", 10),
     ("a.mkv", "mpeg2video", 8), ("a.mov", "prores", 10), ("a.mkv", "libx264rgb", 8)],
)  # fmt: skip
def test_codecs_of_other_trades(tmp_path: Path, name: str, codec: str, depth: int) -> None:
    pictures: list[NDArray[Any]] = [gradient(index, width=256, height=128) for index in range(3)]
    peak = 257 if depth > 8 else 1
    given = [picture * np.uint16(peak) if peak > 1 else picture for picture in pictures]
    write(tmp_path / name, given, codec=codec, depth=depth)
    frames = read(tmp_path / name)
    assert all(abs(frame.time - index / RATE) <= Fraction(1, 1000) for index, frame in enumerate(frames))
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.pixels.dtype == (np.uint16 if depth > 8 else np.uint8)
        assert np.abs(frame.pixels / peak - picture).mean() < 2.5


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("codec", ["h264", "h265", "av1", "vp9", "mpeg4"])
def test_clips_of_a_few_frames(tmp_path: Path, codec: str, count: int) -> None:
    """libx265 leaves decoding times out where it has fewer frames than it looks ahead."""
    for _ in range(3 if codec == "h265" else 1):
        write(tmp_path / "a.mp4", [gradient(index, width=128, height=96) for index in range(count)], codec=codec)
        assert [frame.time for frame in read(tmp_path / "a.mp4")] == [index / RATE for index in range(count)]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_long_pauses_between_frames(tmp_path: Path, codec: str) -> None:
    times = [Fraction(index, 24) for index in range(12)] + [30 + Fraction(index, 24) for index in range(12)]
    with ClipWriter(tmp_path / "a.mp4", width=128, height=96, rate=RATE, codec=codec) as out:
        for index, moment in enumerate(times):
            out.write(Frame(gradient(index, width=128, height=96), moment, Fraction(1, 24)))
    assert [frame.time for frame in read(tmp_path / "a.mp4")] == times


def test_encoders_are_quiet(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pictures = [gradient(index, width=128, height=96) for index in range(2)]
    for codec in ("av1", "h265", "vp9", "h264"):
        write(tmp_path / f"{codec}.mkv", pictures, codec=codec)
    assert capfd.readouterr() == ("", "")
    assert "SVT_LOG" not in os.environ


def test_crf_and_names_of_codecs(tmp_path: Path) -> None:
    pictures = [np.random.default_rng(index).integers(0, 256, (48, 64, 3)).astype(np.uint8) for index in range(3)]
    sizes = {}
    for crf in (5, 40):
        write(tmp_path / f"{crf}.mp4", pictures, codec="h265", crf=crf)
        sizes[crf] = (tmp_path / f"{crf}.mp4").stat().st_size
    assert sizes[40] * 2 < sizes[5]
    with av.open(str(tmp_path / "5.mp4")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"  # or QuickTime shows nothing


def test_odd_sides_keep_every_pixel(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [gradient(index, width=33, height=21) for index in range(2)])
    info = inspect_clip(tmp_path / "a.mp4")
    assert (info.width, info.height, info.pixel_format) == (33, 21, "yuv444p")
    with pytest.raises(SettingError, match="yuv420p needs even sides; the result is 33x21"):
        write(tmp_path / "b.mp4", [gradient(0, width=33, height=21)], pixel_format="yuv420p")


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("a.mp4", {"codec": "libx246"}, "There is no encoder 'libx246'. Did you mean libx26"),
        ("a.mp4", {"codec": "aac"}, "encodes audio, not video"),
        ("a.mp4", {"crf": 60}, "--crf for libx264 goes from 0"),
        ("a.mkv", {"codec": "ffv1", "crf": 3}, "--crf has no meaning for ffv1, which is lossless"),
        ("a.mp4", {"pixel_format": "yuv42op"}, "There is no pixel format 'yuv42op'. Did you mean yuv4"),
        ("a.mp4", {"pixel_format": "gbrp16le"}, "libx264 does not take gbrp16le; it takes yuv420p"),
        ("a.webm", {"codec": "libx264"}, "a .webm file cannot hold libx264"),
        ("a.avi", {}, r"clips are written as .mp4, .m4v, .mov, .mkv, .webm"),
        ("a.mp4", {"rate": None}, "needs frames per second"),
        ("frames", {"crf": 3}, "becomes pictures"),
    ],
)
def test_settings_that_cannot_work_are_refused_first(
    tmp_path: Path, name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises((SettingError, OutputError), match=message):
        ClipWriter(tmp_path / name, width=64, height=48, **{"rate": RATE, **settings})
    assert not list(tmp_path.iterdir())


def write_and_fail(path: Path) -> None:
    with ClipWriter(path, width=WIDTH, height=HEIGHT, rate=RATE) as out:
        out.write(Frame(gradient(0), Fraction(0)))
        raise KeyError("somebody else's")


def write_twice_at_once(path: Path) -> None:
    with ClipWriter(path, width=WIDTH, height=HEIGHT, rate=RATE) as out:
        out.write(Frame(gradient(0), Fraction(1)))
        out.write(Frame(gradient(1), Fraction(1)))


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_and_fail(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_no_frames_and_wrong_frames_leave_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="there was not one frame"),
        ClipWriter(tmp_path / "a.mp4", width=WIDTH, height=HEIGHT, rate=RATE),
    ):
        pass
    with pytest.raises(OutputError, match="does not come after"):
        write_twice_at_once(tmp_path / "a.mp4")
    with pytest.raises(OutputError, match="shape"):
        write(tmp_path / "a.mp4", [gradient(0), gradient(0, width=32)])
    assert not list(tmp_path.iterdir())


def test_an_older_result_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [gradient(index) for index in range(2)])
    before = (tmp_path / "a.mp4").read_bytes()
    with pytest.raises(KeyError):
        write_and_fail(tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == before
    info = inspect_clip(tmp_path / "a.mp4")
    with (
        pytest.raises(OutputError, match="is the input itself"),
        ClipWriter(tmp_path / "a.mp4", like=info, width=WIDTH, height=HEIGHT),
    ):
        pass


def test_one_frame_is_a_clip(tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4", count=1)
    with (
        read_clip(tmp_path / "in.mp4") as clip,
        ClipWriter(tmp_path / "out.mp4", like=clip.info, width=WIDTH, height=HEIGHT) as out,
    ):
        for frame in clip:
            out.write(frame)
    assert len(read(tmp_path / "out.mp4")) == 1
    assert inspect_clip(tmp_path / "out.mp4").duration == Fraction(1, 24)


def plan_of(path: Path) -> Plan:
    frames = read(path)
    return Plan(
        times=[round(frame.time * 90_000) for frame in frames],
        base=Fraction(1, 90_000),
        end=frames[-1].time + Fraction(1, 24),
        kinds=("video",),
    )


def test_the_closing_check_finds_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [gradient(index) for index in range(12)])
    target = Path("film.mp4")
    check_written(tmp_path / "a.mp4", plan_of(tmp_path / "a.mp4"), target)
    faults = []
    for change in ("kinds", "frames", "time", "end", "chapters", "copied", "colour"):
        plan = plan_of(tmp_path / "a.mp4")
        if change == "kinds":
            plan.kinds = ("video", "audio")
        elif change == "frames":
            plan.times.append(plan.times[-1] + 3750)
        elif change == "time":
            plan.times[5] += 40
        elif change == "end":
            plan.reached = Fraction(3)
        elif change == "chapters":
            plan.chapters = 2
        elif change == "colour":
            plan.colour = Colour("bt709", "limited", "unknown", "unknown")
        else:
            plan.kinds, plan.video, plan.copied = ("video",), 1, {0: 13}
        with pytest.raises(OutputError, match=r"film\.mp4 was not written: the closing check found") as caught:
            check_written(tmp_path / "a.mp4", plan, target)
        faults.append(str(caught.value))
    wanted = ["streams are video instead of video, audio", "holds 12 frames instead of 13", "frame 5 stands at",
              "ends at 0.500 s instead of 3.000 s", "holds 0 chapters instead of 2",
              "12 packets instead of 13", "read with the matrix bt601 instead of bt709"]  # fmt: skip
    assert all(part in fault for part, fault in zip(wanted, faults, strict=True))
    (tmp_path / "broken.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:600])
    with pytest.raises(OutputError, match="cannot be read back"):
        check_written(tmp_path / "broken.mp4", plan_of(tmp_path / "a.mp4"), target)


PROGRAM = """
import sys, time
from fractions import Fraction
import numpy as np
from finesight.errors import Error
from finesight.media.clips import ClipWriter, Frame
import resource
if sys.argv[2] == "full":
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
crf = 5 if sys.argv[3] == "crf" else None
try:
    with ClipWriter(sys.argv[1], width=96, height=96, rate=Fraction(24), crf=crf) as out:
        for index in range(100_000 if sys.argv[2] == "kill" else 40):
            out.write(Frame(np.roll(noise, index, 0), Fraction(index, 24), Fraction(1, 24)))
            if index == 20 and sys.argv[2] == "kill":
                print("going", flush=True)
                time.sleep(60)
except Error as error:
    print(error)
    sys.exit(1)
"""


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "frames"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    folder = tmp_path / "results"
    folder.mkdir()
    command = [sys.executable, str(tmp_path / "program.py"), str(folder / name), "full", "crf" if "." in name else "-"]
    if name == "frames":
        (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM).replace("60_000, 60_000", "9_000, 9_000"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert "was not written" in done.stdout
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["a.mp4", "frames"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path, name: str) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    folder = tmp_path / "results"
    folder.mkdir()
    command = [sys.executable, str(tmp_path / "program.py"), str(folder / name)]
    with subprocess.Popen([*command, "kill", "-"], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "going\n"
        os.kill(running.pid, signal.SIGKILL)
    left = [path.name for path in folder.iterdir()]
    assert name not in left
    assert all(one.startswith(".") for one in left)
    time.sleep(0.05)
    write(folder / name, [gradient(0), gradient(1)])
    assert [path.name for path in folder.iterdir()] == [name]


def test_real_10_bit_goes_through(tmp_path: Path) -> None:
    """10 bits keep steps that 8 bits cannot show."""
    ramp = np.linspace(20_000, 24_000, 256).astype(np.uint16)[None, :, None].repeat(64, 0).repeat(3, 2)
    write(tmp_path / "a.mkv", [ramp], depth=10, crf=0, pixel_format="yuv444p10le")
    (frame,) = read(tmp_path / "a.mkv")
    assert len(np.unique(frame.pixels[32, :, 1])) > 40  # 16 levels of 8 bits
    assert np.abs(frame.pixels.astype(int) - ramp).mean() < 128


@pytest.mark.parametrize(("width", "height"), [(48, 32), (40, 56), (16, 16), (64, 48)])
def test_x265_survives_tiny_frames(tmp_path: Path, width: int, height: int) -> None:
    """In a process of its own, which dies where x265's assembly is let near them."""
    code = (
        "import sys, numpy as np; from fractions import Fraction\n"
        "from finesight.media.clips import ClipWriter, Frame\n"
        "width, height = int(sys.argv[2]), int(sys.argv[3])\n"
        "rate = Fraction(25)\n"
        "with ClipWriter(sys.argv[1], width=width, height=height, rate=rate, depth=10, codec='libx265') as clip:\n"
        "    for index in range(12):\n"
        "        pixels = np.random.default_rng(index).integers(0, 65536, (height, width, 3), dtype=np.uint16)\n"
        "        clip.write(Frame(pixels, Fraction(index, 25), None))\n"
    )
    file = tmp_path / "a.mkv"
    ran = subprocess.run([sys.executable, "-c", code, file, str(width), str(height)], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert inspect_clip(file).frames in (None, 12)
