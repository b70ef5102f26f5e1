"""A batch with parameters of its own for every picture: the same as one by one, exactly or to rounding."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from finesight.degrade import second_order
from finesight.degrade.canvas import Canvas, Target, filtered, inside, resampled
from finesight.degrade.filtering import filter_one
from finesight.degrade.together import _target, apply_batch
from finesight.errors import SettingError


def pictures(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    coarse = torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def drawn(count: int, seed: int) -> list[second_order.Parameters]:
    generator = torch.Generator().manual_seed(seed)
    return [second_order.sample(second_order.SecondOrder(), generator) for _ in range(count)]


def test_on_a_cpu_a_batch_is_exactly_its_pictures() -> None:
    images, parameters = pictures(4, 32, 48), drawn(4, 1)
    alone = [second_order.apply(one[None], own, scale=4) for one, own in zip(images, parameters, strict=True)]
    assert torch.equal(apply_batch(images, parameters, scale=4), torch.cat(alone))


@pytest.mark.parametrize("size", [(64, 96), (8, 12), (4, 4), (20, 132)])
def test_together_is_the_same_but_for_rounding(size: tuple[int, int]) -> None:
    """A rounding error may move a coefficient of JPEG to the next level; few pictures have one between two levels."""
    exact = 0
    for seed in range(3):
        images, parameters = pictures(12, *size, seed=seed), drawn(12, seed)
        before = images.clone()
        alone = apply_batch(images, parameters, scale=4, way="one-by-one")
        together = apply_batch(images, parameters, scale=4, way="together")
        assert torch.equal(images, before)
        assert together.shape == alone.shape == (12, 3, size[0] // 4, size[1] // 4)
        difference = (alone - together).abs().flatten(1).amax(1) * 255
        exact += int((difference < 0.5).sum())
        assert float((alone - together).abs().mean()) * 255 < 0.5
    assert exact >= 30, "of 36 pictures"


def test_order_of_a_batch_does_not_matter() -> None:
    images, parameters = pictures(5, 32, 32), drawn(5, 3)
    forward = apply_batch(images, parameters, scale=2, way="together")
    backward = apply_batch(images.flip(0), parameters[::-1], scale=2, way="together").flip(0)
    assert torch.allclose(forward, backward, atol=1.01 / 255)


def test_no_pictures_and_wrong_counts() -> None:
    assert apply_batch(pictures(1, 16, 16)[:0], [], scale=4).shape == (0, 3, 4, 4)
    with pytest.raises(SettingError, match="each of 2 pictures, got 1"):
        apply_batch(pictures(2, 16, 16), drawn(1, 0), scale=4)


def on_a_canvas(images: list[torch.Tensor]) -> Canvas:
    """Pictures of several sizes, garbage around them."""
    height, width = (max(one.shape[axis] for one in images) + 3 for axis in (-2, -1))
    pixels = torch.full((len(images), 3, height, width), 7.0)
    for number, one in enumerate(images):
        pixels[number, :, : one.shape[-2], : one.shape[-1]] = one
    return Canvas(pixels, tuple((one.shape[-2], one.shape[-1]) for one in images))


def parts(canvas: Canvas) -> list[torch.Tensor]:
    return [one[:, :h, :w] for one, (h, w) in zip(canvas.pixels, canvas.sizes, strict=True)]


SIDES = st.tuples(st.integers(1, 26), st.integers(1, 26))


@settings(max_examples=30, deadline=None)
@given(sides=st.lists(SIDES, min_size=1, max_size=3), radii=st.lists(st.integers(0, 10), min_size=3, max_size=3))
def test_filters_on_a_canvas(sides: list[tuple[int, int]], radii: list[int]) -> None:
    images = [pictures(1, *size, seed=n)[0] for n, size in enumerate(sides)]
    kernels = [torch.rand(2 * r + 1, 2 * r + 1, generator=torch.Generator().manual_seed(r)).double() for r in radii]
    kernels = [kernel / kernel.sum() for kernel in kernels[: len(images)]]
    for found, image, kernel in zip(parts(filtered(on_a_canvas(images), kernels)), images, kernels, strict=True):
        assert torch.allclose(found, filter_one(image[None], kernel)[0], atol=2e-5)  # the garbage is seven times white


@settings(max_examples=40, deadline=None)
@given(
    sides=st.lists(SIDES, min_size=1, max_size=3),
    factors=st.lists(st.floats(0.15, 1.6), min_size=3, max_size=3),
    modes=st.lists(st.sampled_from(["area", "bilinear", "bicubic"]), min_size=3, max_size=3),
)
def test_resizing_on_a_canvas(sides: list[tuple[int, int]], factors: list[float], modes: list[str]) -> None:
    images = [pictures(1, *size, seed=n)[0] for n, size in enumerate(sides)]
    targets, expected = [], []
    for image, factor, mode in zip(images, factors, modes, strict=False):
        height, width = image.shape[-2:]
        new = (max(1, int(height * factor)), max(1, int(width * factor)))
        targets.append(Target(new, mode, (height / new[0], width / new[1])))  # type: ignore[arg-type]
        expected.append(F.interpolate(image[None], size=new, mode=mode)[0])
    for found, wanted in zip(parts(resampled(on_a_canvas(images), targets)), expected, strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("factor", [0.15, 0.49, 0.99, 1.0, 1.018, 1.5])
@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic"])
def test_factors_are_their_own_step_unless_an_axis_keeps_its_length(mode: str, factor: float) -> None:
    image = pictures(1, 20, 132)
    stage = dataclasses.replace(drawn(1, 0)[0].first, resize=second_order.Resize(factor, mode))  # type: ignore[arg-type]
    expected = second_order.resized(image, mode, factor=factor)  # type: ignore[arg-type]
    found = resampled(Canvas.of(image), [_target(stage, (20, 132), None)]).pixels
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-5)


def test_inside_is_the_pictures() -> None:
    canvas = on_a_canvas([torch.zeros(3, 2, 5), torch.zeros(3, 4, 1)])
    assert torch.equal(inside(canvas), canvas.pixels[:, :1] == 0)
