"""The installed command, a tiny network, and pictures to try it on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

COMMAND = Path(sys.executable).with_name("finesight")


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Command(Protocol):
    def __call__(self, *arguments: str | Path, cwd: Path | None = None, **options: Any) -> Ran: ...


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache of the tests' own."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def environment(cache: str) -> dict[str, str]:
    """One thread a process: the machine that runs the tests is shared."""
    own = {"FINESIGHT_CACHE": cache, "FINESIGHT_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    return {**os.environ, **own}


@pytest.fixture(scope="session")
def installed(environment: dict[str, str]) -> Command:
    """Runs the installed ``finesight`` in a process of its own."""

    def run(*arguments: str | Path, cwd: Path | None = None, **options: Any) -> Ran:
        ran = subprocess.run(
            [COMMAND, *map(os.fspath, arguments)],
            cwd=cwd,
            env=environment,
            capture_output=True,
            timeout=120,
            check=False,
            stdin=options.pop("stdin", subprocess.DEVNULL) if "input" not in options else None,
            **options,
        )
        out, err = (stream.decode("utf-8", "backslashreplace") for stream in (ran.stdout, ran.stderr))
        return Ran(ran.returncode, out, err)

    return run


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cache: str, tmp_path: Path) -> Command:
    """Runs the command line inside this process, in ``tmp_path`` or ``cwd``: quick, once torch is loaded."""
    from finesight.cli.app import run

    monkeypatch.setenv("FINESIGHT_OFFLINE", "1")
    monkeypatch.setenv("FINESIGHT_CACHE", cache)

    def inside(*arguments: str | Path, cwd: Path | None = None, **options: Any) -> Ran:
        assert not options
        with monkeypatch.context() as patched:
            patched.chdir(cwd or tmp_path)
            capsys.readouterr()
            code = run([os.fspath(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return inside


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a very small network of scale 2."""
    import torch

    from finesight.models.image.collapsible import Collapsible
    from finesight.train.state import save_weights

    arguments = {"width": 8, "depth": 1, "expansion": 0, "scale": 2}
    file = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Collapsible(width=8, depth=1, expansion=0, scale=2)
    save_weights(network, file, architecture="collapsible", arguments=arguments, card={"licence": "Apache-2.0"})
    return file


@pytest.fixture(scope="session")
def picture() -> Callable[..., Path]:
    """Makes a smooth colourful picture file; its ending says the format."""

    def make(path: Path, width: int = 24, height: int = 16, mode: str = "RGB") -> Path:
        from PIL import Image

        ramp = Image.linear_gradient("L").resize((width, height))
        parts = [ramp, ramp.transpose(Image.Transpose.FLIP_TOP_BOTTOM), ramp.transpose(Image.Transpose.ROTATE_180)]
        image = Image.merge("RGB", parts).convert(mode)
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        return path

    return make


def one_line(text: str) -> bool:
    """Whether there is exactly one line, and it is no traceback."""
    return len(text.splitlines()) == 1 and "Traceback" not in text
