"""Bad input, the installed command in a process of its own: one clear line each, the right exit code, no half file."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import socket
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from .conftest import COMMAND, Command, one_line

Make = Callable[..., Path]


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def claims(width: int, height: int) -> bytes:
    """A PNG of about 1 KB whose header claims a size."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    body = chunk(b"IDAT", zlib.compress(bytes(1_000_000))[:900])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def whole(folder: Path) -> list[str]:
    """The files of a folder, every picture among them decoded to its last pixel; unfinished files would show."""
    for path in folder.rglob("*_x2.*"):
        with Image.open(path) as image:
            image.load()
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_bad_pictures_do_not_stop_the_good_one(
    environment: dict[str, str], tiny: Path, picture: Make, tmp_path: Path
) -> None:
    good = picture(tmp_path / "good name with ü and 🙂.png")
    noise = Image.effect_noise((200, 200), 80)
    noise.save(tmp_path / "cut.jpg")
    noise.save(tmp_path / "cut.png")
    for name in ("cut.jpg", "cut.png"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("This is no picture.\n" * 10)
    (tmp_path / "huge.png").write_bytes(claims(200_000, 200_000))
    (tmp_path / "folder.png").mkdir()
    with socket.socket(socket.AF_UNIX) as plug:
        here = os.getcwd()
        os.chdir(tmp_path)  # the name of a socket may have 107 bytes
        plug.bind("socket.png")
        os.chdir(here)
        told = {
            "empty.png": "is empty",
            "cut.jpg": "cut short",
            "cut.png": "cut short",
            "text.png": "its content is text",
            "huge.png": "200,000 x 200,000",
            "missing.png": "does not exist",
            "nowhere/missing.png": "nor does its folder",
            "folder.png": "holds no pictures",
            "socket.png": "cannot be opened",
            "/proc/self/mem": "cannot be read",
            "no*thing.png": "No file matches",
        }
        command = [COMMAND, "upscale", *told, good.name, "--model", tiny, "-o", "made"]
        with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
            process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=out, stderr=err)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    lines = (tmp_path / "err").read_text().splitlines()
    assert process.returncode == 1
    assert (tmp_path / "out").read_text() == "made/good name with ü and 🙂_x2.png\n"
    assert lines[0] == f"{len(told)} of {len(told) + 1} pictures failed:"
    assert len(lines) == len(told) + 1
    for name, reason in told.items():
        assert any(name in line and reason in line for line in lines), "\n".join([name, reason, *lines])
    assert used.ru_maxrss < 1_500_000, "kilobytes: what the huge picture claims must not be allocated"
    assert whole(tmp_path / "made") == ["good name with ü and 🙂_x2.png"]


def test_a_single_bad_picture_is_one_line_and_exit_2(here: Command, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "huge.png").write_bytes(claims(200_000, 200_000))
    for name in ("empty.png", "huge.png", "missing.png", "nowhere/a.png", "nothing*.png"):
        ran = here("upscale", name, "--model", tiny)
        assert (ran.code, ran.out) == (2, "")
        assert one_line(ran.err), ran.err


def test_models_that_cannot_be_used(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    picture(tmp_path / "a.png")
    torch.save({"body.weight": torch.zeros(3, 3), "body.bias": torch.zeros(3)}, tmp_path / "other.pth")
    tensors = load_file(tiny)
    first = sorted(tensors)[0]
    lacking = {("renamed." + name if name == first else name): tensor for name, tensor in tensors.items()}
    arguments = '{"width": 8, "depth": 1, "expansion": 0, "scale": 2}'
    metadata = {"format": "pt", "architecture": "collapsible", "arguments": arguments, "card": "{}"}
    save_file(lacking, tmp_path / "lacking.safetensors", metadata=metadata)
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.safetensors").write_text("no weights")
    told = {
        "finesihgt-x4": "Did you mean finesight-x4",
        "other.pth": "body.weight",
        "lacking.safetensors": first,
        "empty.pth": "empty",
        "text.safetensors": "text.safetensors",
        "missing.pth": "missing.pth",
    }
    for name, reason in told.items():
        ran = here("upscale", "a.png", "--model", name)
        assert (ran.code, ran.out) == (2, ""), name
        assert one_line(ran.err), ran.err
        assert reason in ran.err, (name, ran.err)
    assert not list(tmp_path.glob("*_x*"))


class Payload:
    """A pickle of it runs a command when it is loaded carelessly."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.file}'",)


def test_code_in_a_pickle_is_refused_and_not_run(installed: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"state_dict": Payload(tmp_path / "executed")}))
    ran = installed("upscale", "a.png", "--model", "evil.pth", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert one_line(ran.err), ran.err
    assert "system" in ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "evil.pth"]


def test_an_output_folder_that_is_a_file(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "blocked").write_text("a file")
    for place in ("blocked", "blocked/below"):
        ran = here("upscale", "a.png", "--model", tiny, "-o", place)
        assert (ran.code, ran.out) == (2, "")
        assert one_line(ran.err), ran.err
        assert "blocked is a file" in ran.err


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody can write to, root neither."""
    folder = tmp_path / "read only"
    folder.mkdir()
    if os.getuid() != 0:
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("root may write everywhere, and a read-only file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_an_output_folder_that_cannot_be_written(
    here: Command, tiny: Path, picture: Make, tmp_path: Path, read_only: Path
) -> None:
    picture(tmp_path / "a.png")
    for place in (read_only, read_only / "below"):
        ran = here("upscale", "a.png", "--model", tiny, "-o", place)
        assert (ran.code, ran.out) == (2, "")
        assert one_line(ran.err), ran.err
        assert "cannot be written to" in ran.err


def test_a_full_disk(installed: Command, tiny: Path, tmp_path: Path) -> None:
    Image.effect_noise((200, 200), 80).save(tmp_path / "large.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "small.png")
    ran = installed(
        *("upscale", "large.png", "small.png", "--model", tiny),
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert (ran.code, ran.out) == (1, "small_x2.png\n")
    assert "large_x2.png was not written" in ran.err
    assert whole(tmp_path) == ["large.png", "small.png", "small_x2.png"]


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, f"ended by itself with {process.returncode}"
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures that take a moment each."""
    for number in range(4):
        Image.effect_noise((700, 600), 80).convert("RGB").save(tmp_path / f"{number}.png")
    return tmp_path


def test_killed_in_the_middle_and_done_again(
    environment: dict[str, str], installed: Command, tiny: Path, folder: Path
) -> None:
    command = [COMMAND, "upscale", ".", "-o", "out", "--model", tiny]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: (folder / "out" / "0_x2.png").exists() and list((folder / "out").glob(".*.part")), process)
        process.send_signal(signal.SIGKILL)
    finished = sorted(path.name for path in (folder / "out").glob("[0-9]*"))
    assert 0 < len(finished) < 4
    before = (folder / "out" / "0_x2.png").stat().st_mtime_ns
    again = installed("upscale", ".", "-o", "out", "--model", tiny, "--skip-existing", cwd=folder)
    assert again.code == 0
    assert sorted(again.out.splitlines()) == [f"out/{n}_x2.png" for n in range(4) if f"{n}_x2.png" not in finished]
    assert whole(folder / "out") == [f"{n}_x2.png" for n in range(4)]
    assert (folder / "out" / "0_x2.png").stat().st_mtime_ns == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped(environment: dict[str, str], tiny: Path, folder: Path, number: signal.Signals) -> None:
    command = [COMMAND, "upscale", ".", "-o", "out", "--model", tiny]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE) as process:
        wait_for(lambda: list((folder / "out").glob(".*.part")), process)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else 143)
    assert one_line(err.decode()), err.decode()
    assert b"Stopped" in err
    assert all(not name.endswith(".part") for name in whole(folder / "out"))
