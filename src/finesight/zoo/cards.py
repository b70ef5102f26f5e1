"""The catalog: one TOML file for each family in ``zoo/catalog``, read strictly and only when it is needed."""

from __future__ import annotations

import dataclasses
import functools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from finesight.errors import ModelError, nearest
from finesight.zoo.model import Card, Score

__all__ = ["CATALOG", "WEIGHTS", "card", "catalog", "read_family"]

CATALOG = Path(__file__).parent / "catalog"
WEIGHTS = Path(__file__).parent / "weights"

SHARED = frozenset(
    {
        "title",
        "task",
        "paper",
        "protocol",
        "licence",
        "non_commercial",
        "architecture",
        "base",
        "notes",
        "scale",
        "manual",
    }
)
OWN = frozenset(f.name for f in dataclasses.fields(Card)) - {"name", "family", "weights_sha256", "training"}


def _strict(table: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ModelError(f"{where}: '{key}' is not a key of the catalog. {nearest(key, known)}".strip())


def _score(entry: Mapping[str, Any], protocol: str, where: str) -> Score:
    _strict(entry, frozenset({"on", "psnr", "ssim", "protocol", "scale", "values"}), where)
    values = {metric: float(entry[metric]) for metric in ("psnr", "ssim") if metric in entry}
    values |= {metric: float(value) for metric, value in entry.get("values", {}).items()}
    return Score(on=entry["on"], values=values, protocol=entry.get("protocol", protocol), scale=entry.get("scale"))


def read_family(file: Path) -> dict[str, Card]:
    """The cards of one file: ``[family]`` holds for each ``[models.NAME]`` that does not say otherwise.

    ``base`` is put before every ``url`` that has no scheme.

    Raises:
        ModelError: a key is not known, or a value has the wrong type.
    """
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    _strict(content, frozenset({"family", "models"}), file.name)
    family: dict[str, Any] = content["family"]
    _strict(family, SHARED, f"{file.name} [family]")
    cards = {}
    for name, own in content["models"].items():
        where = f"{file.name} [models.{name}]"
        _strict(own, OWN | {"protocol"}, where)
        entry = {k: v for k, v in family.items() if k not in ("title", "base", "protocol")} | own
        protocol = entry.pop("protocol", family.get("protocol", ""))
        entry["scores"] = tuple(_score(score, protocol, where) for score in entry.get("scores", ()))
        if (url := entry.get("url", "")) and "://" not in url:
            entry["url"] = family["base"] + url
        entry["mirrors"] = tuple(entry.get("mirrors", ()))
        cards[name] = Card(name=name, family=family["title"], **entry)
    return cards


def _files() -> Iterator[Path]:
    yield from sorted(CATALOG.glob("*.toml"))


@functools.cache
def catalog() -> Mapping[str, Card]:
    """Every named set of weights: name -> card, those that ship with finesight first.

    >>> "finesight-x4" in catalog()
    True
    """
    cards: dict[str, Card] = {}
    for file in _files():
        for name, found in read_family(file).items():
            if name in cards:
                raise ModelError(f"{file.name}: there are two models named '{name}' in the catalog.")
            cards[name] = found
    return MappingProxyType(dict(sorted(cards.items(), key=lambda item: not item[1].packaged)))


def card(name: str) -> Card:
    """The card of a model by its name in the catalog.

    Raises:
        ModelError: there is no such model; the nearest names are given.
    """
    cards = catalog()
    if name not in cards:
        hint = nearest(name, cards) or "Run: finesight models list"
        raise ModelError(f"'{name}' is neither a model of the catalog nor a file. {hint}")
    return cards[name]
