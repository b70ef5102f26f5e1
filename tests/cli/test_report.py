"""``finesight report``: one file with everything in it, tried in a browser."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import Page, open_page

from .conftest import Command, one_line

NASTY = "b</script><b>x"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    rows, columns = np.indices((64, 96))
    for index, name in enumerate(("a", NASTY.replace("/", "_"))):
        truth = np.stack([40 + rows, 30 + 2 * columns, 200 - rows - 20 * index], axis=-1).astype(np.uint8)
        for folder, wrong in (("truth", 0), ("fine", 8), ("poor", 40)):
            pixels = truth.copy()
            pixels[20:40, 30:60] = (pixels[20:40, 30:60].astype(int) + wrong).clip(0, 255)
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    return tmp_path


BASE = ("report", "fine", "poor", "--reference", "truth", "--protocol", "real-esrgan")


def content_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def test_everything_is_in_one_file(here: Command, folders: Path) -> None:
    ran = here(*BASE, "-o", "report.html", "--title", "Mine & <yours>")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("report.html ")
    page = (folders / "report.html").read_text(encoding="utf-8")
    assert "<title>Mine &amp; &lt;yours&gt;</title>" in page
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?!data:)http", page)
    assert page.count("</script>") == 2  # a name that ends scripts ends nothing
    data = content_of(page)
    scored = json.loads(here("score", "poor", "truth", "-p", "real-esrgan", "--json").out)
    assert data["methods"][1]["means"]["psnr"] == f"{scored['mean']['psnr']:.2f}"
    assert [method["best"] for method in data["methods"]] == [["psnr", "ssim"], []]
    picture = data["pictures"][0]
    embedded = base64.b64decode(picture["images"]["poor"].partition(",")[2])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(embedded))), np.asarray(Image.open(folders / "poor/a.png")))
    assert set(picture["maps"]["fine"]) == {"difference", "ssim"}
    assert set(picture["values"]) == {"fine", "poor"}
    one = here(*BASE, "-o", "one.html", "--pictures", "a")
    assert "1 of 2 pictures can be looked at" in one.out
    assert len(content_of((folders / "one.html").read_text())["pictures"]) == 1


def test_reports_that_cannot_be_made(here: Command, folders: Path) -> None:
    told: dict[tuple[str, ...], str] = {
        (*BASE, "-o", "report.txt"): "end it with .html",
        (*BASE, "--pictures", "c"): "c was not measured",
        (*BASE, "-m", "psrn"): "Did you mean psnr",
        ("report", "fine", "fine", "-r", "truth"): "named twice",
        ("report", "fine", "-r", "nowhere", "-p", "plain"): "nowhere",
        (*BASE, "-o", "no/such/../../fine/a.png/x.html"): "a.png",
    }
    for words, part in told.items():
        ran = here(*words)
        assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True), (words, ran)
        assert part in ran.err, (words, ran.err)
    (folders / "poor" / "a.png").unlink()
    ran = here(*BASE)
    assert (ran.code, one_line(ran.err), "different pictures" in ran.err) == (2, True, True)
    assert not (folders / "report.html").exists()


@pytest.fixture
def page(here: Command, folders: Path) -> Iterator[Page]:
    assert here(*BASE, "-o", "report.html").code == 0
    with open_page((folders / "report.html").as_uri(), folders) as opened:
        opened.wait("document.documentElement.dataset.ready === '1'")
        opened.wait("[...document.images].every((i) => i.complete && i.naturalWidth === 96)")
        yield opened


CHOOSE = (
    "(() => {{ const s = document.getElementById('{}'); s.value = '{}'; s.dispatchEvent(new Event('change')); }})()"
)


def box(page: Page, selector: str) -> tuple[float, float, float, float]:
    text = f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect();"
    left, top, width, height = page.run(text + " return [b.left, b.top, b.width, b.height]; })()")
    return left, top, width, height


def test_in_a_browser(page: Page, folders: Path) -> None:
    rows = "[...document.querySelectorAll('#methods tr')].map((r) => [...r.cells].map((c) => c.textContent))"
    table = page.run(rows)
    assert table[0] == ["method", "PSNR ↑", "SSIM ↑"]
    assert [row[0] for row in table[1:]] == ["fine", "poor"]
    assert page.run("document.querySelectorAll('#methods td.best').length") == 2
    assert page.run("document.querySelectorAll('b').length") == 0  # the nasty name is text

    left, top, width, height = box(page, "#compare")
    before = box(page, "#over img")
    page.mouse("mouseWheel", left + width / 4, top + height / 3, deltaX=0, deltaY=-400)
    after = box(page, "#over img")
    assert after[2] / before[2] == pytest.approx(np.e, rel=1e-3)
    # the point below the mouse stays there
    assert (left + width / 4 - after[0]) / after[2] == pytest.approx(
        (left + width / 4 - before[0]) / before[2], abs=1e-3
    )
    transforms = "[...document.querySelectorAll('.view img')].map((i) => i.style.transform.match(/scale.*/)[0])"
    assert len(set(page.run(transforms))) == 1
    assert len(page.run(transforms)) == 5  # two of the slider, three panes
    middles = []
    for selector in ("#over img", "img[data-pane=poor]"):
        x, y, wide, tall = box(page, selector)
        views = {"#over img": "#compare", "img[data-pane=poor]": "#grid figure:nth-child(3) .view"}
        vx, vy, vw, vh = box(page, views[selector])
        middles.append(((vx + vw / 2 - x) / wide, (vy + vh / 2 - y) / tall))
    assert middles[0] == pytest.approx(middles[1], abs=1e-3)  # all show the same point in their middle

    page.drag((left + 100, top + 100), (left + 160, top + 130))
    moved = box(page, "#over img")
    assert (moved[0] - after[0], moved[1] - after[1]) == pytest.approx((60, 30), abs=1)

    page.run(
        "(() => { const s = document.querySelector('#split'); s.value = 20; s.dispatchEvent(new Event('input')); })()"
    )
    assert page.run("document.querySelector('#over').style.clipPath") == "inset(0px 0px 0px 20%)"
    assert box(page, "#divider")[0] == pytest.approx(left + 0.2 * width, abs=1.5)

    source = "document.querySelector('img[data-pane=fine]').src"
    plain = page.run(source)
    page.run(CHOOSE.format("map", "ssim"))
    assert page.run(source) != plain
    page.run("document.querySelectorAll('#pictures button')[1].click()")
    assert page.run("document.querySelectorAll('#pictures tr')[2].getAttribute('aria-selected')") == "true"
    page.picture(folders / "page.png")
    assert Image.open(folders / "page.png").size[0] > 1000

    asked = [m["params"]["request"]["url"] for m in page.messages if m.get("method") == "Network.requestWillBeSent"]
    assert all(address.startswith(("file:", "data:", "about:")) for address in asked)
    assert not [m for m in page.messages if m.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]


def test_the_slider_shows_both_sides(page: Page, folders: Path) -> None:
    page.run(CHOOSE.format("left", "fine"))
    page.run(CHOOSE.format("right", "poor"))
    page.wait("[...document.images].every((i) => i.complete)")
    page.run("document.querySelector('#fit').click()")
    page.picture(folders / "page.png")
    seen = np.asarray(Image.open(folders / "page.png").convert("RGB")).astype(int)
    x, y, wide, _ = box(page, "#over img")
    zoom = wide / 96
    for folder, column in (("fine", 34), ("poor", 56)):  # left and right of the border in the middle
        pixels = np.asarray(Image.open(folders / folder / "a.png"))
        place = seen[round(y + 30.5 * zoom), round(x + (column + 0.5) * zoom)]
        assert np.abs(place - pixels[30, column]).max() <= 2
