"""Files appear whole or not at all: exceptions, full disks, killed processes, folders that cannot be written."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from finesight import media
from finesight.errors import OutputError
from finesight.media.atomic import PART, part_prefix

from .samples import gradient, picture


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_file_appears_at_the_end(tmp_path: Path) -> None:
    with media.atomically(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert names(tmp_path) == [temporary.name]
        assert temporary.name.startswith(".a.txt.")
        assert temporary.name.endswith(PART)
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_an_exception_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "a.txt").write_text("old")

    def fail() -> None:
        with media.atomically(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_permissions(tmp_path: Path) -> None:
    """New files get what the umask gives (not the privacy of mkstemp), replaced ones keep theirs."""
    old = os.umask(0o027)
    try:
        media.write(tmp_path / "a.png", picture())
        assert stat.S_IMODE(os.stat(tmp_path / "a.png").st_mode) == 0o640
    finally:
        os.umask(old)
    os.chmod(tmp_path / "a.png", 0o604)
    media.write(tmp_path / "a.png", picture())
    assert stat.S_IMODE(os.stat(tmp_path / "a.png").st_mode) == 0o604


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "a.png")
    media.write(tmp_path / "link.png", picture())
    assert (tmp_path / "link.png").is_symlink()
    assert names(tmp_path / "real") == ["a.png"]


def test_folders_that_cannot_take_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for path, match in (
        (tmp_path / "no" / "a.png", "does not exist. Create it first"),
        (tmp_path / "file" / "a.png", "is not a folder"),
        (tmp_path / "folder", "is a folder; a file name is wanted"),
        (tmp_path / ("x" * 300 + ".png"), "too long"),
        (Path("/proc/a.png"), "does not exist|cannot be written"),
    ):
        with pytest.raises(OutputError, match=match) as caught:
            media.write(path, picture(), format="png")
        assert "\n" not in str(caught.value)

    def deny(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)  # tests may run as root, who may write everywhere
    with pytest.raises(OutputError, match="cannot be written to"):
        media.write(tmp_path / "a.png", picture())


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "tiff", "avif", "bmp", "ppm"])
def test_a_full_disk(tmp_path: Path, form: str) -> None:
    """A limit on the size of files stands in for the disk; the old file survives."""
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    np.save(tmp_path / "noise.npy", noise)
    target = tmp_path / f"out.{form}"
    target.write_text("old")
    code = (
        "import resource, sys, numpy as np; from finesight import media; from finesight.errors import OutputError\n"
        "noise = np.load(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "try: media.write(sys.argv[2], media.from_array(noise))\n"
        "except OutputError as error: print(error); sys.exit(3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "noise.npy"), str(target)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.count("\n") == 1
    assert "was not written" in done.stdout
    assert "larger than the limit" in done.stdout
    assert names(tmp_path) == ["noise.npy", target.name]
    assert target.read_text() == "old"


def test_a_small_file_system(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
        for form in ("png", "tiff", "avif", "ppm"):
            with pytest.raises(OutputError, match="disk or the quota is full"):
                media.write(tmp_path / "a", media.from_array(noise), format=form, quality=100)
            assert names(tmp_path) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_killed_in_the_middle(tmp_path: Path) -> None:
    """kill -9 leaves no file of the final name; what it leaves is recognised, and removed by the next run only."""
    code = (
        "import sys, time; from finesight import media\n"
        "with media.atomically(sys.argv[1]) as temporary:\n"
        "    temporary.write_bytes(b'half'); print('writing', flush=True); time.sleep(60)\n"
    )
    target = tmp_path / "a.png"
    worker = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"writing\n"
    (tmp_path / f"{part_prefix(tmp_path / 'b.png')}00{PART}").touch()  # of another output: not ours to remove
    media.write(target, picture())  # while the other one lives, its file stays
    assert len([name for name in names(tmp_path) if name.startswith(".a.png.")]) == 1
    target.unlink()
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    left = names(tmp_path)
    assert "a.png" not in left
    assert len(left) == 2
    assert all(name.startswith(".") and name.endswith(PART) for name in left)
    media.write(target, picture())
    left = names(tmp_path)
    assert len(left) == 2
    assert "a.png" in left
    assert any(name.startswith(".b.png.") for name in left)


def test_killed_while_libvips_writes(tmp_path: Path) -> None:
    np.save(tmp_path / "noise.npy", gradient(1500, 1500, 3))
    code = (
        "import sys, numpy as np; from finesight import media\n"
        "picture = media.from_array(np.load(sys.argv[1])); print('ready', flush=True)\n"
        "while True: media.write(sys.argv[2], picture)\n"
    )
    target = tmp_path / "a.png"
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "noise.npy"), str(target)], stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    while not any(name.endswith(PART) for name in names(tmp_path)):
        time.sleep(0.005)
    time.sleep(0.05)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    if target.exists():  # a whole one from an earlier round
        assert media.read(target).pixels.shape == (1500, 1500, 3)


def test_names_too_long_for_a_suffix(tmp_path: Path) -> None:
    """The temporary name is no longer than the file system allows although the target's is at the limit."""
    path = tmp_path / ("é" * 125 + ".png")
    media.write(path, picture())
    assert names(tmp_path) == [path.name]
