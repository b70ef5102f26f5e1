"""``finesight score`` and ``finesight space score``: what they print, which files they match, what bad input gives."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import COMMAND, Command, one_line

Save = Callable[..., Path]
NAMES = ("baby", "bïrd 2", "woman")


def levels(seed: int, height: int = 30, width: int = 34) -> np.ndarray:
    """Noise over a slope, (height, width, 3) uint8."""
    noise = np.random.default_rng(seed).normal(0, 30, (height, width, 3))
    return (np.linspace(60, 190, width)[None, :, None] + noise).clip(0, 255).astype(np.uint8)


def spoiled(pixels: np.ndarray, by: int) -> np.ndarray:
    """Every second pixel brighter or darker by as many levels."""
    sign = np.where(np.indices(pixels.shape[:2]).sum(0)[..., None] % 2, by, -by)
    return (pixels.astype(int).clip(30, 225) + sign).astype(np.uint8)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(name: str, pixels: np.ndarray) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def folders(save: Save, tmp_path: Path) -> Path:
    """``truth`` of three pictures, ``good`` off by 4 levels and ``poor`` by 20, of enlargement 2."""
    for seed, name in enumerate(NAMES):
        pixels = levels(seed).clip(30, 225)
        save(f"truth/{name}.png", pixels)
        save(f"good/{name}_x2.png", spoiled(pixels, 4))
        save(f"poor/{name}_x2_SR.png", spoiled(pixels, 20))
    return tmp_path


GOOD, POOR = 20 * math.log10(255 / 4), 20 * math.log10(255 / 20)


def test_a_folder_against_another(here: Command, folders: Path) -> None:
    ran = here("score", "good", "truth", "-p", "sr-rgb", "-m", "psnr, ssim")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].split() == ["picture", "PSNR", "SSIM"]
    assert [line.rsplit(maxsplit=2)[0] for line in lines[2:5]] == list(NAMES)
    assert lines[2].split()[1] == f"{GOOD:.2f}"
    assert lines[6].split()[:2] == ["mean", f"{GOOD:.2f}"]
    assert lines[7].startswith("95 % interval")
    assert lines[8].startswith("sr-rgb: RGB, ")
    assert lines[8].endswith("Scale 2.")
    assert ran.err == ""


def test_json_has_the_agreed_form(here: Command, folders: Path) -> None:
    found = json.loads(here("score", "good", "truth", "-p", "sr-rgb", "-m", "psnr", "--json").out)
    assert list(found) == ["protocol", "images", "mean"]
    assert found["protocol"] == "sr-rgb"
    assert found["images"] == [{"name": name, "psnr": pytest.approx(GOOD)} for name in NAMES]
    assert found["mean"] == {"psnr": pytest.approx(GOOD)}
    more = json.loads(here("score", "good", "truth", "-p", "sr-rgb", "-m", "psnr", "--json", "-v").out)
    assert more["interval"]["psnr"] == [pytest.approx(GOOD)] * 2
    assert more["settings"].startswith("sr-rgb: ")


def test_other_forms(here: Command, folders: Path) -> None:
    base = ("score", "good", "truth", "-p", "sr-rgb", "-m", "psnr")
    rows = list(csv.reader(io.StringIO(here(*base, "--csv").out)))
    assert [row[0] for row in rows] == ["name", *NAMES, "mean"]
    assert float(rows[-1][1]) == pytest.approx(GOOD)
    markdown = here(*base, "--markdown").out
    assert markdown.startswith("| picture | PSNR |\n| --- | ---: |\n")
    assert "sr-rgb: RGB" in markdown
    latex = here(*base, "--latex").out
    assert latex.startswith("% sr-rgb: RGB")
    assert r"\bottomrule" in latex
    twice = here(*base, "--csv", "--json")
    assert (twice.code, one_line(twice.err)) == (2, True)
    assert "--csv and --json" in twice.err


def test_methods_side_by_side(here: Command, folders: Path) -> None:
    base = ("score", "good", "poor", "--reference", "truth", "-p", "sr-rgb", "-m", "psnr,mae")
    ran = here(*base)
    assert ran.code == 0, ran.err
    rows = {line.split()[0]: line.split()[1:] for line in ran.out.splitlines() if line.startswith(("good ", "poor "))}
    assert rows["good"] == [f"*{GOOD:.2f}", f"*{4 / 255:.4f}"]
    assert rows["poor"] == [f"{POOR:.2f}", f"{20 / 255:.4f}"]
    assert "poor: 95 % intervals PSNR 22." in ran.out
    assert "sr-rgb: RGB" in ran.out
    assert f"{NAMES[0]} " not in ran.out
    assert here(*base, "-v").out.count(f"{NAMES[0]} ") == 2
    found = json.loads(here(*base, "--json").out)
    assert found["best"] == {"psnr": ["good"], "mae": ["good"]}
    assert list(found["methods"]["poor"]) == ["protocol", "images", "mean"]
    assert "**" in here(*base, "--markdown").out
    three = here("score", "good", "poor", "truth")
    assert (three.code, "--reference" in three.err, one_line(three.err)) == (2, True, True)


def test_dry_run_lists_every_match(here: Command, folders: Path) -> None:
    ran = here("score", "poor", "truth", "--dry-run", "--json")
    matches = json.loads(ran.out)["matches"]
    assert [(m["name"], m["restored"], m["reference"]) for m in matches] == [
        (name, f"poor/{name}_x2_SR.png", f"truth/{name}.png") for name in NAMES
    ]
    text = here("score", "poor", "truth", "--dry-run").out
    assert all(f"poor/{name}_x2_SR.png" in text and f"truth/{name}.png" in text for name in NAMES)
    assert "PSNR" not in text


def test_explain(here: Command, folders: Path) -> None:
    ran = here("score", "--explain", "sr-rgb", "sr-y", "good", "truth", "-m", "psnr", "--json")
    assert ran.code == 0, ran.err
    steps = json.loads(ran.out)["steps"]
    assert [step["setting"] for step in steps] == ["sr-rgb", "colour"]
    assert steps[0]["mean"]["psnr"] == pytest.approx(GOOD)
    luma = json.loads(here("score", "good", "truth", "-m", "psnr", "--json").out)["mean"]["psnr"]
    assert steps[1]["mean"]["psnr"] == pytest.approx(luma)
    assert steps[1]["alone"]["psnr"] == pytest.approx(luma - GOOD)
    text = here("score", "--explain", "sr-rgb", "sr-y", "good", "truth", "-m", "psnr").out
    assert "colour" in text
    assert "sr-y: Y of BT.601" in text
    same = here("score", "--explain", "sr-y", "sr-y", "good", "truth", "-m", "psnr")
    assert "differ in no setting" in same.out
    wrong = here("score", "--explain", "sr-y", "plain", "good", "truth", "-p", "sr-y")
    assert (wrong.code, one_line(wrong.err)) == (2, True)


def test_list(here: Command) -> None:
    from finesight.evaluate import METRICS, PROTOCOLS

    found = json.loads(here("score", "--list", "--json").out)
    assert (set(found["metrics"]), set(found["protocols"])) == (set(METRICS), set(PROTOCOLS))
    assert "lower is better; needs nothing else; published parameters" in found["metrics"]["niqe"]
    names = {line.split()[1] for line in here("score", "--list").out.splitlines()[2:]}
    assert names == set(METRICS) | set(PROTOCOLS)


def test_identical_pictures_are_shown_and_not_averaged(here: Command, folders: Path) -> None:
    (folders / "good" / "baby_x2.png").write_bytes((folders / "truth" / "baby.png").read_bytes())
    base = ("score", "good", "truth", "-p", "sr-rgb", "-m", "psnr")
    lines = here(*base).out.splitlines()
    assert lines[2].split() == ["baby", "∞"]
    assert lines[6].split() == ["mean", f"{GOOD:.2f}"]
    assert "PSNR: 1 infinite (baby) not in the mean" in lines
    ran = here(*base, "--json")
    found = json.loads(ran.out)
    assert (found["images"][0]["psnr"], found["mean"]["psnr"]) == ("inf", pytest.approx(GOOD))
    assert ran.err == "PSNR: 1 infinite (baby) not in the mean\n"


def test_different_sizes(here: Command, folders: Path, save: Save) -> None:
    save("good/baby_x2.png", levels(0, 30, 40))
    base = ("score", "good", "truth", "-p", "sr-rgb", "-m", "psnr")
    ran = here(*base)
    assert ran.code == 1  # the others are measured
    assert one_line(ran.err)
    for part in ("good/baby_x2.png", "truth/baby.png", "40x30", "34x30", "--align crop"):
        assert part in ran.err
    assert "could not be measured and is in no mean: baby" in ran.out
    assert f"mean {GOOD:.2f}" in " ".join(ran.out.split())
    for align in ("crop", "resize"):
        assert here(*base, "--align", align).code == 0
    alone = here("score", "good/baby_x2.png", "truth/baby.png", "-p", "sr-rgb")
    assert (alone.code, alone.out, one_line(alone.err)) == (2, "", True)
    wrong = here(*base, "--align", "stretch")
    assert (wrong.code, one_line(wrong.err), "'stretch'" in wrong.err) == (2, True, True)
    side = here("score", "good", "poor", "-r", "truth", "-p", "sr-rgb", "-m", "psnr", "--json")
    assert side.code == 1
    pictures = {n: [i["name"] for i in t["images"]] for n, t in json.loads(side.out)["methods"].items()}
    assert pictures == {"good": list(NAMES[1:]), "poor": list(NAMES[1:])}


def test_missing_partners(here: Command, folders: Path) -> None:
    (folders / "truth" / "woman.png").unlink()
    ran = here("score", "good", "truth")
    assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True)
    assert "no partner in truth for woman_x2.png" in ran.err
    (folders / "good" / "woman_x2.png").unlink()
    (folders / "good" / "baby_x2.png").unlink()
    ran = here("score", "good", "truth", "-m", "psnr")
    assert ran.code == 0
    assert "nothing was compared with baby.png of truth" in ran.out


def write_float(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels.astype(np.float32)).save(path)


def test_pictures_that_cannot_be_measured(here: Command, save: Save, tmp_path: Path) -> None:
    holes = np.full((20, 20), 0.5)
    write_float(tmp_path / "good.tif", holes)
    holes[3, 4] = np.nan
    write_float(tmp_path / "bad.tif", holes)
    small = save("small.png", levels(0, 7, 7))
    grey = save("grey.png", levels(0)[..., 0])
    colour = save("colour.png", levels(0))
    (tmp_path / "text.png").write_text("no picture")
    told = {
        ("bad.tif", "good.tif", "psnr"): "bad.tif holds NaN",
        (small, small, "ssim"): "small.png",
        (small, small, "fsim"): "small.png",
        (small, small, "ms-ssim"): "small.png",
        (grey, colour, "psnr"): "one is grey, the other RGB",
        ("text.png", colour, "psnr"): "text.png",
        ("nowhere", colour, "psnr"): "nowhere",
        (colour, colour, "psrn"): "Did you mean psnr",
        (colour, colour, "l1-hole"): "--mask",
    }
    for (first, second, metric), part in told.items():
        ran = here("score", first, second, "-m", metric, "-p", "plain")
        assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True), ran
        assert part in ran.err
    for words, part in {
        (): "name what to score",
        (colour,): "compares with a reference",
        (colour, colour, "-p", "sr-x"): "Did you mean sr-y",
        (colour, colour): "--scale",
        (colour, colour, "-p", "hggt-multi"): "several references",
        (colour, colour, "-p", "plain", "--device", "gpu"): "device",
    }.items():
        ran = here("score", *words, *([] if words[1:] or not words else ["-m", "psnr"]))
        assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True), ran
        assert part in ran.err


def test_without_reference(here: Command, save: Save) -> None:
    save("shots/a.png", levels(0, 112, 120))
    ran = here("score", "shots", "-m", "piqe", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["protocol"] == "plain"
    assert 0 <= found["mean"]["piqe"] <= 100


@pytest.mark.parametrize(("metric", "file"), [("lpips", "alexnet-owt-7be5be79.pth"), ("niqe", "niqe_pris_params.npz")])
def test_missing_parameters_say_what_to_get(here: Command, folders: Path, metric: str, file: str) -> None:
    ran = here("score", "good", "truth", "-m", f"psnr,{metric}", "--offline")
    assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True)
    assert file in ran.err


def test_masks(here: Command, folders: Path, save: Save) -> None:
    hole = np.zeros((30, 34), np.uint8)
    hole[5:9, 6:20] = 255
    for name in NAMES:
        save(f"holes/{name}.png", hole)
    base = ("score", "good", "truth", "-p", "inpaint-places", "-m", "l1-hole", "--json")
    ran = here(*base, "--mask", "holes")
    assert json.loads(ran.out)["mean"] == {"l1-hole": pytest.approx(4 / 255)}
    matches = json.loads(here(*base, "--mask", "holes", "--dry-run").out)["matches"]
    assert [match["mask"] for match in matches] == [f"holes/{name}.png" for name in NAMES]
    (folders / "holes" / "woman.png").unlink()
    ran = here(*base, "--mask", "holes")
    assert (ran.code, one_line(ran.err), "no partner in holes" in ran.err) == (2, True, True)


def test_space_score_without_its_parameters(here: Command, save: Save) -> None:
    for name in ("gt/0901.png", "made/000000_sample00000.png"):
        save(name, levels(0, 40, 40))
    ran = here("space", "score", "gt", "made", "--samples", "1", "--offline")
    assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True)
    assert "alexnet-owt-7be5be79.pth" in ran.err


def test_the_installed_command(installed: Command, folders: Path, environment: dict[str, str]) -> None:
    ran = installed("score", "good", "truth", "-m", "psnr", "--csv", cwd=folders)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("name,psnr\nbaby,")
    command = [COMMAND, "score", "truth/woman.png", "truth/woman.png", "-m", "psnr", "-p", "plain"]
    narrow = environment | {"PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    out = subprocess.run(command, cwd=folders, env=narrow, capture_output=True, check=True).stdout.decode("ascii")
    assert out.splitlines()[2].split() == ["woman", "inf"]
    assert out.splitlines()[5].split() == ["95", "%", "interval", "-"]


def test_shipped_network_scores_as_the_table_says(here: Command, shared: Path, tmp_path: Path) -> None:
    """One picture of Set5, enlarged from MATLAB's bicubic, against a plain formula."""
    import torch

    from finesight import media, upscale
    from finesight.degrade.resize import resize_8bit

    truth = media.read(shared / "data" / "set5" / "butterfly.png").pixels[:256, :256]
    low = resize_8bit(torch.from_numpy(truth).permute(2, 0, 1), scale=1 / 4).byte().permute(1, 2, 0).contiguous()
    made = np.asarray(upscale(low.numpy(), scale=4, model="finesight-x4", device="cpu", precision="float32"))
    Image.fromarray(made).save(tmp_path / "butterfly_x4.png")
    source = shared / "data" / "set5" / "butterfly.png"
    found = json.loads(here("score", "butterfly_x4.png", source, "-m", "psnr", "--json").out)
    weights = np.array([65.481, 128.553, 24.966]) / 255
    error = ((made[4:-4, 4:-4] - truth[4:-4, 4:-4].astype(float)) @ weights) ** 2
    assert found["mean"]["psnr"] == pytest.approx(10 * math.log10(255**2 / error.mean()), abs=1e-4)
    assert found["images"][0]["name"] == "butterfly"


@pytest.fixture
def submission(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, two samples of each by two methods, and an LPIPS of random weights.

    ``close`` is wrong in either half, ``alike`` twice in the same way.
    """
    import torch

    from finesight.evaluate import parameters
    from finesight.models.quality.lpips import Lpips

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Lpips("alex").eval().requires_grad_(False)
    for head in network.heads:
        head.weight.data.abs_()
    monkeypatch.setattr(parameters, "lpips_network", lambda *_, **__: network)
    left = np.broadcast_to((np.arange(50) < 25).astype(int)[None, :, None], (43, 50, 3))
    for index in range(2):
        truth = levels(index, 43, 50)
        save(f"gt/{901 + index:04d}.png", truth)
        for sample in range(2):
            save(f"close/{index:06d}_sample{sample:05d}.png", np.where(left == sample, spoiled(truth, 8), truth))
            save(f"alike/{index:06d}_sample{sample:05d}.png", np.roll(truth, 3, axis=1))
    return tmp_path


SPACE = ("space", "score", "gt")
TWO = ("--samples", "2", "--scale", "4", "--device", "cpu")


def test_space_score(here: Command, submission: Path) -> None:
    from finesight.space.challenge import score_picture

    ran = here(*SPACE, "close", *TWO, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["protocol"] == "ntire21-space"
    assert [image["name"] for image in found["images"]] == ["0901", "0902"]
    assert set(found["mean"]) == {"LPIPS_mean", "LRPSNR_worst", "LRPSNR_mean", "score"}
    import torch

    from finesight.evaluate import parameters

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(np.asarray(Image.open(submission / name)).copy()).permute(2, 0, 1)

    samples = [tensor(f"close/000000_sample{k:05d}.png") for k in range(2)]
    expected = score_picture(tensor("gt/0901.png"), samples, parameters.lpips_network(), scale=4)
    assert found["images"][0]["score"] == pytest.approx(expected.score)
    assert found["images"][0]["LRPSNR_worst"] == pytest.approx(expected.lrpsnr_worst)
    text = here(*SPACE, "close", *TWO, "--csv").out
    assert text.startswith("name,LPIPS_mean,LRPSNR_worst,LRPSNR_mean,score\n0901,")
    assert "ntire21-space: 4X, 2 samples a picture" in here(*SPACE, "close", *TWO, "--maps", "maps").out
    with Image.open(submission / "maps" / "close" / "0902_best.png") as shown:
        assert shown.size == (48, 40)


def test_space_ranking(here: Command, submission: Path) -> None:
    ran = here(*SPACE, "alike", "close", *TWO, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert [place["method"] for place in found["ranking"]] == ["close", "alike"]
    assert any("all 2 samples are alike" in problem for problem in found["methods"]["alike"]["problems"])
    assert "must be fulfilled: alike: 0901: all 2 samples are alike" in ran.err
    text = here(*SPACE, "alike", "close", *TWO).out
    assert "place (diversity)" in text
    assert "45 dB" in text
    asked = (*SPACE, "alike", "close", *TWO, "--opinion", "alike=1.5", "--opinion", "close=2.5")
    places = {place["method"]: place for place in json.loads(here(*asked, "--json").out)["ranking"]}
    assert (places["close"]["opinion"], places["close"]["final"]) == (2, 1.5)
    assert (places["alike"]["opinion"], places["alike"]["final"]) == (1, 1.5)
    assert "place (opinion)" in here(*asked).out
    for words in (("--opinion", "other=1"), ("--opinion", "close=good"), ("--opinion", "close")):
        wrong = here(*SPACE, "alike", "close", *TWO, *words)
        assert (wrong.code, one_line(wrong.err), "--opinion" in wrong.err) == (2, True, True)


def test_space_checks(here: Command, submission: Path, save: Save) -> None:
    good = here(*SPACE, "close", *TWO, "--check")
    assert (good.code, "nothing: every file is there" in good.out) == (0, True)
    save("close/000001_sample00001.png", levels(0, 24, 50))
    ran = here(*SPACE, "close", *TWO, "--check", "--json")
    assert ran.code == 1
    assert json.loads(ran.out)["problems"]["close"] == [
        "close/000001_sample00001.png has 50x24 pixels, at least 48x40 count"
    ]
    ran = here(*SPACE, "close", *TWO, "--json", "-q")
    assert (ran.code, len(json.loads(ran.out)["images"]), one_line(ran.err)) == (1, 1, True)
    assert "sample 1 has 50x24 pixels" in ran.err
    both = here(*SPACE, "close", "alike", *TWO, "--json", "-q")
    assert both.code == 1
    assert [i["name"] for i in json.loads(both.out)["methods"]["alike"]["images"]] == ["0901"]
    (submission / "close" / "000001_sample00001.png").unlink()
    for words, part in {
        ("close", *TWO): "000001_sample00001.png is missing",
        ("nowhere", *TWO): "nowhere is not a folder",
        ("close", "--samples", "2", "--scale", "3"): "4 and 8",
        ("close", "close", *TWO): "named twice",
    }.items():
        ran = here(*SPACE, *words)
        assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True), ran
        assert part in ran.err
