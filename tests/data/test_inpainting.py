"""Pictures with holes for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.data.inpainting import Cut, HoleSource, pictures_of
from finesight.data.jitter import Jitter, jittered, shifted_hue
from finesight.data.masks import Box, Irregular
from finesight.errors import InputError

SMALL = Box(height=12, width=10, margin=2, delta=4)


def pictures(count: int = 6, size: tuple[int, int] = (40, 50)) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, 3), np.uint8) for _ in range(count)]


def source(**settings: object) -> HoleSource:
    cut = Cut(**{"size": 32, **settings})  # type: ignore[arg-type]
    return HoleSource(pictures(), [SMALL, Irregular(area=(0.1, 0.9))], cut, held_out=3, seed=4)


def test_batches_are_a_function_of_seed_and_step() -> None:
    first, again, other = (source(turns=True, flip=True).batch(step, 4) for step in (7, 7, 8))
    for one, same in zip((*first.inputs, first.target), (*again.inputs, again.target), strict=True):
        assert torch.equal(one, same)
    assert not torch.equal(first.target, other.target)
    image, mask = first.inputs
    assert image.shape == (4, 3, 32, 32)
    assert mask.shape == (4, 1, 32, 32)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert 0 <= image.min() < image.max() <= 1
    assert first.weight is mask
    assert torch.equal(first.target, image)


def test_held_out_pictures_are_never_trained_on() -> None:
    made = source()
    assert made.kept == [2, 5]
    assert made.shown == [0, 1, 3, 4]
    held = list(made.validation())
    assert len(held) == 2
    assert all(torch.equal(a.target, b.target) for a, b in zip(held, made.validation(), strict=True))


def test_boxes_come_along_and_are_mirrored_with_their_masks() -> None:
    boxed = HoleSource(pictures(), [SMALL], Cut(size=32, flip=True), seed=1)
    batch = boxed.batch(0, 8)
    for mask, (top, left, height, width) in zip(batch.inputs[1], batch.others["boxes"].tolist(), strict=True):
        assert mask[0, top : top + height, left : left + width].all()
        assert mask.sum() == height * width
    assert "boxes" not in source().batch(0, 8).others


def test_crops_are_resized_as_published() -> None:
    flat = [np.full((60, 70, 3), value, np.uint8) for value in (51, 51, 51)]
    made = HoleSource(flat, [SMALL], Cut(size=32, crop=48), held_out=100).batch(0, 2)
    assert made.target.shape == (2, 3, 32, 32)
    assert torch.allclose(made.target, torch.tensor(0.2))
    small = HoleSource([one[:20, :30] for one in flat], [SMALL], Cut(size=32), held_out=100).batch(0, 1)
    assert small.target.shape == (1, 3, 32, 32)  # enlarged
    area = HoleSource(pictures(), [SMALL], Cut(size=32, area=(0.1, 1.0)), held_out=100).batch(0, 3)
    assert area.target.shape == (3, 3, 32, 32)


def test_pictures_from_folders_and_lists(tmp_path: Path) -> None:
    for number, one in enumerate(pictures(2)):
        Image.fromarray(one).save(tmp_path / f"{number}.png")
    (tmp_path / "list.txt").write_text("1.png 7 8\n")
    assert np.array_equal(pictures_of(tmp_path)[0], pictures(2)[0])
    assert len(pictures_of(tmp_path)) == 2
    assert np.array_equal(pictures_of(tmp_path / "list.txt")[0], pictures(2)[1])
    with pytest.raises(InputError, match="list"):
        pictures_of(tmp_path / "none.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        pictures_of(tmp_path / "empty")


def test_jitter() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(3, 9, 7, generator=generator)
    none = Jitter(brightness=0, contrast=0, saturation=0, hue=0)
    assert torch.allclose(jittered(image, none, generator), image, atol=1e-6)
    changed = jittered(image, Jitter(), generator)
    assert changed.shape == image.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    assert not torch.equal(changed, image)
    assert torch.allclose(shifted_hue(shifted_hue(image, 0.3), -0.3), image, atol=1e-5)
    import colorsys

    hue, saturation, value = colorsys.rgb_to_hsv(*image[:, 4, 3].tolist())
    expected = colorsys.hsv_to_rgb((hue + 0.2) % 1, saturation, value)
    assert torch.allclose(shifted_hue(image, 0.2)[:, 4, 3], torch.tensor(expected), atol=1e-5)
