"""Inpainting as its tables measure it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.data.masks import Box, bucket_of
from finesight.errors import SettingError
from finesight.evaluate.inpainting import TESTS, UNITS, by_bucket, find_test, main, measure, samples
from finesight.models.inpainting.rayfill import RayFill
from finesight.train.state import save_weights
from tests.conftest import ROOT


def test_the_numbers_are_the_published_ones() -> None:
    with np.load(ROOT / "tests" / "oracles" / "inpainting" / "metrics.npz") as file:
        truth, painted, mask = (torch.from_numpy(file[f"in_{name}"]) for name in ("gt", "fake_res", "mask"))
        wanted = {key: float(file[f"out_{key}"]) for key in ("psnr", "ssim", "l1_hole", "l1_whole")}
    found = measure((painted + 1) / 2, (truth + 1) / 2, mask)
    assert found["psnr"] == pytest.approx(wanted["psnr"], abs=1e-3)
    assert found["ssim"] == pytest.approx(wanted["ssim"], abs=1e-5)
    assert found["l1-hole"] == pytest.approx(50 * wanted["l1_hole"], rel=1e-5)  # [-1, 1] is twice as wide
    assert found["l1-picture-signed"] == pytest.approx(100 * wanted["l1_whole"], rel=1e-5)
    assert found["l1-picture"] == pytest.approx(50 * wanted["l1_whole"], rel=1e-5)
    assert set(found) == set(UNITS)


def test_a_seed_decides_crops_and_masks() -> None:
    pictures = [np.random.default_rng(n).integers(0, 256, (400, 420, 3), np.uint8) for n in range(3)]
    test = find_test("places365-irregular")
    first, again = (list(samples(pictures, test, seed=5)) for _ in range(2))
    other = list(samples(pictures, test, seed=6))
    for (truth, mask), (same, also) in zip(first, again, strict=True):
        assert truth.shape == (1, 3, 256, 256)
        assert torch.equal(truth, same)
        assert torch.equal(mask, also)
    assert not torch.equal(first[0][1], other[0][1])
    shares = [bucket_of(float(mask.mean())) for _, mask in samples(pictures, TESTS["buckets"], seed=0)]
    assert None not in shares
    boxed = next(iter(samples(pictures, test, seed=5, masks=Box(height=9, width=8, margin=1, delta=0))))
    assert boxed[1].sum() == 72


def test_means_by_bucket() -> None:
    values = dict.fromkeys(UNITS, 1.0)
    found = by_bucket([(0.05, values), (0.15, values), (0.2, {**values, "psnr": math.inf}), (0.95, values)])
    assert list(found) == ["all", "1-10%", "10-20%", "other"]
    assert found["all"]["count"] == 4
    assert found["10-20%"]["count"] == 2
    assert found["10-20%"]["psnr"] == math.inf  # as in the published table
    assert found["10-20%"]["ssim"] == 1


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (260, 270, 3), np.uint8)
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    arguments = {"widths": [4, 6, 8], "dilations": [1], "sweeps": 2}
    network = RayFill(widths=(4, 6, 8), dilations=(1,), sweeps=2)
    save_weights(network, tmp_path / "w.safetensors", architecture="rayfill", arguments=arguments, card={})
    command = [str(tmp_path / "w.safetensors"), str(tmp_path / "photos"), "--test", "celeba-hq-box"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["table"]["all"]["count"] == 2
    assert told["units"]["l1-hole"].startswith("% of the [0, 1] range")
    assert main([*command, "--limit", "1"]) == 0
    printed = capsys.readouterr().out
    assert all(unit in printed for unit in UNITS.values())
    assert main([*command[:2], "--test", "places365-files"]) == 2
    assert "--masks" in capsys.readouterr().err
    with pytest.raises(SettingError, match="Did you mean"):
        find_test("places365-boxes")
