"""What all settings have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

if TYPE_CHECKING:
    from finesight.data.batch import Source
    from finesight.nn.traits import Traits

__all__ = ["DataKind", "Strict"]


class Strict(BaseModel):
    """Settings that cannot change and do not accept keys they do not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataKind(Strict):
    """What the network learns from; see ``finesight.train.batch`` for how a kind is added."""

    batch: PositiveInt = Field(16, description="samples a step, over all processes and parts")

    def source(self, traits: Traits, *, seed: int) -> Source:
        """The source of a run whose network has ``traits``.

        Raises:
            InputError: the data is missing or cannot be used.
            SettingError: it does not fit the network.
        """
        raise NotImplementedError
