"""Scores against several good answers, chosen by people's votes (HGGT)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from finesight.errors import InputError, SettingError

__all__ = ["NEGATIVE", "POSITIVE", "SIMILAR", "effective_label", "multi_reference"]

POSITIVE, SIMILAR, NEGATIVE = 0, 1, 2


def effective_label(votes: Tensor) -> tuple[Tensor, Tensor]:
    """The label that three people's votes amount to, and how many agreed.

    Args:
        votes: (..., 3) of POSITIVE, SIMILAR, NEGATIVE.

    Returns:
        labels (...) and counts (...): the most frequent vote and its 2 or 3; SIMILAR and 1 if all three differ.

    >>> effective_label(torch.tensor([[0, 0, 2], [0, 1, 2]]))
    (tensor([0, 1]), tensor([2, 1]))
    """
    if votes.shape[-1] != 3 or votes.is_floating_point() or int(votes.min()) < 0 or int(votes.max()) > NEGATIVE:
        raise SettingError(f"votes are (..., 3) of 0 positive, 1 similar, 2 negative, got {tuple(votes.shape)}")
    counts = torch.stack([(votes == label).sum(-1) for label in (POSITIVE, SIMILAR, NEGATIVE)], dim=-1)
    most, label = counts.max(-1)
    return torch.where(most == 1, torch.full_like(label, SIMILAR), label), most


def multi_reference(
    metric: Callable[[Tensor, Tensor], Tensor], restored: Tensor, versions: Tensor, votes: Tensor
) -> Tensor:
    """The mean of ``metric(version, restored)`` over the versions whose effective label is positive.

    Args:
        metric: from two batches to (N,), with border and range already chosen.
        restored: (N, C, H, W).
        versions: (N, V, C, H, W) of the same size.
        votes: (N, V, 3).

    Returns:
        (N,).

    Raises:
        InputError: a picture has no positive version (the published script divides by zero there).
    """
    if versions.shape[:2] != votes.shape[:2] or len(restored) != len(versions):
        raise SettingError(
            f"multi-reference scores take (N, V, C, H, W) versions and (N, V, 3) votes, got {tuple(versions.shape)} "
            f"and {tuple(votes.shape)} for {len(restored)} pictures"
        )
    positive = effective_label(votes)[0] == POSITIVE
    without = [str(index) for index in (~positive.any(1)).nonzero().flatten().tolist()]
    if without:
        raise InputError(f"no version of picture {', '.join(without)} was judged positive: leave it out of the set")
    return torch.stack(
        [
            metric(versions[i, chosen], restored[i].expand(int(chosen.sum()), -1, -1, -1)).mean()
            for i, chosen in enumerate(positive)
        ]
    )
