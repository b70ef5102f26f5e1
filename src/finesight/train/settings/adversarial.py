"""The other network of adversarial training."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from finesight.losses.adversarial import Adversarial
from finesight.train.settings.optimizer import Constant, OptimizerSettings
from finesight.train.settings.strict import Strict

__all__ = ["DiscriminatorSettings"]

_STEADY = OptimizerSettings(learning_rate=1e-4, warmup=0, schedule=Constant(), betas=(0.9, 0.999), clip=None)


class DiscriminatorSettings(Strict):
    """A network that tells true pictures from restored ones, and what both make of its answers."""

    architecture: str = Field(description="name in the table of architectures, such as unet-discriminator")
    arguments: dict[str, Any] = Field(default_factory=dict, description="constructor arguments")
    start_from: str | None = Field(None, description="weights whose tensors of equal name and shape are taken over")
    optimizer: OptimizerSettings = _STEADY
    loss: Literal["vanilla", "lsgan", "wgan", "wgan-softplus", "hinge", "mask"] = Field(
        "vanilla", description="mask: of AOT-GAN, the discriminator draws the hole"
    )
    relativistic: bool = Field(False, description="compare with the mean of the other side, as ESRGAN does")
    weight: float = Field(0.005, ge=0, description="of the generator's adversarial loss")
    target: str = Field(
        "", description="true pictures other than the batch's target, such as plain (before sharpening)"
    )
    from_step: int = Field(0, ge=0, description="steps before this one are without it")
    updates: PositiveInt = Field(1, description="discriminator updates a step")
    generator_every: PositiveInt = Field(1, description="the generator learns at every so many steps only")
    generator_rests: tuple[int, int] | None = Field(
        None, description="first step without the generator, and first again"
    )
    gradient_penalty: float = Field(0, ge=0, description="weight of WGAN-GP's penalty")
    r1: float = Field(0, ge=0, description="weight of the penalty on the gradient at true pictures")
    shift: float = Field(0, ge=0, description="weight of the mean square of the logits on true pictures")

    @model_validator(mode="after")
    def _drawn_alone(self) -> DiscriminatorSettings:
        if self.relativistic and self.loss == "mask":
            raise ValueError("a discriminator that draws the mask compares with it, not with the other side")
        return self

    @property
    def plain(self) -> Adversarial:
        """The loss where logits are compared with labels."""
        assert self.loss != "mask"  # looked at above
        return self.loss
