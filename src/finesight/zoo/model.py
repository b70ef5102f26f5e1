"""What the zoo gives: a network with its traits, and the card that tells where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from finesight.nn.traits import Traits

__all__ = ["Card", "Model", "Score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One published result: the test set, what was measured under which protocol, and the values by metric."""

    on: str
    values: Mapping[str, float]
    protocol: str = ""
    scale: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Everything known about one set of weights. An empty string means: not stated by its source.

    Args:
        name: short name, ``edsr-x4``.
        family: title of the published system, ``EDSR``.
        task: one of ``finesight.nn.traits.Task``, or ``auxiliary`` for weights that other networks start from.
        summary: one line for people.
        architecture, arguments: the network in ``finesight.models.table`` and its keyword arguments.
        part: which prefix of the file's tensor names is this network, where a file holds several (``generator_ema.``).
        url, mirrors: where the file is published; ``manual``: page to visit where it cannot be fetched by address.
        file: its name in the cache; ``packaged``: its name in ``zoo/weights`` when it ships with finesight.
        archive_member: path inside the archive at ``url``.
        sha256: SHA-256 of the published file (the archive, if it is one), or the published beginning of it.
        size: bytes, where published.
        weights_sha256: measured SHA-256 of the file that was loaded; empty on a card that was not loaded.
        licence, non_commercial: as stated by the source.
        paper, setting: publication, and the published name of the training setting.
        scores: published results.
        scale: enlargement, ``None`` for any scale or where it has no meaning.
        denoise_weak: name of the same network with weights that denoise weakly; a strength is between them.
        notes: what a user should know before using it.
        training: facts recorded by our own training (steps, data, recipe), empty for published weights.
    """

    name: str
    family: str = ""
    task: str = ""
    summary: str = ""
    architecture: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    part: str = ""
    url: str = ""
    mirrors: tuple[str, ...] = ()
    manual: str = ""
    file: str = ""
    packaged: str = ""
    archive_member: str = ""
    sha256: str = ""
    size: int | None = None
    weights_sha256: str = ""
    licence: str = ""
    non_commercial: bool = False
    paper: str = ""
    setting: str = ""
    scores: tuple[Score, ...] = ()
    scale: int | None = None
    denoise_weak: str = ""
    notes: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def filename(self) -> str:
        """Name of the weights file in the cache: ``file``, or the last part of the archive member or of the address."""
        return self.file or self.packaged or PurePosixPath(self.archive_member or self.url).name

    @property
    def runnable(self) -> bool:
        """Whether this version of finesight has the network that these weights belong to."""
        from finesight.models.table import NETWORKS

        return self.architecture in NETWORKS

    def facts(self) -> dict[str, Any]:
        """Everything that is known, as plain JSON values; what is not known is left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["scores"] = [
            {"on": s.on, "values": dict(s.values), "protocol": s.protocol, "scale": s.scale} for s in self.scores
        ]
        values |= {"mirrors": list(self.mirrors), "arguments": dict(self.arguments), "training": dict(self.training)}
        return {name: value for name, value in values.items() if value not in ("", None, [], {})}

    def measured(self, weights_sha256: str) -> Card:
        """This card, with the hash of the file that was read."""
        return replace(self, weights_sha256=weights_sha256)


@dataclass(frozen=True, slots=True)
class Model:
    """A network ready to use: unfused, trainable, float32, in evaluation mode.

    Args:
        network: the plain ``nn.Module``.
        traits: what ``run`` needs to know of it (``network.traits``).
        card: where its weights come from.
    """

    network: nn.Module
    traits: Traits
    card: Card
