"""The catalog as a page: ``python -m finesight.zoo.document > docs/catalog.md``."""

from __future__ import annotations

import sys
from itertools import groupby

from finesight.zoo.cards import catalog
from finesight.zoo.model import Card

__all__ = ["catalog_page"]

_HEAD = """# Catalog

Made by `python -m finesight.zoo.document`; `finesight models info NAME` prints everything about one entry.
Weights that do not ship are fetched when they are first used, checked against the published hash or its published
beginning, and kept. "runs" says whether this version has the network. A licence is given only where the source states
one.
"""


def _row(card: Card) -> str:
    where = "ships" if card.packaged else "by hand" if card.manual and not card.url else "fetched"
    licence = card.licence + (" (non-commercial)" if card.non_commercial else "")
    cells = (f"`{card.name}`", card.summary, "yes" if card.runnable else "not yet", where, licence or "not stated")
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def catalog_page() -> str:
    """Every entry of the catalog by family, as Markdown."""
    parts = [_HEAD]
    for family, cards in groupby(catalog().values(), key=lambda card: card.family):
        rows = list(cards)
        paper = f"\n{rows[0].paper}\n" if rows[0].paper else ""
        parts.append(f"## {family}\n{paper}\n| name | what | runs | weights | licence |\n|---|---|---|---|---|")
        parts.append("\n".join(map(_row, rows)) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(catalog_page())
