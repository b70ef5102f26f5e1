"""Networks of any scale: tiles, portions and chunks leave no trace, nothing is resampled, memory stays bounded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from finesight import media
from finesight.errors import CalculationError, CancelledError
from finesight.models.image.liif import Liif, LiifEdsr, LiifRdn
from finesight.progress import Cancel
from finesight.run import Upscaler, query, upscale
from finesight.run.memory import measure_peak
from finesight.run.pixels import View
from finesight.run.precision import native
from finesight.run.query import Queries, run_queries
from finesight.run.stage import Stage
from finesight.run.tiles import plan_tiles
from finesight.zoo.model import Card, Model

CPU = torch.device("cpu")


def liif(kind: type[LiifEdsr] | type[LiifRdn] = LiifEdsr) -> Liif:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = (
            LiifEdsr(width=8, blocks=1, hidden=(16, 16))
            if kind is LiifEdsr
            else LiifRdn(width=8, blocks=1, layers=2, growth=4, hidden=(16,))
        )
        for tensor in network.state_dict().values():
            if tensor.dim() > 1:
                tensor.mul_(1.5)
    return network.eval()


def model_of(network: Liif) -> Model:
    return Model(network, network.traits, Card(name="tiny-liif"))


def photo(height: int, width: int, channels: int = 3, dtype: type = np.float32) -> np.ndarray:
    pixels = np.random.default_rng(3).random((height, width, channels))
    return pixels.astype(np.float32) if dtype is np.float32 else np.rint(pixels * np.iinfo(dtype).max).astype(dtype)


def whole(network: Liif, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    with torch.inference_mode():
        answer = network(torch.from_numpy(pixels).permute(2, 0, 1)[None], size=size)
    return answer[0].permute(1, 2, 0).numpy()


def tiled(network: Liif, pixels: np.ndarray, size: tuple[int, int], *, tile: int = 400, chunk: int = 50) -> np.ndarray:
    plan = plan_tiles(*pixels.shape[:2], tile, network.traits.halo or 0)
    assert plan is not None
    assert len(plan) >= 4
    out = np.full((*size, pixels.shape[2]), np.nan, pixels.dtype)
    run_queries(Stage(View(pixels), plan, None), Queries(network, network.traits, CPU, chunk=chunk), out)
    return out


@pytest.mark.parametrize("kind", [LiifEdsr, LiifRdn])
@pytest.mark.parametrize("size", [(124, 148), (101, 120), (60, 41), (30, 37), (23, 31)])
def test_tiles_equal_the_whole_picture(kind: type[LiifEdsr] | type[LiifRdn], size: tuple[int, int]) -> None:
    network, pixels = liif(kind), photo(31, 37)
    assert np.abs(tiled(network, pixels, size) - whole(network, pixels, size)).max() < 1e-5


@pytest.mark.parametrize("scale", [3, 5])
def test_tiles_equal_the_whole_picture_where_queries_lie_on_centres(scale: int) -> None:
    network, pixels = liif(), photo(31, 37)
    size = (31 * scale, 37 * scale)
    assert np.abs(tiled(network, pixels, size) - whole(network, pixels, size)).max() < 1e-5


def test_the_sides_may_be_enlarged_differently() -> None:
    network, pixels = liif(), photo(31, 37)
    assert np.abs(tiled(network, pixels, (35, 111)) - whole(network, pixels, (35, 111))).max() < 1e-5


def test_chunks_and_portions_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    network, pixels = liif(), photo(31, 37)
    expected = tiled(network, pixels, (115, 137), chunk=10_000)
    assert np.abs(tiled(network, pixels, (115, 137), chunk=7) - expected).max() < 1e-6
    monkeypatch.setattr(query, "PORTION", 90)
    assert np.abs(tiled(network, pixels, (115, 137), chunk=64) - expected).max() < 1e-6


def test_large_results_are_asked_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    network, pixels = liif(), photo(31, 37)
    expected = tiled(network, pixels, (115, 137))
    monkeypatch.setattr(query, "_SINGLE", 100)
    assert np.abs(tiled(network, pixels, (115, 137)) - expected).max() < 1e-5


@pytest.mark.parametrize("scale", [2, 4])
def test_a_wrapped_picture_may_be_rolled(scale: int) -> None:
    network, pixels = liif(), photo(11, 13)

    def wrapped(given: np.ndarray) -> np.ndarray:
        view = View.wrapped(given, network.traits.halo or 0)
        plan = plan_tiles(view.height, view.width, 500, network.traits.halo or 0)
        assert plan is not None
        out = np.empty((11 * scale, 13 * scale, 3), np.float32)
        run_queries(Stage(view, plan, None), Queries(network, network.traits, CPU), out)
        return out

    rolled = np.roll(wrapped(pixels), (3 * scale, 5 * scale), (0, 1))
    assert np.abs(wrapped(np.roll(pixels, (3, 5), (0, 1))) - rolled).max() < 1e-4


def test_grey_pictures_in_16_bits() -> None:
    network, grey = liif(), photo(31, 37, 1, np.uint16)
    found = tiled(network, grey, (70, 80))
    colours = np.repeat(grey, 3, axis=2).astype(np.float32) / 65535
    expected = whole(network, colours, (70, 80)).mean(2).clip(0, 1) * 65535
    assert found.dtype == np.uint16
    assert np.abs(found[:, :, 0] - expected).max() <= 1


def test_memory_does_not_grow_with_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "PORTION", 2000)
    network, pixels = liif(), photo(31, 37, 3, np.uint8)
    computer = Queries(network, network.traits, CPU, chunk=500)
    plan = plan_tiles(31, 37, 31 * 37, 0)
    assert plan is not None

    def peak(scale: int) -> int:
        out = np.empty((31 * scale, 37 * scale, 3), np.uint8)
        return measure_peak(lambda: run_queries(Stage(View(pixels), plan, None), computer, out), CPU)

    peak(2)
    small, large = peak(4), peak(16)
    assert large < 1.05 * small


def test_damaged_weights_are_told() -> None:
    network = liif()
    network.imnet.layers[-1].bias.data[0] = float("nan")  # type: ignore[union-attr,index]
    with pytest.raises(CalculationError, match="NaN or infinity"):
        tiled(network, photo(31, 37), (40, 40))


def test_it_can_be_stopped() -> None:
    network, cancel = liif(), Cancel()
    plan = plan_tiles(31, 37, 400, network.traits.halo or 0)
    assert plan is not None
    out = np.empty((62, 74, 3), np.float32)

    def stop(done: int, total: int, note: str) -> None:
        cancel.set()

    with pytest.raises(CancelledError):
        run_queries(
            Stage(View(photo(31, 37)), plan, None),
            Queries(network, network.traits, CPU),
            out,
            progress=stop,
            cancel=cancel,
        )


def test_memory_of_a_tile_is_measured() -> None:
    network = liif()
    assert isinstance(network, nn.Module)
    found = Queries(network, network.traits, CPU).bytes_per_pixel()
    assert found > 4 * (8 + 16)  # features and what queries look up are there at once


@pytest.mark.parametrize("scale", [3.7, 3, 1.25])
def test_upscale_is_native_at_any_scale(scale: float) -> None:
    network, pixels = liif(), photo(31, 37)
    found = upscale(pixels, model=model_of(network), scale=scale, device="cpu")
    size = (round(31 * scale), round(37 * scale))
    assert found.shape == (*size, 3)
    assert np.abs(found - whole(network, pixels, size)).max() < 1e-5
    assert np.array_equal(upscale(pixels, model=model_of(network), size=(size[1], size[0]), device="cpu"), found)


def test_upscaler_cuts_exact_tiles_and_reports_them() -> None:
    network, pixels = liif(), photo(40, 50, 4, np.uint8)
    once = Upscaler(model_of(network), device="cpu")
    tiles = Upscaler(model_of(network), device="cpu", tile=22)
    given = media.from_array(pixels)
    first, whole_report = once(given, 3.7)
    second, report = tiles(given, 3.7)
    assert np.abs(first.pixels.astype(int) - second.pixels).max() <= 1
    assert first.alpha is not None
    assert second.alpha is not None
    assert np.abs(first.alpha.astype(int) - second.alpha).max() <= 1
    assert (whole_report.tiles, report.exact) == (2, True)
    assert report.precision == (native(CPU) or ("float32",))[0]
    assert report.tiles > 4
    assert report.overlap == network.traits.halo
    assert upscale(pixels, model=model_of(network), device="cpu").shape == (160, 200, 4)


def test_upscaler_wraps_and_says_what_it_does_not_do() -> None:
    network, pixels = liif(), photo(11, 13, 3, np.uint8)
    asked = Upscaler(model_of(network), device="cpu", wrap=True, engine="openvino")
    found, report = asked(media.from_array(pixels), 2)
    rolled, _ = asked(media.from_array(np.roll(pixels, (3, 5), (0, 1))), 2)
    assert np.abs(np.roll(found.pixels, (6, 10), (0, 1)).astype(int) - rolled.pixels).max() <= 1
    assert "tiny-liif computes with torch, not with openvino" in report.notes


def test_a_lower_precision_keeps_its_ends_and_stays_near() -> None:
    network, pixels = liif(), photo(40, 50, 3, np.uint8)
    exact, _ = Upscaler(model_of(network), device="cpu", precision="float32")(media.from_array(pixels), 3)
    lower, report = Upscaler(model_of(network), device="cpu", precision="bfloat16")(media.from_array(pixels), 3)
    off = np.abs(exact.pixels.astype(int) - lower.pixels)
    assert report.precision == "bfloat16"
    assert 0 < off.max() <= 3
    assert np.sqrt((off**2.0).mean()) < 0.5
    queries = Queries(network, network.traits, CPU, precision="bfloat16")
    kinds = [layer.weight.dtype for layer in queries.network.answering]
    assert kinds == [torch.bfloat16, torch.float32]
    assert all(p.dtype == torch.float32 for p in network.parameters())


def test_sixteen_bits_are_computed_in_float32() -> None:
    network = liif()
    _, report = Upscaler(model_of(network), device="cpu")(media.from_array(photo(30, 30, 3, np.uint16)), 2)
    assert (report.precision, report.why) == ("float32", "16 bits and floats need float32")


def test_answers_that_are_no_numbers_are_redone_in_float32() -> None:
    network, pixels = liif(), photo(31, 37)
    exact = Queries(network, network.traits, CPU)
    lower = Queries(network, network.traits, CPU, precision="bfloat16", exact=exact)
    with torch.no_grad():
        lower.network.answering[0].weight[0, 0] = torch.nan
    plan = plan_tiles(31, 37, 400, network.traits.halo or 0)
    assert plan is not None
    found, expected = np.empty((60, 70, 3), np.float32), np.empty((60, 70, 3), np.float32)
    run_queries(Stage(View(pixels), plan, None), lower, found)
    run_queries(Stage(View(pixels), plan, None), exact, expected)
    assert np.array_equal(found, expected)
    assert lower.notes == ["answers of bfloat16 that were no numbers were redone in float32"]


def test_estimate() -> None:
    found = Upscaler(model_of(liif()), device="cpu").estimate(media.from_array(photo(31, 37)), 3.7)
    assert (found.width, found.height, found.tiles) == (137, 115, 1)
    assert found.seconds > 0
