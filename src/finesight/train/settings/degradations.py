"""How a recipe says what low quality is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from finesight.degrade.names import Degradation
from finesight.errors import SettingError
from finesight.train.settings.first_order import FirstOrderSettings
from finesight.train.settings.strict import Strict

if TYPE_CHECKING:
    from finesight.data.lowering import How
    from finesight.degrade.second_order import SecondOrder, StageSettings

__all__ = ["DegradationSettings", "FirstStageSettings", "SecondOrderSettings", "SecondStageSettings", "how"]

Probability = Annotated[float, Field(ge=0, le=1)]


class FirstStageSettings(Strict):
    """The first order; see ``finesight.degrade.second_order.StageSettings``."""

    sizes: tuple[int, ...] = Field((7, 9, 11, 13, 15, 17, 19, 21), min_length=1, description="of kernels, odd")
    families: tuple[Probability, Probability, Probability, Probability, Probability, Probability] = Field(
        (0.45, 0.25, 0.12, 0.03, 0.12, 0.03),
        description="iso, aniso, generalized iso, generalized aniso, plateau iso, plateau aniso",
    )
    shape_rule: Literal["published", "narrow"] = "published"
    sinc_probability: Probability = 0.1
    sigma: tuple[float, float] = (0.2, 3.0)
    generalized_shape: tuple[float, float] = (0.5, 4.0)
    plateau_shape: tuple[float, float] = (1.0, 2.0)
    blur_probability: Probability = 1.0
    up_down_keep: tuple[Probability, Probability, Probability] = (0.2, 0.7, 0.1)
    resize: tuple[float, float] = (0.15, 1.5)
    gaussian_probability: Probability = 0.5
    gaussian: tuple[float, float] = (1.0, 30.0)
    poisson: tuple[float, float] = (0.05, 3.0)
    gray_probability: Probability = 0.4
    jpeg: tuple[float, float] = (30.0, 95.0)

    def ranges(self) -> StageSettings:
        """What the degradation itself takes."""
        from finesight.degrade.second_order import LARGEST_KERNEL, StageSettings

        if any(size % 2 == 0 or not 1 <= size <= LARGEST_KERNEL for size in self.sizes):
            raise SettingError(f"sizes: expected odd numbers from 1 to {LARGEST_KERNEL}, got {list(self.sizes)}")
        return StageSettings(**self.model_dump())


class SecondStageSettings(FirstStageSettings):
    """The second order, weaker."""

    sigma: tuple[float, float] = (0.2, 1.5)
    blur_probability: Probability = 0.8
    up_down_keep: tuple[Probability, Probability, Probability] = (0.3, 0.4, 0.3)
    resize: tuple[float, float] = (0.3, 1.2)
    gaussian: tuple[float, float] = (1.0, 25.0)
    poisson: tuple[float, float] = (0.05, 2.5)


class SecondOrderSettings(Strict):
    """Real-ESRGAN's degradation with ranges of one's own."""

    kind: Literal["second-order"] = "second-order"
    first: FirstStageSettings = FirstStageSettings()
    second: SecondStageSettings = SecondStageSettings()
    final_sinc_probability: Probability = 0.8

    def ranges(self) -> SecondOrder:
        """What the degradation itself takes."""
        from finesight.degrade.second_order import SecondOrder

        return SecondOrder(self.first.ranges(), self.second.ranges(), self.final_sinc_probability)


DegradationSettings = Degradation | FirstOrderSettings | SecondOrderSettings
"""A name stands for the published ranges."""


def how(settings: DegradationSettings) -> How:
    """What ``finesight.data.lowering`` takes."""
    return settings if isinstance(settings, str) else settings.ranges()
