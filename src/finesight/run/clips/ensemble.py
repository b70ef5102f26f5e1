"""Self-ensemble of clips: the mean of answers for all flips and the transpose, and for the clip backwards in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from finesight.nn.clip import Features
from finesight.run.ensemble import TURNS

__all__ = ["TurnedRecurrent", "TurnedWindow", "clip_ensemble", "turned"]


def _turn(clip: Tensor, turn: tuple[bool, bool, bool]) -> Tensor:
    """Pictures ``... H W`` flipped along the width, then the height, then transposed, where ``turn`` says so."""
    transposed, up, left = turn
    axes = [axis for axis, wanted in ((-2, up), (-1, left)) if wanted]
    flipped = clip.flip(axes) if axes else clip
    return flipped.transpose(-2, -1).contiguous() if transposed else flipped


def _back(clip: Tensor, turn: tuple[bool, bool, bool]) -> Tensor:
    """Undo ``_turn``."""
    transposed, up, left = turn
    upright = clip.transpose(-2, -1) if transposed else clip
    axes = [axis for axis, wanted in ((-2, up), (-1, left)) if wanted]
    return upright.flip(axes) if axes else upright


def clip_ensemble(run: Callable[[Tensor], Tensor], clip: Tensor, *, temporal: bool = False) -> Tensor:
    """The mean of what ``run`` answers for the eight turns of a clip, each turned back (NTIRE 2021, BasicVSR++).

    Args:
        run: from a clip ``N T C H W`` to one ``N T C sH sW``.
        clip: ``N T C H W``; not changed.
        temporal: the eight turns of the clip backwards in time count too: sixteen answers.
    """
    total: Tensor | None = None
    orders = (False, True) if temporal else (False,)
    for backwards in orders:
        given = clip.flip(1) if backwards else clip
        for turn in TURNS:
            answer = _back(run(_turn(given, turn)), turn)
            answer = answer.flip(1) if backwards else answer
            total = answer.clone(memory_format=torch.contiguous_format) if total is None else total.add_(answer)
    assert total is not None
    return total.div_(len(orders) * len(TURNS))


class TurnedWindow(nn.Module):
    """A window network whose answer is the mean over the eight turns of its frames."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.traits = inner, inner.traits

    def encode(self, frame: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """What the network says of the frame in each of its turns."""
        return tuple(self.inner.encode(_turn(frame, turn)) for turn in TURNS)

    def fuse(self, features: Sequence[tuple[tuple[Tensor, ...], ...]]) -> Tensor:
        """The mean of the network's answers, each turned back."""
        answers = [
            _back(self.inner.fuse([frame[number] for frame in features]), turn) for number, turn in enumerate(TURNS)
        ]
        return torch.stack([answer.float() for answer in answers]).mean(0)

    def forward(self, clip: Tensor) -> Tensor:
        """``N T 3 H W`` -> ``N 3 sH sW``."""
        return self.fuse([self.encode(frame) for frame in clip.unbind(1)])


class TurnedRecurrent(nn.Module):
    """A recurrent network that walks over the eight turns of a clip side by side and gives the mean.

    Names of features and directions end with ``@`` and the number of the turn.
    """

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.traits = inner, inner.traits
        self.directions = tuple(f"{name}@{number}" for number in range(len(TURNS)) for name in inner.directions)

    def encode(self, clip: Tensor) -> Features:
        """The first features of every turn."""
        return {
            f"{name}@{number}": values
            for number, turn in enumerate(TURNS)
            for name, values in self.inner.encode(_turn(clip, turn)).items()
        }

    def propagate(self, direction: str, features: Features, state: Any = None) -> tuple[list[Tensor | None], Any]:
        """Walk in one direction of one turn."""
        name, _, number = direction.partition("@")
        answer: tuple[list[Tensor | None], Any] = self.inner.propagate(name, _of(features, number), state)
        return answer

    def decode(self, features: Features) -> Tensor:
        """The mean of the turns' clips, each turned back."""
        clips = [_back(self.inner.decode(_of(features, str(number))), turn) for number, turn in enumerate(TURNS)]
        return torch.stack([clip.float() for clip in clips]).mean(0)

    def forward(self, clip: Tensor) -> Tensor:
        """``N T 3 H W`` -> ``N T 3 sH sW``."""
        return clip_ensemble(self.inner, clip)


def _of(features: Features, number: str) -> Features:
    """The features of one turn by their own names."""
    return {name.partition("@")[0]: values for name, values in features.items() if name.partition("@")[2] == number}


def turned(network: Any) -> Any:
    """The network with all its turns."""
    return TurnedRecurrent(network) if network.traits.kind == "recurrent" else TurnedWindow(network)
