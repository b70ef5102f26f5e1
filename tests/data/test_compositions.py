"""Composition-1k's layout and pipelines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.data.matting_comp1k import (
    Pipeline,
    composed_picture,
    crop_around_centre,
    crop_around_unknown,
    fitted_background,
    random_sample,
    read_list,
)
from finesight.data.matting_compositions import Compositions
from finesight.data.matting_drawn import drawn_alpha
from finesight.errors import InputError
from finesight.nn.trimap import BACKGROUND, FOREGROUND

RANDOM = np.random.default_rng(1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("comp1k")
    for kind in ("fg", "bg", "alpha", "trimaps", "merged"):
        (place / kind).mkdir()
    entries = []
    for number in range(3):
        alpha = (drawn_alpha(np.random.default_rng(number), 90, "hair") * 255).round().astype(np.uint8)[:80]
        front, back = (RANDOM.integers(0, 256, size).astype(np.uint8) for size in ((80, 90, 3), (50, 60, 3)))
        for kind, plane in (
            ("fg", front),
            ("bg", back),
            ("alpha", alpha),
            ("merged", composed_picture(front, back, alpha)),
        ):
            Image.fromarray(plane).save(place / kind / f"{number}.png")
        Image.fromarray(np.where(alpha == 255, 255, np.where(alpha == 0, 0, 128)).astype(np.uint8)).save(
            place / "trimaps" / f"{number}.png"
        )
        paths = {f"{kind}_path": f"{kind}/{number}.png" for kind in ("fg", "bg", "alpha", "merged")}
        entries.append(paths | {"trimap_path": f"trimaps/{number}.png"})
    (place / "test_list.json").write_text(json.dumps(entries))
    for paths in entries[:2]:
        del paths["merged_path"], paths["trimap_path"]
    (place / "training_list.json").write_text(json.dumps(entries[:2]))
    return place


def test_backgrounds_are_enlarged_only_if_smaller() -> None:
    large = RANDOM.integers(0, 256, (90, 100, 3)).astype(np.uint8)
    assert np.array_equal(fitted_background(large, 60, 70), large[:60, :70])
    small = fitted_background(large[:30, :40], 60, 70)
    assert small.shape == (60, 70, 3)
    expected = Image.fromarray(large[:30, :40]).resize((80, 60), Image.Resampling.BICUBIC)
    assert np.array_equal(small, np.asarray(expected)[:60, :70])


def test_composition_is_truncated() -> None:
    front, back = np.full((1, 2, 3), 200, np.uint8), np.full((1, 2, 3), 10, np.uint8)
    merged = composed_picture(front, back, np.array([[255, 100]], np.uint8))
    assert merged[0, :, 0].tolist() == [200, int(200 * 100 / 255 + 10 * 155 / 255)]


@pytest.mark.parametrize("pipeline", ["dim", "indexnet", "gca"])
def test_samples_of_every_pipeline(root: Path, pipeline: Pipeline) -> None:
    entries = read_list(root, "training_list.json")
    kinds = set()
    for seed in range(6):
        one, again = (
            random_sample(entries, pipeline, [], torch.Generator().manual_seed(seed), patch=64) for _ in (0, 1)
        )
        assert np.array_equal(one.merged, again.merged)
        assert one.alpha.shape == one.trimap.shape == (64, 64)
        assert one.foreground.shape == one.background.shape == one.merged.shape == (64, 64, 3)
        assert set(np.unique(one.trimap)) <= {0, 128, 255}
        kinds |= set(np.unique(one.trimap))
        share = one.alpha[..., None] / 255
        composed = one.foreground * share + one.background * (1 - share)
        if pipeline == "gca":
            np.testing.assert_allclose(one.merged, composed, atol=0.1)
            assert (one.alpha[one.trimap == 255] == 255).all()
            assert (one.alpha[one.trimap == 0] == 0).all()
    assert kinds == {0, 128, 255}


def test_crops_hold_the_unknown() -> None:
    unknown = np.zeros((100, 120), bool)
    unknown[70, 80] = True
    place = np.arange(12000).reshape(100, 120).astype(np.float32)
    for seed in range(5):
        (cut,) = crop_around_unknown([place], unknown, 40, torch.Generator().manual_seed(seed))
        assert cut.shape == (40, 40)
        assert cut[20, 20] == place[70, 80]
    (corner,) = crop_around_unknown(
        [place], np.eye(100, 120, dtype=bool)[:, ::-1], 60, torch.Generator().manual_seed(0)
    )
    assert corner.shape == (60, 60)
    (centre,) = crop_around_unknown([place], unknown & False, 40, torch.Generator().manual_seed(0))
    assert centre[20, 20] == place[50, 60]
    wide = np.zeros((100, 120), bool)
    wide[40:60, 40:80] = True
    for seed in range(5):
        (cut,) = crop_around_centre([place], wide, 32, torch.Generator().manual_seed(seed))
        row, column = divmod(int(cut[16, 16]), 120)
        assert wide[row, column], "an unknown pixel is its centre"
    (few,) = crop_around_centre([place], unknown, 32, torch.Generator().manual_seed(0))
    assert few.shape == (32, 32)


def test_batches_and_validation(root: Path) -> None:
    source = Compositions(
        root, training="training_list.json", validation="test_list.json", pipeline="dim", patch=48, held_out=2
    )
    first, again = source.batch(5, 2), source.batch(5, 2)
    assert torch.equal(first.inputs[0], again.inputs[0])
    assert first.inputs[0].shape == (2, 3, 48, 48)
    assert set(first.inputs[1].unique().tolist()) <= {0.0, 1.0, 2.0}
    held = list(source.validation())
    assert len(held) == 2
    image, trimap = held[0].inputs
    assert image.shape == (1, 3, 80, 90)
    assert (held[0].target[trimap == BACKGROUND] == 0).all()
    assert (held[0].target[trimap == FOREGROUND] == 1).all()


def test_lists_that_cannot_be_used(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a list of compositions"):
        read_list(root, "none.json")
    (tmp_path / "empty.json").write_text("[]")
    with pytest.raises(InputError, match="lists no compositions"):
        read_list(tmp_path, "empty.json")
    (tmp_path / "wrong.json").write_text('[{"fg": "a.png"}]')
    with pytest.raises(InputError, match=r"alpha_path.*See docs/matting\.md"):
        read_list(tmp_path, "wrong.json")
    with pytest.raises(InputError, match="holds no pictures"):
        Compositions(root, training="training_list.json", validation=None, pipeline="gca", backgrounds=tmp_path)
