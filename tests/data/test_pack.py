"""Packs of crops: bounded, whole or absent, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.data.drawn import drawn_picture
from finesight.data.pack import pack_folder, read_pack
from finesight.errors import InputError, SettingError


def test_pack_keeps_its_limit_and_its_pixels(photos: Path, tmp_path: Path) -> None:
    count = pack_folder(photos, tmp_path / "a.pack", side=48, limit=150_000, drawn=0.3)
    assert (tmp_path / "a.pack").stat().st_size <= 150_000
    crops = read_pack(tmp_path / "a.pack")
    assert len(crops) == count > 4
    assert all(crop.shape == (48, 48, 3) and crop.dtype == np.uint8 for crop in crops)
    drawn = drawn_picture(np.random.default_rng(0), 48)
    assert any(np.array_equal(crop, drawn) for crop in crops), "crops are stored without loss"


def test_the_same_folder_gives_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        pack_folder(photos, tmp_path / name, side=48, limit=120_000, seed=5)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_flat_pictures_are_left_out(tmp_path: Path) -> None:
    Image.new("RGB", (200, 200), (90, 90, 90)).save(tmp_path / "sky.png")
    with pytest.raises(InputError, match="detail"):
        pack_folder(tmp_path, tmp_path / "out", side=48, limit=120_000, drawn=0)
    assert not (tmp_path / "out").exists()


def test_bad_input(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no picture"):
        pack_folder(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(SettingError):
        pack_folder(photos, tmp_path / "out", drawn=1.0)
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"text\.png"):
        pack_folder(tmp_path, tmp_path / "out", side=48)
    assert not list(tmp_path.glob("out*"))
    (tmp_path / "damaged.pack").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(InputError, match="finesight data pack"):
        read_pack(tmp_path / "damaged.pack")


def test_drawn_pictures_depend_on_the_generator_alone() -> None:
    one, same, other = (drawn_picture(np.random.default_rng(seed), 40) for seed in (7, 7, 8))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
