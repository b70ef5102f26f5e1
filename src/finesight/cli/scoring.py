"""What ``finesight score`` prints beside tables: matches, lists of names, why two protocols differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finesight.cli.stopping import stoppable
from finesight.cli.tables import Form, print_grid
from finesight.errors import SettingError

if TYPE_CHECKING:
    from finesight.evaluate import Pair, Protocol
    from finesight.evaluate.clips import ClipPair
    from finesight.evaluate.named import Metric

__all__ = ["Work", "explain_protocols", "print_list", "print_matches"]


@dataclass(frozen=True)
class Work:
    """What stays the same for all methods."""

    metrics: tuple[Metric, ...]
    scale: int | None
    align: str
    device: str


def print_matches(methods: Mapping[str, Sequence[Pair] | Sequence[ClipPair]], form: Form) -> int:
    """``--dry-run``."""
    grid = [["method", "name", "restored", "reference", "mask"]]
    for name, pairs in methods.items():
        grid += [
            [name, pair.name, str(pair.restored), str(pair.reference or ""), str(getattr(pair, "mask", None) or "")]
            for pair in pairs
        ]
    keep = [i for i, column in enumerate(zip(*grid, strict=True)) if any(column[1:]) and (i or len(methods) > 1)]
    grid = [[line[i] for i in keep] for line in grid]
    content = {"matches": [dict(zip(grid[0], line, strict=True)) for line in grid[1:]]}
    print_grid(grid, form, content=content)
    return 0


def print_list(form: Form) -> int:
    """``--list``."""
    from finesight.evaluate import METRICS, PROTOCOLS
    from finesight.evaluate.named import describe_metric

    grid = [["kind", "name", "what it is"]]
    grid += [["metric", name, describe_metric(name)] for name in METRICS]
    grid += [["protocol", name, one.describe().removeprefix(f"{name}: ")] for name, one in PROTOCOLS.items()]
    content = {
        "metrics": {name: describe_metric(name) for name in METRICS},
        "protocols": {
            name: {
                "settings": one.describe(),
                "source": one.source,
                "metrics": list(one.metrics),
                "note": one.note,
            }
            for name, one in PROTOCOLS.items()
        },
    }
    print_grid(grid, form, content=content)
    return 0


def explain_protocols(
    work: Work, pairs: Sequence[Pair] | Sequence[ClipPair], first: Protocol, second: Protocol, form: Form
) -> int:
    """``--explain``.

    Raises:
        SettingError: clips.
    """
    from finesight import evaluate
    from finesight.evaluate.clips import ClipPair

    pictures = [pair for pair in pairs if not isinstance(pair, ClipPair)]
    if not pictures:
        raise SettingError("--explain takes pictures or folders of frames, not clips")
    with stoppable() as stop:
        found = evaluate.explain(
            pictures,
            work.metrics,
            first,
            second,
            scale=work.scale,
            align=work.align,  # type: ignore[arg-type]  # the library says which there are
            device=work.device,
            cancel=stop,
        )
    steps = [
        {
            "setting": step.setting or first.name,
            "from": step.before,
            "to": step.after,
            "mean": _finite(step.means),
            "alone": _finite(step.alone),
        }
        for step in found.steps
    ]
    remarks = [first.describe(), second.describe()]
    if len(steps) == 1:
        remarks.append("They differ in no setting that changes a number.")
    content = {"protocols": [first.name, second.name], "settings": remarks[:2], "steps": steps}
    print_grid(found.grid(), form, content=content, remarks=remarks, numbers=True)
    return 0


def _finite(values: Mapping[str, float]) -> dict[str, float | str]:
    """JSON knows no infinity and no NaN: they become text."""
    return {name: value if math.isfinite(value) else str(value) for name, value in values.items()}
