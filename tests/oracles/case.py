"""How one published model is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from tests.oracles.reader import Oracle, relative_error

__all__ = ["Answers", "Case"]

Answers = Mapping[str, "Tensor | np.ndarray | float"]


@dataclass(frozen=True)
class Case:
    """``answer`` builds our network or calls our function for any file of this model; tolerance is relative.

    Args:
        answer: from a file to an answer for each of its outputs.
        tolerance: largest relative error, 1e-5 unless the published README states another (1e-4 at most).
        absolute: names of outputs compared absolutely (values that are rounding noise around zero).
        gradient: whether ``answer`` needs autograd.
        looser: outputs whose published README states a larger tolerance, with it; their error is reported in
            proportion, so that one bound judges the file.
    """

    answer: Callable[[Oracle], Answers]
    tolerance: float = 1e-5
    absolute: frozenset[str] = frozenset()
    gradient: bool = False
    looser: Mapping[str, float] = field(default_factory=dict)

    def error(self, name: str, expected: np.ndarray, answer: Tensor | np.ndarray | float) -> float:
        if name in self.absolute:
            found = np.asarray(answer.detach().cpu() if isinstance(answer, Tensor) else answer)
            return float(np.abs(found - expected).max())
        return relative_error(expected, answer) * (self.tolerance / self.looser.get(name, self.tolerance))
