"""Geometric self-ensemble around a network."""

from __future__ import annotations

import torch

from finesight.models.image.srcnn import Srcnn
from finesight.run.engines.torch import TorchNetwork
from finesight.run.ensemble import SelfEnsemble
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle

__all__ = ["CASES"]


def answer_srcnn(oracle: Oracle) -> Answers:
    config = oracle.config
    network = Srcnn(
        channels=tuple(config["channels"]), kernels=tuple(config["kernel_sizes"]), scale=config["upscale_factor"]
    )
    prepared = TorchNetwork(oracle.filled(network), torch.device("cpu"))
    return {"sr": SelfEnsemble(prepared)(oracle.inputs["lq"])}


CASES: dict[str, Case] = {"SRCNN + x8 geometric self-ensemble": Case(answer_srcnn)}
