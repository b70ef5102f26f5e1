"""``upscale``: every kind, depth and scale in and out."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from finesight import media
from finesight.degrade.resize import resize
from finesight.errors import InputError, ModelError, SettingError
from finesight.nn.traits import Traits
from finesight.run import Upscaler, choose_models, upscale
from finesight.run.choose import chain_of_scales
from finesight.run.fuse import fuse
from tests.run.networks import Plain, model_of

MODEL = model_of(Plain(), "plain-x2")


def noise(*shape: int, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(shape)
    return values.astype(dtype) if dtype.startswith("f") else (values * np.iinfo(dtype).max).astype(dtype)


class Nearest(nn.Module):
    """Repeats every pixel: what comes out is known exactly."""

    def __init__(self, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale
        self.traits = Traits(task="super-resolution", scale=scale, halo=0)

    def forward(self, image: Tensor) -> Tensor:
        return image.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


REPEAT = model_of(Nearest(), "repeat-x2")


class TestKinds:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "float16"])
    @pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4), (1, 1), (3, 200, 3)])
    def test_arrays(self, dtype: str, shape: tuple[int, ...]) -> None:
        given = noise(*shape, dtype=dtype)
        before = given.copy()
        result = upscale(given, model=REPEAT)
        assert result.dtype == given.dtype
        assert result.shape == (2 * shape[0], 2 * shape[1], *shape[2:])
        np.testing.assert_array_equal(given, before)
        if len(shape) == 2 or shape[2] in (1, 3):  # colours under alpha may bleed
            tolerance = 1e-3 if dtype == "float16" else 1e-6 if dtype.startswith("f") else 0
            np.testing.assert_allclose(
                result.astype(float), given.repeat(2, 0).repeat(2, 1).astype(float), atol=tolerance
            )

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("shape", [(3, 5, 7), (1, 5, 7), (2, 3, 5, 7)])
    def test_tensors(self, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        given = (
            torch.rand(shape, generator=torch.Generator().manual_seed(0)) * (255 if dtype == torch.uint8 else 1)
        ).to(dtype)
        before = given.clone()
        result = upscale(given, model=REPEAT)
        assert result.dtype == dtype
        assert torch.equal(given, before)
        expected = given.repeat_interleave(2, -1).repeat_interleave(2, -2)
        torch.testing.assert_close(result, expected, rtol=0, atol=0 if dtype == torch.uint8 else 1e-6)

    @pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
    def test_pil(self, mode: str) -> None:
        given = Image.fromarray(noise(6, 9, 4)).convert(mode)
        result = upscale(given, model=REPEAT)
        assert isinstance(result, Image.Image)
        assert result.mode == mode
        assert result.size == (18, 12)

    def test_files_and_pictures(self, tmp_path: Path) -> None:
        path = tmp_path / "ein Bild mit ä.png"
        pixels = noise(6, 9, 3)
        media.write(path, media.from_array(pixels))
        result = upscale(path, model=REPEAT)
        assert isinstance(result, media.Picture)
        np.testing.assert_array_equal(result.pixels, pixels.repeat(2, 0).repeat(2, 1))
        assert result.format == "png"
        again = upscale(result, model=REPEAT)
        assert (again.height, again.width) == (24, 36)

    @pytest.mark.parametrize(
        "given", [3, None, np.zeros((2, 2, 5), np.uint8), torch.zeros(2, 2), np.zeros((3, 3), int)]
    )
    def test_other_things_are_refused(self, given: object) -> None:
        with pytest.raises(InputError):
            upscale(given, model=REPEAT)

    def test_a_read_only_array_gives_no_warning(self) -> None:
        given = noise(4, 4, 3)
        given.flags.writeable = False
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            upscale(given, model=REPEAT)

    def test_twice_the_same(self) -> None:
        given = noise(20, 30, 3)
        np.testing.assert_array_equal(upscale(given, model=MODEL), upscale(given, model=MODEL))


class TestDepth:
    def test_a_16_bit_ramp_keeps_its_levels(self) -> None:
        ramp = np.linspace(0, 65535, 2000).round().astype(np.uint16)[None, :, None].repeat(4, 0).repeat(3, 2)
        result = upscale(ramp, model=MODEL)
        assert result.dtype == np.uint16
        assert len(np.unique(result)) > 2000

    def test_rounding_is_half_to_even_and_clipped(self) -> None:
        class Half(Nearest):
            def forward(self, image: Tensor) -> Tensor:
                return super().forward(image) + torch.tensor([0.5, 1.5, -9.0])[:, None, None] / 255

        given = np.array([[[0, 0, 200], [255, 254, 3]]], np.uint8)
        result = upscale(given, model=model_of(Half()))
        np.testing.assert_array_equal(result[0, 0], [0, 2, 191])
        np.testing.assert_array_equal(result[0, 2], [255, 255, 0])

    def test_floats_are_not_clipped(self) -> None:
        class Bright(Nearest):
            def forward(self, image: Tensor) -> Tensor:
                return super().forward(image) * 2

        assert upscale(np.ones((2, 2, 3), np.float32), model=model_of(Bright())).max() == 2.0


class TestAlpha:
    def disc(self) -> np.ndarray:
        y, x = np.mgrid[:40, :40]
        inside = (y - 19.5) ** 2 + (x - 19.5) ** 2 < 144
        pixels = np.zeros((40, 40, 4), np.uint8)
        pixels[inside] = (255, 0, 0, 255)  # red on transparent black
        return pixels

    def test_a_disc_gets_no_fringe(self) -> None:
        result = upscale(self.disc(), model=model_of(Blurring()))
        seen = result[..., 3] > 0
        soft = seen & (result[..., 3] < 255)
        assert soft.any()  # the edge is faded, in alpha
        assert result[seen][:, 0].min() >= 254  # and red everywhere that can be seen
        assert result[seen][:, 1:3].max() <= 1

    def test_without_bleeding_there_would_be_one(self) -> None:
        colours = upscale(self.disc()[..., :3], model=model_of(Blurring()))
        alpha = upscale(self.disc()[..., 3], model=model_of(Blurring()))
        assert colours[alpha > 0][:, 0].min() < 200

    def test_constant_alpha_costs_nothing(self) -> None:
        given = noise(8, 8, 4)
        given[..., 3] = 77
        picture = media.from_array(given)
        result, report = Upscaler(REPEAT)(picture)
        assert report.tiles == 1
        assert result.alpha is not None
        assert (result.alpha == 77).all()
        assert result.alpha.dtype == np.uint8


class Blurring(nn.Module):
    """Nearest-neighbour enlargement of a 3x3 mean: mixes neighbours, so fringes would show."""

    traits = Traits(task="super-resolution", scale=2, halo=1)

    def forward(self, image: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")
        return torch.nn.functional.avg_pool2d(padded, 3, 1).repeat_interleave(2, 2).repeat_interleave(2, 3)


class TestScale:
    @pytest.mark.parametrize(
        ("scale", "size"),
        [(1.5, (20, 26)), (1.01, (13, 17)), (2.5, (32, 42)), (3, (39, 51)), (16, (208, 272)), (None, (26, 34))],
    )
    def test_any_scale(self, scale: float | None, size: tuple[int, int]) -> None:
        assert upscale(noise(13, 17, 3), scale=scale, model=MODEL).shape == (*size, 3)

    @pytest.mark.parametrize("scale", [0, 1, -2, 16.01, 1000, float("nan"), float("inf")])
    def test_impossible_scales(self, scale: float) -> None:
        with pytest.raises(SettingError, match="scale"):
            upscale(noise(4, 4, 3), scale=scale, model=MODEL)

    def test_a_target_size(self) -> None:
        assert upscale(noise(10, 20, 3), size=(37, 21), model=MODEL).shape == (21, 37, 3)
        with pytest.raises(SettingError, match="20x10"):
            upscale(noise(10, 20, 3), size=(20, 10), model=MODEL)
        with pytest.raises(SettingError, match="not both"):
            upscale(noise(10, 20, 3), size=(40, 20), scale=2, model=MODEL)

    @pytest.mark.parametrize("tile", [None, 12, 19])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_resampling_in_strips_equals_resampling_the_whole(self, tile: int | None, channels: int) -> None:
        given = noise(41, 37, channels, dtype="float32")
        picture = media.from_array(given)
        result, report = Upscaler(MODEL, tile=tile, exact=True)(picture, 1.7)
        assert tile is None or report.tiles > 4
        doubled = torch.from_numpy(upscale(given, model=MODEL)).permute(2, 0, 1)[None]
        expected = resize(doubled, size=(70, 63))[0].permute(1, 2, 0)
        np.testing.assert_allclose(result.pixels, expected.numpy(), atol=1e-5)

    def test_repeated_application(self) -> None:
        given = noise(5, 6, 3)
        twice = upscale(given, scale=4, model=REPEAT)
        np.testing.assert_array_equal(twice, given.repeat(4, 0).repeat(4, 1))

    def test_between_two_networks_nothing_is_lost_to_8_bit(self) -> None:
        class Faint(Nearest):
            def forward(self, image: Tensor) -> Tensor:
                return super().forward(image) + 0.3 / 255

        result = upscale(np.full((3, 3, 3), 10, np.uint8), scale=4, model=model_of(Faint()))
        assert (result == 11).all()  # 10 + 0.3 + 0.3 rounds to 11; rounding in between would give 10

    def test_chains(self) -> None:
        assert chain_of_scales(16, (4,)) == (4, 4)
        assert chain_of_scales(9, (2, 3, 4)) == (3, 3)
        assert chain_of_scales(5, (2, 3, 4)) == (2, 3)
        assert chain_of_scales(16, (2, 3, 4)) == (4, 4)
        assert choose_models(3, "PNG") == ("finesight-x3",)
        assert choose_models(16, "jpeg") == ("finesight-photo-x4", "finesight-x4")
        with pytest.raises(SettingError):
            choose_models(0)

    def test_a_network_that_does_not_enlarge_is_refused(self) -> None:
        with pytest.raises(ModelError, match="does not enlarge"):
            upscale(noise(4, 4, 3), model=model_of(Nearest(1), "same"))


class TestSmallPictures:
    def test_below_the_smallest_size_the_picture_is_mirrored(self) -> None:
        class Wants(Nearest):
            def __init__(self) -> None:
                super().__init__()
                self.traits = Traits(task="super-resolution", scale=2, halo=0, minimum=8)
                self.seen: list[Tensor] = []

            def forward(self, image: Tensor) -> Tensor:
                assert min(image.shape[2:]) >= 8
                self.seen.append(image)
                return super().forward(image)

        given = np.arange(3 * 9, dtype=np.uint8).reshape(3, 9, 1)
        result = upscale(given, model=model_of(Wants()))
        np.testing.assert_array_equal(result, given.repeat(2, 0).repeat(2, 1))
        assert upscale(given[:1, :1], model=model_of(Wants())).shape == (2, 2, 1)


class TestReport:
    def test_it_says_how(self) -> None:
        _, report = Upscaler(MODEL, device="cpu")(media.from_array(noise(20, 20, 3)), 3)
        assert report.models == ("plain-x2", "plain-x2")
        assert report.scale == 3
        assert report.device == "cpu"
        assert report.exact
        assert report.seconds > 0
        assert report.megapixels_per_second > 0
        assert set(report.as_dict()) >= {
            "tile",
            "overlap",
            "halo",
            "exact",
            "difference",
            "precision",
            "engine",
            "notes",
        }

    def test_progress_goes_from_something_to_everything(self) -> None:
        seen: list[tuple[int, int]] = []
        given = noise(30, 40, 4)
        upscale(given, scale=4, model=MODEL, progress=lambda done, total, _: seen.append((done, total)))
        totals = {total for _, total in seen}
        assert totals == {2 * (30 * 40 + 60 * 80)}  # two planes, two networks
        assert seen == sorted(seen)
        assert seen[-1][0] == seen[-1][1]


class TestFuse:
    def test_offers_are_taken_on_a_copy(self) -> None:
        class Doubled(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

            def forward(self, image: Tensor) -> Tensor:
                return self.a(image) + self.b(image)

            def fused(self) -> nn.Module:
                one = nn.Conv2d(3, 3, 1)
                with torch.no_grad():
                    one.weight.copy_(self.a.weight + self.b.weight)
                    one.bias.copy_(self.a.bias + self.b.bias)  # type: ignore[union-attr, operator]
                return one

        shared = Doubled()
        network = nn.Sequential(shared, nn.Sequential(shared, nn.ReLU()))
        fused = fuse(network)
        image = torch.rand(1, 3, 4, 4)
        torch.testing.assert_close(fused(image), network(image))
        assert isinstance(fused[0], nn.Conv2d)
        assert fused[0] is fused[1][0]  # a module used twice stays one
        assert isinstance(network[0], Doubled)
        assert network.training
        assert not fused.training
