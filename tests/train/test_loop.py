"""What the loop promises: exact resuming, workers, parts and processes, precisions, groups, a guard, whole files."""

from __future__ import annotations

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import finesight
from finesight.data.batch import Batch, Source
from finesight.errors import CalculationError, CancelledError, InputError, OutputError, SettingError
from finesight.progress import Cancel
from finesight.train.begin import fine_tuning
from finesight.train.learner import Learner
from finesight.train.loops import loop_for
from finesight.train.recipe import with_settings
from finesight.train.regression import train
from finesight.train.schedules import Falling, learning_rate
from finesight.train.settings.optimizer import OptimizerSettings, Plateau
from finesight.train.settings.pack import DrawnSettings
from finesight.train.start import fresh
from tests.conftest import ROOT
from tests.train.tiny import LEARNING, content, network_of, same, weights_of

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def command(folder: Path, settings: dict[str, Any], *more: str) -> list[str]:
    recipe = folder.with_suffix(".json")
    recipe.write_text(json.dumps(settings))
    return ["-m", "finesight.train", str(recipe), str(folder), *more]


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, workers: int) -> None:
    settings = content(steps=400, save_every=1, validate_every=400, log_every=400)
    killed = tmp_path / "killed"
    arguments = [sys.executable, *command(killed, settings | {"workers": workers})]
    process = subprocess.Popen(arguments, cwd=ROOT, env=ENVIRONMENT, start_new_session=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
        if (killed / "state.pt").exists() and torch.load(killed / "state.pt", weights_only=True)["step"] > 2:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    reached = int(torch.load(killed / "state.pt", weights_only=True)["step"])
    assert 2 < reached < 400
    recipe = with_settings(settings)  # without workers: they do not decide the result
    train(recipe, killed, stop_after=3)
    train(recipe, tmp_path / "whole", stop_after=reached + 3)
    for part in ("learner", "average"):
        assert same(network_of(killed, part), network_of(tmp_path / "whole", part))


def test_dropout_goes_on_where_it_was(tmp_path: Path) -> None:
    network = {"architecture": "msrresnet", "arguments": {"width": 4, "blocks": 1, "dropout": 0.5, "scale": 2}}
    recipe = with_settings(content(network=network, steps=5))
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "parts", stop_after=3)
    train(recipe, tmp_path / "parts")
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts"))


def test_two_processes_equal_one_with_two_parts(tmp_path: Path) -> None:
    """Adversarially, which holds the regression: both networks, and losses that are logged."""
    steady = {"kind": "sgd", "learning_rate": 0.1, "warmup": 0}
    judge = {"architecture": "ttsr-discriminator", "arguments": {"size": 32, "width": 4, "hidden": 8}}
    settings = content(steps=4, optimizer=steady, discriminator=judge | {"optimizer": steady, "weight": 0.1})
    settings["data"]["patch"] = 16
    single = with_settings(settings | {"accumulate": 2})
    loop_for(single)(single, tmp_path / "one")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, *command(tmp_path / "two", settings)], cwd=ROOT, env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    for part in ("learner", "critic", "average"):
        assert same(network_of(tmp_path / "one", part), network_of(tmp_path / "two", part), tolerance=1e-6)
    for name in ("loss", "loss.discriminator.real", "psnr"):
        found = [[float(row[name]) for row in rows(tmp_path / run) if row[name]] for run in ("one", "two")]
        assert found[0]
        assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert not same(weights_of(tmp_path / "one"), fresh_weights(single), tolerance=1e-4)


def fresh_weights(recipe: Any) -> dict[str, torch.Tensor]:
    return fresh(recipe.network.architecture, recipe.network.arguments, seed=recipe.seed).state_dict()


def test_parts_that_cannot_be_shared() -> None:
    from finesight.train.processes import Processes

    assert Processes(1, 2).parts(4) == (range(1, 4, 2), 4)
    assert Processes(0, 1).parts(1) == (range(1), 1)
    with pytest.raises(SettingError, match="multiple of 2"):
        Processes(0, 2).parts(3)
    with pytest.raises(SettingError, match="3 equal parts"):
        with_settings(content(accumulate=3))


def test_parts_are_added_to_one_gradient(tmp_path: Path) -> None:
    steady = {"kind": "sgd", "learning_rate": 0.1, "warmup": 0, "schedule": {"kind": "constant"}, "clip": None}
    recipe = with_settings(content(steps=1, accumulate=2, optimizer=steady, average=0))
    train(recipe, tmp_path)
    network = fresh(str(recipe.network.architecture), recipe.network.arguments, seed=0).train()
    source = recipe.data.source(network.traits, seed=0)  # type: ignore[arg-type]
    parts = [source.batch(number, 2) for number in (0, 1)]
    low, high = torch.cat([one.inputs[0] for one in parts]), torch.cat([one.target for one in parts])
    (network(low) - high).abs().mean().backward()
    for parameter in network.parameters():
        parameter.data -= 0.1 * parameter.grad  # type: ignore[operator]
    assert same(network_of(tmp_path), network.state_dict(), tolerance=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precisions_learn(tmp_path: Path, precision: str) -> None:
    settings = content(network=LEARNING, precision=precision, steps=40, float32_steps=2, validate_every=10)
    train(with_settings(settings), tmp_path)
    found = [float(row["psnr"]) for row in rows(tmp_path) if row["psnr"]]
    assert found[-1] > found[0]
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["learner"]["scale"][0] >= (2.0 if precision == "float16" else 1.0)


def test_float16_finds_its_scale() -> None:
    network = torch.nn.Linear(1, 1)
    learner = Learner(network, OptimizerSettings(), steps=10, precision="float16")
    before = network.weight.clone()
    learner.begin(0)
    learner.backward(network(torch.ones(1, 1)).sum() * 1e38)
    assert learner.apply(), "an overflow of the scaled loss is not a sick network"
    assert learner.scale == 2.0**15
    assert torch.equal(network.weight, before)
    learner.scale = 1.0
    learner.begin(0)
    learner.backward(network(torch.ones(1, 1)).sum() * float("nan"))
    assert not learner.apply()


def test_groups_learn_differently(tmp_path: Path) -> None:
    groups = [{"prefix": "conv1.", "factor": 0}, {"prefix": "conv2.", "from_step": 2}]
    recipe = with_settings(content(steps=3, optimizer={"groups": groups, "warmup": 0}))
    new = fresh_weights(recipe)
    train(recipe, tmp_path, stop_after=2)
    first = network_of(tmp_path)
    train(recipe, tmp_path)
    last = network_of(tmp_path)
    moved = [
        [not torch.equal(new[f"conv{i}.weight"], one[f"conv{i}.weight"]) for i in (1, 2, 3)] for one in (first, last)
    ]
    assert moved == [[False, False, True], [False, True, True]]
    with pytest.raises(SettingError, match="begins with 'conv9"):
        train(with_settings(content(optimizer={"groups": [{"prefix": "conv9."}]})), tmp_path / "other")


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_other_optimizers_learn(tmp_path: Path, kind: str) -> None:
    rate = 0.2 if kind == "sgd" else 2e-3
    optimizer = {"kind": kind, "learning_rate": rate, "weight_decay": 0.01, "momentum": 0.5, "warmup": 0}
    train(with_settings(content(network=LEARNING, steps=40, optimizer=optimizer, validate_every=10)), tmp_path)
    found = [float(row["psnr"]) for row in rows(tmp_path) if row["psnr"]]
    assert found[-1] > found[0]


def test_schedules_by_hand() -> None:
    def rate(step: int, schedule: dict[str, Any], falling: Falling | None = None) -> float:
        settings = OptimizerSettings.model_validate({"learning_rate": 1.0, "warmup": 0, "schedule": schedule})
        return learning_rate(settings, step, 100, falling=falling)

    assert rate(99, {"kind": "constant"}) == 1
    steps = {"kind": "multi-step", "milestones": [10, 20], "gamma": 0.5}
    assert [rate(step, steps) for step in (9, 10, 20)] == [1, 0.5, 0.25]
    restarts = {"kind": "cosine-restart", "periods": [10, 10], "restart_weights": [1, 0.5], "minimum": 0}
    assert [rate(step, restarts) for step in (0, 5, 10, 15)] == pytest.approx([1, 0.5, 0.5, 0.25])
    plateau, falling = Plateau(gamma=0.1, patience=2), Falling()
    for value in (5.0, 6.0, 5.5, float("nan"), 7.0, 6.0):
        falling.see(value, plateau, higher=True)
    assert falling.factor == pytest.approx(0.1)
    assert rate(3, {"kind": "plateau"}, falling) == pytest.approx(0.1)
    down = Falling()
    for value in (5.0, 6.0, 6.0):
        down.see(value, plateau, higher=False)
    assert down.factor == pytest.approx(0.1)


def test_a_plateau_is_remembered(tmp_path: Path) -> None:
    slow = {"learning_rate": 1e-3, "schedule": {"kind": "plateau", "patience": 1, "gamma": 0.5}, "warmup": 0}
    recipe = with_settings(content(steps=6, validate_every=1, optimizer=slow, average=0.0))
    train(recipe, tmp_path / "whole")
    for _ in range(2):
        train(recipe, tmp_path / "parts", stop_after=3)
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts"))
    assert [r["learning_rate"] for r in rows(tmp_path / "whole")] == [
        r["learning_rate"] for r in rows(tmp_path / "parts")
    ]


class Sick:
    """A source whose batches of some numbers are not numbers."""

    def __init__(self, source: Source, sick: range) -> None:
        self.source, self.sick = source, sick

    def batch(self, step: int, size: int) -> Batch:
        batch = self.source.batch(step, size)
        return Batch((batch.inputs[0] * float("nan"),), batch.target) if step in self.sick else batch

    def validation(self) -> Iterator[Batch]:
        yield from self.source.validation()


def sicken(monkeypatch: pytest.MonkeyPatch, sick: range) -> None:
    healthy = DrawnSettings.source
    monkeypatch.setattr(DrawnSettings, "source", lambda self, t, *, seed: Sick(healthy(self, t, seed=seed), sick))


def test_a_sick_batch_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sicken(monkeypatch, range(2, 4))
    train(with_settings(content(steps=4, save_every=1)), tmp_path, stop_after=2)
    before = network_of(tmp_path)
    train(with_settings(content(steps=4, save_every=1)), tmp_path)
    assert same(before, network_of(tmp_path))
    assert torch.load(tmp_path / "state.pt", weights_only=True)["bad"] == 2


def test_after_many_sick_batches_the_run_goes_back_and_sees_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sicken(monkeypatch, range(5, 15))
    notes: list[str] = []
    train(with_settings(content(steps=20, save_every=20)), tmp_path, note=notes.append)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert (state["step"], state["returns"], state["bad"], state["shift"]) == (20, 1, 0, 15)
    assert any("going on from step" in note for note in notes)
    logged = [int(row["step"]) for row in rows(tmp_path)]
    assert logged == sorted(set(logged)), "rows of what was taken back are gone"
    assert all(torch.isfinite(one).all() for one in weights_of(tmp_path).values())


def test_a_network_that_stays_sick_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sicken(monkeypatch, range(2, 10_000))
    with pytest.raises(CalculationError, match=r"bad-batch\.pt"):
        train(with_settings(content(steps=200, save_every=50)), tmp_path)
    saved = torch.load(tmp_path / "bad-batch.pt", weights_only=True)
    assert torch.isnan(saved["parts"][0]["inputs"][0]).all()


def test_last_and_best_are_kept(tmp_path: Path) -> None:
    train(with_settings(content(keep={"last": 2, "best": 2}, validate_every=2)), tmp_path)
    assert sorted(p.name for p in (tmp_path / "states").iterdir()) == ["step-00000006.pt", "step-00000008.pt"]
    assert torch.load(tmp_path / "states" / "step-00000006.pt", weights_only=True)["step"] == 6
    best = sorted(int(p.stem.removeprefix("step-")) for p in (tmp_path / "best").iterdir())
    ranked = sorted((-float(row["psnr"]), int(row["step"])) for row in rows(tmp_path) if row["psnr"])
    assert best == sorted(step for _, step in ranked[:2])
    assert finesight.load(tmp_path / "best" / f"step-{best[0]:08d}.safetensors").traits.scale == 2


def test_a_full_disk_leaves_the_former_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = with_settings(content())
    train(recipe, tmp_path, stop_after=2)
    before = (tmp_path / "state.pt").read_bytes()

    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(OutputError, match="No space left"):
            train(recipe, tmp_path)
    assert (tmp_path / "state.pt").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))
    train(recipe, tmp_path)
    train(recipe, tmp_path.with_name("whole"))
    assert same(weights_of(tmp_path), weights_of(tmp_path.with_name("whole")))


def test_resuming_leaves_no_row_twice(tmp_path: Path) -> None:
    recipe = with_settings(content(save_every=3))
    cancel = Cancel()
    with pytest.raises(CancelledError):
        train(recipe, tmp_path, cancel=cancel, progress=lambda done, *_: cancel.set() if done == 5 else None)
    for name in ("log.csv", "log.jsonl"):  # as if the run had been killed after step 5, with its last state at 3
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text + (text.splitlines()[-1].replace("5", "6", 1) + "\n"))
    train(recipe, tmp_path)
    assert [int(row["step"]) for row in rows(tmp_path)] == list(range(1, 9))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert lines[3]["psnr"] is not None
    assert lines[2]["psnr"] is None


def test_settings_that_do_not_decide_may_change(tmp_path: Path) -> None:
    train(with_settings(content()), tmp_path, stop_after=2)
    train(with_settings(content(validate_every=1, keep={"last": 3})), tmp_path, stop_after=2)
    with pytest.raises(InputError, match=r"other settings \(optimizer\)"):
        train(with_settings(content(optimizer={"learning_rate": 1e-4})), tmp_path)


def test_the_cost_is_told(tmp_path: Path) -> None:
    notes: list[str] = []
    train(with_settings(content()), tmp_path, note=notes.append)
    weights = 3 * 8 * 81 + 8 * 8 + 8 * 3 * 25
    assert notes[0].startswith("tiny-x2: srcnn 2.63 k parameters; ")
    assert f"{weights * 16 * 16 / 1000:.3g} k multiply-adds a sample" in notes[0]
    assert "waiting for data" in notes[1]
    assert "remaining 4 steps" in notes[1]


def test_pictures_of_the_validation_are_written(tmp_path: Path) -> None:
    from PIL import Image

    train(with_settings(content(validation={"pictures": 1})), tmp_path)
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == ["00-step-00000004.png", "00-step-00000008.png", "00-truth.png"]
    assert Image.open(tmp_path / "pictures" / names[0]).size == (48, 48)


def test_any_loadable_weights_are_tuned(tmp_path: Path) -> None:
    recipe = fine_tuning(with_settings(content(steps=2, average=0.0)), "finesight-x3")
    assert recipe.network.architecture == "collapsible"
    train(recipe, tmp_path, stop_after=1)
    assert json.loads((tmp_path / "recipe.json").read_text())["network"]["arguments"]["scale"] == 3
    weights = train(recipe, tmp_path)
    assert weights is not None
    tuned, former = finesight.load(weights).network.state_dict(), finesight.load("finesight-x3").network.state_dict()
    assert same(former, tuned, tolerance=0.02), "it begins at the former weights"
    assert not same(former, tuned, tolerance=1e-6)
    alone = with_settings(content(network={"start_from": "finesight-x2"}))
    train(alone, tmp_path / "alone", stop_after=1)
    with pytest.raises(SettingError, match="start_from"):
        with_settings(content(network={}))


def test_a_part_of_a_network_starts_from_other_weights(tmp_path: Path) -> None:
    from finesight.train.start import start_from
    from tests.train.tiny import random_vgg

    path = random_vgg(tmp_path / "vgg.safetensors")
    network = fresh("ttsr", {"width": 8, "blocks": [1, 1, 1, 1]}, seed=1)
    assert start_from(network, {"extractor.": str(path)}) == 8
    vgg = finesight.load(path).network.state_dict()
    assert torch.equal(network.state_dict()["extractor.slice2.5.weight"], vgg["features.5.weight"])


def test_compiling_goes_through_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda network: compiled.append(network) or network)
    train(with_settings(content(compile=True, steps=1)), tmp_path)
    assert len(compiled) == 1


def test_an_error_of_the_source_stays_itself() -> None:
    """It is handed over as it is: raised in a worker it would come back with a traceback as its message."""
    from finesight.train.feed import Feed, _Numbered

    found = pickle.loads(pickle.dumps(_Numbered(Refusing(), 1)[0]))
    assert isinstance(found, InputError)
    feed = Feed(Refusing(), size=1, mine=range(1), parts=1, last=2, workers=0, device=torch.device("cpu"))
    with pytest.raises(InputError, match=r"^photo 3 is gone$"):
        feed.parts(0)


class Refusing:
    def batch(self, step: int, size: int) -> Batch:  # noqa: ARG002
        raise InputError("photo 3 is gone")

    def validation(self) -> Iterator[Batch]:
        yield from ()


def test_a_worker_that_died_is_told_and_a_stopped_run_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from finesight.train.feed import Feed

    def died(_: Feed, place: int, shift: int) -> Iterator[Batch]:
        raise RuntimeError(f"DataLoader worker (pid {place + shift + 9}) exited unexpectedly")
        yield

    monkeypatch.setattr(Feed, "_start", died)
    recipe = with_settings(content(workers=1))
    with pytest.raises(CalculationError, match=r"ended unexpectedly.*fewer workers"):
        train(recipe, tmp_path)
    (tmp_path / "state.pt").touch()
    before = (tmp_path / "state.pt").stat().st_mtime_ns
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError):
        train(recipe, tmp_path, cancel=cancel)
    assert (tmp_path / "state.pt").stat().st_mtime_ns > before


def test_numbers_go_to_tensorboard_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path / "tensorboard")

        def add_scalar(self, *what: Any) -> None:
            seen.append(what)  # type: ignore[arg-type]

        def flush(self) -> None:
            pass

    board = ModuleType("torch.utils.tensorboard")
    board.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)
    train(with_settings(content(steps=2, validate_every=2)), tmp_path)
    assert [what[2] for what in seen if what[0] == "loss"] == [1, 2]
    assert [what[2] for what in seen if what[0] == "psnr"] == [2]
