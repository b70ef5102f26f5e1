"""Small pictures of one size are computed together, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from finesight.errors import CancelledError, InputError
from finesight.media import from_array
from finesight.progress import Cancel
from finesight.run import Upscaler
from finesight.run.budget import Budget
from finesight.run.canvas import ArraySink, Canvas
from finesight.run.compute import Computer, compute_plan
from finesight.run.engines.torch import TorchNetwork
from finesight.run.stage import plan_stage

from .networks import Plain, model_of


def picture(height: int, width: int, channels: int = 3, *, seed: int = 0, dtype: type = np.uint8):
    values = np.random.default_rng(seed).random((height, width, channels))
    return from_array(
        values.astype(np.float32) if dtype is np.float32 else (values * np.iinfo(dtype).max).astype(dtype)
    )


def upscaler(**options: object) -> Upscaler:
    return Upscaler(model_of(Plain(), "plain-x2"), device="cpu", precision="float32", engine="torch", **options)  # type: ignore[arg-type]


MIXED = [
    picture(9, 11),
    picture(9, 11, seed=1),
    picture(12, 11, seed=2),
    picture(9, 11, 1, seed=3),
    picture(9, 11, 1, seed=4),
    picture(9, 11, seed=5, dtype=np.uint16),
    picture(9, 11, seed=6, dtype=np.uint16),
    picture(9, 11, 4, seed=7),
    picture(9, 11, seed=8),
    picture(3, 2, seed=9),
    picture(3, 2, seed=10),
]


@pytest.mark.parametrize("scale", [None, 2, 3, 5])
def test_batches_equal_single_pictures(scale: float | None) -> None:
    enlarge = upscaler()
    for (found, report), given in zip(enlarge.many(MIXED, scale), MIXED, strict=True):
        expected, alone = enlarge(given, scale)
        assert np.array_equal(found.pixels, expected.pixels)
        assert (found.alpha is None) == (expected.alpha is None)
        if found.alpha is not None:
            assert np.array_equal(found.alpha, expected.alpha)
        assert (report.scale, report.models, report.tile, report.exact) == (
            alone.scale,
            alone.models,
            alone.tile,
            alone.exact,
        )


def test_one_call_of_the_network_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    call = Computer.__call__

    def counting(self: Computer, tiles, margin, where):
        sizes.append(len(tiles))
        return call(self, tiles, margin, where)

    monkeypatch.setattr(Computer, "__call__", counting)
    given = [picture(64, 64, seed=seed) for seed in range(50)]
    upscaler().many(given)
    assert sizes == [36, 14]  # of 384 x 384 pixels together


@pytest.mark.parametrize("batch", [2, 5, 100])
def test_tiles_of_one_picture_in_batches(batch: int) -> None:
    network = Plain()
    given = picture(100, 90).pixels
    computer = Computer(TorchNetwork(network, torch.device("cpu")), network.traits)
    stage = plan_stage(given, computer, Budget(0, 10**9, 1000.0), exact=True, tile=40)
    assert stage.batch > len(stage.plan) > 4
    found = []
    for size in (1, batch):
        out = np.zeros((200, 180, 3), np.float32)
        canvas = Canvas(stage.plan, 2, ArraySink(out))
        compute_plan(stage.view, stage.plan, computer, canvas, batch=size)
        found.append(out)
    assert np.abs(found[0] - found[1]).max() < 1e-6


def test_a_batch_is_no_larger_than_memory_allows() -> None:
    network = Plain()
    computer = Computer(TorchNetwork(network, torch.device("cpu")), network.traits)
    given = picture(64, 64).pixels
    assert plan_stage(given, computer, Budget(0, 10**9, 1000.0)).batch == 36  # of 384 x 384 pixels together
    assert plan_stage(given, computer, Budget(0, 3 * 64 * 64 * 1000, 1000.0)).batch == 3
    assert plan_stage(given, computer, Budget(0, 64 * 64 * 1000, 1000.0)).batch == 1


def test_constant_transparency_goes_along() -> None:
    given = [from_array(np.dstack([picture(9, 11, seed=s).pixels, np.full((9, 11), 77, np.uint8)])) for s in range(3)]
    for result, _ in upscaler().many(given):
        assert result.alpha is not None
        assert result.alpha.shape == (18, 22)
        assert (result.alpha == 77).all()


def test_a_wrong_picture_in_a_batch_is_found() -> None:
    good, bad = picture(8, 8, dtype=np.float32), picture(8, 8, seed=1, dtype=np.float32)
    bad = bad.replace(pixels=np.where(bad.pixels > 0.9, np.nan, bad.pixels))
    with pytest.raises(InputError, match="NaN"):
        upscaler().many([good, bad])


def test_progress_and_stopping() -> None:
    seen: list[tuple[int, int]] = []
    given = [*[picture(64, 64, seed=s) for s in range(40)], picture(9, 9)]
    upscaler().many(given, progress=lambda done, total, _: seen.append((done, total)))
    assert seen[-1] == (41, 41)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError):
        upscaler().many(given, cancel=cancel)
