"""The challenge of learning the super-resolution space against its published script."""

from __future__ import annotations

import torch
from torch import Tensor

from finesight.space.challenge import score_curve, score_picture
from tests.oracles.case import Answers, Case
from tests.oracles.cases.learned_metrics import lpips_network
from tests.oracles.reader import Oracle

__all__ = ["CASES"]


def challenge(oracle: Oracle) -> Answers:
    network = lpips_network(oracle)
    truths = oracle.inputs["gt"].movedim(-1, -3)
    sets = oracle.inputs["sr"].movedim(-1, -3)
    scale = oracle.config["scale"]
    found = [score_picture(truth, samples, network, scale=scale) for truth, samples in zip(truths, sets, strict=True)]
    columns = {
        "LPIPS_mean": [picture.lpips_mean for picture in found],
        "LRPSNR_worst": [picture.lrpsnr_worst for picture in found],
        "LRPSNR_mean": [picture.lrpsnr_mean for picture in found],
        "score": [picture.score for picture in found],
        "local_best": [picture.local_best for picture in found],
        "global_best": [picture.global_best for picture in found],
    }
    answers: dict[str, Tensor] = {name: torch.tensor(values).double() for name, values in columns.items()}
    for name in ("LPIPS_mean", "LRPSNR_worst", "LRPSNR_mean", "score"):
        answers[f"mean_{name}"] = answers[name].mean()
    answers["sample_lpips"] = torch.stack([picture.sample_lpips for picture in found])
    answers["sample_lrpsnr"] = torch.stack([picture.sample_lrpsnr for picture in found])
    answers["best_map"] = torch.stack([picture.best_map for picture in found])
    for kind, trunk in (("LPIPS", network), ("MSE", None)):
        curves = [score_curve(truth, samples, trunk) for truth, samples in zip(truths, sets, strict=True)]
        answers[f"full_{kind}_mean"] = torch.stack([curve.mean for curve in curves])
        answers[f"full_{kind}_best_loc"] = torch.stack([curve.best_local for curve in curves])
        answers[f"full_{kind}_diff"] = torch.stack([curve.difference for curve in curves])
        answers[f"full_{kind}_score"] = torch.stack([curve.score for curve in curves])
    return answers


CASES = {"sr_space_measure": Case(challenge)}
