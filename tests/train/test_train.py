"""The training loop: recipes are checked, resumed equals uninterrupted, results load."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from finesight.degrade.resize import resize
from finesight.errors import CalculationError, CancelledError, InputError, OutputError, SettingError
from finesight.models.image.collapsible import Collapsible
from finesight.progress import Cancel
from finesight.train.recipe import Recipe, read_recipe, with_settings
from finesight.train.regression import train
from finesight.train.schedules import learning_rate
from finesight.train.start import start_from
from finesight.train.state import save_weights
from tests.data.small import small_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_pack(tmp_path_factory.mktemp("pack"))


def content(pack: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "tiny-x2",
        "network": {"architecture": "collapsible", "arguments": {"width": 8, "depth": 1, "expansion": 8, "scale": 2}},
        "data": {"pack": str(pack), "patch": 10, "batch": 2, "held_out": 5},
        "optimizer": {"learning_rate": 2e-3, "warmup": 2},
        "steps": 9,
        "validate_every": 4,
        "save_every": 2,
    } | changes


def digest(folder: Path) -> str:
    """Of all tensors; the order of a safetensors header's metadata is not fixed, so the file's own hash is not."""
    tensors = load_file(folder / "tiny-x2.safetensors")
    return hashlib.sha256(
        b"".join(name.encode() + tensors[name].numpy().tobytes() for name in sorted(tensors))
    ).hexdigest()


def test_training_learns(pack: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    settings = content(pack, steps=60, validate_every=30)
    weights = train(with_settings(settings), tmp_path, progress=lambda *what: seen.append(what))
    assert weights == tmp_path / "tiny-x2.safetensors"
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert rows[0] == "step,loss,psnr,seconds,learning_rate,data_wait,loss.l1"
    assert float(rows[2].split(",")[2]) > float(rows[1].split(",")[2]), "validation rises"
    assert seen[-1][:2] == (60, 60)
    assert json.loads((tmp_path / "recipe.json").read_text())["steps"] == 60


@pytest.mark.parametrize("stop", [1, 4, 7])
def test_resumed_equals_uninterrupted(pack: Path, tmp_path: Path, stop: int) -> None:
    recipe = with_settings(content(pack))
    train(recipe, tmp_path / "whole")
    assert train(recipe, tmp_path / "parts", stop_after=stop) is None
    train(recipe, tmp_path / "parts")
    assert digest(tmp_path / "whole") == digest(tmp_path / "parts")


def test_a_state_of_another_recipe_is_refused(pack: Path, tmp_path: Path) -> None:
    train(with_settings(content(pack)), tmp_path, stop_after=2)
    before = (tmp_path / "recipe.json").read_bytes()
    with pytest.raises(InputError, match="other settings"):
        train(with_settings(content(pack, seed=1)), tmp_path)
    assert (tmp_path / "recipe.json").read_bytes() == before
    (tmp_path / "state.pt").write_bytes(b"broken")
    with pytest.raises(InputError, match="not a training state"):
        train(with_settings(content(pack)), tmp_path)


def test_training_leaves_global_chance_alone(pack: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(with_settings(content(pack)), tmp_path, stop_after=1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_device_that_is_not_there(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="abacus"):
        train(with_settings(content(pack)), tmp_path, device="abacus")


def test_cancelling_saves_the_state(pack: Path, tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError):
        train(with_settings(content(pack)), tmp_path, cancel=cancel)
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 1


def test_a_gradient_that_stays_infinite_ends_the_run(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finesight.losses.pixel.l1", lambda a, b, _: (a - b).mean() * float("nan"))
    with pytest.raises(CalculationError, match="learning rate"):
        train(with_settings(content(pack, steps=50)), tmp_path)


def test_full_disk_leaves_the_former_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Collapsible(width=4, depth=1, expansion=0, scale=2)
    path = tmp_path / "w.safetensors"
    save_weights(network, path, architecture="collapsible", arguments={}, card={})
    before = path.read_bytes()

    def full(*arguments: object, **settings: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("finesight.train.state.save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        save_weights(network, path, architecture="collapsible", arguments={}, card={})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optimizer.learn_rate=1", r"learn_rate is not a setting. Did you mean learning_rate"),
        ("optimizer.learning_rate=-1", "learning_rate"),
        ("stepz=3", "steps"),
        ("network.arguments.widht=3", "width"),
        ("network.architecture=collapsable", "collapsible"),
        ("data.degradation.kind=third-order", "degradation"),
        ('data.degradation={"kind": "first-order", "blurr": [1, 2]}', "blur"),
        ("data.degradation=bicubi", "Did you mean bicubic"),
        ('data.degradation={"kind": "second-order", "frist": {}}', r"degradation\.frist .*first"),
        ("data.kind=pakc", "Did you mean pack"),
        ("optimizer.schedule.kind=cosin", "Did you mean cosine"),
        ("loss=l3", r"loss\.0\.kind.*Did you mean l1"),
        ('loss=[{"kind": "l1", "wieght": 2}]', "Did you mean weight"),
        ('loss=[{"kind": "l1", "from_step": 3}]', "from step 0"),
        ("precision=float8", "Did you mean float32, float16 or bfloat16"),
        ("accumulate=3", "3 equal parts"),
        ("validation.metric=pnsr", "Did you mean psnr"),
        ("nothing", "key=value"),
        ("steps.more=3", "no settings inside"),
    ],
)
def test_recipe_errors_name_the_nearest(pack: Path, tmp_path: Path, setting: str, message: str) -> None:
    from finesight.errors import Error

    with pytest.raises(Error, match=message):
        train(with_settings(content(pack), [setting]), tmp_path)


def test_unreadable_recipes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1, ")
    with pytest.raises(SettingError, match="not a valid recipe"):
        read_recipe(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(SettingError, match="list"):
        read_recipe(tmp_path / "list.yaml")


def test_learning_rate_by_hand(pack: Path) -> None:
    recipe: Recipe = with_settings(
        content(pack, steps=103, optimizer={"learning_rate": 1e-3, "final_learning_rate": 1e-5, "warmup": 2})
    )
    assert learning_rate(recipe.optimizer, 0, 103) == pytest.approx(0.5e-3)
    assert learning_rate(recipe.optimizer, 2, 103) == pytest.approx(1e-3)
    assert learning_rate(recipe.optimizer, 52, 103) == pytest.approx((1e-3 + 1e-5) / 2)
    assert learning_rate(recipe.optimizer, 102, 103) == pytest.approx(1e-5)


def test_start_from_takes_what_fits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = Collapsible(width=8, depth=2, expansion=4, scale=2)
    arguments = {"width": 8, "depth": 2, "expansion": 4, "scale": 2}
    save_weights(source, tmp_path / "w.safetensors", architecture="collapsible", arguments=arguments, card={})
    target = Collapsible(width=8, depth=2, expansion=4, scale=3)
    taken = start_from(target, tmp_path / "w.safetensors")
    assert torch.allclose(target.body[0].weight, source.body[0].weight, atol=1e-3)
    assert taken == len(target.state_dict()) - 3, "the tail's two tensors and the enlargement have another shape"
    with pytest.raises(InputError, match="Nothing"):
        start_from(torch.nn.Conv2d(1, 1, 1), tmp_path / "w.safetensors")


def test_untrained_network_is_bicubic() -> None:
    picture = torch.rand(1, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    for scale in (2, 3, 4):
        network = Collapsible(width=4, depth=1, expansion=4, scale=scale).eval()
        inner = (..., slice(3 * scale, -3 * scale), slice(3 * scale, -3 * scale))
        with torch.no_grad():
            assert torch.allclose(network(picture)[inner], resize(picture, scale=scale)[inner], atol=1e-5)
