"""Scores of files: protocols, matching, and every kind of bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.errors import CancelledError, InputError, ModelError, SettingError
from finesight.evaluate.explaining import explain
from finesight.evaluate.matching import bare_name, match, scale_in_name
from finesight.evaluate.named import METRICS, load_metric, load_metrics
from finesight.evaluate.protocols import PROTOCOLS, protocol
from finesight.evaluate.scoring import as_tensor, score
from finesight.metrics import luma, psnr, ssim
from finesight.progress import Cancel
from tests.evaluate.conftest import Save
from tests.metrics.pictures import noisy, textured

Folders = tuple[Path, Path]


def by_hand(folders: Folders, border: int, *, y: bool) -> tuple[list[float], list[float]]:
    psnrs, ssims = [], []
    for restored in sorted(folders[0].iterdir()):
        truth = folders[1] / restored.name.replace("_x2", "")
        pair = [as_tensor(path) for path in (restored, truth)]
        pair = [luma(x) for x in pair] if y else pair
        psnrs.append(float(psnr(*pair, border=border)))
        ssims.append(float(ssim(*pair, border=border)))
    return psnrs, ssims


def test_folder_by_the_usual_protocol(folders: Folders) -> None:
    seen: list[tuple[int, int]] = []
    table = score(*folders, progress=lambda done, total, _: seen.append((done, total)))
    psnrs, ssims = by_hand(folders, 2, y=True)
    assert [row.name for row in table.rows] == ["baby", "bïrd 2", "woman"]
    assert [row.values["psnr"] for row in table.rows] == pytest.approx(psnrs, rel=1e-6)
    assert table.mean("ssim").value == pytest.approx(sum(ssims) / 3, rel=1e-6)
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert table.protocol.startswith("sr-y: Y of BT.601 (unrounded), as many border pixels as the scale left out")
    assert table.protocol.endswith("Scale 2.")


def test_protocols_change_what_they_say(folders: Folders) -> None:
    colour = score(*folders, protocol_name="sr-rgb", scale=3)
    assert colour.mean("psnr").value == pytest.approx(np.mean(by_hand(folders, 3, y=False)[0]), rel=1e-6)
    blue = score(*folders, protocol_name="mmediting-rgb", scale=3)
    assert blue.mean("psnr") == colour.mean("psnr")
    assert blue.mean("ssim").value != pytest.approx(colour.mean("ssim").value, rel=1e-4)
    one = folders[0] / "baby_x2.png", folders[1] / "baby.png"
    pair = [as_tensor(path)[:, 2:] for path in one]
    assert blue.rows[0].values["ssim"] == pytest.approx(float(ssim(*pair, border=3)), rel=1e-6)
    assert score(*one, protocol_name="real-esrgan").rows[0].name == "baby"


def test_every_protocol_is_described_and_sourced() -> None:
    for name, one in PROTOCOLS.items():
        assert one.name == name
        assert one.title.endswith(".")
        assert one.source
        assert one.describe().startswith(f"{name}: ")
        assert not one.differences(one)
    assert protocol("tdan").border_for(None) == 8
    with pytest.raises(SettingError, match="Did you mean sr-y"):
        protocol("sr-yy")


def test_clips_are_averaged_frame_by_frame_then_clip_by_clip(tmp_path: Path, save: Save) -> None:
    truth = textured(5, 20, 20)
    strengths = {"a": [0.01, 0.02, 0.03], "b": [0.2]}
    for clip, values in strengths.items():
        for frame, strength in enumerate(values):
            save(f"gt/{clip}/{frame:03d}.png", truth[frame])
            save(f"out/{clip}/{frame:03d}.png", noisy(truth[frame], strength))
    table = score(tmp_path / "out", tmp_path / "gt", protocol_name="reds4")
    values = {row.name: row.values["psnr"] for row in table.rows}
    first = np.mean([values[f"a/{frame:03d}"] for frame in range(3)])
    assert table.mean("psnr").value == pytest.approx((first + values["b/000"]) / 2)
    assert table.mean("psnr").count == 2
    middle = score(tmp_path / "out", tmp_path / "gt", protocol_name="vimeo-t")
    assert [row.name for row in middle.rows] == ["a/001", "b/000"]
    assert json.loads(table.to_json())["images"][0]["clip"] == "a"


def test_names_without_what_programs_append() -> None:
    for name in ("baby", "baby_x4", "babyx4", "baby-x4", "baby_SR", "baby_x4_SR", "baby_SR_x4", "baby_4x", "baby_HR"):
        assert bare_name(name) == "baby"
    assert bare_name("000901_sample00003") == "000901_sample00003"
    assert scale_in_name("0801x4") == 4
    assert scale_in_name("a_x2.5") is None


def test_matching_prefers_whole_names(tmp_path: Path, save: Save) -> None:
    image = textured(1, 12, 12)[0]
    for name in ("a_x2", "a"):
        save(f"gt/{name}.png", image)
        save(f"out/{name}.png", image)
    assert [pair.reference.name for pair in match(tmp_path / "out", tmp_path / "gt")] == ["a.png", "a_x2.png"]
    save("out/a_SR.png", image)
    with pytest.raises(InputError, match="could belong to"):
        match(tmp_path / "out", tmp_path / "gt")
    (tmp_path / "out" / "a_SR.png").unlink()
    (tmp_path / "gt" / "a.png").unlink()
    with pytest.raises(InputError, match="both belong to"):
        match(tmp_path / "out", tmp_path / "gt")


def test_missing_partners_are_named(folders: Folders) -> None:
    (folders[1] / "woman.png").unlink()
    with pytest.raises(InputError, match=r"no partner in .*truth for woman_x2\.png"):
        score(*folders)
    with pytest.raises(InputError, match="does not exist"):
        score(folders[0], folders[1] / "nowhere")
    with pytest.raises(SettingError, match="psnr compares with a reference"):
        score(folders[0])


def test_sizes_and_modes(folders: Folders, save: Save) -> None:
    image = textured(1, 28, 30)[0]
    save("restored/baby_x2.png", image)
    with pytest.raises(InputError, match=r"baby_x2\.png and .*baby\.png: sizes differ, 30x28 and 34x30.*--align crop"):
        score(*folders)
    cropped = score(*folders, align="crop").rows[0].values["psnr"]
    truth = as_tensor(folders[1] / "baby.png")[..., :28, :30]
    pair = luma(as_tensor(folders[0] / "baby_x2.png")), luma(truth)
    assert cropped == pytest.approx(float(psnr(*pair, border=2)), rel=1e-6)
    assert score(*folders, align="resize").rows[0].values["psnr"] != cropped
    save("restored/baby_x2.png", textured(1, 30, 34)[0, :1])
    with pytest.raises(InputError, match="one is grey, the other RGB"):
        score(*folders)


def test_a_protocol_that_cuts_takes_larger_samples(tmp_path: Path, save: Save) -> None:
    truth = textured(1, 29, 35)[0]
    restored = save("sample.png", torch.nn.functional.pad(noisy(truth), (0, 1, 0, 3)))
    reference = save("truth.png", truth)
    table = score(restored, reference, protocol_name="ntire21-space", metrics=["psnr"])
    pair = (as_tensor(restored)[..., :24, :32], as_tensor(reference)[..., :24, :32])
    assert table.rows[0].values["psnr"] == pytest.approx(float(psnr(*pair)), rel=1e-6)


def test_identical_pictures_are_shown_and_not_averaged(folders: Folders) -> None:
    (folders[0] / "baby_x2.png").write_bytes((folders[1] / "baby.png").read_bytes())
    table = score(*folders)
    mean = table.mean("psnr")
    rest = [row.values["psnr"] for row in table.rows[1:]]
    assert mean.value == pytest.approx(sum(rest) / 2)
    assert mean.infinite == ("baby",)
    assert "PSNR: 1 infinite (baby) not in the mean" in table.remarks()
    content = json.loads(table.to_json())
    assert content["images"][0]["psnr"] == "inf"
    assert content["left_out"] == {"psnr": {"infinite": ["baby"], "undefined": []}}
    assert "∞" in table.to_markdown()
    assert r"$\infty$" in table.to_latex()


def test_files_that_cannot_be_measured(folders: Folders) -> None:
    values = np.full((30, 34, 3), 0.5, np.float32)
    values[3, 4] = np.nan
    (folders[0] / "baby_x2.png").unlink()
    Image.fromarray(values[..., 0]).save(folders[0] / "baby_x2.tif")
    with pytest.raises(InputError, match=r"baby_x2\.tif holds NaN"):
        score(*folders)
    (folders[0] / "baby_x2.tif").unlink()
    (folders[0] / "baby_x2.png").write_text("no picture")
    with pytest.raises(InputError, match=r"baby_x2\.png"):
        score(*folders)


def test_too_small_for_a_window(tmp_path: Path, save: Save) -> None:
    image = textured(1, 14, 40)[0]
    first, second = save("a_x2.png", image), save("b.png", noisy(image))
    with pytest.raises(
        InputError, match=r"a_x2\.png and .*b\.png: SSIM needs pictures of at least 11x11 pixels, got 36x10"
    ):
        score(first, second)
    with pytest.raises(InputError, match="NIQE needs at least one block of 96x96 pixels, got 40x14"):
        score(first, metrics=["niqe-photos"], protocol_name="plain")


def test_settings(folders: Folders) -> None:
    with pytest.raises(SettingError, match="Did you mean psnr"):
        score(*folders, metrics=["psnrr"])
    with pytest.raises(SettingError, match="refuse, crop or resize"):
        score(*folders, align="pad")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="--scale 4"):
        score(folders[1], folders[0])
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError):
        score(*folders, cancel=cancel)


def test_holes(folders: Folders, save: Save) -> None:
    hole = torch.zeros(1, 30, 34)
    hole[:, 5:9, 6:11] = 1
    for name in ("baby", "bïrd 2", "woman"):
        save(f"masks/{name}.png", hole)
    masks = folders[0].parent / "masks"
    table = score(*folders, protocol_name="inpaint-places", mask=masks)
    first, second = as_tensor(folders[0] / "baby_x2.png"), as_tensor(folders[1] / "baby.png")
    expected = float((first - second)[..., 5:9, 6:11].abs().mean())
    assert table.rows[0].values["l1-hole"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(SettingError, match="needs masks"):
        score(*folders, protocol_name="inpaint-places")
    save("masks/baby.png", 0 * hole)
    with pytest.raises(InputError, match="no hole"):
        score(*folders, protocol_name="inpaint-places", mask=masks)
    save("masks/baby.png", hole[:, :20])
    with pytest.raises(InputError, match="mask is 34x20, the picture 34x30"):
        score(*folders, protocol_name="inpaint-places", mask=masks)


def test_explaining_ends_at_the_other_protocol_s_numbers(folders: Folders) -> None:
    first, second = protocol("sr-y"), protocol("mmediting-rgb")
    pairs, metrics = match(*folders), load_metrics(["psnr", "ssim"])
    found = explain(pairs, metrics, first, second)
    assert [step.setting for step in found.steps] == ["", "colour", "ssim"]
    assert found.steps[0].means["psnr"] == score(*folders).mean("psnr").value
    assert found.steps[-1].means["ssim"] == score(*folders, protocol_name="mmediting-rgb").mean("ssim").value
    colour = found.steps[1]
    assert colour.alone["psnr"] == pytest.approx(colour.means["psnr"] - found.steps[0].means["psnr"])
    assert "| colour | y | rgb |" in found.to_markdown()
    assert len(explain(pairs, metrics, first, first).steps) == 1


def test_every_metric_that_needs_nothing_works_by_name(tmp_path: Path, save: Save) -> None:
    truth = textured(1, 200, 204)[0]
    restored, reference = save("a_x2.png", noisy(truth)), save("a.png", truth)
    needy = {"vif", "niqe", "brisque", "niqe-official", "dists", "l1-hole", "sad", "alpha-mse", "grad", "conn"}
    needy |= {"tof", "tlpips"}  # of clips
    names = [name for name in METRICS if name not in needy and not name.startswith("lpips")]
    table = score(restored, reference, metrics=names, protocol_name="real-esrgan")
    assert list(table.rows[0].values) == names
    assert all(np.isfinite(value) for value in table.rows[0].values.values())


def test_missing_parameters_say_what_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path))
    for name, file in (
        ("lpips-vgg", "vgg16-397923af.pth"),
        ("niqe", "niqe_pris_params.npz"),
        ("vif", "sp5_filters.npz"),
        ("brisque", "brisque_svm_weights.pth"),
        ("dists", "vgg16-397923af.pth"),
    ):
        with pytest.raises(ModelError, match=re.escape(file)) as raised:
            load_metric(name, offline=True)
        assert str(tmp_path) in str(raised.value)
        assert "\n" not in str(raised.value)


def test_published_parameters_through_the_cache(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, save: Save
) -> None:
    """The small files as published; the classifiers beneath LPIPS and DISTS are of our own making here."""
    from finesight.models.quality.alexnet import AlexNet
    from finesight.models.quality.vgg import Vgg

    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("FINESIGHT_CACHE", str(cache))
    for source, target in (
        ("niqe/niqe_pris_params.npz", "niqe_pris_params.npz"),
        ("vif/sp5_filters.npz", "sp5_filters.npz"),
        ("lpips/v0.1/alex.pth", "lpips-v0.1-alex.pth"),
        ("dists/weights.pt", "DISTS_weights-f5e65c96.pth"),
    ):
        (cache / target).write_bytes((shared / "data" / source).read_bytes())
    torch.manual_seed(0)
    torch.save(AlexNet().state_dict(), cache / "alexnet-owt-7be5be79.pth")
    torch.save(Vgg(16).state_dict(), cache / "vgg16-397923af.pth")
    truth = textured(1, 192, 192)[0]
    restored, reference = save("a.png", noisy(truth)), save("b.png", truth)
    names = ["niqe", "niqe-official", "vif", "lpips", "lpips-alex-map", "dists"]
    table = score(restored, reference, metrics=names, protocol_name="plain")
    values = table.rows[0].values
    assert 0 < values["vif"] < 1
    assert values["lpips"] > 0
    assert values["lpips"] == pytest.approx(values["lpips-alex-map"], rel=0.2)
    assert values["niqe"] != values["niqe-official"]
    assert values["dists"] > 0
