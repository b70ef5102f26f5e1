"""``finesight judge``: agreement with people, ratings, votes, several references, whole sets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from .conftest import Command, one_line

Maker = Callable[..., Path]


def write_scores(path: Path, kinds: bool = True) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """60 pictures of three groups in PIPAL's names; ``good`` follows people, ``worse`` falls with noise."""
    random = np.random.default_rng(0)
    people = random.uniform(1200, 1700, 60)
    metrics = {"good": np.log((people - 1195) / (1705 - people)), "worse": -people + random.normal(0, 120, 60)}
    lines = ["name,elo,good,worse"] if kinds else ["name,elo,good"]
    for index in range(60):
        values = [f"A0001_{index % 3:02d}_{index:02d}.bmp", people[index], metrics["good"][index]]
        lines.append(",".join(map(str, values + ([metrics["worse"][index]] if kinds else []))))
    path.write_text("\n".join(lines))
    return people, metrics


def test_metrics_against_people(here: Command, tmp_path: Path) -> None:
    people, metrics = write_scores(tmp_path / "scores.csv")
    ran = here("judge", "metrics", "scores.csv", "--people", "elo", "--repeats", "50", "--json")
    assert ran.code == 0, ran.err
    found = {(row["metric"], row["distortion"]): row for row in json.loads(ran.out)["agreement"]}
    assert set(found) == {(m, k) for m in ("good", "worse") for k in ("all", "00", "01", "02")}
    good = found["good", "all"]
    assert good["srcc"] == [pytest.approx(1)] * 3
    assert good["lower_is_better"] is False
    assert good["plcc"][0] == pytest.approx(np.corrcoef(people, metrics["good"])[0, 1])
    assert good["fitted_plcc"] == pytest.approx(1, abs=1e-6)
    assert good["plcc"][0] < 0.99
    worse = found["worse", "all"]
    assert worse["lower_is_better"] is True
    assert worse["plcc"][0] == pytest.approx(abs(np.corrcoef(people, metrics["worse"])[0, 1]))
    assert worse["plcc"][1] < worse["plcc"][0] < worse["plcc"][2] < 1
    part = slice(1, None, 3)
    expected = abs(np.corrcoef(people[part], metrics["worse"][part])[0, 1])
    assert found["worse", "01"]["plcc"][0] == pytest.approx(expected)
    assert found["worse", "01"]["pictures"] == 20
    text = here("judge", "metrics", "scores.csv", "--people", "elo", "--repeats", "5", "--fit", "cubic").out
    assert "worse (lower is better)" in text
    assert "PLCC fitted after cubic" in text


def test_tables_with_mistakes(here: Command, tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.csv")
    (tmp_path / "text.csv").write_text("name,mos,psnr\na,1,2\nb,many,3\n")
    (tmp_path / "nan.csv").write_text("name,mos,psnr\na,1,nan\nb,2,3\n")
    (tmp_path / "short.csv").write_text("name,mos,psnr\na,1\nb,2,3\n")
    (tmp_path / "none.csv").write_text("name,mos\na,1\nb,2\n")
    told: dict[tuple[str, ...], str] = {
        ("scores.csv",): "no column 'mos'",
        ("scores.csv", "--people", "elo", "--by", "typ"): "no column 'typ'",
        ("text.csv",): "line 3: mos is 'many'",
        ("nan.csv",): "line 2: psnr is 'nan'",
        ("short.csv",): "line 2: 2 cells, 3 are expected",
        ("none.csv",): "no column of a metric",
        ("nowhere.csv",): "nowhere.csv cannot be read",
        ("scores.csv", "--people", "elo", "--fit", "line"): "logistic4, logistic5 or cubic",
    }
    for words, part in told.items():
        ran = here("judge", "metrics", *words)
        assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True), (words, ran)
        assert part in ran.err


def test_elo_by_hand(here: Command, tmp_path: Path) -> None:
    (tmp_path / "games.csv").write_text("first,second,preferred\na,b,a\nb,c,tie\nc,a,0\n")
    found = json.loads(here("judge", "elo", "games.csv", "--last", "1", "--json").out)["ratings"]
    ratings = {"a": 1400.0, "b": 1400.0, "c": 1400.0}
    for first, second, score in (("a", "b", 1), ("b", "c", 0.5), ("c", "a", 0)):
        expected = 1 / (1 + 10 ** ((ratings[second] - ratings[first]) / 400))
        ratings[first] += 16 * (score - expected)
        ratings[second] -= 16 * (score - expected)
    assert {one["item"]: one["elo"] for one in found} == pytest.approx(ratings)
    assert [one["item"] for one in found] == sorted(ratings, key=lambda name: -ratings[name])
    assert {one["item"]: one["wins"] for one in found} == {"a": 2, "b": 0.5, "c": 0.5}
    assert all(one["bradley_terry"] is None for one in found)  # a never lost
    assert "never won or never lost" in here("judge", "elo", "games.csv").out


def test_batch_estimate_and_tournaments(here: Command, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    lines = ["first,second,preferred,reference"]
    for reference in ("r1", "r2"):
        for _ in range(120):
            wins = random.random() < 10 / 11  # a lead of 400
            lines.append(f"x,y,{'x' if wins else 'y'},{reference}")
    (tmp_path / "games.csv").write_text("\n".join(lines))
    found = list(csv.DictReader(io.StringIO(here("judge", "elo", "games.csv", "--csv").out)))
    assert [row["reference"] for row in found] == ["r1", "r1", "r2", "r2"]
    lead = float(found[0]["Bradley-Terry"]) - float(found[1]["Bradley-Terry"])
    assert 250 < lead < 600
    assert " to " in found[0]["95 % interval"]
    (tmp_path / "bad.csv").write_text("first,second,preferred\na,b,c\n")
    (tmp_path / "same.csv").write_text("first,second,preferred\na,a,a\n")
    (tmp_path / "head.csv").write_text("a,b\n1,2\n")
    for file, part in {
        "bad.csv": "line 2: 'c' was preferred, but a and b",
        "same.csv": "two different items",
        "head.csv": "no column first",
        "nowhere.csv": "cannot be read",
    }.items():
        ran = here("judge", "elo", file)
        assert (ran.code, one_line(ran.err), part in ran.err) == (2, True, True), ran


@pytest.fixture
def voted(tmp_path: Path, picture: Maker) -> Path:
    """Two pictures, the second without a positive version."""
    for name, votes in (("owl", "PPN"), ("reed", "NSS")):
        picture(tmp_path / "images" / "original" / f"{name}.png", 32, 32)
        for number in range(1, 5):
            picture(tmp_path / "images" / f"0{number}" / f"{name}_0{number}.png", 32, 32)
        words = {"P": "Positive", "S": "Similar", "N": "Negative"}
        for person, vote in zip("ABC", votes, strict=True):
            label = {f"Picture_{n}": {"Label": words[vote] if n == 2 else "Similar"} for n in range(2, 6)}
            file = tmp_path / "labels" / person / f"{name}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(label))
        levels = np.asarray(Image.open(tmp_path / "images" / "01" / f"{name}_01.png"))
        made = np.where(levels > 128, levels - 5, levels + 5).astype(np.uint8)
        (tmp_path / "made").mkdir(exist_ok=True)
        Image.fromarray(made).save(tmp_path / "made" / f"{name}_mine.png")
    return tmp_path


def test_votes_and_several_references(here: Command, voted: Path) -> None:
    found = json.loads(here("judge", "votes", "images", "labels", "--json").out)["pictures"]
    assert [one["name"] for one in found] == ["owl", "reed"]
    assert found[0]["versions"]["01"] == {"label": "Positive", "agreed": 2}
    assert found[1]["versions"]["01"] == {"label": "Similar", "agreed": 2}
    assert "Positive (2)" in here("judge", "votes", "images", "labels").out
    ran = here("judge", "references", "made", "images", "labels", "-m", "psnr", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["mean"]["psnr"] == pytest.approx(20 * np.log10(255 / 5))
    text = here("judge", "references", "made", "images", "labels", "-m", "psnr").out
    assert "without a positive version and left out: reed" in text
    assert "hggt-multi" in text
    (voted / "labels" / "B" / "owl.json").write_text('{"Picture_2": {"Label": "Great"}}')
    wrong = here("judge", "votes", "images", "labels")
    assert (wrong.code, one_line(wrong.err), "'Great'" in wrong.err) == (2, True, True)


class Colours(nn.Module):
    """Mean colour of each quarter, for Inception."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = nn.functional.adaptive_avg_pool2d(image, 2).flatten(1)
        return found


def test_sets(here: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from finesight.evaluate import parameters
    from finesight.metrics.frechet import FeatureStatistics, frechet_distance

    random = np.random.default_rng(0)
    features = []
    for folder, shift in (("made", 0), ("real", 30)):
        (tmp_path / folder).mkdir()
        statistics = FeatureStatistics()
        for index in range(6):
            pixels = random.integers(shift, 200 + shift, (8, 8 + index, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{index}.png")
            statistics.update(Colours()(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255))
        features.append(statistics)
    monkeypatch.setattr(parameters, "inception_network", lambda **_: Colours())
    ran = here("judge", "sets", "made", "real", "--subset", "4", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["fid"] == pytest.approx(frechet_distance(*features), rel=1e-4)
    assert found["kid"] > 0
    assert found["pictures"] == [6, 6]
    assert "says little" in here("judge", "sets", "made", "real").out
    ran = here("score", "made", "real", "-m", "psnr,fid")
    assert (ran.code, one_line(ran.err), "finesight judge sets" in ran.err) == (2, True, True)
    monkeypatch.undo()
    ran = here("judge", "sets", "made", "real", "--offline")
    assert (ran.code, one_line(ran.err), "pt_inception" in ran.err) == (2, True, True)
