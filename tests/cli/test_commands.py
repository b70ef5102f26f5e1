"""Every command but ``upscale``, and how wrong use is answered."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import finesight
from finesight.cli.train import find_recipe, shipped_recipes

from .conftest import COMMAND, Command, one_line

COMMANDS = ["upscale", "info", "models", "doctor", "train", "data"]


def test_help_names_every_command(here: Command) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        ran = here(*arguments)
        assert ran.code == 0
        assert all(re.search(rf"^. {name} ", ran.out, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("command", [*([name] for name in COMMANDS), ["models", "list"], ["data", "pack"]])
def test_every_command_has_help(here: Command, command: list[str]) -> None:
    ran = here(*command, "--help")
    assert ran.code == 0
    assert f"Usage: finesight {' '.join(command)}" in ran.out


def test_version(here: Command) -> None:
    assert here("--version") == (0, f"finesight {finesight.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["enlarge"], "No such command 'enlarge'"),
        (["upscale"], "Missing argument"),
        (["info", "--colour", "x"], "No such option: --colour"),
        (["upscale", "a.png", "--precision", "int4"], "--precision"),
        (["upscale", "a.png", "--quality", "101"], "--quality"),
        (["upscale", "a.png", "--metadata", "some"], "--metadata"),
        (["train", "finesight-x2", "--stop-after", "0"], "--stop-after"),
        (["models", "list", "--task", "superresolution"], "Did you mean super-resolution"),
        (["models", "info", "finesihgt-x4"], "Did you mean finesight-x4"),
        (["models", "path", "edsr"], "Did you mean"),
        (["train"], "Give a recipe"),
        (["train", "finesight-x5"], "Did you mean"),
        (["train", "finesight-x2", "--set", "steps"], "key=value"),
        (["train", "finesight-x2", "--set", "stpes=3"], 'Did you mean "steps"'),
        (["data", "pack", "missing", "-o", "a.pack"], "missing is not a folder"),
        (["data", "pack", ".", "-o", "a.pack", "--limit", "much"], "--limit"),
        (["data", "pack", ".", "-o", "a.pack"], "holds no picture"),
        (["info", "missing.png"], "missing.png does not exist"),
        (["info", "."], "is a folder"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(here: Command, arguments: list[str], told: str) -> None:
    ran = here(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert one_line(ran.err), ran.err
    assert told.replace('"', "") in ran.err.replace('"', "")
    assert ran.err.startswith("finesight: ")


def test_debug_shows_where(here: Command) -> None:
    ran = here("info", "missing.png", "--debug")
    assert ran.code == 2
    assert "Traceback" in ran.err
    assert ran.err.splitlines()[-1].startswith("finesight: missing.png does not exist")


def test_info(here: Command, picture: Callable[..., Path], tmp_path: Path) -> None:
    file = picture(tmp_path / "übung 🙂.png", 31, 17)
    ran = here("info", file)
    assert ran.code == 0
    assert "31 x 17 pixels" in ran.out
    facts = json.loads(here("info", file, "--json").out)
    assert (facts["width"], facts["height"], facts["format"]) == (31, 17, "png")
    assert facts["name"].endswith("übung 🙂.png")


def test_models(here: Command, tiny: Path) -> None:
    ran = here("models", "list", "--task", "super-resolution")
    assert ran.code == 0
    assert ran.out.startswith("finesight-x2 ")
    listed = json.loads(here("models", "list", "--json", "--all").out)["models"]
    assert {"name", "architecture", "task", "where"} <= set(listed[0])
    assert len(listed) > 20
    assert here("models", "path", "finesight-x4").out.strip().endswith("finesight-x4.safetensors")
    assert "collapsible" in here("models", "info", tiny).out
    facts = json.loads(here("models", "info", tiny, "--json").out)
    assert (facts["scale"], facts["licence"]) == (2, "Apache-2.0")


def test_models_convert_import_check(
    here: Command, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    converted = tmp_path / "half.safetensors"
    assert here("models", "convert", tiny, "-o", converted, "--half").out.strip() == str(converted)
    assert here("models", "info", converted).code == 0
    stranger = here("models", "import", converted)
    assert stranger.code == 2
    assert one_line(stranger.err)
    absent = here("models", "check", "edsr-x4")
    assert (absent.code, absent.out.split()) == (1, ["absent", "edsr-x4"])
    offline = here("models", "get", "edsr-x4", "--offline")
    assert offline.code == 2
    assert one_line(offline.err)
    assert "finesight models get edsr-x4" in offline.err


def test_doctor(here: Command) -> None:
    found = json.loads(here("doctor", "--json").out)
    assert found["versions"]["finesight"] == finesight.__version__
    assert found["devices"]["cpu"]["works"] is True
    assert found["processor"]["cores"] >= 1
    assert isinstance(found["processor"]["native_bfloat16"], bool)
    assert set(found["extras"]) == {"fast", "heic", "explain", "web", "community"}
    ran = here("doctor")
    assert ran.code == 0
    assert re.search(r"^  cpu +works$", ran.out, re.MULTILINE)


def test_every_shipped_recipe_is_found_and_checked(here: Command) -> None:
    assert {"finesight-x2", "finesight-x4"} <= set(shipped_recipes())
    for name in shipped_recipes():
        assert json.loads(here("train", name, "--print").out)["name"] == name
    changed = json.loads(here("train", "finesight-x2", "--print", "--set", "optimizer.learning_rate=1e-4").out)
    assert changed["optimizer"]["learning_rate"] == 1e-4
    assert find_recipe(str(shipped_recipes()["finesight-x2"])) == shipped_recipes()["finesight-x2"]


def test_schema(here: Command) -> None:
    schema = json.loads(here("train", "--schema").out)
    assert "network" in schema["properties"]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of one noisy picture: detail enough to be taken."""
    import numpy as np
    from PIL import Image

    from finesight.cli.app import run

    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 240, 3), np.uint8)).save(folder / "noise.png")
    file = folder / "crops.pack"
    assert run(["data", "pack", str(folder), "-o", str(file), "--side", "64", "--limit", "200kB", "--quiet"]) == 0
    return file


def settings(pack: Path, steps: int) -> list[str]:
    tiny = {"width": 4, "depth": 1, "expansion": 0, "scale": 2}
    changes = [
        f"data.pack={pack}",
        "data.patch=8",
        "data.batch=1",
        "data.held_out=2",
        f"network.arguments={json.dumps(tiny)}",
        f"steps={steps}",
        "precision=float32",
        "optimizer.warmup=1",
    ]
    return [part for change in changes for part in ("--set", change)]


def test_pack_train_and_use(here: Command, pack: Path, picture: Callable[..., Path], tmp_path: Path) -> None:
    assert pack.stat().st_size <= 200_000
    arguments = ["train", "finesight-x2", "run", *settings(pack, 4), "--device", "cpu"]
    first = here(*arguments, "--stop-after", "2")
    assert (first.code, first.out) == (0, "")
    assert "goes on" in first.err
    second = here(*arguments)
    assert (second.code, second.out) == (0, f"{Path('run') / 'finesight-x2.safetensors'}\n")
    picture(tmp_path / "a.png")
    assert here("upscale", "a.png", "--model", "run/finesight-x2.safetensors").out == "a_x2.png\n"


@pytest.mark.parametrize("command", ["data pack . -o blocked/a.pack", "train finesight-x2 blocked"])
def test_a_file_where_a_folder_should_be(here: Command, tmp_path: Path, command: str) -> None:
    (tmp_path / "blocked").write_text("a file")
    ran = here(*command.split())
    assert ran.code == 2
    assert one_line(ran.err), ran.err
    assert "blocked is a file" in ran.err


def test_a_pack_on_a_full_disk(installed: Command, picture: Callable[..., Path], tmp_path: Path) -> None:
    Image.effect_noise((300, 300), 90).convert("RGB").save(tmp_path / "noise.png")
    ran = installed(
        *("data", "pack", ".", "-o", "a.pack", "--side", "64", "--limit", "300kB"),
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert ran.code == 2
    assert one_line(ran.err), ran.err
    assert "a.pack was not written" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["noise.png"]


def test_training_stops_on_ctrl_c_and_goes_on(environment: dict[str, str], pack: Path, tmp_path: Path) -> None:
    command = [COMMAND, "train", "finesight-x2", "run", *settings(pack, 200_000), "--device", "cpu"]
    command += ["--set", "save_every=100000", "--set", "validate_every=100000", "--set", "log_every=1"]
    command += ["--set", "workers=1"]  # a terminal tells every process
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        state, deadline = tmp_path / "run" / "state.pt", time.monotonic() + 60
        log = tmp_path / "run" / "log.jsonl"
        while not (log.exists() and log.read_text()):
            assert time.monotonic() < deadline, "training did not start"
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    *cost, last = err.splitlines(keepends=True)
    assert "parameters; " in cost[0]
    assert one_line(last), err
    assert not list((tmp_path / "run").glob("*.part"))
    import torch

    assert torch.load(state, weights_only=True)["step"] >= 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(environment: dict[str, str], shell: str) -> None:
    script = subprocess.run(
        [COMMAND],
        env={**environment, "_FINESIGHT_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "_FINESIGHT_COMPLETE=complete_" in script


def test_completion_offers_models(environment: dict[str, str]) -> None:
    asked = {
        "_FINESIGHT_COMPLETE": "complete_bash",
        "COMP_WORDS": "finesight upscale -m finesight-p",
        "COMP_CWORD": "3",
    }
    ran = subprocess.run([COMMAND], env={**environment, **asked}, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["finesight-photo-x4"]


def test_as_a_module(environment: dict[str, str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "finesight", "--version"], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"finesight {finesight.__version__}\n"
