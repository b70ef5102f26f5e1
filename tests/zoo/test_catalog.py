"""The catalog is strict, complete and claims nothing that the sources do not state."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from finesight import zoo
from finesight.errors import ModelError
from finesight.models.table import NETWORKS, network_class
from finesight.nn import traits
from finesight.zoo.cards import CATALOG, read_family

CARDS = zoo.catalog()
TASKS = set(traits.Task.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", CARDS)
def test_every_card_is_complete(name: str) -> None:
    card = CARDS[name]
    assert re.fullmatch(r"[a-z0-9-]+", name)
    assert card.task in TASKS
    assert card.summary.endswith(".")
    assert card.architecture
    assert sum(map(bool, (card.packaged, card.url, card.manual))) == 1
    assert card.filename
    assert re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}|", card.sha256)
    assert all(score.protocol and score.values for score in card.scores)
    assert json.loads(json.dumps(card.facts()))["name"] == name


def test_shipped_weights_come_first() -> None:
    assert list(CARDS)[:4] == ["finesight-x2", "finesight-x3", "finesight-x4", "finesight-photo-x4"]
    assert all(CARDS[name].licence == "Apache-2.0" for name in list(CARDS)[:4])


def test_two_cards_share_a_file_only_where_it_is_the_same_file() -> None:
    files: dict[str, tuple[str, str]] = {}
    for card in CARDS.values():
        source = (card.url or card.manual or card.packaged, card.archive_member)
        assert files.setdefault(card.filename, source) == source, card.name


@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.architecture in NETWORKS])
def test_arguments_fit_the_network(name: str) -> None:
    known = inspect.signature(network_class(CARDS[name].architecture)).parameters
    assert set(CARDS[name].arguments) <= set(known)


def test_runnable_is_computed() -> None:
    assert CARDS["finesight-x4"].runnable
    assert {card.runnable for card in CARDS.values()} == {card.architecture in NETWORKS for card in CARDS.values()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[family]\ntitle = "A"\nlicense = "MIT"\n[models]', r"'license' is not a key.*licence"),
        ('[family]\ntitle = "A"\n[models.a]\nurll = "x"', r"\[models\.a\]: 'urll' is not a key.*url"),
        ('[family]\ntitle = "A"\n[models.a]\nscores = [{ on = "Set5", psnrr = 1.0 }]', r"'psnrr' is not a key.*psnr"),
        ('[famly]\n', r"'famly' is not a key.*family"),
    ],
)  # fmt: skip
def test_unknown_keys_are_errors(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ModelError, match=message):
        read_family(tmp_path / "a.toml")


def test_every_published_address_is_in_the_catalog(shared: Path) -> None:
    text = "\n".join(file.read_text() for file in (shared / "specs").glob("*.md"))
    published = set(re.findall(r"https?://[^\s`|)<]+\.(?:pth|pt|zip)\b", text))
    published -= {address for address in published if "/NTIRE2021/" in address or address.endswith("/datasets.zip")}
    assert len(published) > 60
    assert published <= {card.url for card in CARDS.values()}, published - {card.url for card in CARDS.values()}


def test_no_hash_is_invented(shared: Path) -> None:
    """A hash stands in the published file name or in a specification; there is no other source."""
    text = "\n".join(file.read_text() for file in (shared / "specs").glob("*.md"))
    for card in CARDS.values():
        assert not card.sha256 or card.sha256 in text, card.name


def test_no_licence_is_invented(shared: Path) -> None:
    for card in CARDS.values():
        if card.licence and not card.packaged:
            assert re.search(r"BSD-[23]|Apache-2\.0|NC-SA", card.licence), card.name


def test_published_scores_stand_in_the_specifications(shared: Path) -> None:
    text = "\n".join(file.read_text() for file in (shared / "specs").glob("*.md"))
    numbers = {float(number) for number in re.findall(r"(?<![\w.])\d*\.?\d+", text)}
    for card in CARDS.values():
        for score in card.scores:
            assert set(score.values.values()) <= numbers, (card.name, score)


def test_listing_loads_no_torch() -> None:
    use = "[card.runnable for card in zoo.catalog().values()]"
    code = f"import sys; from finesight import zoo; {use}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_file_of_the_folder_is_read() -> None:
    assert {name for file in CATALOG.glob("*.toml") for name in read_family(file)} == set(CARDS)
