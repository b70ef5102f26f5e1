"""Sets of features, agreement with people, ratings and several references against the published code."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from finesight.metrics import psnr, ssim
from finesight.metrics.correlation import kendall, pearson, rmse, spearman
from finesight.metrics.fits import Curve, fit_curve
from finesight.metrics.frechet import FeatureStatistics, frechet_distance, kernel_distance, squared_mmd
from finesight.metrics.preference import elo, win_probability
from finesight.metrics.references import multi_reference
from tests.oracles.case import Answers, Case
from tests.oracles.cases.metrics import picture
from tests.oracles.reader import Oracle

__all__ = ["CASES"]


def sets(oracle: Oracle) -> Answers:
    first, second = oracle.inputs["features_a"], oracle.inputs["features_b"]
    statistics = FeatureStatistics(), FeatureStatistics()
    for statistic, features in zip(statistics, (first, second), strict=True):
        for batch in features.split(17):
            statistic.update(batch)
    random = np.random.RandomState(3)

    def choose(count: int, size: int) -> Tensor:
        return torch.from_numpy(random.choice(count, size, replace=False))

    kid = kernel_distance(first, second, repeats=8, size=30, choose=choose, rows_of_first=True)
    return {
        "fid": frechet_distance(*statistics),
        "mmd2_unbiased": squared_mmd(first[:50], second[:50]),
        "mmd2_biased": squared_mmd(first[:50], second[:50], unbiased=False),
        "kid_mean": kid.mean,
        "kid_std": kid.deviation,
    }


def correlations(oracle: Oracle) -> Answers:
    measures = {"srcc": spearman, "plcc": pearson, "krcc": kendall, "rmse": rmse}
    answers = {}
    for name in oracle.outputs:
        measure, data = name.split("_", 1)
        answers[name] = measures[measure](oracle.inputs[f"x_{data}"], oracle.inputs[f"y_{data}"])
    return answers


def fitted(oracle: Oracle) -> Answers:
    x, y = oracle.inputs["x"], oracle.inputs["y"]
    curves: tuple[Curve, ...] = ("logistic4", "logistic5", "cubic")
    # scores standardised to a mean of 1e-16 stop SciPy from moving the level
    stuck = abs(float(y.mean())) < 1e-12
    fits = {curve: fit_curve(x, y, curve, fixed_level=stuck) for curve in curves}
    return (
        {"plcc_raw": pearson(x, y), "cubic": fits["cubic"].parameters}
        | {f"plcc_{name}": pearson(fit.values, y) for name, fit in fits.items()}
        | {f"rmse_{name}": rmse(fit.values, y) for name, fit in fits.items()}
        | {"fit4": fits["logistic4"].values, "fit5": fits["logistic5"].values}
    )


def ratings(oracle: Oracle) -> Answers:
    config = oracle.config
    history = elo(
        *(oracle.inputs[name] for name in ("first", "second", "score")),
        items=oracle.outputs["ratings"].shape[0],
        initial=config["initial"],
        step=config["K"],
        scale=config["M"],
    )
    return {
        "ratings": history.ratings,
        "expected": history.expected,
        "trajectory": history.trajectory[torch.tensor(config["steps"])],
        "mean_of_last": history.mean_of_last(config["tail"]),
    }


def rating_example(oracle: Oracle) -> Answers:
    first, second = oracle.inputs["a"], oracle.inputs["b"]
    step, scale = oracle.config["K"], oracle.config["M"]
    start = torch.tensor([1500.0, 1600.0], dtype=torch.float64)
    pair = torch.tensor([0]), torch.tensor([1])
    after = [elo(*pair, torch.tensor([won]), initial=start, step=step, scale=scale).ratings for won in (1.0, 0.0)]
    return {
        "p_a_preferred": win_probability(first, second, scale=scale),
        "after_a_wins": after[0],
        "after_b_wins": after[1],
    }


def several_references(oracle: Oracle) -> Answers:
    restored = picture(oracle.inputs["restored"])
    versions = oracle.inputs["ground_truths"].double().movedim(-1, -3) / 255
    answers: dict[str, Tensor] = {}
    for name, metric in (("psnr", psnr), ("ssim", ssim)):
        chosen = partial(metric, border=oracle.config["border"])
        answers[f"{name}_per_image"] = multi_reference(chosen, restored, versions, oracle.inputs["votes"])
        answers[name] = answers[f"{name}_per_image"].mean()
    return answers


CASES = {
    "fid, kid": Case(sets, tolerance=1e-8),
    "rank and linear correlation": Case(correlations, tolerance=1e-9),
    "PLCC after a fit": Case(fitted, tolerance=1e-4),
    "Elo ratings": Case(ratings, tolerance=1e-10),
    "Elo example": Case(rating_example, tolerance=1e-10),
    "multi-ground-truth PSNR/SSIM": Case(several_references, tolerance=1e-8),
}
