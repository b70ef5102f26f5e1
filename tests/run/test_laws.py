"""What must hold whatever the network: tiles equal the whole, and what the machine does never shows in the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import CalculationError, CancelledError, InputError, MemoryLimitError
from finesight.media import from_array
from finesight.nn.traits import Traits
from finesight.progress import Cancel
from finesight.run import Upscaler
from finesight.run.budget import Budget
from finesight.run.canvas import ArraySink, Canvas
from finesight.run.compute import Computer, compute_plan
from finesight.run.engines.torch import TorchNetwork
from finesight.run.overlap import LARGEST_DIFFERENCE, find_overlap, plan_overlapping
from finesight.run.pixels import View
from finesight.run.stage import plan_stage, run_stage
from finesight.run.tiles import Plan, plan_tiles
from tests.halo import measured_halo
from tests.run.networks import Attentive, Failing, Plain, Shuffled, model_of

CPU = torch.device("cpu")
NETWORKS = [Plain(), Plain(depth=3, scale=3, seed=1), Plain(depth=1, scale=4), Shuffled(), Shuffled(scale=2, seed=3)]


def picture(height: int, width: int, channels: int = 3, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, channels), np.float32)


def whole(network: nn.Module, pixels: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        answer: Tensor = network(torch.from_numpy(pixels).permute(2, 0, 1)[None].expand(1, 3, -1, -1))
    return answer[0].permute(1, 2, 0).numpy()


def tiled(network: nn.Module, pixels: np.ndarray, plan: Plan, *, batch: int = 1) -> np.ndarray:
    traits: Traits = network.traits  # type: ignore[assignment]
    scale = traits.scale or 1
    out = np.full((pixels.shape[0] * scale, pixels.shape[1] * scale, 3), np.nan, np.float32)
    computer = Computer(TorchNetwork(network, CPU), traits)
    compute_plan(View(pixels), plan, computer, Canvas(plan, scale, ArraySink(out)), batch=batch)
    return out


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: f"{type(n).__name__}-x{n.scale}-{n.traits.halo}")
class TestExactTiles:
    def test_the_halo_is_what_the_gradient_says(self, network: nn.Module) -> None:
        assert measured_halo(network) == network.traits.halo  # type: ignore[union-attr]

    @pytest.mark.parametrize("size", [(37, 53), (3, 64), (41, 2), (16, 16)])
    def test_tiles_equal_the_whole(self, network: nn.Module, size: tuple[int, int]) -> None:
        pixels = picture(*size)
        expected = whole(network, pixels)
        traits: Traits = network.traits  # type: ignore[assignment]
        assert traits.halo is not None
        shapes = set()
        for pixels_limit in (64, 120, 170, 256, 300, 444, 700, 1200):
            plan = plan_tiles(*size, pixels_limit, traits.halo, multiple=traits.multiple)
            if plan is None or plan.tile in shapes:
                continue
            shapes.add(plan.tile)
            np.testing.assert_allclose(tiled(network, pixels, plan), expected, rtol=0, atol=1e-5)
        assert shapes

    def test_a_batch_equals_one_by_one(self, network: nn.Module) -> None:
        pixels = picture(40, 50)
        traits: Traits = network.traits  # type: ignore[assignment]
        plan = plan_tiles(40, 50, 500, traits.halo or 0, multiple=traits.multiple)
        assert plan is not None
        assert len(plan) % 4
        np.testing.assert_allclose(tiled(network, pixels, plan, batch=4), tiled(network, pixels, plan), atol=1e-6)


def test_a_halo_that_is_too_small_would_be_seen() -> None:
    network, pixels = Plain(depth=3), picture(30, 30)
    plan = plan_tiles(30, 30, 200, 2)
    assert plan is not None
    assert np.abs(tiled(network, pixels, plan) - whole(network, pixels)).max() > 1e-4


class TestOverlap:
    def test_blending_changes_nothing_where_tiles_agree(self) -> None:
        network, pixels = Plain(), picture(100, 110)
        plan = plan_overlapping(100, 110, network.traits, 8, 1600)
        assert plan is not None
        assert plan.blend == 4
        assert len(plan.rows) > 2
        assert len(plan.columns) > 2
        np.testing.assert_allclose(tiled(network, pixels, plan), whole(network, pixels), atol=1e-5)

    def test_the_smallest_good_overlap_is_found(self) -> None:
        network = Attentive()
        pixels = picture(300, 300)
        computer = Computer(TorchNetwork(network, CPU), network.traits)
        found = find_overlap(View(pixels), computer, 300 * 300)
        assert found.enough
        assert found.difference <= LARGEST_DIFFERENCE
        assert found.pixels in (16, 32)
        plan = plan_overlapping(300, 300, network.traits, found.pixels, 150 * 150)
        assert plan is not None
        difference = tiled(network, pixels, plan) - whole(network, pixels)
        assert np.sqrt((difference**2).mean()) * 255 < 2 * LARGEST_DIFFERENCE

    def test_difference_is_reported_when_memory_is_short(self) -> None:
        network = Attentive()
        computer = Computer(TorchNetwork(network, CPU), network.traits)
        stage = plan_stage(picture(300, 300), computer, Budget(10**9, 20_000_000, 20_000_000 / 48**2))
        assert not stage.plan.exact
        assert stage.difference is not None
        assert stage.difference > LARGEST_DIFFERENCE
        assert "grey levels" in stage.note

    def test_the_overlap_is_in_the_report(self) -> None:
        upscaler = Upscaler(model_of(Attentive()))
        pixels = np.zeros((200, 150, 3), np.uint8)
        pixels[100:, :75] = 255
        _, report = upscaler(from_array(pixels))
        assert report.exact  # the whole picture fits into memory
        assert report.difference is None
        assert report.halo is None
        _, report = Upscaler(model_of(Attentive()), tile=100)(from_array(pixels))
        assert not report.exact
        assert report.difference is not None
        assert report.overlap >= 8


class Odd(nn.Module):
    """Nearest-neighbour enlargement that gives NaN for tiles brighter than a half, in the precision it claims."""

    traits = Traits(task="super-resolution", scale=2, halo=0)
    engine, precision, device, note, opaque = "fake", "bfloat16", CPU, "", False

    def forward(self, tiles: Tensor) -> Tensor:
        answer = F.interpolate(tiles, scale_factor=2, mode="nearest")
        return torch.where(tiles.mean() > 0.5, torch.nan, answer)


class TestTrouble:
    def run(self, computer: Computer, pixels: np.ndarray, plan: Plan) -> np.ndarray:
        out = np.zeros((2 * pixels.shape[0], 2 * pixels.shape[1], 3), np.float32)
        compute_plan(View(pixels), plan, computer, Canvas(plan, 2, ArraySink(out)))
        return out

    def test_no_number_is_redone_in_float32_for_that_tile_only(self) -> None:
        pixels = np.zeros((16, 32, 3), np.float32)
        pixels[:, 16:] = 1.0
        plan = plan_tiles(16, 32, 256, 0)
        assert plan is not None
        assert len(plan) == 2
        redone = []

        class Sound(Odd):
            def forward(self, tiles: Tensor) -> Tensor:
                redone.append(float(tiles.mean()))
                return F.interpolate(tiles, scale_factor=2, mode="nearest")

        computer = Computer(Odd(), Odd.traits, Sound)
        out = self.run(computer, pixels, plan)
        assert redone == [1.0]
        assert out[:, 32:].min() == 1.0
        assert computer.notes == ["tiles whose bfloat16 answer was no number, redone in float32: 1"]

    @pytest.mark.parametrize("fallback", [None, Odd])
    def test_no_number_in_float32_either_is_an_error(self, fallback: type[Odd] | None) -> None:
        plan = plan_tiles(8, 8, 64, 0)
        assert plan is not None
        with pytest.raises(CalculationError, match="row 0, column 0"):
            self.run(Computer(Odd(), Odd.traits, fallback), np.ones((8, 8, 3), np.float32), plan)

    @pytest.mark.parametrize("batch", [1, 3])
    def test_running_out_of_memory_halves_that_tile_only(self, batch: int) -> None:
        network = Failing(most=700)
        pixels = picture(32, 64)
        plan = plan_tiles(32, 64, 1024, 0)
        assert plan is not None
        assert len(plan) == 2
        computer = Computer(TorchNetwork(network, CPU), network.traits)
        inner: Failing = computer.prepared.network  # type: ignore[attr-defined]
        out = np.zeros((64, 128, 3), np.float32)
        compute_plan(View(pixels), plan, computer, Canvas(plan, 2, ArraySink(out)), batch=batch)
        np.testing.assert_array_equal(out, whole(Failing(most=10**9), pixels))
        assert inner.failures == (1 if batch == 1 else 2)  # a batch is halved first, then the tile; nobody asks again
        assert len(computer.notes) == inner.failures
        assert "memory ran out" in computer.notes[0]

    def test_halves_keep_their_margin(self) -> None:
        class Scarce(Plain):
            def forward(self, image: Tensor) -> Tensor:
                if image.shape[2] * image.shape[3] > 300:
                    raise torch.OutOfMemoryError("out of memory")
                return super().forward(image)

        network, pixels = Scarce(depth=2), picture(40, 40)
        plan = plan_tiles(40, 40, 1000, 2)
        assert plan is not None
        np.testing.assert_allclose(tiled(network, pixels, plan), whole(Plain(depth=2), pixels), atol=1e-5)

    def test_there_is_a_floor(self) -> None:
        network = Failing(most=0)
        plan = plan_tiles(16, 16, 256, 0)
        assert plan is not None
        with pytest.raises(MemoryLimitError, match="row 0, column 0"):
            self.run(Computer(TorchNetwork(network, CPU), network.traits), picture(16, 16), plan)

    def test_other_errors_are_not_taken_for_memory(self) -> None:
        class Broken(Odd):
            def forward(self, _: Tensor) -> Tensor:
                raise RuntimeError("a bug")

        plan = plan_tiles(8, 8, 64, 0)
        assert plan is not None
        with pytest.raises(RuntimeError, match="a bug"):
            self.run(Computer(Broken(), Odd.traits), picture(8, 8), plan)

    def test_cancelling_stops_between_tiles(self) -> None:
        cancel, seen = Cancel(), []

        def progress(done: int, total: int, note: str) -> None:
            seen.append((done, total))
            if done == 2:
                cancel.set()

        network = Plain()
        plan = plan_tiles(40, 40, 300, 2)
        assert plan is not None
        computer = Computer(TorchNetwork(network, CPU), network.traits)
        out = np.zeros((80, 80, 3), np.float32)
        with pytest.raises(CancelledError):
            compute_plan(
                View(picture(40, 40)), plan, computer, Canvas(plan, 2, ArraySink(out)), progress=progress, cancel=cancel
            )
        assert seen == [(1, len(plan)), (2, len(plan))]


class TestWrap:
    @pytest.mark.parametrize("network", [Plain(depth=3), Shuffled(scale=2)], ids=["plain", "shuffled"])
    @pytest.mark.parametrize("shape", [(20, 30), (2, 6)])
    def test_a_rolled_picture_gives_a_rolled_result(self, network: nn.Module, shape: tuple[int, int]) -> None:
        traits: Traits = network.traits  # type: ignore[assignment]
        pixels = picture(*shape)
        step, scale = traits.multiple * 3, traits.scale or 1
        computer = Computer(TorchNetwork(network, CPU), traits)

        def run(given: np.ndarray) -> np.ndarray:
            stage = plan_stage(given, computer, Budget(10**9, 10**9, 100.0), wrap=True, exact=True, tile=24)
            out = np.full((shape[0] * scale, shape[1] * scale, 3), np.nan, np.float32)
            run_stage(stage, computer, out)
            return out

        rolled = run(np.roll(pixels, (step, 2 * step), axis=(0, 1)))
        np.testing.assert_allclose(rolled, np.roll(run(pixels), (step * scale, 2 * step * scale), (0, 1)), atol=1e-5)

    def test_without_wrap_the_border_differs(self) -> None:
        pixels = picture(20, 30)
        rolled = whole(Plain(), np.roll(pixels, 5, axis=1))
        assert np.abs(rolled - np.roll(whole(Plain(), pixels), 10, axis=1)).max() > 1e-3


def test_nothing_that_is_no_number_goes_in() -> None:
    from finesight.media import Picture

    pixels = np.zeros((4, 4, 3), np.float32)
    pixels[1, 2, 0] = np.inf
    with pytest.raises(InputError, match="NaN or infinity"):
        Upscaler(model_of(Plain()))(Picture(pixels=pixels, depth=32))
