"""How parameters are changed: optimizers, learning rates, and which parameters learn when."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from finesight.train.settings.strict import Strict

__all__ = ["GroupSettings", "OptimizerSettings", "Schedule"]


class Cosine(Strict):
    """A cosine from the learning rate to the final one over the whole run."""

    kind: Literal["cosine"] = "cosine"


class Constant(Strict):
    """The learning rate as it is."""

    kind: Literal["constant"] = "constant"


class MultiStep(Strict):
    """The learning rate times ``gamma`` at every milestone."""

    kind: Literal["multi-step"] = "multi-step"
    milestones: tuple[PositiveInt, ...] = Field(description="steps from which the next rate is in force")
    gamma: float = Field(0.5, gt=0, lt=1)


class CosineRestart(Strict):
    """A cosine down to ``minimum`` in each period."""

    kind: Literal["cosine-restart"] = "cosine-restart"
    periods: tuple[PositiveInt, ...] = Field(min_length=1, description="lengths in steps")
    restart_weights: tuple[PositiveFloat, ...] = Field((), description="height of each period; empty: all 1")
    minimum: float = Field(1e-7, ge=0)

    @model_validator(mode="after")
    def _equal_numbers(self) -> CosineRestart:
        if self.restart_weights and len(self.restart_weights) != len(self.periods):
            raise ValueError(f"expected {len(self.periods)} restart_weights, one a period")
        return self


class Plateau(Strict):
    """The learning rate times ``gamma`` whenever validation has not become better for a while."""

    kind: Literal["plateau"] = "plateau"
    gamma: float = Field(0.5, gt=0, lt=1)
    patience: PositiveInt = Field(5, description="validations without a better one before the rate falls")
    threshold: float = Field(0.0, ge=0, description="share of the best value by which a validation must be better")
    cooldown: int = Field(0, ge=0, description="validations after a fall that do not count")
    minimum: float = Field(1e-7, ge=0)


Schedule = Annotated[Cosine | Constant | MultiStep | CosineRestart | Plateau, Field(discriminator="kind")]


class GroupSettings(Strict):
    """Parameters that learn differently, by the beginning of their names; the first group that fits counts."""

    prefix: str = Field(description="beginning of the parameters' names, such as spynet.; empty: all that are left")
    factor: float = Field(1.0, ge=0, description="of the learning rate; 0: they never learn")
    from_step: int = Field(0, ge=0, description="before this step they stay as they are")
    weight_decay: float | None = Field(None, ge=0, description="in place of the optimizer's own")


class OptimizerSettings(Strict):
    """One optimizer and its learning rate."""

    kind: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(1e-3, gt=0, le=1)
    final_learning_rate: float = Field(1e-6, ge=0, le=1, description="of the cosine schedule, reached at the last step")
    warmup: int = Field(200, ge=0, description="steps over which the learning rate rises from 0")
    schedule: Schedule = Cosine()
    betas: tuple[float, float] = (0.9, 0.99)
    epsilon: float = Field(1e-8, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1, description="of sgd")
    weight_decay: float = Field(0.0, ge=0)
    clip: PositiveFloat | None = Field(1.0, description="largest norm of the gradient of all parameters; null: any")
    groups: tuple[GroupSettings, ...] = ()
