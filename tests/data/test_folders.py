"""Sources out of folders: a function of seed and step, exact pairs, and every kind of bad input named."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from finesight.data.augment import cutblur, draw_turn, mixup, turned
from finesight.data.drawn import drawn_picture
from finesight.data.folder import Changes, FolderSource
from finesight.data.index import index_folder
from finesight.data.lowering import Lowering, mirrored_to
from finesight.data.paired import PairedSource, matched
from finesight.data.pictures import Pictures, open_pictures
from finesight.degrade.resize import resize_8bit
from finesight.errors import InputError, SettingError

DRAWN = [drawn_picture(np.random.default_rng(seed), 120) for seed in range(3)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(name: str, number: int = 0, height: int = 80, width: int = 90, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DRAWN[number % 3][:height, :width]).save(path, **options)  # type: ignore[arg-type]
        return path

    return make


def folder_of(write: Write, count: int = 4) -> Path:
    for number in range(count):
        ending = ("png", "jpg", "tif", "bmp")[number % 4]
        write(f"in/ä {number}.{ending}", number, 80 - number, 90 + number)
    return write("in/more/last.png", 1).parent.parent


def source(folder: Path, how: str = "bicubic", *, scale: int = 2, patch: int = 12, seed: int = 3) -> FolderSource:
    return FolderSource(open_pictures([folder]), Lowering(how, scale, patch), held_out=3, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["bicubic", "first-order", "real-esrgan"])
def test_a_batch_is_a_function_of_seed_and_step(write: Write, how: str) -> None:
    folder = folder_of(write)
    one = source(folder, how)
    for step in (5, 0, 2):  # whatever came before
        one.batch(step, 3)
    worker = pickle.loads(pickle.dumps(one))  # as a spawned worker gets it
    fresh, other = source(folder, how), source(folder, how, seed=4)
    for step in (0, 7):
        expected = one.batch(step, 4)
        for again in (worker.batch(step, 4), fresh.batch(step, 4)):
            assert torch.equal(expected.inputs[0], again.inputs[0])
            assert torch.equal(expected.target, again.target)
        assert not torch.equal(expected.target, other.batch(step, 4).target)
        assert expected.inputs[0].shape == (4, 3, 12, 12)
        assert expected.target.shape == (4, 3, 24, 24)
    assert not torch.equal(one.batch(0, 4).target, one.batch(1, 4).target)
    checks = [[batch.inputs[0], batch.target] for batch in one.validation()]
    again = [[batch.inputs[0], batch.target] for batch in fresh.validation()]
    assert len(checks) == 1
    assert all(torch.equal(a, b) for x, y in zip(checks, again, strict=True) for a, b in zip(x, y, strict=True))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scale=st.sampled_from([1, 2, 3, 4]), patch=st.integers(1, 20), step=st.integers(0, 1000))
def test_bicubic_patches_are_those_of_the_whole_picture(
    tmp_path_factory: pytest.TempPathFactory, scale: int, patch: int, step: int
) -> None:
    """What is decoded and shrunk is a small part; the patch is exactly the one of the whole picture's small version."""
    folder = tmp_path_factory.mktemp("one")
    pixels = DRAWN[0][:83, :97]
    Image.fromarray(pixels).save(folder / "a.png")
    changes = Changes(turns="none")
    made = FolderSource(open_pictures([folder]), Lowering("bicubic", scale, patch), changes=changes, held_out=0)
    batch = made.batch(step, 1)
    cut = torch.from_numpy(pixels[: 83 // scale * scale, : 97 // scale * scale].copy()).permute(2, 0, 1)
    whole = resize_8bit(cut, scale=1 / scale) if scale > 1 else cut
    wanted = (batch.inputs[0][0] * 255).round().byte()
    places = [
        (top, left)
        for top in range(whole.shape[1] - patch + 1)
        for left in range(whole.shape[2] - patch + 1)
        if torch.equal(whole[:, top : top + patch, left : left + patch], wanted)
    ]
    high = (batch.target[0] * 255).round().byte()
    s, p = scale, patch
    assert any(torch.equal(cut[:, s * t : s * (t + p), s * u : s * (u + p)], high) for t, u in places)


def test_pictures_smaller_than_the_block_are_mirrored_on(write: Write) -> None:
    folder = write("in/a.png", 0, 50, 60).parent
    made = FolderSource(open_pictures([folder]), Lowering("real-esrgan", 4, 8, block=64), held_out=0)
    assert made.batch(0, 2).target.shape == (2, 3, 32, 32)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.integers(1, 30))
def test_mirroring_on_keeps_the_picture(height: int, width: int, tall: int, wide: int) -> None:
    pixels = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    made = mirrored_to(pixels, tall, wide)
    assert made.shape == (max(height, tall), max(width, wide), 3)
    assert np.array_equal(made[:height, :width], pixels)


def test_sharpened_targets_keep_the_plain_truth_beside(write: Write) -> None:
    folder = folder_of(write)
    lowering = Lowering("real-esrgan", 2, 16, block=40, sharpen=True)
    batch = FolderSource(open_pictures([folder]), lowering, held_out=0).batch(0, 2)
    assert batch.target.shape == batch.others["plain"].shape == (2, 3, 32, 32)
    assert not torch.equal(batch.target, batch.others["plain"])


def test_shrinking_first_and_reusing_pictures(write: Write) -> None:
    folder = folder_of(write)
    pictures = open_pictures([folder])
    made = FolderSource(pictures, Lowering("first-order", 2, 8), shrinks=(0.5, 1 / 3), reuse=4, held_out=0)
    seen: list[str] = []
    read = pictures.files.whole
    pictures.files.whole = lambda name: (seen.append(name), read(name))[1]  # type: ignore[method-assign, func-returns-value]
    for step in range(4):
        assert made.batch(step, 2).target.shape == (2, 3, 16, 16)
    assert len(seen) <= 2
    with pytest.raises(SettingError, match="shrinks"):
        FolderSource(pictures, Lowering("bicubic", 2, 8), shrinks=(0.5,))


def test_the_index_is_kept_and_renewed(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(write)
    first = index_folder(folder)
    assert [entry.name for entry in first.entries] == sorted(entry.name for entry in first.entries)
    assert (first.entries[0].height, first.entries[0].width) == (80, 90)

    import finesight.data.index as module

    looked: list[str] = []
    look = module.picture_size
    monkeypatch.setattr(module, "picture_size", lambda path: (looked.append(path.name), look(path))[1])
    assert index_folder(folder) == first
    assert not looked
    write("in/ä 0.png", 1, 40, 41)
    renewed = index_folder(folder)
    assert looked == ["ä 0.png"]
    assert (renewed.entries[-1].name, len(renewed.entries)) == (first.entries[-1].name, 5)
    assert {(entry.height, entry.width) for entry in renewed.entries} >= {(40, 41)}
    assert not list(folder.rglob("*.json"))


def test_no_folder_and_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        open_pictures([tmp_path / "nowhere"])
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(InputError, match=r"notes\.txt is a file"):
        open_pictures([tmp_path / "notes.txt"])
    with pytest.raises(InputError, match="holds no pictures"):
        open_pictures([tmp_path])


def test_folders_and_links_that_lead_nowhere(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write("in/a.png").parent
    (folder / "gone.png").symlink_to(tmp_path / "nothing.png")
    found = index_folder(folder)
    assert [entry.name for entry in found.entries] == ["a.png"]
    assert "gone.png" in found.unreadable
    (folder / "closed").mkdir()
    scan = os.scandir

    def guarded(path: object) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(InputError, match=r"closed cannot be read: Permission denied"):
        index_folder(folder)


def many(tmp_path: Path, count: int) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(count):
        Image.fromarray(DRAWN[0][:16, : 16 + number % 3]).save(folder / f"{number:03d}.png", compress_level=0)
    return folder


def test_a_few_bad_pictures_are_named_and_left_out(tmp_path: Path) -> None:
    folder = many(tmp_path, 300)
    (folder / "text.png").write_text("no picture")
    Image.fromarray(DRAWN[0][:4, :4]).save(folder / "tiny.png")
    with pytest.warns(UserWarning, match="is left out") as caught:
        pictures = open_pictures([folder], least=(8, 8))
    said = [str(one.message) for one in caught]
    assert any("text.png is left out" in text for text in said)
    assert any("tiny.png is left out (2 of 302): 4x4 is less than 8x8" in text for text in said)
    assert len(pictures) == 300


def test_many_bad_pictures_are_an_error(tmp_path: Path) -> None:
    folder = many(tmp_path, 100)
    for number in range(2):
        (folder / f"bad {number}.jpg").write_bytes(b"\xff\xd8 no more")
    with pytest.raises(InputError, match=r"2 of 102 pictures cannot be used, more than 1 %: bad 0\.jpg"):
        open_pictures([folder])


def test_pictures_that_break_off_are_left_out_while_training(tmp_path: Path) -> None:
    folder = many(tmp_path, 150)
    whole = (folder / "007.png").read_bytes()
    (folder / "007.png").write_bytes(whole[: len(whole) // 2])  # its header is there
    made = FolderSource(open_pictures([folder]), Lowering("bicubic", 1, 8), held_out=0, seed=1)
    with pytest.warns(UserWarning, match=r"007\.png is left out \(1 of 150\)"):
        batches = [made.batch(step, 40).target for step in range(12)]
    again = FolderSource(open_pictures([folder]), Lowering("bicubic", 1, 8), held_out=0, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.equal(again.batch(11, 40).target, batches[11])
    for number in (8, 9):
        (folder / f"{number:03d}.png").write_bytes(whole[:100])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match="more than 1 %"):
            [again.batch(step, 60) for step in range(12)]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("b.png", "b.jpg"),
        ("bx2.png", "b.png"),
        ("B_x2.png", "b.png"),
        ("b_LR.png", "b_HR.png"),
        ("b_lr_x2.png", "b.png"),
        ("sub/b_low.png", "sub/b_gt.png"),
        ("img_001_SRF_2_LR.png", "img_001_SRF_2_HR.png"),
    ],
)
def test_pairs_are_found_by_their_usual_names(write: Write, tmp_path: Path, low: str, high: str) -> None:
    for number, name in enumerate(("a.png", low)):
        write(f"low/{name}", number, 30, 40)
    for number, name in enumerate(("a.png", high)):
        write(f"high/{name}", number, 60, 80)
    pairs = matched(open_pictures([tmp_path / "low"]), open_pictures([tmp_path / "high"]), 2)
    assert len(pairs) == 2


def test_pairs_that_do_not_match_are_named(write: Write, tmp_path: Path) -> None:
    for name in ("low/a.png", "low/b.png"):
        write(name, 0, 30, 40)
    for name in ("high/a.png", "high/c.png"):
        write(name, 0, 60, 80)
    low, high = open_pictures([tmp_path / "low"]), open_pictures([tmp_path / "high"])
    with pytest.raises(InputError, match=r"without a partner.*1 of .*low \(b\.png\) and 1 of .*high \(c\.png\)"):
        matched(low, high, 2)
    write("low/c.png", 0, 30, 40)
    write("high/b.png", 0, 30, 40)
    with pytest.raises(InputError, match=r"b\.png is 40x30.*b\.png is 40x30: not x2"):
        matched(open_pictures([tmp_path / "low"]), open_pictures([tmp_path / "high"]), 2)
    write("high/bx2.png", 0, 60, 80)
    with pytest.raises(InputError, match="would both belong to 'b'"):
        matched(low, open_pictures([tmp_path / "high"]), 2)


def test_paired_patches_show_the_same_place(write: Write, tmp_path: Path) -> None:
    for number in range(3):
        high = torch.from_numpy(DRAWN[number].copy()).permute(2, 0, 1)
        small = resize_8bit(high, scale=1 / 2).permute(1, 2, 0).numpy()
        for place, pixels in (("low", small), ("high", DRAWN[number])):
            (tmp_path / place).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / place / f"{number}.png")
    low, high = open_pictures([tmp_path / "low"]), open_pictures([tmp_path / "high"])
    made = PairedSource(low, high, scale=2, patch=20, held_out=3, changes=Changes(mixup=0.5))
    batch = made.batch(0, 16)
    assert batch.inputs[0].shape == (16, 3, 20, 20)
    inner = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    shrunk = torch.nn.functional.avg_pool2d(batch.target, 2)
    near = float((shrunk - batch.inputs[0])[inner].abs().mean())
    assert near < 0.5 * float((shrunk.roll(1, -1) - batch.inputs[0])[inner].abs().mean())
    assert [tuple(one.target.shape) for one in made.validation()] == [(1, 3, 120, 120)]
    with pytest.raises(InputError, match="less than the patch of 61"):
        PairedSource(low, high, scale=2, patch=61)
    whole = PairedSource(low, high, scale=2, patch=None, held_out=0).batch(0, 2)
    assert whole.target.shape == (2, 3, 120, 120)


def test_turns_and_mixtures() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 5, 5, generator=generator)
    assert len({tuple(turned(image, turn).flatten().tolist()) for turn in range(8)}) == 8
    assert {draw_turn("mirror", generator) for _ in range(40)} == {0, 4}
    assert {draw_turn("none", generator) for _ in range(9)} == {0}
    low, high = torch.zeros(4, 3, 4, 4), torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 3, 8, 8)
    _, mixed = mixup(low + high[..., :4, :4], high, generator)
    assert float(mixed.min()) >= 0
    assert float(mixed.sum()) == pytest.approx(float(high.sum()), rel=1e-5), "every picture is used once"
    same = torch.rand(3, 3, 20, 20, generator=generator)
    cut, kept = cutblur(same, same + 1, generator)
    assert torch.equal(kept, same + 1)
    assert 0 < float((cut == same).float().mean()) < 1
    assert torch.equal(cutblur(same, same + 1, generator, probability=0)[0], same)
    with pytest.raises(SettingError, match="one size"):
        cutblur(same[..., :10], same, generator)
    with pytest.raises(SettingError, match="scale 1"):
        FolderSource(object(), Lowering("bicubic", 2, 8), changes=Changes(cutblur=1))  # type: ignore[arg-type]


def test_a_store_of_decoded_pictures_stays_small_and_at_home(write: Write) -> None:
    folder = folder_of(write)
    pictures: Pictures = open_pictures([folder], store=50_000)
    for index in range(len(pictures)):
        pictures.whole(index)
    assert 1 <= len(pictures._kept) <= 2
    assert pictures._bytes == sum(one.nbytes for one in pictures._kept.values()) <= 50_000
    assert not pickle.loads(pickle.dumps(pictures))._kept
