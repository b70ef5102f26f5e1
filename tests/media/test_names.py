"""Which files are worked on and what the results are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from finesight import media
from finesight.errors import InputError, OutputError, SettingError
from finesight.media.names import Item

from .samples import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """photos/ with pictures of several endings, a folder below, and things that are no pictures."""
    root = tmp_path / "photos"
    (root / "below" / "deep").mkdir(parents=True)
    (root / ".hidden").mkdir()
    for name in (
        "b.jpg",
        "a.png",
        "below/c.JPG",
        "below/deep/d.tif",
        ".hidden/e.png",
        ".f.png",
        "notes.txt",
        "g.png.part",
    ):
        path = root / name
        if path.suffix.lower() in (".jpg", ".png", ".tif"):
            media.write(path, picture())
        else:
            path.write_text("x")
    return root


def sources(items: list[Item], root: Path) -> list[str]:
    return [os.path.relpath(item.source, root) for item in items]


def targets(inputs: list[Path], output: Path | str | None = None, suffix: str = "_x4", **options: str) -> list[str]:
    return [job.target for job in media.plan_outputs(media.expand_inputs(inputs), output, suffix=suffix, **options)]


def test_a_folder_is_searched(folder: Path) -> None:
    items = media.expand_inputs([folder])
    assert sources(items, folder) == ["a.png", "b.jpg", "below/c.JPG", "below/deep/d.tif"]
    assert [str(item.relative) for item in items] == ["a.png", "b.jpg", "below/c.JPG", "below/deep/d.tif"]


def test_each_picture_once(folder: Path) -> None:
    (folder / "link.png").symlink_to(folder / "a.png")
    items = media.expand_inputs([folder / "b.jpg", folder, folder / "below" / ".." / "b.jpg", folder / "*.png"])
    assert sources(items, folder) == ["b.jpg", "a.png", "below/c.JPG", "below/deep/d.tif"]


def test_patterns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources(media.expand_inputs([folder / "*.[jp][pn]g"]), folder) == ["a.png", "b.jpg"]
    assert sources(media.expand_inputs([folder / "**" / "*.tif"]), folder) == ["below/deep/d.tif"]
    assert sources(media.expand_inputs([folder / "**"]), folder) == [
        "a.png",
        "b.jpg",
        "below/c.JPG",
        "below/deep/d.tif",
    ]
    (item,) = media.expand_inputs([folder / "*.webp"])
    assert item.problem.startswith("No file matches")
    (folder / "odd[1].png").write_bytes((folder / "a.png").read_bytes())
    assert sources(media.expand_inputs([folder / "odd[1].png"]), folder) == ["odd[1].png"]


def test_what_is_missing_is_a_problem_of_its_own(folder: Path) -> None:
    items = media.expand_inputs(
        [folder / "bb.jpg", folder / "a.png", folder / "no" / "x.png", folder / ".hidden" / "empty"]
    )
    assert [bool(item.problem) for item in items] == [True, False, True, True]
    assert "Did you mean" in items[0].problem
    assert "b.jpg" in items[0].problem
    assert "nor does its folder" in items[2].problem
    (folder / "nothing").mkdir()
    (empty,) = media.expand_inputs([folder / "nothing"])
    assert "holds no pictures" in empty.problem
    assert len(media.plan_outputs(items, None, suffix="_x4")) == 1
    with pytest.raises(InputError, match="No input"):
        media.expand_inputs([])


def test_beside_each_input(folder: Path) -> None:
    assert targets([folder]) == [
        str(folder / name) for name in ("a_x4.png", "b_x4.jpg", "below/c_x4.JPG", "below/deep/d_x4.tif")
    ]


def test_into_a_folder_with_the_structure(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert targets([folder], out) == [
        str(out / name) for name in ("a_x4.png", "b_x4.jpg", "below/c_x4.JPG", "below/deep/d_x4.tif")
    ]
    assert targets([folder / "a.png"], str(out) + "/") == [str(out / "a_x4.png")]
    assert targets([folder], out, suffix="", format="webp")[2] == str(out / "below" / "c.webp")


def test_two_folders_keep_their_names(folder: Path, tmp_path: Path) -> None:
    assert targets([folder / "below" / "deep", folder / ".hidden"], tmp_path / "out") == [
        str(tmp_path / "out" / "deep" / "d_x4.tif"),
        str(tmp_path / "out" / ".hidden" / "e_x4.png"),
    ]


def test_one_file_to_one_name(folder: Path, tmp_path: Path) -> None:
    (job,) = media.plan_outputs(media.expand_inputs([folder / "a.png"]), tmp_path / "x.webp", suffix="_x4")
    assert (job.target, job.format) == (str(tmp_path / "x.webp"), "webp")
    (job,) = media.plan_outputs(media.expand_inputs([folder / "a.png"]), tmp_path / "x.webp", format="png")
    assert job.format == "png"
    with pytest.raises(SettingError, match="4 results cannot go into the one file"):
        targets([folder], tmp_path / "x.webp")
    with pytest.raises(SettingError, match="not written"):
        targets([folder / "a.png"], tmp_path / "x.gif")
    with pytest.raises(SettingError, match="not written"):
        targets([folder / "a.png"], format="heic")
    with pytest.raises(SettingError, match="slash"):
        targets([folder / "a.png"], suffix="/x")


def test_pipes() -> None:
    (job,) = media.plan_outputs(media.expand_inputs(["-"]), None, suffix="_x4")
    assert (job.target, job.format) == ("-", "png")
    (job,) = media.plan_outputs(media.expand_inputs(["-"]), "-", format="jpeg")
    assert (job.target, job.format) == ("-", "jpeg")
    (job,) = media.plan_outputs(media.expand_inputs(["-"]), "a.tif")
    assert (job.target, job.format) == ("a.tif", "tiff")
    with pytest.raises(SettingError, match="standard output"):
        media.plan_outputs(media.expand_inputs(["-", "x.png", "pyproject.toml"]), "-")


def test_formats_that_are_not_written_become_png(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a" + bytes(99))
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert targets([tmp_path]) == [str(tmp_path / "a_x4.png"), str(tmp_path / "b_x4.png")]


def test_the_content_decides_the_ending(tmp_path: Path) -> None:
    media.write(tmp_path / "a.png", picture(), format="jpeg")
    assert targets([tmp_path / "a.png"]) == [str(tmp_path / "a_x4.jpg")]


def test_same_name_different_ending(folder: Path) -> None:
    media.write(folder / "a.jpg", picture())
    assert targets([folder / "a.jpg", folder / "a.png"]) == [str(folder / "a_x4.jpg"), str(folder / "a_x4.png")]
    forced = targets([folder / "a.jpg", folder / "a.png"], format="png")
    assert forced == [str(folder / "a_jpg_x4.png"), str(folder / "a_png_x4.png")]


def test_names_that_differ_in_case_only(tmp_path: Path) -> None:
    for name in ("Photo.png", "photo.png", "PHOTO.jpg"):
        media.write(tmp_path / name, picture())
    found = targets([tmp_path], format="png")
    assert len({name.casefold() for name in found}) == 3
    found = targets([tmp_path], tmp_path / "out")
    assert len({name.casefold() for name in found}) == 3


def test_unicode_in_two_forms(tmp_path: Path) -> None:
    """ä as one character and as two is one name on some systems."""
    for name in ("\u00e4.png", "a\u0308.png"):
        media.write(tmp_path / name, picture())
    assert len(os.listdir(tmp_path)) == 2
    import unicodedata

    found = targets([tmp_path], tmp_path / "out")
    assert len({unicodedata.normalize("NFC", name) for name in found}) == 2


def test_same_names_from_different_folders(folder: Path, tmp_path: Path) -> None:
    media.write(folder / "below" / "a.png", picture())
    found = targets([folder / "a.png", folder / "below" / "a.png"], tmp_path / "out")
    assert len(set(found)) == 2


@pytest.mark.parametrize("output", [None, "same"])
def test_inputs_are_never_overwritten(folder: Path, output: str | None) -> None:
    place = folder if output else None
    with pytest.raises(OutputError, match="Inputs are never overwritten"):
        targets([folder / "a.png"], place, suffix="")
    with pytest.raises(OutputError, match="Inputs are never overwritten"):
        targets([folder / "a.png"], folder / "below" / ".." / "a.png")
    (folder / "link.png").symlink_to("a.png")
    with pytest.raises(OutputError, match="Inputs are never overwritten"):
        targets([folder / "a.png"], folder / "link.png")
    media.write(folder / "a_x4.png", picture())
    with pytest.raises(OutputError, match="Inputs are never overwritten"):
        targets([folder / "a.png", folder / "a_x4.png"])


def test_a_second_run_leaves_the_first_one_s_results_alone(folder: Path) -> None:
    first = targets([folder])
    for target in first:
        media.write(target, picture())
    assert targets([folder]) == first


def test_a_second_run_into_a_folder_below(folder: Path) -> None:
    first = targets([folder], folder / "out")
    for target in first:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        media.write(target, picture())
    assert targets([folder], folder / "out") == first


@pytest.mark.parametrize("module", ["atomic", "formats", "picture", "profiles"])
def test_examples_in_docstrings(module: str) -> None:
    import doctest
    import importlib

    result = doctest.testmod(importlib.import_module(f"finesight.media.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
