"""Random numbers for samplers, in double precision, out of one generator."""

from __future__ import annotations

import torch

__all__ = ["Draws"]


class Draws:
    """Numbers out of one generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """From ``low`` up to ``high``."""
        return low + (high - low) * float(torch.rand((), generator=self.generator, dtype=torch.float64))

    def integer(self, bound: int) -> int:
        """From 0 to below ``bound``."""
        return int(torch.randint(bound, (), generator=self.generator))

    def index(self, probabilities: tuple[float, ...]) -> int:
        """A place of ``probabilities``."""
        weights = torch.tensor(probabilities, dtype=torch.float64)
        return int(torch.multinomial(weights, 1, generator=self.generator))

    def seed(self) -> int:
        """For a generator of its own."""
        return self.integer(2**31 - 1)

    def order(self, count: int) -> list[int]:
        """The numbers below ``count`` in some order."""
        return [int(number) for number in torch.randperm(count, generator=self.generator)]
