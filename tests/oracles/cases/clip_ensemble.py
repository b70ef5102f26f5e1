"""Self-ensemble of clips around a toy network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.run.clips.ensemble import clip_ensemble
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle

__all__ = ["CASES"]


def answer_ensemble(oracle: Oracle) -> Answers:
    kernel, clip = oracle.inputs["kernel"], oracle.inputs["lq"]

    def toy(given: Tensor) -> Tensor:
        """Each frame convolved, plus what is left of the frame before it."""
        frames = F.conv2d(given.flatten(0, 1), kernel, padding=1).view_as(given)
        before = torch.cat((torch.zeros_like(frames[:, :1]), frames[:, :-1]), dim=1)
        return frames + 0.3 * torch.tanh(before)

    return {
        "plain": toy(clip),
        "spatial": clip_ensemble(toy, clip),
        "both": clip_ensemble(toy, clip, temporal=True),
    }


CASES: dict[str, Case] = {"8-fold spatial / 16-fold spatio-temporal self-ensemble": Case(answer_ensemble)}
