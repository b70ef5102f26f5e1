"""Recurrent networks over segments equal the whole clip, as far as is promised."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from finesight.nn.clip import Features
from finesight.run.clips import ClipRunner, ClipSettings, enlarge_frames, restore_frames
from finesight.run.clips.parking import Parking
from finesight.run.clips.prepare import ReadyClip
from finesight.run.clips.recurrent import RecurrentWorker
from finesight.run.clips.segments import Segment
from finesight.run.clips.space import plan_space
from finesight.run.clips.stream import Stream

from .material import clip_network, grey_levels, moving_clip, whole_clip

CPU = torch.device("cpu")
NETWORKS = {
    "basicvsr": {"width": 8, "blocks": 2},
    "basicvsr-pp": {"width": 16, "blocks": 1},
    "iconvsr": {"width": 8, "blocks": 1},
    "realbasicvsr": {"width": 8, "blocks": 1, "cleaning_blocks": 1},
}


def worker_of(name: str, frames: list[np.ndarray], overlap: int, limit: int | None = None) -> RecurrentWorker:
    model = clip_network(name, **NETWORKS[name])
    ready = ReadyClip(model.network, CPU, "float32", "")
    return RecurrentWorker(ready, plan_space(ready, model.traits, frames, 10**9), overlap, Parking(limit))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_segment_with_the_full_overlap_equals_the_whole_clip(name: str) -> None:
    frames = [frame.astype(np.float32) for frame in moving_clip(13, 12, 16, dtype=np.float32)]
    whole = whole_clip(clip_network(name, **NETWORKS[name]), frames) / 255
    worker = worker_of(name, frames, overlap=13, limit=20_000)  # most features go to disk and come back
    stream = Stream(frames)
    for segment in (Segment(0, 0, 5, 0, 13, ends=False), Segment(0, 5, 13, 0, 13, ends=True)):
        walk = worker.walk(stream, segment)
        ours = [walk.picture(index) for index in range(segment.start, segment.stop)]
        walk.close()
        difference = np.abs(np.stack(ours).clip(0, 1) - whole[segment.start : segment.stop]).max()
        assert difference < 2e-5
    assert worker.parking.parked > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_the_default_overlap_stays_within_half_a_grey_level(name: str) -> None:
    model = clip_network(name, **NETWORKS[name])
    frames = moving_clip(36, 12, 16)
    whole = whole_clip(model, frames)
    rounding = grey_levels(list(np.rint(whole)), whole)
    for overlap, allowed in ((ClipSettings().overlap, 0.5), (2, 0.8)):
        runner = ClipRunner(model, settings=ClipSettings(segment=16, overlap=overlap, precision="float32"))
        ours = [picture for part, _ in runner.parts(frames) for picture in part.pictures]
        assert len(ours) == 36
        assert rounding - 0.01 < grey_levels(ours, whole) < allowed
        assert len(runner.report.joins) == 1 + (overlap == 2)
        assert max(runner.report.joins) < 0.5


def test_without_overlap_the_joins_show_and_are_told() -> None:
    model = clip_network("basicvsr", **NETWORKS["basicvsr"])
    frames = moving_clip(20, 12, 16)
    whole = whole_clip(model, frames)

    def off(overlap: int) -> float:
        settings = ClipSettings(segment=5, overlap=overlap, precision="float32")
        return grey_levels(list(enlarge_frames(frames, model, settings=settings)), whole)

    assert off(0) > off(2) > off(6)


def test_exactly_one_walk_for_each_shot() -> None:
    model = clip_network("basicvsr", **NETWORKS["basicvsr"])
    frames = moving_clip(30, 12, 16)
    runner = ClipRunner(model, settings=ClipSettings(segment=4, exact=True, precision="float32"))
    ours = [picture for part, _ in runner.parts(frames) for picture in part.pictures]
    assert runner.report.segments == 1
    assert np.abs(np.stack(ours) - np.rint(whole_clip(model, frames))).max() <= 1


def test_state_begins_anew_at_a_cut() -> None:
    model = clip_network("basicvsr", **NETWORKS["basicvsr"])
    dark, light = moving_clip(9, 12, 16), [255 - frame // 3 for frame in moving_clip(8, 12, 16, seed=5)]
    runner = ClipRunner(model, settings=ClipSettings(segment=6, overlap=3, precision="float32"))
    ours = [picture for part, _ in runner.parts([*dark, *light]) for picture in part.pictures]
    alone = [
        frame
        for clip in (dark, light)
        for frame in enlarge_frames(clip, model, settings=ClipSettings(segment=6, overlap=3, precision="float32"))
    ]
    assert runner.report.shots == 2
    assert all(np.array_equal(a, b) for a, b in zip(ours, alone, strict=True))
    blind = ClipSettings(segment=6, overlap=3, precision="float32", cut=None)
    assert not np.array_equal(list(enlarge_frames([*dark, *light], model, settings=blind))[9], ours[9])


def test_flows_are_computed_once_and_frames_read_once() -> None:
    frames = moving_clip(24, 12, 16)
    model = clip_network("basicvsr-pp", **NETWORKS["basicvsr-pp"])
    runner = ClipRunner(model, settings=ClipSettings(segment=6, overlap=4, precision="float32"))
    reads, largest = itertools.count(), 0
    source = (frame for frame in frames if next(reads) >= 0)
    for part, stream in runner.parts(source):
        list(part.pictures)
        largest = max(largest, stream.kept)
    assert next(reads) == 24
    assert largest <= 6 * 2 + 4 * 2 + 5
    worker = runner.workers[0]
    assert isinstance(worker, RecurrentWorker)
    assert worker.encoded == 24 + 5  # each of the five chunks after the first looks at one frame before it


def test_several_devices_share_a_clip_by_segments() -> None:
    model = clip_network("basicvsr-pp", **NETWORKS["basicvsr-pp"])
    frames = moving_clip(17, 8, 12)
    one, two = (
        list(
            enlarge_frames(
                frames,
                model,
                settings=ClipSettings(devices=devices, segment=3, overlap=2, precision="float32"),
            )
        )
        for devices in (("cpu",), ("cpu", "cpu"))
    )
    assert len(two) == 17
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_the_same_size_variant_restores_and_sixteen_bits_stay() -> None:
    model = clip_network("basicvsr-pp", width=16, blocks=1, scale=1)
    frames = moving_clip(5, 18, 22, dtype=np.uint16)
    ours = list(restore_frames(iter(frames), model))
    assert ours[0].shape == (18, 22, 3)
    assert ours[0].dtype == np.uint16
    assert np.abs(np.stack(ours) / 257 - whole_clip(model, frames)).max() < 0.01


def test_frames_too_large_for_memory_are_tiled_with_a_measured_overlap() -> None:
    model = clip_network("basicvsr", **NETWORKS["basicvsr"])
    frames = moving_clip(4, 70, 90)
    settings = ClipSettings(tile=64, precision="float32", segment=3, overlap=1)
    runner = ClipRunner(model, settings=settings)
    tiled = [picture for part, _ in runner.parts(frames) for picture in part.pictures]
    plain = list(enlarge_frames(frames, model, settings=ClipSettings(precision="float32", segment=3, overlap=1)))
    assert runner.report.tiles > 1
    assert runner.report.difference is not None
    assert runner.report.difference <= 0.25
    assert grey_levels(tiled, np.stack(plain).astype(np.float32)) < 0.5


def test_parking_gives_back_what_was_put() -> None:
    generator = torch.Generator().manual_seed(0)
    tensors: Features = {
        "a": [torch.rand(1, 3, 4, 5, generator=generator).to(d) for d in (torch.float32, torch.bfloat16)]
    }
    parking = Parking(300)
    for round_ in range(3):
        for index, tensor in enumerate(tensors["a"]):
            assert tensor is not None
            parking.put((round_, index), tensor)
    assert parking.held <= 300
    assert parking.parked > 0
    for round_ in range(3):
        for index, tensor in enumerate(tensors["a"]):
            assert torch.equal(parking.get((round_, index)), tensor)  # type: ignore[arg-type]
    size = parking._end
    parking.drop((2, 0))
    parking.put((9, 0), tensors["a"][0])  # type: ignore[arg-type]
    assert parking._end == size  # the room was used again
    parking.close()
    assert (9, 0) not in parking
