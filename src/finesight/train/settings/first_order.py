"""Degradation of first order with ranges of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from finesight.train.settings.strict import Strict

if TYPE_CHECKING:
    from finesight.degrade.first_order import FirstOrder

__all__ = ["FirstOrderSettings"]


class FirstOrderSettings(Strict):
    """Blur, shrink, noise, JPEG: see ``finesight.degrade.first_order.FirstOrder``."""

    kind: Literal["first-order"] = "first-order"
    blur: tuple[float, float] = (0.3, 2.4)
    blur_probability: float = Field(0.7, ge=0, le=1)
    noise: tuple[float, float] = (0.5, 8.0)
    noise_probability: float = Field(0.6, ge=0, le=1)
    gray_noise_probability: float = Field(0.4, ge=0, le=1)
    jpeg: tuple[int, int] = (40, 95)
    jpeg_probability: float = Field(0.85, ge=0, le=1)

    def ranges(self) -> FirstOrder:
        """What the degradation itself takes."""
        from finesight.degrade.first_order import FirstOrder

        return FirstOrder(**self.model_dump(exclude={"kind"}))
