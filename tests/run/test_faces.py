"""Networks of one size: what they refuse, where they see landmarks, what becomes of alpha beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from finesight import media
from finesight.errors import InputError, MemoryLimitError, SettingError
from finesight.models.image.edsr import Edsr
from finesight.models.prior.dic import Dic
from finesight.models.prior.face_parts import landmark_positions
from finesight.models.prior.glean import Glean
from finesight.nn.traits import Traits
from finesight.run import Upscaler, upscale
from finesight.run.budget import Budget
from finesight.run.faces import check_landmarks, check_scale_of, check_size, find_landmarks, fixed
from finesight.run.particular import check_whole, enlarge_alpha
from finesight.zoo.model import Card, Model


@pytest.fixture(scope="module")
def dic() -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = Dic(width=4, blocks=2, landmark_width=8, steps=2, fusion_blocks=1).eval()
    return Model(network, network.traits, Card(name="tiny-dic"))


def face(side: int = 16) -> np.ndarray:
    return np.random.default_rng(6).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("least", "most", "size", "fits"),
    [
        (16, 16, (16, 16), True),
        (16, 16, (16, 17), False),
        (16, 16, (15, 16), False),
        (16, 16, (8, 8), False),
        (8, 16, (4, 16), True),
        (8, 16, (4, 17), False),
        (8, None, (4, 5000), True),
    ],
)
def test_sizes_are_refused_with_what_is_needed(least: int, most: int | None, size: tuple[int, int], fits: bool) -> None:
    traits = Traits(task="super-resolution", scale=8, halo=1, minimum=least, maximum=most)
    model = Model(torch.nn.Identity(), traits, Card(name="faces"))
    assert fixed(traits) is (least == most)
    if fits:
        check_size(model, *size)
        return
    with pytest.raises(
        InputError, match=rf"faces takes pictures of (exactly|at most) 16 x 16 .* {size[0]} x {size[1]}"
    ):
        check_size(model, *size)


def test_scales_out_of_reach(dic: Model) -> None:
    check_scale_of(dic, 3.5)
    check_scale_of(dic, 8)
    with pytest.raises(SettingError, match=r"tiny-dic enlarges 8 times .* scale 9 is out of its reach"):
        check_scale_of(dic, 9)


def test_landmarks_are_those_of_the_last_step(dic: Model) -> None:
    found = find_landmarks(face(), dic)
    with torch.inference_mode():
        heatmaps = dic.network.steps(torch.from_numpy(face()).permute(2, 0, 1)[None] / 255).heatmaps[-1]
    assert found.shape == (68, 2)
    assert np.allclose(found, landmark_positions(heatmaps)[0].numpy(), atol=1e-4)
    assert (found >= -2).all()  # half a pixel of a heat map beyond its first one
    assert (found <= 126).all()
    assert np.allclose(find_landmarks(face(), dic, size=(64, 32)), found * [0.5, 0.25], atol=1e-4)


def test_landmarks_need_a_network_that_finds_them(dic: Model) -> None:
    edsr = Edsr(width=4, blocks=1, scale=2)
    other = Model(edsr, edsr.traits, Card(name="tiny-edsr"))
    check_landmarks(dic)
    with pytest.raises(SettingError, match=r"tiny-edsr finds none\. Add --model dic-x8"):
        find_landmarks(face(), other)
    with pytest.raises(SettingError, match="no model is given"):
        check_landmarks(None)
    with pytest.raises(InputError, match="exactly 16 x 16 pixels, this one has 20 x 20"):
        find_landmarks(face(20), dic)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_alpha_is_resampled(dtype: type) -> None:
    most = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    alpha = np.zeros((6, 5), dtype)
    alpha[:, 3:] = most
    large = enlarge_alpha(alpha, (24, 20))
    assert large.shape == (24, 20)
    assert large.dtype == dtype
    assert np.allclose(large[:, :8], 0, atol=0.01 * most)
    assert large.max() <= most
    assert large.min() >= 0
    assert np.allclose(large[:, 17:], most, rtol=0.01)


@pytest.fixture(scope="module")
def glean() -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = Glean(8, 32, width=8, blocks=1, growth=4, style_channels=8, mapping_layers=1, most_channels=16).eval()
    return Model(network, network.traits, Card(name="tiny-glean"))


@pytest.mark.parametrize("name", ["dic", "glean"])
def test_upscale_by_networks_of_one_size(name: str, request: pytest.FixtureRequest) -> None:
    model: Model = request.getfixturevalue(name)
    side, scale = model.traits.minimum, model.traits.scale or 1
    found = upscale(face(side), model=model, device="cpu")
    with torch.inference_mode():
        expected = model.network(torch.from_numpy(face(side)).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0)
    assert found.shape == (side * scale, side * scale, 3)
    assert np.abs(found - expected.clamp(0, 1).numpy() * 255).max() <= 0.51
    assert upscale(face(side)[:, :, 0], model=model, device="cpu").shape == (side * scale, side * scale)
    assert upscale(face(side), model=model, scale=3.1, device="cpu").shape[0] == round(side * 3.1)
    with pytest.raises(InputError, match=rf"{model.card.name} takes pictures of exactly {side} x {side} pixels, this"):
        upscale(face(side + 1), model=model, device="cpu")
    with pytest.raises(InputError, match=rf"exactly {side} x {side} pixels, this one has 4 x 4"):
        upscale(face(4), model=model, device="cpu")
    with pytest.raises(SettingError, match="out of its reach"):
        upscale(face(side), model=model, scale=scale + 0.5, device="cpu")
    with pytest.raises(SettingError, match="without frame"):
        upscale(face(side), model=model, wrap=True, device="cpu")


def test_alpha_of_a_face_is_resampled(dic: Model) -> None:
    clear = np.concatenate([face(), np.tile(np.arange(16, dtype=np.uint8) * 10, (16, 1))[:, :, None]], axis=2)
    found = upscale(clear, model=dic, device="cpu")
    assert np.array_equal(found[:, :, :3], upscale(media.from_array(clear), model=dic, device="cpu").pixels)
    assert np.abs(found[:, 60:68, 3].astype(int).mean() - 75) < 2


def test_too_little_memory_for_the_whole_face_is_told(dic: Model) -> None:
    budget = Budget(limit=1000, tiles=100, per_pixel=1e6)
    with pytest.raises(MemoryLimitError, match="takes pictures as a whole"):
        check_whole(replace(dic.traits, minimum=64, maximum=64), budget, wrap=False)


def test_estimate(dic: Model) -> None:
    found = Upscaler(dic, device="cpu").estimate(media.from_array(face()))
    assert (found.width, found.height, found.tiles) == (128, 128, 1)
