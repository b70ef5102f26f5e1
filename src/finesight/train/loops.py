"""Which loop a recipe is trained by."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from finesight.progress import Cancel, Progress
from finesight.train import adversarial, regression
from finesight.train.recipe import Recipe
from finesight.train.session import Note

__all__ = ["Loop", "loop_for"]


class Loop(Protocol):
    """``regression.train`` and its like."""

    def __call__(
        self,
        recipe: Recipe,
        folder: Path,
        *,
        device: str = ...,
        stop_after: int | None = ...,
        progress: Progress = ...,
        note: Note = ...,
        cancel: Cancel | None = ...,
    ) -> Path | None: ...


def loop_for(recipe: Recipe) -> Loop:
    """The adversarial loop for a recipe with a discriminator, otherwise the regression."""
    return regression.train if recipe.discriminator is None else adversarial.train
