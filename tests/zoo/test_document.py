"""The page of the catalog is what the catalog says now."""

from __future__ import annotations

from finesight.models.table import NETWORKS
from finesight.zoo.cards import catalog
from finesight.zoo.document import catalog_page, networks_page
from tests.conftest import ROOT


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
    assert page == catalog_page(), "run: python -m finesight.zoo.document catalog > docs/catalog.md"


def test_every_entry_is_on_it() -> None:
    page = catalog_page()
    assert [name for name in catalog() if f"`{name}`" not in page] == []


WITHOUT_WEIGHTS = {
    "fba": "mmediting holds its components without weights",
    "dists": "two parts: the backbone is vgg16-imagenet, the weights of its terms are dists-weights",
    "lpips": "two parts: the backbone is an ImageNet network, the heads are lpips-*-heads",
    "pipal-quality": "no address of its weights is published in the specifications",
}
"""Architectures that no entry of the catalog names, each with the reason."""


def test_every_network_is_on_its_page() -> None:
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    assert page == networks_page(), "run: python -m finesight.zoo.document networks > docs/networks.md"
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert sorted(rows) == sorted(NETWORKS)
    for name, row in rows.items():
        assert len(row.split("|")[2]) > 20, f"{name} has no documentation line: write its class's docstring"


def test_every_network_has_an_entry_in_the_catalog() -> None:
    named = {card.architecture for card in catalog().values()}
    assert sorted(set(NETWORKS) - named) == sorted(WITHOUT_WEIGHTS)
