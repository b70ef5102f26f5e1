"""The loop takes any source and any network: several inputs, clips, several answers, weights, other losses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from finesight.data.batch import Batch, chance
from finesight.data.crops import CropPairs
from finesight.errors import SettingError
from finesight.nn.coordinates import cell_of, pixel_centres
from finesight.train.recipe import with_settings
from finesight.train.regression import train
from finesight.train.settings.pack import DrawnSettings


class Made:
    """Batches of random numbers of given shapes; the target is the mean of the first input."""

    def __init__(self, inputs: tuple[tuple[int, ...], ...], target: tuple[int, ...], **more: Any) -> None:
        self.inputs, self.target, self.more = inputs, target, more

    def batch(self, step: int, size: int) -> Batch:
        generator = chance(3, step)
        inputs = [torch.rand(size, *shape, generator=generator) for shape in self.inputs]
        mean = inputs[0].flatten(1).mean(1).view(-1, *(1 for _ in self.target))
        return Batch(tuple(inputs), mean.expand(size, *self.target).clone(), **self.more)

    def validation(self) -> Iterator[Batch]:
        yield self.batch(-1, 1)


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Any, **content: Any) -> dict[str, Any]:
    monkeypatch.setattr(DrawnSettings, "source", lambda *_, **__: source)
    settings = {"name": "made", "data": {"kind": "drawn", "batch": 2}, "steps": 2, "optimizer": {"warmup": 0}}
    train(with_settings(settings | content), tmp_path)
    state: dict[str, Any] = torch.load(tmp_path / "state.pt", weights_only=True)
    rows = (tmp_path / "log.csv").read_text().splitlines()
    row = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))
    assert math.isfinite(float(row["loss"]))
    assert math.isfinite(float(row["psnr"]))
    return state


@pytest.mark.parametrize(
    ("architecture", "arguments", "inputs", "target"),
    [
        ("aot-gan", {"width": 4, "blocks": 1, "rates": [1, 2]}, ((3, 16, 16), (1, 16, 16)), (3, 16, 16)),
        ("basicvsr", {"width": 8, "blocks": 1}, ((3, 3, 16, 16),), (3, 3, 64, 64)),
        ("flavr", {"widths": [4, 6, 8, 10], "blocks": [1, 1, 1, 1]}, ((4, 3, 16, 16),), (3, 16, 16)),
        ("ttsr", {"width": 8, "blocks": [1, 1, 1, 1]}, ((3, 8, 8), (3, 32, 32)), (3, 32, 32)),
    ],
)
def test_networks_of_other_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, arguments: Any, inputs: Any, target: Any
) -> None:
    network = {"architecture": architecture, "arguments": arguments}
    state = run(tmp_path, monkeypatch, Made(inputs, target), network=network)
    assert state["step"] == 2


def test_a_network_of_positions_learns_from_positions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Positions:
        def batch(self, step: int, size: int) -> Batch:
            low = torch.rand(size, 3, 8, 8, generator=chance(0, step))
            places = pixel_centres((12, 12)).expand(size, -1, -1)[:, ::3]
            return Batch((low, places, cell_of((12, 12)).expand(size, places.shape[1], 2)), torch.zeros(size, 48, 3))

        def validation(self) -> Iterator[Batch]:
            yield Batch((torch.rand(1, 3, 8, 8, generator=chance(0, 0)),), torch.zeros(1, 3, 12, 20))

    network = {"architecture": "liif-edsr", "arguments": {"width": 8, "blocks": 1, "hidden": [16]}}
    assert run(tmp_path, monkeypatch, Positions(), network=network)["step"] == 2


def test_losses_are_weighted_and_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = {"architecture": "srcnn", "arguments": {"channels": [3, 4, 4, 3], "scale": 2}}
    one = {"steps": 1, "network": network, "optimizer": {"warmup": 0, "clip": None}}
    values = []
    for number, losses in enumerate(["l1", "mse", [{"kind": "l1", "weight": 2}, {"kind": "mse", "weight": 0.5}]]):
        run(tmp_path / str(number), monkeypatch, Made(((3, 8, 8),), (3, 16, 16)), loss=losses, **one)
        values.append(float((tmp_path / str(number) / "log.csv").read_text().splitlines()[1].split(",")[1]))
    assert values[2] == pytest.approx(2 * values[0] + 0.5 * values[1], abs=3e-6)
    late = [{"kind": "l1", "weight": 2}, {"kind": "mse", "weight": 0.5, "from_step": 1}]
    run(tmp_path / "late", monkeypatch, Made(((3, 8, 8),), (3, 16, 16)), loss=late, **one)
    assert float((tmp_path / "late" / "log.csv").read_text().splitlines()[1].split(",")[1]) == pytest.approx(
        2 * values[0], abs=2e-6
    )


def test_a_weight_decides_where_the_loss_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = {"architecture": "srcnn", "arguments": {"channels": [3, 4, 4, 3], "scale": 2}}
    nowhere = Made(((3, 8, 8),), (3, 16, 16), weight=torch.zeros(2, 1, 16, 16))
    run(tmp_path, monkeypatch, nowhere, network=network)
    assert float((tmp_path / "log.csv").read_text().splitlines()[1].split(",")[1]) == 0


def test_drawn_pictures_need_no_data() -> None:
    from types import SimpleNamespace

    settings = DrawnSettings(pictures=4, side=32, patch=8, held_out=2, batch=2)
    source = settings.source(SimpleNamespace(scale=2), seed=1)  # type: ignore[arg-type]
    assert isinstance(source, CropPairs)
    assert source.batch(0, 2).target.shape == (2, 3, 16, 16)
    assert len(list(source.validation())) == 2
    with pytest.raises(SettingError, match="The data has 32"):
        settings.model_copy(update={"patch": 40}).source(SimpleNamespace(scale=2), seed=1)  # type: ignore[arg-type]
