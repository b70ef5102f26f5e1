"""Every example of the pages about commands and of the README is run, and those of the page about Python too.

Very small networks take the place of those that ship, so that it takes no time.
"""

from __future__ import annotations

import doctest
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from tests.media.clips.samples import make_rich

from . import zoo
from .conftest import Command

ROOT = Path(__file__).resolve().parent.parent.parent
SLOW = ("finesight train recipes/", "finesight data pack PHOTOS -o runs/")  # the real training, which takes hours


class Example(NamedTuple):
    """A command, and what it prints; ``None`` where the page does not say."""

    command: str
    expected: str | None


def examples(page: Path) -> Iterator[Example]:
    """The commands of all console blocks: lines after ``$``, or every line that begins with ``finesight``."""
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        if block.startswith("$ "):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, expected = part.partition("\n")
                yield Example(command, expected)
        else:
            yield from (Example(line, None) for line in block.splitlines() if line.startswith("finesight "))


def matches(expected: str, found: str) -> bool:
    """As doctest compares: ``...`` is anything, and any run of blanks is one."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(expected, found, flags)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Small weights under the names of those that ship."""
    import torch

    from finesight import zoo
    from finesight.models.image.collapsible import Collapsible
    from finesight.train.state import save_weights
    from finesight.zoo import cards, files, loading

    stand_ins = tmp_path_factory.mktemp("weights")
    for card in (card for card in zoo.catalog().values() if card.packaged):
        if card.architecture != "collapsible":  # small enough as it is
            shutil.copy(cards.WEIGHTS / card.packaged, stand_ins / card.packaged)
            continue
        arguments = {"width": 8, "depth": 1, "expansion": 0, "scale": card.scale}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = Collapsible(width=8, depth=1, expansion=0, scale=card.scale)  # type: ignore[arg-type]
        save_weights(network, stand_ins / card.packaged, architecture="collapsible", arguments=arguments, card={})
    with pytest.MonkeyPatch.context() as patched:
        for module in (cards, files, loading):
            patched.setattr(module, "WEIGHTS", stand_ins, raising=False)
        yield


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache in which very small weights take the place of published ones, which tests cannot fetch."""
    from finesight.zoo import catalog

    cache = tmp_path_factory.mktemp("cache")
    cards = {name: catalog()[name] for name in zoo.ZOO}
    hashes = {name: card.sha256 for name, card in cards.items()}
    for name, file in zoo.save(tmp_path_factory.mktemp("published")).items():
        object.__setattr__(cards[name], "sha256", "")
        file.rename(cache / cards[name].filename)
    yield cache
    for name, card in cards.items():
        object.__setattr__(card, "sha256", hashes[name])


def measured(desk: Path, picture: Callable[..., Path]) -> None:
    """What the page about measuring speaks of: a test set, a clip, judgements and votes."""
    from fractions import Fraction

    from finesight.media.clips import ClipWriter, Frame

    for name in ("baby", "bird"):
        picture(desk / "Set5" / "GTmod12" / f"{name}.png", 48, 36)
    for clip in ("truth.mkv", "shots/walk_x2.mkv"):
        (desk / "shots").mkdir(exist_ok=True)
        with ClipWriter(desk / clip, width=64, height=48, rate=Fraction(25)) as writer:
            for index in range(3):
                with Image.open(picture(desk / "frame.png", 64, 48)) as frame:
                    pixels = np.roll(np.asarray(frame), 3 * index, axis=1)
                writer.write(Frame(np.ascontiguousarray(pixels), Fraction(index, 25), Fraction(1, 25)))
    (desk / "frame.png").unlink()
    rows = [f"{n},{20 + n},{30 + n + n % 3},{0.5 - n / 20},{('blur', 'noise')[n % 2]}" for n in range(8)]
    (desk / "scores.csv").write_text("name,mos,psnr,lpips,type\n" + "\n".join(rows))
    games = ["srgan,edsr,srgan", "edsr,bicubic,edsr", "bicubic,srgan,bicubic", "srgan,bicubic,srgan"]
    (desk / "games.csv").write_text("first,second,preferred\n" + "\n".join(games))
    picture(desk / "images" / "original" / "owl.png", 32, 32)
    picture(desk / "made" / "owl_mine.png", 32, 32)
    for number in range(1, 5):
        picture(desk / "images" / f"0{number}" / f"owl_0{number}.png", 32, 32)
    label = {f"Picture_{n}": {"Label": "Positive" if n == 2 else "Similar"} for n in range(2, 6)}
    for person in "ABC":
        (desk / "labels" / person).mkdir(parents=True)
        (desk / "labels" / person / "owl.json").write_text(json.dumps(label))


@pytest.fixture
def desk(tmp_path: Path, picture: Callable[..., Path], published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the examples speak of."""
    for name in ("photo.jpg", "photo.png", "texture.png", "scan.tif", "scans/a.png", "scans/more/b.png"):
        picture(tmp_path / name, *((24, 16) if name.startswith("scans") else (48, 32)))
    picture(tmp_path / "logo.png", 20, 20, mode="RGBA")
    picture(tmp_path / "face.jpg", 16, 16)
    for name in ("masks/photo.png", "masks/a.png", "masks/b.png"):
        hole = Image.new("L", (48, 32) if "photo" in name else (24, 16))
        hole.paste(255, (4, 5, 12, 11))
        (tmp_path / name).parent.mkdir(exist_ok=True)
        hole.save(tmp_path / name)
    picture(tmp_path / "church.jpg", 12, 10)
    picture(tmp_path / "postcard.jpg", 40, 28)
    for name in ("a", "b"):
        with Image.open(picture(tmp_path / "truth" / f"{name}.png", 48, 32)) as truth:
            for folder, share in (("results", 0.05), ("other", 0.2)):
                (tmp_path / folder).mkdir(exist_ok=True)
                noise = Image.effect_noise(truth.size, 60).convert("RGB")
                Image.blend(truth, noise, share).save(tmp_path / folder / f"{name}_x2.png")
    for name in ("gt/0901.png", "samples/000000_sample00000.png", "samples/000000_sample00001.png"):
        picture(tmp_path / name, 40, 32)
    measured(tmp_path, picture)
    make_rich(tmp_path / "film.mkv")
    monkeypatch.setenv("FINESIGHT_CACHE", str(published))
    (tmp_path / "PHOTOS").mkdir()
    Image.effect_noise((240, 200), 90).convert("RGB").save(tmp_path / "PHOTOS" / "noise.png")
    return tmp_path


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/commands.md",
        "docs/measuring.md",
        "docs/training.md",
        "docs/data.md",
        "docs/degradations.md",
        "docs/inpainting.md",
        "docs/matting.md",
        "docs/video.md",
    ],
)
def test_examples_of_commands(here: Command, desk: Path, page: str) -> None:  # desk after here: its cache is used
    ran = 0
    for example in examples(ROOT / page):
        if example.command.startswith(SLOW) or "runs/" in example.command:
            continue
        words = shlex.split(example.command, comments=True)
        assert words[0] == "finesight", example.command
        answer = here(*words[1:], cwd=desk)
        assert answer.code == 0, f"{example.command}\n{answer.err}"
        if example.expected is not None:
            assert matches(example.expected, answer.out), f"{example.command}\n{example.expected}\n---\n{answer.out}"
        ran += 1
    assert ran or page == "docs/training.md"


@pytest.mark.usefixtures("weights")
def test_examples_of_python(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(desk)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    page = ROOT / "docs" / "python.md"
    text = re.sub(r"^```.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    result = doctest.DocTestRunner(optionflags=flags).run(test)
    assert result.attempted > 10
    assert result.failed == 0, capsys.readouterr().out
