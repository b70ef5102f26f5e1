"""The challenge of learning the super-resolution space: laws, layouts, ranking, mistakes."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from finesight.degrade.resize import resize_8bit
from finesight.errors import InputError, SettingError
from finesight.metrics import psnr
from finesight.models.quality.lpips import Lpips
from finesight.space.challenge import rank, score_curve, score_picture
from finesight.space.submission import check_submission, find_submission, heat, score_submission, to_table
from tests.metrics.pictures import noisy, textured
from tests.oracles.check import check


@pytest.fixture(scope="module")
def network() -> Lpips:
    torch.manual_seed(0)
    made = Lpips("alex").eval()
    for head in made.heads:
        head.weight.data.abs_()
    return made


def levels(image: Tensor) -> Tensor:
    return (image * 255).round().byte()


TRUTH = levels(textured(1, 43, 50)[0])
SAMPLES = [levels(noisy(TRUTH[None].float() / 255, 0.05, seed=s)[0]) for s in range(4)]


def test_one_picture_by_hand(network: Lpips) -> None:
    found = score_picture(TRUTH, SAMPLES, network, scale=4, name="a")
    truth = TRUTH[:, :40, :48]
    maps = torch.stack([network.map(s[None, :, :40, :48] / 255, truth[None] / 255)[0, 0] for s in SAMPLES]).detach()
    assert found.lpips_mean == pytest.approx(float(maps.mean()), rel=1e-5)
    assert found.global_best == pytest.approx(float(maps.mean(dim=(1, 2)).min()), rel=1e-5)
    assert found.local_best == pytest.approx(float(maps.min(0).values.mean()), rel=1e-5)
    assert found.score == pytest.approx(100 * (1 - found.local_best / found.global_best))
    assert torch.allclose(found.best_map, maps.min(0).values, atol=1e-7)
    low = [resize_8bit(x[:, :40, :48], scale=0.25, rounding="half-even")[None].double() for x in (*SAMPLES, TRUTH)]
    expected = [float(psnr(x, low[-1], peak=255)) for x in low[:-1]]
    assert found.sample_lrpsnr.tolist() == pytest.approx(expected)
    assert found.lrpsnr_worst == pytest.approx(min(expected))


def test_diversity_laws(network: Lpips) -> None:
    alone = score_picture(TRUTH, SAMPLES[:1], network, scale=4)
    assert alone.score == pytest.approx(0, abs=1e-6)
    same = score_picture(TRUTH, SAMPLES[:1] * 3, network, scale=4)
    assert same.score == pytest.approx(0, abs=1e-6)
    perfect = score_picture(TRUTH, [TRUTH, TRUTH], network, scale=8)
    assert (perfect.score, perfect.lrpsnr_mean) == (0, math.inf)
    curve = score_curve(TRUTH, SAMPLES, network)
    whole = score_picture(TRUTH, SAMPLES, network, scale=4)
    assert float(curve.score[-1]) == pytest.approx(whole.score, rel=1e-6)
    assert (curve.best_local.diff() <= 0).all()
    squared = score_curve(TRUTH, SAMPLES)
    error = (SAMPLES[0].double() - TRUTH.double())[:, :40, :48].square().mean(0)
    assert float(squared.mean[0]) == pytest.approx(float(error.sum()) / (55 * 63), rel=1e-9)


def test_mistakes_are_named(network: Lpips) -> None:
    with pytest.raises(InputError, match="sample 1 has 30x43 pixels, the ground truth counts 48x40"):
        score_picture(TRUTH, [SAMPLES[0], SAMPLES[1][..., :30]], network, scale=4)
    with pytest.raises(SettingError, match="scales 4 and 8"):
        score_picture(TRUTH, SAMPLES, network, scale=2)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="no samples"):
        score_picture(TRUTH, [], network, scale=4)
    with pytest.raises(SettingError, match="8-bit RGB"):
        score_picture(TRUTH.float(), SAMPLES, network, scale=4)
    with pytest.raises(InputError, match="at least 32x32"):
        score_picture(TRUTH[:, :20], SAMPLES, network, scale=4)


def put(path: Path, image: Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)


@pytest.mark.parametrize(
    ("truths", "heads"),
    [
        (["0901", "0902"], ["000000", "000001"]),
        (["0901", "0902"], ["000901", "000902"]),
        (["a", "b"], ["000901", "000902"]),
        (["0801", "0805"], ["000801", "000805"]),
        (["owl", "reed"], ["owl", "reed"]),
    ],
)
def test_layouts(tmp_path: Path, network: Lpips, truths: list[str], heads: list[str]) -> None:
    for truth, head in zip(truths, heads, strict=True):
        put(tmp_path / "gt" / f"{truth}.png", TRUTH)
        for index in range(2):
            put(tmp_path / "sr" / f"{head}_sample{index:05d}.png", SAMPLES[index])
    entries = find_submission(tmp_path / "gt", tmp_path / "sr", count=2)
    assert [entry.name for entry in entries] == truths
    assert [path.name for path in entries[1].samples] == [f"{heads[1]}_sample0000{k}.png" for k in (0, 1)]
    seen: list[int] = []
    scores = list(score_submission(entries, network, scale=4, progress=lambda done, *_: seen.append(done)))
    assert seen == [0, 1, 2, 3, 4]
    expected = score_picture(TRUTH, SAMPLES[:2], network, scale=4)
    assert scores[0].score == pytest.approx(expected.score)
    table = to_table(scores, scale=4, samples=2)
    assert table.to_csv().startswith("name,LPIPS_mean,LRPSNR_worst,LRPSNR_mean,score\n")
    (tmp_path / "sr" / f"{heads[1]}_sample00001.png").unlink()
    with pytest.raises(InputError, match=re.escape(f"{heads[1]}_sample00001.png is missing: 2 samples of each of 2")):
        find_submission(tmp_path / "gt", tmp_path / "sr", count=2)


def test_one_sample_a_picture(tmp_path: Path) -> None:
    put(tmp_path / "gt" / "0901.png", TRUTH)
    put(tmp_path / "sr" / "000000.png", SAMPLES[0])
    assert find_submission(tmp_path / "gt", tmp_path / "sr", count=1)[0].samples[0].name == "000000.png"
    with pytest.raises(InputError, match="looked for 000901_sample00000"):
        find_submission(tmp_path / "gt", tmp_path / "sr", count=2)
    with pytest.raises(InputError, match="no PNG files"):
        find_submission(tmp_path / "nothing", tmp_path / "sr")


def test_what_a_submission_must_fulfil(tmp_path: Path, network: Lpips) -> None:
    put(tmp_path / "gt" / "0901.png", TRUTH)
    put(tmp_path / "sr" / "000000_sample00000.png", SAMPLES[0])
    put(tmp_path / "sr" / "000000_sample00001.png", SAMPLES[0][:, :24])
    entries = find_submission(tmp_path / "gt", tmp_path / "sr", count=2)
    assert [p.split("sr/")[1] for p in check_submission(entries)] == [
        "000000_sample00001.png has 50x24 pixels, at least 48x40 count"
    ]
    Image.fromarray(np.zeros((43, 50), np.uint8)).save(tmp_path / "sr" / "000000_sample00001.png")
    assert "expected 8-bit RGB PNG" in check_submission(entries)[0]
    put(tmp_path / "sr" / "000000_sample00001.png", SAMPLES[0])
    scores = list(score_submission(entries, network, scale=4))
    problems = check_submission(entries, scores, scale=4)
    assert any("the goal is 45" in problem for problem in problems)
    assert any("all 2 samples are alike" in problem for problem in problems)


def test_ranking_repeats_the_report_of_2021() -> None:
    methods = {
        "SSS": (13.285, 44.70),
        "BeWater": (23.948, 49.59),
        "CIPLAB": (23.091, 50.70),
        "njtech&seu": (26.924, 46.74),
        "Deepest": (26.041, 50.54),
        "SR_DL": (20.508, 39.80),
        "FutureReference": (19.636, 37.51),
        "FudanZmic21": (16.450, 47.20),
        "nanbeihuishi": (12.447, 50.46),
        "SYSU-FVL": (8.735, 49.33),
        "svnit_ntnu": (1.871, 27.52),
    }
    opinions = {"SSS": 4.530, "BeWater": 4.720, "CIPLAB": 4.478, "njtech&seu": 4.977, "Deepest": 4.372}
    places = {place.name: place for place in rank(methods, opinions)}
    finals = {"SSS": 5.5, "BeWater": 3.5, "CIPLAB": 3.0, "njtech&seu": 3.0, "Deepest": 1.5}
    assert {name: places[name].final for name in finals} == finals
    assert [places[n].diversity for n in ("njtech&seu", "Deepest", "SSS", "svnit_ntnu")] == [1, 2, 8, 11]
    assert {places[n].consistency for n in ("Deepest", "njtech&seu", "nanbeihuishi")} == {1}  # ties above 45 dB
    assert [places[n].consistency for n in ("SSS", "SR_DL", "svnit_ntnu")] == [8, 9, 11]
    assert next(iter(places)) == "Deepest"
    with pytest.raises(SettingError, match="no scores"):
        rank(methods, {"unknown": 1})


def test_heat_is_a_picture() -> None:
    shown = heat(torch.tensor([[0.0, 0.5], [1.0, 2.0]]), largest=1.0)
    assert shown.shape == (3, 2, 2)
    assert shown[:, 0, 0].tolist() == [0, 0, 0]
    assert shown[:, 0, 1].tolist() == [255, 128, 0]
    assert shown[:, 1, 1].tolist() == [255, 255, 255]
    assert not heat(torch.zeros(2, 2)).any()


@pytest.mark.parametrize("scale", [4, 8])
def test_digits_of_the_published_script(shared: Path, scale: int) -> None:
    result = check(shared / "oracles" / "space" / f"measure_x{scale}.npz")
    assert result.passed, result
