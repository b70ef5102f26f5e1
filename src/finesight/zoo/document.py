"""The catalog and the networks as pages.

``python -m finesight.zoo.document catalog > docs/catalog.md``, and the same with ``networks``.
"""

from __future__ import annotations

import sys
from itertools import groupby

from finesight.models.table import NETWORKS, network_class
from finesight.zoo.cards import catalog
from finesight.zoo.model import Card

__all__ = ["catalog_page", "networks_page"]

_HEAD = """# Catalog

Made by `python -m finesight.zoo.document catalog`; `finesight models info NAME` prints everything about one entry.
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


_NETWORKS_HEAD = """# Networks

Made by `python -m finesight.zoo.document networks`. Every architecture that `finesight.models.table` names, what it is,
and the named weights that belong to it. Each is compared with the published implementation's answers by
`tests/oracles/check.py`.
"""


def networks_page() -> str:
    """Every architecture by kind, with the first sentence of its docstring and its entries of the catalog."""
    parts = [_NETWORKS_HEAD]
    for kind, names in groupby(NETWORKS, key=lambda name: NETWORKS[name].split(".")[2]):
        parts.append(f"## {kind}\n\n| architecture | what | weights |\n|---|---|---|")
        for name in names:
            summary = " ".join((network_class(name).__doc__ or "").split("\n\n")[0].split()).replace("|", "/")
            weights = ", ".join(f"`{card.name}`" for card in catalog().values() if card.architecture == name)
            parts.append(f"| `{name}` | {summary} | {weights} |")
        parts[-1] += "\n"
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(networks_page() if sys.argv[1:] == ["networks"] else catalog_page())
