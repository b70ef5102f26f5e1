"""Mask generators: what was measured of the published ones, area buckets, files, and that a seed decides everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.data.mask_files import MaskFiles
from finesight.data.masks import BUCKETS, Box, BrushStrokes, Irregular, bucket_of, dilated, in_bucket, joined
from finesight.errors import InputError, SettingError


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("kind", "mean", "tolerance"),
    [  # means of the published generators at 256x256
        (Box(), 0.213, 0.006),
        (Irregular(), 0.342, 0.02),
        (Irregular(lines=(4, 8), angles=4, length=(10, 100), brush=(10, 40), area=(0.0, 1.0)), 0.232, 0.02),
        (BrushStrokes(), 0.147, 0.02),
    ],
    ids=["box", "irregular", "irregular-default", "strokes"],
)
def test_areas_are_the_published_ones(kind: Box | Irregular | BrushStrokes, mean: float, tolerance: float) -> None:
    generator = chance()
    areas = [kind.draw(256, 256, generator).mean() for _ in range(250)]
    assert abs(np.mean(areas) - mean) < tolerance


def test_boxes_stay_within_their_ranges() -> None:
    generator = chance()
    boxes = np.array([Box().box(256, 256, generator) for _ in range(300)])
    assert boxes[:, :2].min() >= 20
    assert boxes[:, :2].max() <= 127
    assert boxes[:, 2:].min() >= 108
    assert boxes[:, 2:].max() <= 128
    with pytest.raises(SettingError, match="does not fit"):
        Box().draw(160, 256, generator)


def test_irregular_areas_are_strictly_inside_and_impossible_ones_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = chance()
    kind = Irregular(lines=(2, 5), length=(10, 40), brush=(4, 14), area=(0.2, 0.3))
    assert all(0.2 < kind.draw(96, 96, generator).mean() < 0.3 for _ in range(10))
    monkeypatch.setattr("finesight.data.masks._TRIES", 20)
    with pytest.raises(SettingError, match="No mask"):
        Irregular(area=(0.5, 0.5001), lines=(1, 2), length=(1, 2), brush=(1, 2)).draw(64, 64, generator)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_are_hit_in_pictures_that_are_not_square(bucket: tuple[float, float]) -> None:
    generator = chance(3)
    masks = [in_bucket(bucket, 60, 97, generator) for _ in range(4)]
    for mask in masks:
        assert mask.shape == (60, 97)
        assert mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 1}
        assert bucket_of(float(mask.mean())) == bucket
    assert not np.array_equal(masks[0], masks[1])


@pytest.mark.parametrize("kind", [Box(height=20, width=20, margin=4, delta=8), Irregular(), BrushStrokes()])
def test_a_seed_decides_everything(kind: Box | Irregular | BrushStrokes) -> None:
    before = torch.random.get_rng_state()
    first, again, other = (kind.draw(80, 96, chance(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_growing_and_joining_by_hand() -> None:
    mask = np.zeros((5, 6), np.uint8)
    mask[2, 2] = 1
    wide = np.zeros_like(mask)
    wide[1:4, 1:4] = 1
    assert np.array_equal(dilated(mask, 3), wide)
    assert np.array_equal(dilated(mask, 1), mask)
    assert np.array_equal(joined([mask, wide]), wide)
    with pytest.raises(SettingError, match="odd"):
        dilated(mask, 2)


def test_masks_from_files(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4, :, 0] = 1  # any value of the first channel above 0
    Image.fromarray(picture).save(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("a.png 3\n\n")
    for place in (tmp_path, tmp_path / "list.txt"):
        mask = MaskFiles(place).draw(16, 12, chance())
        assert mask.shape == (16, 12)
        assert mask[:8].all()
        assert not mask[8:].any()
    turned = MaskFiles(tmp_path, rotation=45).draw(16, 16, chance(5))
    assert 0 < turned.sum() < 256
    assert not np.array_equal(turned, MaskFiles(tmp_path).draw(16, 16, chance(5)))
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no masks"):
        MaskFiles(tmp_path / "none")
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot be read as a mask"):
        MaskFiles(tmp_path).draw(4, 4, chance())
