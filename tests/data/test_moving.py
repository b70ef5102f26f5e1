"""Clips made of stills move as they should, and are a function of seed and step alone."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from finesight.data.drawn import drawn_picture
from finesight.data.moving import MovingCrops, filmed, moving_clip, places_that_move, still_removed
from finesight.degrade.resize import resize_8bit
from finesight.errors import InputError, SettingError
from finesight.nn.lucas_kanade import lucas_kanade


def crops(count: int = 4, side: int = 64) -> list[np.ndarray]:
    return [drawn_picture(np.random.default_rng(number), side) for number in range(count)]


def film(frames: int = 8, *, moving: bool = True) -> Tensor:
    """Checks of any colours that slide by 3 pixels a frame, or stand still."""
    checks = torch.randint(256, (3, 20, 20), generator=torch.Generator().manual_seed(9), dtype=torch.uint8)
    still = checks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return torch.stack([still.roll(3 * i if moving else 0, -1)[:, :128, :128] for i in range(frames)])


def test_a_step_is_always_the_same() -> None:
    source = MovingCrops(crops(), wanted="middle", frames=3, patch=32, held_out=2, seed=3)
    again = pickle.loads(pickle.dumps(source))  # as workers get it
    first, second = source.batch(5, 3), again.batch(5, 3)
    assert torch.equal(first.inputs[0], second.inputs[0])
    assert torch.equal(first.target, second.target)
    assert not torch.equal(first.target, source.batch(6, 3).target)
    assert first.inputs[0].shape == (3, 2, 3, 32, 32)
    assert first.target.shape == (3, 3, 32, 32)
    assert 0 <= float(first.target.min()) <= float(first.target.max()) <= 1
    assert torch.equal(first.target * 255, (first.target * 255).round())


def test_low_resolution_is_that_of_the_target() -> None:
    source = MovingCrops(crops(), wanted="enlarged", frames=4, patch=32, scale=4, held_out=2, seed=3)
    found = source.batch(0, 2)
    assert found.inputs[0].shape == (2, 4, 3, 8, 8)
    assert found.target.shape == (2, 4, 3, 32, 32)
    high = (found.target[1] * 255).round().to(torch.uint8)
    assert torch.equal((found.inputs[0][1] * 255).round().to(torch.uint8), resize_8bit(high, scale=0.25))


def test_the_middle_lies_half_way() -> None:
    """Over many samples the flow from the middle to both sides is opposite."""
    source = MovingCrops(crops(8), wanted="middle", frames=3, patch=48, speed=6, held_out=8, seed=1)
    found = source.batch(0, 24)
    flows = [lucas_kanade(found.target, side).mean((2, 3)) for side in found.inputs[0].unbind(1)]
    together = torch.stack([torch.cat([flow[:, 0], flow[:, 1]]) for flow in flows])
    assert float(torch.corrcoef(together)[0, 1]) < -0.8


def test_speed_bounds_the_motion_and_still_things_stand() -> None:
    picture = torch.from_numpy(crops(1)[0].copy()).permute(2, 0, 1)[None].float() / 255

    def moved(speed: float) -> float:
        values = []
        for seed in range(6):
            generator = torch.Generator().manual_seed(seed)
            clip = moving_clip(picture, 2, 48, speed=speed, generator=generator)
            values.append(float(lucas_kanade(clip[:1], clip[1:]).norm(dim=1).median()))
        return sum(values) / len(values)

    assert moved(1e-6) < 0.6  # turning and zooming alone
    assert moved(1e-6) < moved(6) < 6.5


def test_only_stretches_that_move_are_kept() -> None:
    frames = [*film(4, moving=False), *film(8), *film(8)[-1:].expand(4, -1, -1, -1)]
    found = still_removed(iter(frames))
    assert [len(stretch) for stretch in found if len(stretch) > 2] == [7]
    places = places_that_move(film(), 3)
    assert int(places[:, 0].max()) == 5
    assert len(places_that_move(film(moving=False), 3)) == 0


def test_samples_from_the_film_are_parts_of_it() -> None:
    stretch = film()
    source = MovingCrops(
        crops(), wanted="middle", frames=3, patch=32, film=[stretch, stretch], film_share=1.0, held_out=2, seed=2
    )
    found = source.batch(0, 12)
    flow = float(lucas_kanade(found.target, found.inputs[0][:, 1]).norm(dim=1).median())
    assert 1.0 < flow < 3.5  # three pixels a frame, or half of it where it is averaged down
    assert len(list(source.validation())) == 16 + 8
    first, second = (torch.cat([one.target for one in source.validation()]) for _ in range(2))
    assert torch.equal(first, second)


def test_a_film_from_a_file(tmp_path: Path) -> None:
    from PIL import Image

    for number, frame in enumerate(film(5)):
        Image.fromarray(frame.permute(1, 2, 0).numpy()).save(tmp_path / f"{number:03d}.png")
    (stretch,) = filmed(tmp_path)
    assert torch.equal(stretch, film(5)[1:])


def test_what_cannot_be_used_is_said() -> None:
    with pytest.raises(InputError, match="held_out 5 needs as many"):
        MovingCrops(crops(), wanted="middle", frames=3, patch=32, held_out=5)
    with pytest.raises(SettingError, match="patch 65"):
        MovingCrops(crops(), wanted="middle", frames=3, patch=65, held_out=2)
    with pytest.raises(SettingError, match="frames 3 and scale 1"):
        MovingCrops(crops(), wanted="middle", frames=5, patch=32, held_out=2)
    with pytest.raises(SettingError, match="two stretches"):
        MovingCrops(crops(), wanted="middle", frames=3, patch=32, held_out=2, film=[film(moving=False)])
