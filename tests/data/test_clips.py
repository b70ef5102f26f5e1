"""Clips as data: layouts of published sets, windows of frames, and both ways to low resolution."""

from __future__ import annotations

import pickle
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from finesight.data.clip_files import ClipPair, FrameFolder, find_clips, open_clips
from finesight.data.clips import ClipChanges, ClipSource, Window
from finesight.data.jitter import Jitter
from finesight.degrade.blur_down import blur_down
from finesight.degrade.resize import resize_8bit
from finesight.degrade.video import VideoOrder
from finesight.errors import InputError, SettingError
from finesight.nn.traits import Port, Traits
from finesight.train.settings.clips import ClipSettings

STILL = ClipChanges(mirror=False, transpose=False)


def frame(number: int, clip: int, *, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Noise whose first pixel says which frame of which clip it is."""
    pixels = np.random.default_rng(100 * clip + number).integers(0, 256, (height, width, 3)).astype(np.uint8)
    pixels[:, :, 2] = 10 * number + clip
    return pixels


def put(folder: Path, count: int, clip: int, *, form: str = "{:08d}.png", first: int = 0, shrink: int = 1) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = frame(number, clip)[::shrink, ::shrink]
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / form.format(number + first))


def source(root: Path, window: Window, **settings: object) -> ClipSource:
    options: dict[str, object] = {"patch": 4, "changes": STILL, "held_out": 0, "scale": 4, **settings}
    return ClipSource(open_clips(root, split="all"), window, **options)  # type: ignore[arg-type]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for clip in range(3):
        put(tmp_path / f"clip{clip}", 8, clip)
    return tmp_path


def test_reds_parts(tmp_path: Path) -> None:
    for name in ("000", "001", "011", "239", "240", "269"):
        put(tmp_path / "train_sharp" / name, 2, 0)
        put(tmp_path / "train_sharp_bicubic" / "X4" / name, 2, 0, shrink=4)
    low = tmp_path / "train_sharp_bicubic" / "X4"
    parts = {
        split: [pair.high.name for pair in open_clips(tmp_path, layout="reds", split=split, low=low)]  # type: ignore[arg-type]
        for split in ("train", "test", "validation", "all")
    }
    assert parts["train"] == ["001", "239"]
    assert parts["test"] == ["000", "011"]
    assert parts["validation"] == ["240", "269"]
    assert len(parts["all"]) == 6
    pair = open_clips(tmp_path, layout="reds", split="train", low=low)[0]
    assert pair.low is not None
    assert (pair.high.size, pair.low.size) == ((48, 64), (12, 16))


@pytest.mark.parametrize(("layout", "count", "prefix"), [("vimeo-triplet", 3, "tri"), ("vimeo-septuplet", 7, "sep")])
def test_vimeo_goes_by_its_lists(tmp_path: Path, layout: str, count: int, prefix: str) -> None:
    for clip, name in enumerate(("00001/0001", "00001/0002", "00002/0001")):
        put(tmp_path / "sequences" / name, count, clip, form="im{}.png", first=1)
    (tmp_path / f"{prefix}_trainlist.txt").write_text("00001/0001\n00002/0001\n\n")
    (tmp_path / f"{prefix}_testlist.txt").write_text("00001/0002\n")
    assert [one.high.name for one in open_clips(tmp_path, layout=layout)] == ["00001/0001", "00002/0001"]  # type: ignore[arg-type]
    (test,) = open_clips(tmp_path, layout=layout, split="test")  # type: ignore[arg-type]
    assert len(test.high) == count
    np.testing.assert_array_equal(test.high.part([count - 1], 0, 0, 48, 64)[0], frame(count - 1, 1))
    (tmp_path / f"{prefix}_testlist.txt").write_text("00009/0009\n")
    with pytest.raises(InputError, match="in the list of clips and cannot be read"):
        open_clips(tmp_path, layout=layout, split="test")  # type: ignore[arg-type]
    (tmp_path / f"{prefix}_testlist.txt").unlink()
    with pytest.raises(InputError, match=rf"{prefix}_testlist\.txt is wanted"):
        open_clips(tmp_path, layout=layout, split="test")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layout", "truth", "low"),
    [("udm10", "truth", "blur4"), ("vid4", "original", "BIx4"), ("spmcs", "truth", "input4")],
)
def test_sets_with_truth_inside_each_clip(tmp_path: Path, layout: str, truth: str, low: str) -> None:
    for clip, name in enumerate(("calendar", "city")):
        put(tmp_path / name / truth, 3, clip)
        put(tmp_path / name / low, 3, clip, shrink=4)
    pairs = open_clips(tmp_path, layout=layout, low=tmp_path)  # type: ignore[arg-type]
    assert [pair.high.name for pair in pairs] == ["calendar", "city"]
    assert all(pair.low is not None and pair.low.size == (12, 16) for pair in pairs)


def test_frames_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    put(tmp_path / "a", 12, 0, form="im{}.png")
    (clip,) = find_clips(tmp_path).values()
    assert isinstance(clip, FrameFolder)
    assert clip.frames[-3:] == ("im9.png", "im10.png", "im11.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="holds no clips"):
        find_clips(tmp_path / "b")
    with pytest.raises(InputError, match="is not a folder"):
        find_clips(tmp_path / "c")


def test_low_resolution_that_is_missing(tmp_path: Path) -> None:
    put(tmp_path / "high" / "a", 3, 0)
    put(tmp_path / "low" / "b", 3, 0)
    with pytest.raises(InputError, match="no low resolution of 1 clips, the first a"):
        open_clips(tmp_path / "high", low=tmp_path / "low")
    put(tmp_path / "low" / "a", 2, 0)
    with pytest.raises(InputError, match="2 frames for 3"):
        open_clips(tmp_path / "high", low=tmp_path / "low")


def test_a_video_file_is_a_clip(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mkv"), "w") as output:
        stream = output.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for number in range(8):
            output.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame(number, 0), format="rgb24").reformat(format="bgr0"))
            )
        output.mux(stream.encode(None))
    (pair,) = open_clips(tmp_path)
    assert len(pair.high) == 8
    part = pair.high.part([5, 4, 3], 8, 16, 24, 32)
    for found, number in zip(part, (5, 4, 3), strict=True):
        np.testing.assert_array_equal(found, frame(number, 0)[8:32, 16:48])


@pytest.mark.parametrize("lower", ["bi", "bd"])
def test_patches_are_those_of_whole_frames_reduced(folders: Path, lower: str) -> None:
    made = source(folders, Window(3), lower=lower)
    for step in range(6):
        batch = made.batch(step, 2)
        assert batch.inputs[0].shape == (2, 3, 3, 4, 4)
        assert batch.target.shape == (2, 3, 3, 16, 16)
        for low, high in zip(batch.inputs[0], batch.target, strict=True):
            levels = (high * 255).round().byte()
            clip, first = int(levels[0, 2, 0, 0]) % 10, int(levels[0, 2, 0, 0]) // 10
            for place, (small, large) in enumerate(zip(low, levels, strict=True)):
                whole = torch.from_numpy(frame(first + place, clip)).permute(2, 0, 1)
                reduced = (
                    resize_8bit(whole, scale=1 / 4) if lower == "bi" else blur_down(whole.float()).round().clamp(0, 255)
                )
                found = whole[:, ::4, ::4].unfold(1, 4, 1).unfold(2, 4, 1)  # every 4x4 block of places
                wanted = large[:, ::4, ::4]
                (spot,) = torch.nonzero((found == wanted[:, None, None]).all(-1).all(-1).all(0))
                row, column = (int(value) for value in spot)
                torch.testing.assert_close(small * 255, reduced[:, row : row + 4, column : column + 4].float())


def test_a_step_is_a_function_of_its_number(folders: Path) -> None:
    one, two = (source(folders, Window(4), changes=ClipChanges(reverse=0.5), seed=7) for _ in range(2))
    two.batch(3, 2)
    a, b = one.batch(9, 3), pickle.loads(pickle.dumps(two)).batch(9, 3)
    assert torch.equal(a.inputs[0], b.inputs[0])
    assert torch.equal(a.target, b.target)
    assert not torch.equal(a.target, one.batch(10, 3).target)


def numbers_of(clip: torch.Tensor) -> list[int]:
    """Which frames of the data these are."""
    return [int((one[2, 0, 0] * 255).round()) // 10 for one in clip]


def test_windows(folders: Path) -> None:
    recurrent = source(folders, Window(4, mirrored=True)).batch(0, 1)
    shown = numbers_of(recurrent.target[0])
    assert recurrent.inputs[0].shape[1] == recurrent.target.shape[1] == 8
    assert shown[:4] == list(range(shown[0], shown[0] + 4))
    assert shown[4:] == shown[:4][::-1]
    centred = source(folders, Window(5, target=2, first=1)).batch(0, 1)
    assert centred.inputs[0].shape[1] == 5
    assert numbers_of(centred.target) == [3]
    between = source(folders, Window(7, (0, 2, 4, 6), 3), scale=1, lower="none", patch=16).batch(1, 1)
    inputs = numbers_of(between.inputs[0][0])
    assert [number - inputs[0] for number in inputs] == [0, 2, 4, 6]
    assert numbers_of(between.target) == [inputs[0] + 3]
    spaced = source(folders, Window(3, interval=3)).batch(0, 1)
    assert numbers_of(spaced.target[0]) in ([0, 3, 6], [1, 4, 7])
    for wrong in ({"length": 3, "target": 3}, {"length": 3, "inputs": (0, 2), "mirrored": True}):
        with pytest.raises(SettingError):
            Window(**wrong)  # type: ignore[arg-type]


def test_changes_are_the_same_for_all_frames(folders: Path) -> None:
    """A flat clip stays flat; a reversed one runs backwards."""
    changes = ClipChanges(reverse=1.0, jitter=Jitter(brightness=0.05, contrast=0.05, saturation=0.05, hue=0.05))
    backwards = source(folders, Window(3), changes=ClipChanges(mirror=False, transpose=False, reverse=1.0))
    shown = numbers_of(backwards.batch(0, 1).target[0])
    assert shown == sorted(shown, reverse=True)
    flat = [FlatClip() for _ in range(2)]
    made = ClipSource([ClipPair(one) for one in flat], Window(3), patch=8, lower="none", changes=changes, held_out=0)
    batch = made.batch(0, 4)
    for clip in batch.inputs[0]:
        assert float((clip - clip[:1]).abs().max()) < 1e-5
    assert float((batch.inputs[0][:, 0, :, 0, 0].std(dim=0)).max()) > 0.001  # samples differ


class FlatClip:
    """Nothing but one colour."""

    name = "flat"
    size = (16, 16)

    def __len__(self) -> int:
        return 5

    def part(self, numbers: list[int], top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        assert min(top, left) >= 0
        return np.full((len(numbers), height, width, 3), (200, 120, 40), np.uint8)


def test_published_low_resolution_is_used(tmp_path: Path) -> None:
    for clip in range(2):
        put(tmp_path / "high" / str(clip), 3, clip)
        put(tmp_path / "low" / str(clip), 3, clip, shrink=4)
    pairs = open_clips(tmp_path / "high", low=tmp_path / "low")
    batch = ClipSource(pairs, Window(3), scale=4, patch=4, lower="given", changes=STILL, held_out=0).batch(0, 3)
    assert torch.equal(batch.inputs[0], batch.target[..., ::4, ::4])
    with pytest.raises(SettingError, match="needs the folder of the low resolution"):
        ClipSource(open_clips(tmp_path / "high"), Window(3), scale=4, patch=4, lower="given", held_out=0)


def test_enlarged_inputs_and_sharpened_truth(folders: Path) -> None:
    batch = source(folders, Window(3, target=1), enlarged=True).batch(0, 2)
    assert batch.inputs[0].shape == (2, 3, 3, 16, 16)
    assert 0 <= float(batch.inputs[0].min()) <= float(batch.inputs[0].max()) <= 1
    sharp = source(folders, Window(2), lower=VideoOrder(), patch=8, sharpen=True, changes=ClipChanges()).batch(0, 1)
    assert sharp.inputs[0].shape == (1, 2, 3, 8, 8)
    assert sharp.others["plain"].shape == sharp.target.shape == (1, 2, 3, 32, 32)
    assert not torch.equal(sharp.others["plain"], sharp.target)
    there = source(folders, Window(2, mirrored=True), lower=VideoOrder(), patch=8).batch(0, 1)
    assert torch.equal(there.target, there.target.flip(1))
    assert there.inputs[0].shape[1] == 4
    assert not torch.equal(there.inputs[0], there.inputs[0].flip(1))  # the way back is degraded by itself


def test_held_out_clips_are_apart(folders: Path) -> None:
    made = source(folders, Window(3), held_out=3, validation_side=8)
    assert [pair.high.name for pair in made.clips] == ["clip0", "clip1"]
    one, two = list(made.validation()), list(made.validation())
    assert len(one) == 1
    assert one[0].inputs[0].shape == (1, 3, 3, 8, 8)
    assert torch.equal(one[0].target, two[0].target)
    assert int((one[0].target[0, 0, 2, 0, 0] * 255).round()) % 10 == 2


def test_what_does_not_fit(folders: Path) -> None:
    with pytest.raises(InputError, match="has 8 frames; 9 are wanted"):
        source(folders, Window(9))
    with pytest.raises(InputError, match="patches of 64 at scale 4 need 256"):
        source(folders, Window(3), patch=64).batch(0, 1)
    with pytest.raises(SettingError, match="BD reduces by 4"):
        source(folders, Window(3), scale=2, lower="bd")
    with pytest.raises(SettingError, match="'none' is for scale 1"):
        source(folders, Window(3), lower="none")


def network(kind: str, *, scale: int = 4, frames: int = 1, task: str = "vsr") -> Traits:
    return Traits(
        task=task, kind=kind, scale=scale, halo=None, halo_reason="flow", frames=frames,  # type: ignore[arg-type]
        inputs=(Port("clip"),),
    )  # fmt: skip


def test_settings_follow_the_network(folders: Path) -> None:
    settings = {"folder": str(folders), "split": "all", "patch": 4, "held_out": 0}
    recurrent = ClipSettings(**settings, frames=4).source(network("recurrent"), seed=1).batch(0, 1)  # type: ignore[arg-type]
    assert (recurrent.inputs[0].shape, recurrent.target.shape) == ((1, 4, 3, 4, 4), (1, 4, 3, 16, 16))
    window = ClipSettings(**settings).source(network("window", frames=5), seed=1).batch(0, 1)  # type: ignore[arg-type]
    assert (window.inputs[0].shape, window.target.shape) == ((1, 5, 3, 4, 4), (1, 3, 16, 16))
    for taken in (2, 4):
        traits = network("window", scale=1, frames=taken, task="interpolation")
        batch = ClipSettings(**settings).source(traits, seed=1).batch(0, 1)  # type: ignore[arg-type]
        assert batch.inputs[0].shape == (1, taken, 3, 4, 4)
        shown = numbers_of(batch.inputs[0][0])
        assert numbers_of(batch.target)[0] == (shown[0] + shown[-1]) // 2
    with pytest.raises(SettingError, match="takes 5 frames"):
        ClipSettings(**settings, frames=3).source(network("window", frames=5), seed=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="give one of them"):
        ClipSettings(folder="x", low="y", lower="bd")
