"""Matting data: drawn alphas, trimaps, augmentations, and batches that depend on seed and step alone."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from finesight.data.matting_augment import (
    Affine,
    Jitter,
    draw_affine,
    draw_jitter,
    jittered,
    two_foregrounds,
    warped,
)
from finesight.data.matting_drawn import KINDS, drawn_alpha
from finesight.data.matting_source import DrawnMattes, loose_trimap
from finesight.data.matting_trimaps import dilated, ellipse, eroded, trimap_by_distance, trimap_by_morphology
from finesight.data.pack import pack_folder
from finesight.errors import InputError, SettingError
from finesight.nn.trimap import BACKGROUND, FOREGROUND, UNKNOWN, distances_to, transformed

RANDOM = np.random.default_rng(8)
ALPHA = (drawn_alpha(np.random.default_rng(3), 48, "hair") * 255).round().astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_and_repeats(kind: str) -> None:
    first, again = (drawn_alpha(np.random.default_rng(5), 40, kind) for _ in range(2))
    assert first.shape == (40, 40)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    several = np.stack([drawn_alpha(np.random.default_rng(seed), 40, kind) for seed in range(6)])
    assert 0 <= several.min() < 0.01
    assert several.max() > 0.5
    assert ((several > 0) & (several < 1)).any()
    assert len({one.tobytes() for one in several}) == 6


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 15])
def test_morphology_equals_scipys_rank_filters(size: int) -> None:
    """Whose filters look through the element as it is, unlike its grey dilation."""
    plane = RANDOM.integers(0, 256, (23, 31)).astype(np.uint8)
    element = ellipse(size)
    assert element.shape == (size, size)
    highest = ndimage.maximum_filter(plane, footprint=element, mode="constant", cval=0)
    lowest = ndimage.minimum_filter(plane, footprint=element, mode="constant", cval=255)
    assert np.array_equal(dilated(plane, size), highest)
    assert np.array_equal(eroded(plane, size), lowest)
    assert np.array_equal(dilated(plane, size, iterations=2), dilated(dilated(plane, size), size))


@pytest.mark.parametrize("share", [0.001, 0.02, 0.5])
def test_distances_equal_scipys(share: float) -> None:
    marked = RANDOM.random((37, 52)) < share
    marked[20, 30] = True
    expected = ndimage.distance_transform_edt(~marked)
    np.testing.assert_allclose(distances_to(torch.from_numpy(marked)).numpy(), expected, rtol=1e-12)


def test_nothing_marked_is_infinitely_far() -> None:
    assert torch.isinf(distances_to(torch.zeros(3, 4, dtype=torch.bool))).all()
    assert not transformed(torch.full((1, 1, 3, 4), UNKNOWN)).any()


def test_trimaps_hold_the_alpha() -> None:
    for trimap in (trimap_by_morphology(ALPHA, 5, 8), trimap_by_distance(ALPHA, 3)):
        assert set(np.unique(trimap)) == {0, 128, 255}
        assert (ALPHA[trimap == 0] == 0).all()
        assert (ALPHA[trimap == 255] == 255).all()
    with pytest.raises(SettingError, match="at least one pixel"):
        ellipse(0)


def test_loose_trimap_is_as_wide_as_asked() -> None:
    alpha = torch.zeros(1, 1, 20, 20)
    alpha[..., 10:] = 1
    row = loose_trimap(alpha, 2, 3)[0, 0, 5].tolist()
    assert row == [BACKGROUND] * 7 + [UNKNOWN] * 5 + [FOREGROUND] * 8
    for foreground, background in ((1, 4), (3, 2)):
        opened = torch.from_numpy(ALPHA.astype(np.float32) / 255)[None, None]
        trimap = loose_trimap(opened, foreground, background)[0, 0].numpy()
        for known, distance, level in ((opened >= 1, foreground, FOREGROUND), (opened <= 0, background, BACKGROUND)):
            inner = ndimage.binary_erosion(
                known[0, 0].numpy(), np.ones((2 * distance + 1, 2 * distance + 1)), border_value=1
            )
            assert np.array_equal(trimap == level, inner)


def test_affine_maps_undo_themselves_and_flip() -> None:
    picture = RANDOM.integers(0, 256, (9, 12, 3)).astype(np.uint8)
    assert np.array_equal(warped(picture, Affine()), picture)
    assert np.array_equal(warped(picture, Affine(flip=(-1, 1))), picture[:, ::-1])
    assert np.array_equal(warped(picture, Affine(flip=(1, -1))), picture[::-1])
    drawn = [draw_affine(torch.Generator().manual_seed(seed), 1200, 800) for seed in range(40)]
    assert any(one.angle for one in drawn)
    assert all(abs(one.angle) <= 30 and min(one.scale) >= 0.8 and abs(one.shear) <= 10 for one in drawn)
    assert {one.flip for one in drawn} == {(1, 1), (1, -1), (-1, 1), (-1, -1)}
    assert not draw_affine(torch.Generator().manual_seed(1), 500, 800).angle


def test_jitter_of_nothing_changes_nothing() -> None:
    colours = RANDOM.uniform(0, 255, (6, 7, 3)).astype(np.float32)
    assert jittered(colours, np.zeros((6, 7), np.uint8), Jitter(30, 0.9, 0.1)) is colours
    same = jittered(colours, np.full((6, 7), 255, np.uint8), Jitter(0, 0.5, 0.5))
    np.testing.assert_allclose(same, colours, atol=1e-3)
    assert -40 <= draw_jitter(torch.Generator().manual_seed(0)).hue < 40


def test_two_foregrounds_cover_more() -> None:
    front, second = (np.full((2, 2, 3), level, np.float32) for level in (200, 100))
    alpha, other = np.array([[0, 255], [128, 0]], np.uint8), np.array([[0, 128], [128, 255]], np.uint8)
    colours, together = two_foregrounds(front, alpha, second, other)
    assert together.tolist() == [[0, 255], [191, 255]]
    assert colours[0, 1, 0] == 200
    assert colours[1, 1, 0] == 100


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    folder = tmp_path_factory.mktemp("photographs")
    for number in range(3):
        noise = RANDOM.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(noise).resize((180, 130), Image.Resampling.BICUBIC).save(folder / f"photo_{number}.png")
    pack_folder(folder, folder / "crops.pack", side=48, limit=400_000)
    return folder / "crops.pack"


def test_batches_depend_on_seed_and_step_alone(pack: Path) -> None:
    source = DrawnMattes(pack, patch=32, held_out=3, alphas=4, seed=1)
    copy = pickle.loads(pickle.dumps(source))
    copy.batch(3, 2)
    one, two, other = source.batch(7, 3), copy.batch(7, 3), source.batch(8, 3)
    for first, second in zip((*one.inputs, one.target), (*two.inputs, two.target), strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(one.inputs[0], other.inputs[0])
    assert one.inputs[0].shape == (3, 3, 32, 32)
    assert one.weight is not None
    assert torch.equal(one.weight, (one.inputs[1] == UNKNOWN).float())


def test_samples_are_what_they_say(pack: Path) -> None:
    source = DrawnMattes(pack, patch=32, held_out=3, alphas=4, noise=0.0)
    for batch in (source.batch(0, 4), next(iter(source.validation()))):
        image, trimap = batch.inputs
        assert (batch.target[trimap == BACKGROUND] == 0).all()
        assert (batch.target[trimap == FOREGROUND] == 1).all()
        merged = batch.target * batch.others["foreground"] + (1 - batch.target) * batch.others["background"]
        torch.testing.assert_close(batch.others["merged"], merged)
        assert float((image - merged).abs().max()) <= 0.5 / 255 + 1e-6


def test_held_out_photographs_are_not_trained_on(pack: Path) -> None:
    source = DrawnMattes(pack, patch=32, held_out=3, alphas=1)
    trained = {crop.tobytes() for crop in source.crops}
    assert len(source.held)
    assert not any(crop.tobytes() in trained for crop in source.held)
    first, again = ([b.target for b in source.validation()] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_packs_that_cannot_be_used(pack: Path) -> None:
    with pytest.raises(SettingError, match="larger than the crops"):
        DrawnMattes(pack, patch=64, held_out=3, alphas=1)
    with pytest.raises(InputError, match="3 photographs; held_out 9"):
        DrawnMattes(pack, patch=32, held_out=9, alphas=1)
