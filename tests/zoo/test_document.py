"""The page of the catalog is what the catalog says now."""

from __future__ import annotations

from finesight.zoo.cards import catalog
from finesight.zoo.document import catalog_page
from tests.conftest import ROOT


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
    assert page == catalog_page(), "run: python -m finesight.zoo.document > docs/catalog.md"


def test_every_entry_is_on_it() -> None:
    page = catalog_page()
    assert [name for name in catalog() if f"`{name}`" not in page] == []
