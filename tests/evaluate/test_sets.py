"""Several references by votes, two folders by their features, mattes by protocol."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from finesight.errors import InputError
from finesight.evaluate.hggt import find_sets, read_votes, score_sets
from finesight.evaluate.named import load_metrics
from finesight.evaluate.scoring import as_tensor, score
from finesight.evaluate.sets import set_distance
from finesight.metrics import psnr
from tests.evaluate.conftest import Save
from tests.metrics.pictures import noisy, textured


def votes(labels: list[str]) -> str:
    pictures = {"Picture_1": {"Name": "a.png", "File": "original", "Label": None}}
    pictures |= {f"Picture_{k + 2}": {"File": f"0{k + 1}", "Label": label} for k, label in enumerate(labels)}
    return json.dumps(pictures | {"Time_cost": {"Total": 42}})


@pytest.fixture
def layout(tmp_path: Path, save: Save) -> Path:
    truth = textured(2, 40, 44)
    for index, stem in enumerate(("0001-5-9", "0002-1-1")):
        save(f"images/original/{stem}.png", truth[index])
        save(f"results/{stem}_ours.png", noisy(truth[index], 0.1))
        for version in range(1, 5):
            save(f"images/0{version}/{stem}_0{version}.png", noisy(truth[index], 0.01 * version, seed=version))
    opinions = {
        "A": ["Positive", "Positive", "Negative", "Similar"],
        "B": ["Positive", "Similar", "Negative", "Similar"],
        "C": ["Negative", "Positive", "Negative", "Positive"],
    }
    for person, labels in opinions.items():
        for stem, given in (("0001-5-9", labels), ("0002-1-1", ["Similar"] * 4)):
            file = tmp_path / "labels" / person / f"{stem}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(votes(given), encoding="utf-8")
    return tmp_path


def test_mean_over_positive_versions(layout: Path) -> None:
    sets = find_sets(layout / "images", layout / "labels")
    assert [path.name for path in sets[0].positive] == ["0001-5-9_01.png", "0001-5-9_02.png"]
    assert sets[1].positive == ()
    table = score_sets(layout / "results", sets, load_metrics(["psnr", "ssim"]))
    restored = as_tensor(layout / "results" / "0001-5-9_ours.png")
    values = [float(psnr(as_tensor(path), restored, border=4)) for path in sets[0].positive]
    assert [row.name for row in table.rows] == ["0001-5-9"]
    assert table.rows[0].values["psnr"] == pytest.approx(sum(values) / 2)
    assert any("0002-1-1" in line for line in table.remarks())


def test_broken_layouts_are_named(layout: Path) -> None:
    (layout / "labels/A/0001-5-9.json").write_text(votes(["Positive", "Good", "Similar", "Similar"]))
    with pytest.raises(InputError, match=r"Picture_3 has the label 'Good', expected one of Positive"):
        read_votes(layout / "labels/A/0001-5-9.json")
    (layout / "labels/A/0001-5-9.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as votes"):
        find_sets(layout / "images", layout / "labels")
    (layout / "images/03/0001-5-9_03.png").unlink()
    with pytest.raises(InputError, match=r"0001-5-9_03\.png is missing"):
        find_sets(layout / "images", layout / "labels")
    with pytest.raises(InputError, match="no folder original"):
        find_sets(layout / "labels", layout / "labels")


def test_results_must_be_there_once(layout: Path) -> None:
    sets = find_sets(layout / "images", layout / "labels")
    metrics = load_metrics(["psnr"])
    with pytest.raises(InputError, match="no picture has a version"):
        score_sets(layout / "results", sets[1:], metrics)
    (layout / "results/0001-5-9_ours.png").rename(layout / "results/other.png")
    with pytest.raises(InputError, match="0 results of 0001-5-9"):
        score_sets(layout / "results", sets, metrics)


class Averages(nn.Module):
    """Six numbers of a picture in place of Inception's 2048."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([image.mean(dim=(2, 3)), image.std(dim=(2, 3))], dim=1) * self.weight


def test_two_folders_by_their_features(tmp_path: Path, save: Save) -> None:
    truth = textured(12, 16, 16)
    first = [save(f"a/{i}.png", truth[i]) for i in range(12)]
    second = [save(f"b/{i}.png", noisy(truth[i], 0.2)) for i in range(12)]
    network = Averages()
    same = set_distance(first, first, network, generator=torch.Generator().manual_seed(0), subset=6)
    other = set_distance(first, second, network, generator=torch.Generator().manual_seed(0), subset=6)
    assert same.fid == pytest.approx(0, abs=1e-9)
    assert other.fid > 1e-3
    assert other.counts == (12, 12)
    assert other.kid.mean > same.kid.mean
    with pytest.raises(InputError, match="at least 2 pictures"):
        set_distance(first[:1], second, network, generator=torch.Generator())


def test_mattes_by_protocol(tmp_path: Path, save: Save) -> None:
    alpha = textured(1, 24, 24, channels=1)[0]
    trimap = torch.full((1, 24, 24), 128 / 255)
    trimap[:, :6], trimap[:, -6:] = 0, 1
    alpha[:, :6], alpha[:, -6:] = 0, 1
    restored = alpha.clone()
    restored[:, 6:-6] = noisy(alpha[:, 6:-6], 0.1)
    paths = save("restored/a.png", restored), save("truth/a.png", alpha), save("trimaps/a.png", trimap)
    table = score(*paths[:2], protocol_name="comp1k", mask=paths[2])
    first, second = (as_tensor(path) for path in paths[:2])
    assert table.rows[0].values["sad"] == pytest.approx(float((first - second).abs().sum()) / 1000, rel=1e-5)
    expected = float((first - second).square().sum()) / (12 * 24)
    assert table.rows[0].values["alpha-mse"] == pytest.approx(expected, rel=1e-5)
    assert all(np.isfinite(value) and value > 0 for value in table.rows[0].values.values())
    save("restored/a.png", (restored + 0.1).clamp(0, 1))
    with pytest.raises(InputError, match="144 pixels of the alpha contradict the trimap"):
        score(*paths[:2], protocol_name="comp1k", mask=paths[2])
