"""Training pairs: aligned, a function of seed and step, never from the held-out crops."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from finesight.data.crops import CropPairs
from finesight.degrade.filtering import unsharp_mask
from finesight.degrade.first_order import FirstOrder
from finesight.degrade.resize import resize
from finesight.errors import SettingError
from tests.data.small import small_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_pack(tmp_path_factory.mktemp("pack"))


def test_a_batch_depends_on_seed_and_step_alone(pack: Path) -> None:
    first = CropPairs(pack, scale=2, patch=12, seed=1)
    first.batch(0, 4)
    again = CropPairs(pack, scale=2, patch=12, seed=1)
    assert torch.equal(first.batch(7, 4).target, again.batch(7, 4).target)
    assert not torch.equal(first.batch(7, 4).target, first.batch(8, 4).target)
    assert not torch.equal(first.batch(7, 4).target, CropPairs(pack, scale=2, patch=12, seed=2).batch(7, 4).target)


@pytest.mark.parametrize("degradation", [None, FirstOrder(noise_probability=0, jpeg=(95, 95), blur=(0.3, 0.4))])
def test_low_and_high_show_the_same_place(pack: Path, degradation: FirstOrder | None) -> None:
    batch = CropPairs(pack, scale=2, patch=16, degradation=degradation).batch(0, 32)
    (low,), high = batch.inputs, batch.target
    assert low.shape == (32, 3, 16, 16)
    assert high.shape == (32, 3, 32, 32)
    inner = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    near = float((resize(high, scale=0.5) - low)[inner].abs().mean())
    moved = float((resize(high, scale=0.5).roll(1, -1) - low)[inner].abs().mean())
    assert near < 0.7 * moved


def test_held_out_crops_are_not_trained_on(pack: Path) -> None:
    pairs = CropPairs(pack, scale=2, patch=12, held_out=5)
    assert len(pairs.held_out)
    for crop in pairs.held_out:
        assert not (pairs.high == crop).flatten(1).all(1).any()
    low, high = pairs.validation_pairs()
    assert high.shape[-1] == 2 * low.shape[-1]
    batches = list(pairs.validation())
    assert torch.equal(torch.cat([batch.inputs[0] for batch in batches]), low)
    assert torch.equal(torch.cat([batch.target for batch in batches]), high)


def test_a_patch_larger_than_the_crops_is_refused(pack: Path) -> None:
    with pytest.raises(SettingError, match="48"):
        CropPairs(pack, scale=4, patch=13)


def test_a_sharpened_truth_keeps_the_plain_one(pack: Path) -> None:
    pairs = CropPairs(pack, scale=2, patch=14, degradation="hggt", sharpen=True, held_out=5)
    batch = pairs.batch(0, 3)
    assert batch.inputs[0].shape == (3, 3, 14, 14)
    assert not torch.equal(batch.target, batch.others["plain"])
    assert torch.equal(batch.target, unsharp_mask(batch.others["plain"]))
    held = list(pairs.validation())
    assert held[0].others["plain"].shape == (1, 3, 48, 48)
    assert torch.equal(held[0].inputs[0], next(iter(pairs.validation())).inputs[0])
