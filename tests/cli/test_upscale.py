"""``finesight upscale``: what comes out, where, and what is said."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from finesight.cli.upscale import parse_scale
from finesight.errors import SettingError

from .conftest import COMMAND, Command, one_line

Make = Callable[..., Path]


def size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        image.load()
        return image.size


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_result_lies_beside_the_input(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    before = picture(tmp_path / "a.png").read_bytes()
    assert here("upscale", "a.png", "--model", tiny) == (0, "a_x2.png\n", "")
    assert size(tmp_path / "a_x2.png") == (48, 32)
    assert (tmp_path / "a.png").read_bytes() == before
    assert files(tmp_path) == ["a.png", "a_x2.png"]


def test_what_exists_stays_unless_told(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a_x2.png").write_text("mine")
    refused = here("upscale", "a.png", "--model", tiny)
    assert (refused.code, refused.out) == (2, "")
    assert one_line(refused.err)
    assert "--overwrite" in refused.err
    assert here("upscale", "a.png", "--model", tiny, "--skip-existing") == (0, "", "")
    assert (tmp_path / "a_x2.png").read_text() == "mine"
    assert here("upscale", "a.png", "--model", tiny, "--overwrite").code == 0
    assert size(tmp_path / "a_x2.png") == (48, 32)
    both = here("upscale", "a.png", "--overwrite", "--skip-existing")
    assert both.code == 2


def test_inputs_are_never_overwritten(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    before = picture(tmp_path / "a.png").read_bytes()
    for arguments in (["-o", "a.png"], ["--suffix", ""], ["-o", ".", "--suffix", ""]):
        ran = here("upscale", "a.png", "--model", tiny, "--overwrite", *arguments)
        assert ran.code == 2
        assert one_line(ran.err)
    assert (tmp_path / "a.png").read_bytes() == before


def test_folders_keep_their_structure(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    names = ["a.png", "a.jpg", "b/c d.png", "b/ü/🙂.webp"]
    for name in names:
        picture(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    ran = here("upscale", "photos", "-o", "large", "--model", tiny)
    assert (ran.code, ran.err) == (0, "")
    made = files(tmp_path / "large")
    assert len(made) == 4
    assert {"b/c d_x2.png", "b/ü/🙂_x2.webp"} <= set(made)
    assert sorted(ran.out.splitlines()) == [f"large/{name}" for name in made]
    assert all(size(tmp_path / "large" / name) == (48, 32) for name in made)
    again = here("upscale", "photos", "-o", "large", "--model", tiny, "--skip-existing", "--json")
    assert [result["skipped"] for result in json.loads(again.out)["results"]] == [True] * 4


def test_patterns_and_suffix(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    for name in ("a1.png", "a2.png", "b.png"):
        picture(tmp_path / name)
    ran = here("upscale", "a*.png", "--model", tiny, "--suffix", "_big", "--format", "webp")
    assert ran.out.splitlines() == ["a1_big.webp", "a2_big.webp"]


@pytest.mark.parametrize(
    ("scale", "expected", "name"),
    [
        ("2", (48, 32), "a_x2.png"),
        ("1.5", (36, 24), "a_x1.5.png"),
        ("3", (72, 48), "a_x3.png"),
        ("x4", (96, 64), "a_x4.png"),
    ],
)
def test_any_scale(
    here: Command, tiny: Path, picture: Make, tmp_path: Path, scale: str, expected: tuple[int, int], name: str
) -> None:
    picture(tmp_path / "a.png")
    assert here("upscale", "a.png", "--model", tiny, "--scale", scale).out == f"{name}\n"
    assert size(tmp_path / name) == expected


@pytest.mark.parametrize("text", ["abc", "nan", "", "4 2", "x", "1/2"])
def test_a_scale_that_is_no_number(text: str) -> None:
    with pytest.raises(SettingError, match="--scale"):
        parse_scale(text)


@pytest.mark.parametrize("scale", ["0", "1", "-2", "1000", "inf", "abc", "nan"])
def test_scales_out_of_reach(here: Command, tiny: Path, picture: Make, tmp_path: Path, scale: str) -> None:
    picture(tmp_path / "a.png")
    ran = here("upscale", "a.png", "--model", tiny, f"--scale={scale}")
    assert (ran.code, ran.out) == (2, "")
    assert one_line(ran.err)
    assert "scale" in ran.err
    assert files(tmp_path) == ["a.png"]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 2000), (2000, 1)])
def test_extreme_sizes(here: Command, tiny: Path, picture: Make, tmp_path: Path, width: int, height: int) -> None:
    picture(tmp_path / "a.png", width, height)
    assert here("upscale", "a.png", "--model", tiny).code == 0
    assert size(tmp_path / "a_x2.png") == (2 * width, 2 * height)


def test_json(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    ran = here("upscale", "a.png", "missing.png", "--model", tiny, "--json")
    assert ran.code == 1
    content = json.loads(ran.out)
    done, failed = content["results"]
    assert content["version"]
    assert (done["input"], done["output"]) == ("a.png", "a_x2.png")
    assert (done["width"], done["height"], done["model"]) == (48, 32, "tiny")
    assert re.fullmatch("[0-9a-f]{64}", done["weights"])
    assert {"tile", "overlap", "seconds", "notes", "device", "precision"} <= set(done)
    assert failed["input"] == "missing.png"
    assert "does not exist" in failed["error"]


def test_json_of_what_could_not_start(here: Command, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    ran = here("upscale", "a.png", "--model", "finesihgt-x4", "--json")
    assert ran.code == 2
    assert "Did you mean finesight-x4" in json.loads(ran.out)["error"]
    assert one_line(ran.err)


def test_provenance(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    here("upscale", "a.png", "--model", tiny, "-o", "b.png")
    made = json.loads(here("info", "b.png", "--json").out)["provenance"]
    assert made["model"] == "tiny"
    assert made["software"].startswith("finesight ")
    assert "scale 2" in made["settings"]
    here("upscale", "a.png", "--model", tiny, "-o", "c.png", "--metadata", "strip")
    assert json.loads(here("info", "c.png", "--json").out)["provenance"] == {}


def test_what_is_said(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    verbose = here("upscale", "a.png", "--model", tiny, "-v")
    assert verbose.out == "a_x2.png\n"
    assert "48 x 32 pixels by tiny" in verbose.err
    assert "overlap" in verbose.err
    assert here("upscale", "a.png", "--model", tiny, "--overwrite", "--quiet") == (0, "", "")


def test_stop_and_keep_going(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(b"")
    going = here("upscale", "bad.png", "a.png", "--model", tiny)
    assert (going.code, going.out) == (1, "a_x2.png\n")
    assert "1 of 2 pictures failed" in going.err
    (tmp_path / "a_x2.png").unlink()
    stopped = here("upscale", "bad.png", "a.png", "--model", tiny, "--stop")
    assert (stopped.code, stopped.out) == (2, "")
    assert "--stop" in stopped.err
    assert not (tmp_path / "a_x2.png").exists()


def test_a_format_that_ends_below_the_result(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 9000, 1)
    ran = here("upscale", "a.png", "--model", tiny, "--format", "webp")
    assert ran.code == 2
    assert "16,383" in ran.err
    assert files(tmp_path) == ["a.png"]


def test_wrap_exact_and_depth(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "grey.png", mode="I;16")
    assert here("upscale", "grey.png", "--model", tiny, "--wrap", "--exact", "--precision", "float32").code == 0
    facts = json.loads(here("info", "grey_x2.png", "--json").out)
    assert (facts["depth"], facts["mode"]) == (16, "grey")


def test_dry_run_says_all_and_writes_nothing(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 100, 80)
    picture(tmp_path / "b.png")
    ran = here("upscale", "a.png", "b.png", "missing.png", "--model", tiny, "-o", "new", "--dry-run")
    assert ran.code == 1
    assert "new/a_x2.png" in ran.out
    assert "200 x 160" in ran.out
    assert files(tmp_path) == ["a.png", "b.png"]
    assert not (tmp_path / "new").exists()
    content = json.loads(here("upscale", "a.png", "--model", tiny, "--dry-run", "--json").out)
    (plan,) = content["results"]
    assert (plan["width"], plan["height"], plan["output"]) == (200, 160, "a_x2.png")
    assert plan["seconds"] > 0
    assert plan["memory"] > 0


def test_through_pipes(environment: dict[str, str], tiny: Path, picture: Make, tmp_path: Path) -> None:
    data = picture(tmp_path / "a.png").read_bytes()
    command = [COMMAND, "upscale", "-", "-o", "-", "--format", "webp", "--model", tiny, "-v"]
    ran = subprocess.run(command, env=environment, input=data, capture_output=True, check=True)
    (tmp_path / "out.webp").write_bytes(ran.stdout)
    assert size(tmp_path / "out.webp") == (48, 32)
    assert b"48 x 32" in ran.stderr


def test_a_pipe_is_read_once(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    data = picture(tmp_path / "a.png").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
    writer.start()
    assert here("upscale", "pipe", "-o", "b.png", "--model", tiny).code == 0
    writer.join()
    assert size(tmp_path / "b.png") == (48, 32)


def test_a_network_that_does_not_enlarge(here: Command, picture: Make, tmp_path: Path) -> None:
    from finesight.models.image.collapsible import Collapsible
    from finesight.train.state import save_weights

    arguments = {"width": 4, "depth": 1, "expansion": 0, "scale": 1}
    save_weights(
        Collapsible(width=4, depth=1, expansion=0, scale=1),
        tmp_path / "same.safetensors",
        architecture="collapsible",
        arguments=arguments,
        card={},
    )
    picture(tmp_path / "a.png")
    ran = here("upscale", "a.png", "--model", "same.safetensors")
    assert (ran.code, ran.out) == (2, "")
    assert one_line(ran.err)
    assert "does not enlarge" in ran.err


def test_a_wrong_size_of_memory(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    for text in ("much", "0", "-1GB"):
        ran = here("upscale", "a.png", "--model", tiny, f"--memory={text}")
        assert (ran.code, ran.out) == (2, "")
        assert one_line(ran.err)
    little = here("upscale", "a.png", "--model", tiny, "--memory", "1MB")
    assert little.code == 2
    assert "Allow at least" in little.err


def test_json_and_a_picture_do_not_share_standard_output(
    here: Command, tiny: Path, picture: Make, tmp_path: Path
) -> None:
    picture(tmp_path / "a.png")
    ran = here("upscale", "a.png", "--model", tiny, "-o", "-", "--json")
    assert ran.code == 2
    assert one_line(ran.err)


def test_a_terminal_sees_progress_and_a_pipe_only_results(
    environment: dict[str, str], tiny: Path, picture: Make, tmp_path: Path
) -> None:
    picture(tmp_path / "big.png", 900, 700)
    picture(tmp_path / "next.png", 900, 700)
    watcher, terminal = pty.openpty()
    command = [COMMAND, "upscale", "big.png", "next.png", "--model", tiny]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**environment, "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        seen = b""
        while True:
            try:
                part = os.read(watcher, 65536)
            except OSError:  # Linux says so when the other side is closed
                break
            if not part:
                break
            seen += part
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(watcher)
    assert process.returncode == 0
    assert out == b"big_x2.png\nnext_x2.png\n"
    assert b"1/2 big.png" in seen
    assert b"MP/s" in seen
    assert b"1800 x 1400 pixels by tiny" in seen
