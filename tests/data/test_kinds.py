"""References, faces, scales and databases: what their networks are fed, and what is refused."""

from __future__ import annotations

import io
import json
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.data.drawn import drawn_picture
from finesight.data.faces import _MIRRORED, FaceSource, read_landmarks
from finesight.data.pictures import open_pictures
from finesight.data.reference import ReferenceSource, fitted
from finesight.data.scales import ScaleSource, drawn_queries, fixed_scale_pair
from finesight.errors import InputError, MissingExtraError, SettingError
from finesight.media.regions import picture_size, read_region, read_rgb
from finesight.models.prior.ttsr import aligned_inputs

DRAWN = [drawn_picture(np.random.default_rng(seed), 96) for seed in range(4)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def save(path: Path, number: int, height: int = 96, width: int = 96) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(DRAWN[number][:height, :width]).save(path)
    return path


def test_references_are_what_is_published(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"input/{number}.png", number, 40, 36)
        save(tmp_path / f"ref/{number}.png", number + 1, 48, 32)
    inputs, references = open_pictures([tmp_path / "input"]), open_pictures([tmp_path / "ref"])
    made = ReferenceSource(inputs, references, turns="none", held_out=3)
    batch = made.batch(0, 2)
    assert [tuple(one.shape) for one in batch.inputs] == [(2, 3, 10, 9), (2, 3, 40, 36)]
    held = list(made.validation())
    assert len(held) == 1
    levels = [torch.from_numpy(DRAWN[n][:h, :w].copy()).permute(2, 0, 1) for n, h, w in ((2, 40, 36), (3, 48, 32))]
    wanted = aligned_inputs(*levels)
    assert torch.equal(held[0].inputs[0][0], wanted["image"])
    assert torch.equal(held[0].inputs[1][0], wanted["reference"])
    assert torch.equal(held[0].target[0], wanted["truth"])
    turned = ReferenceSource(inputs, references, held_out=3)
    assert torch.equal(turned.batch(4, 3).target, turned.batch(4, 3).target)
    assert turned.batch(4, 3).target.shape == (3, 3, 40, 36), "pictures that are no squares keep their size"


def test_references_that_do_not_fit(tmp_path: Path) -> None:
    save(tmp_path / "input/a.png", 0)
    save(tmp_path / "input/b.png", 0, 40, 36)
    save(tmp_path / "ref/a.png", 1)
    with pytest.raises(InputError, match=r"1 of .*input \(b\.png\)"):
        ReferenceSource(open_pictures([tmp_path / "input"]), open_pictures([tmp_path / "ref"]))
    save(tmp_path / "ref/b.png", 1)
    with pytest.raises(SettingError, match="36x40, 96x96"):
        ReferenceSource(open_pictures([tmp_path / "input"]), open_pictures([tmp_path / "ref"]))
    assert not fitted(DRAWN[0][:5, :9], 7, 6)[5:].any()


def faces(tmp_path: Path, count: int = 4) -> tuple[Path, dict[str, np.ndarray]]:
    points = {}
    for number in range(count):
        save(tmp_path / f"faces/{number}.png", number)
        points[f"{number}.png"] = np.random.default_rng(number).uniform(0, 255, (68, 2))
    return tmp_path / "faces", points


def test_faces_with_heat_maps_at_their_landmarks(tmp_path: Path) -> None:
    folder, points = faces(tmp_path)
    points["0.png"][5] = (64, 128)  # lies on pixel 8, 16 of the maps
    made = FaceSource(open_pictures([folder]), points, held_out=4)
    batch = made.batch(0, 6)
    assert (batch.inputs[0].shape, batch.target.shape) == ((6, 3, 16, 16), (6, 3, 128, 128))
    maps = batch.others["heatmaps"]
    assert maps.shape == (6, 68, 32, 32)
    assert maps.dtype == torch.float32
    assert any(int(one[5].argmax()) == 16 * 32 + 8 and float(one[5].max()) == 1 for one in maps)
    assert len(list(made.validation())) == 1


def test_mirrored_faces_have_their_landmarks_on_the_other_side(tmp_path: Path) -> None:
    order = _MIRRORED[68]
    assert sorted(order) == list(range(68))
    assert all(order[order[n]] == n for n in range(68))
    folder, points = faces(tmp_path, 1)
    source = FaceSource(open_pictures([folder]), points, mirror=True, held_out=0)
    plain = FaceSource(open_pictures([folder]), points, held_out=0).batch(0, 1)
    seen = [source.batch(step, 1) for step in range(12)]
    mirrored = [one for one in seen if torch.equal(one.target.flip(-1), plain.target)]
    assert 0 < len(mirrored) < 12
    chin, flipped = plain.others["heatmaps"][0, 0].argmax() % 32, mirrored[0].others["heatmaps"][0, 16].argmax() % 32
    assert abs(int(chin) + int(flipped) - 31) <= 1
    with pytest.raises(InputError, match="these are 7"):
        FaceSource(open_pictures([folder]), {"0.png": np.zeros((7, 2))}, mirror=True)
    with pytest.raises(InputError, match=r"1 of 1 pictures .* no landmarks: 0\.png"):
        FaceSource(open_pictures([folder]), {})


def test_landmark_files(tmp_path: Path) -> None:
    _, points = faces(tmp_path)
    listed = [
        {"gt_path": name, "bbox": np.zeros(4), "shape": (256, 256), "landmark": own} for name, own in points.items()
    ]
    np.save(tmp_path / "train_info_list_256.npy", np.array(listed, dtype=object), allow_pickle=True)
    (tmp_path / "named.json").write_text(json.dumps({name: own.tolist() for name, own in points.items()}))
    for name in ("train_info_list_256.npy", "named.json"):
        found = read_landmarks(tmp_path / name)
        assert sorted(found) == sorted(points)
        assert all(np.array_equal(found[key], points[key]) for key in points)
    (tmp_path / "odd.json").write_text('{"a.png": [[1, 2, 3]]}')
    with pytest.raises(InputError, match=r"odd\.json: expected"):
        read_landmarks(tmp_path / "odd.json")
    for text in ("[]", "{", '[{"gt_path": 3}]'):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(InputError, match=r"bad\.json"):
            read_landmarks(tmp_path / "bad.json")


def test_landmark_files_run_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.mkdir, (tmp_path / "ran",)  # type: ignore[return-value]

    path = tmp_path / "evil.npy"
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer,
        {"descr": "|O", "fortran_order": False, "shape": (1,)},  # type: ignore[arg-type]
    )
    path.write_bytes(buffer.getvalue() + pickle.dumps([Evil()]))
    with pytest.raises(InputError, match="it wants"):
        read_landmarks(path)
    assert not (tmp_path / "ran").exists()


def test_queries_have_the_colours_of_their_places(tmp_path: Path) -> None:
    truth = torch.rand(3, 7, 5, generator=torch.Generator().manual_seed(0))
    queries = drawn_queries(truth, 35, torch.Generator().manual_seed(1))
    rows = ((queries.coordinates[:, 0] + 1) * 7 / 2 - 0.5).round().long()
    columns = ((queries.coordinates[:, 1] + 1) * 5 / 2 - 0.5).round().long()
    assert len({(int(r), int(c)) for r, c in zip(rows, columns, strict=True)}) == 35, "none twice"
    assert torch.equal(truth[:, rows, columns].T, queries.colours)
    assert torch.allclose(queries.cell, torch.tensor([2 / 7, 2 / 5]).expand(35, 2))
    for count in (0, 36):
        with pytest.raises(SettingError, match="1 to 35"):
            drawn_queries(truth, count, torch.Generator())
    with pytest.raises(SettingError, match="nothing left"):
        fixed_scale_pair(DRAWN[0][:2, :2], 5)


def test_scales_differ_in_a_batch(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"in/{number}.png", number, 96, 60)
    made = ScaleSource(open_pictures([tmp_path / "in"]), patch=12, queries=40, held_out=3, validation_scales=(1.5, 3))
    batch = made.batch(0, 8)
    low, coordinates, cell = batch.inputs
    assert (low.shape, coordinates.shape, batch.target.shape) == ((8, 3, 12, 12), (8, 40, 2), (8, 40, 3))
    sides = {round(float(2 / one[0, 0])) for one in cell}
    assert len(sides) > 3
    assert all(12 <= side <= 48 for side in sides)
    assert all(torch.equal(a, b) for a, b in zip(batch.inputs, made.batch(0, 8).inputs, strict=True))
    assert [tuple(one.target.shape[-2:]) for one in made.validation()] == [(96, 60), (96, 60)]
    with pytest.raises(SettingError, match="lowest"):
        ScaleSource(open_pictures([tmp_path / "in"]), scales=(3, 2))


class FakeLmdb(types.ModuleType):
    """As much of ``lmdb`` as is used."""

    def __init__(self, values: dict[bytes, bytes]) -> None:
        super().__init__("lmdb")
        self.values = values

    def open(self, path: str, **options: bool) -> FakeLmdb:  # noqa: ARG002
        assert options == {"readonly": True, "lock": False, "readahead": False}
        return self

    def begin(self) -> FakeLmdb:
        return self

    def __enter__(self) -> FakeLmdb:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)


def test_databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "in.lmdb"
    folder.mkdir()
    (folder / "meta_info.txt").write_text("a_s001.png (96,96,3) 1\nb.png (30,20,3) 1\n")
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(MissingExtraError, match=r"finesight\[lmdb\]"):
        open_pictures([folder])
    buffer = io.BytesIO()
    Image.fromarray(DRAWN[0]).save(buffer, "PNG")
    monkeypatch.setitem(sys.modules, "lmdb", FakeLmdb({b"a_s001": buffer.getvalue()}))
    pictures = open_pictures([folder])
    assert np.array_equal(pictures.whole(0), DRAWN[0])
    with pytest.raises(InputError, match=r"b\.png"):
        pictures.whole(1)
    (folder / "meta_info.txt").write_text("a_s001.png 96 96\n")
    with pytest.raises(InputError, match=r"line 1: expected NAME"):
        open_pictures([folder])


@pytest.mark.parametrize("kind", ["jpg", "tif", "png"])
@pytest.mark.parametrize("libvips", [True, False])
def test_parts_are_those_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, libvips: bool
) -> None:
    """Where libvips is and where it is not."""
    from finesight.media import regions

    monkeypatch.setattr(regions, "_has_libvips", lambda: libvips)
    monkeypatch.setattr(regions, "_LARGE", 1)
    path = save(tmp_path / f"a b ü.{kind}", 0)
    whole = read_rgb(path)
    assert picture_size(path) == whole.shape[:2] == (96, 96)
    for top, left, height, width in ((0, 0, 96, 96), (10, 20, 30, 7), (95, 95, 1, 1)):
        part = read_region(path, top, left, height, width)
        assert np.array_equal(part, whole[top : top + height, left : left + width])
    with pytest.raises(InputError, match=r"a b ü"):
        read_region(path, 90, 0, 10, 10)


def test_turned_grey_transparent_and_deep_pictures(tmp_path: Path) -> None:
    pixels = DRAWN[1][:20, :30]
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=turned, quality=95)
    assert picture_size(tmp_path / "turned.jpg") == read_rgb(tmp_path / "turned.jpg").shape[:2] == (30, 20)
    assert read_region(tmp_path / "turned.jpg", 25, 3, 5, 6).shape == (5, 6, 3)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    assert np.array_equal(read_rgb(tmp_path / "grey.png"), np.repeat(pixels[..., :1], 3, 2))
    Image.fromarray(np.dstack([pixels, pixels[..., 0]])).save(tmp_path / "clear.png")
    assert np.array_equal(read_rgb(tmp_path / "clear.png"), pixels)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert np.array_equal(read_rgb(tmp_path / "deep.png"), np.repeat(pixels[..., :1], 3, 2))
