"""Why two protocols give two numbers for the same pictures: one setting changed at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from finesight.evaluate.matching import Pair
from finesight.evaluate.named import Metric
from finesight.evaluate.protocols import Protocol
from finesight.evaluate.scoring import Align, score_pairs
from finesight.evaluate.tables import as_markdown
from finesight.progress import Cancel

__all__ = ["Explanation", "Step", "explain"]


@dataclass(frozen=True)
class Step:
    """What the means are once one more setting has been taken over.

    Args:
        setting: which; empty for the start.
        before, after: its values in the two protocols.
        means: metric -> mean with everything taken over so far.
        alone: metric -> how much this setting alone moves the first protocol's mean.
    """

    setting: str
    before: object
    after: object
    means: dict[str, float]
    alone: dict[str, float]


@dataclass(frozen=True)
class Explanation:
    """The way from one protocol's numbers to another's."""

    first: Protocol
    second: Protocol
    steps: tuple[Step, ...]

    def grid(self) -> list[list[str]]:
        """Header and a line for each step as text, for any kind of printing."""
        names = list(self.steps[0].means)
        lines = [["setting", "from", "to", *names, *(f"{name}, this alone" for name in names)]]
        for step in self.steps:
            texts = [f"{step.means[name]:.4f}" for name in names]
            alone = [f"{step.alone[name]:+.4f}" if step.setting else "" for name in names]
            lines.append([step.setting or self.first.name, str(step.before), str(step.after), *texts, *alone])
        return lines

    def to_markdown(self) -> str:
        """A line for each step."""
        return as_markdown(self.grid())


def explain(
    pairs: Sequence[Pair],
    metrics: Sequence[Metric],
    first: Protocol,
    second: Protocol,
    *,
    scale: int | None = None,
    align: Align = "refuse",
    device: str | torch.device = "cpu",
    cancel: Cancel | None = None,
) -> Explanation:
    """Measure with the first protocol, then take over the second's settings one after the other.

    The last step has the second protocol's numbers. Of identical protocols there is only the start.

    Raises:
        as ``score_pairs``.
    """

    def means(chosen: Protocol) -> dict[str, float]:
        table = score_pairs(pairs, metrics, chosen, scale=scale, align=align, device=device, cancel=cancel)
        return {name: mean.value for name, mean in table.means().items()}

    start = means(first)
    steps = [Step("", "", "", start, dict.fromkeys(start, 0.0))]
    current = first
    differing = first.differences(second)
    for setting, (before, after) in differing.items():
        current = replace(current, **{setting: after})  # type: ignore[arg-type]  # a field by its name
        alone = means(replace(first, **{setting: after}))  # type: ignore[arg-type]  # the same
        change = {name: alone[name] - start[name] for name in start}
        steps.append(Step(setting, before, after, means(current), change))
    return Explanation(first, second, tuple(steps))
