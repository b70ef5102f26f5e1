"""Temporal measures against TecoGAN's."""

from __future__ import annotations

from finesight.metrics.temporal import tof
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle

__all__ = ["CASES"]


def temporal(oracle: Oracle) -> Answers:
    restored, truth = (oracle.inputs[name].double().movedim(-1, 1) / 255 for name in ("pred", "gt"))
    return {"tof": tof(restored, truth)}


CASES = {"tOF (temporal consistency)": Case(temporal)}
