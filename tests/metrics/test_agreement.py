"""Sets of features, correlations, fits, ratings and votes: by hand, against SciPy, and laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import linalg, stats
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.metrics import psnr
from finesight.metrics.correlation import bootstrap, kendall, pearson, ranks, rmse, spearman
from finesight.metrics.fits import fit_curve
from finesight.metrics.frechet import FeatureStatistics, frechet_distance, kernel_distance, squared_mmd
from finesight.metrics.preference import bradley_terry, elo, win_probability
from finesight.metrics.references import NEGATIVE, POSITIVE, SIMILAR, effective_label, multi_reference

GENERATOR = torch.Generator().manual_seed(11)
FIRST = torch.randn(60, 7, generator=GENERATOR).double()
SECOND = 0.7 * torch.randn(50, 7, generator=GENERATOR).double() + 0.3


def statistics(features: Tensor, batch: int) -> FeatureStatistics:
    made = FeatureStatistics()
    for part in features.split(batch):
        made.update(part)
    return made


def test_statistics_do_not_depend_on_batches() -> None:
    whole, pieces = statistics(FIRST + 1e4, 60), statistics(FIRST + 1e4, 1)
    assert torch.allclose(whole.mean, pieces.mean, rtol=1e-12)
    assert torch.allclose(whole.covariance, pieces.covariance, rtol=1e-7, atol=1e-9)
    assert torch.allclose(whole.covariance, (FIRST + 1e4).T.cov(), rtol=1e-7, atol=1e-9)
    with pytest.raises(SettingError, match="one width"):
        whole.update(torch.rand(3, 6))
    with pytest.raises(InputError, match="at least 2"):
        _ = statistics(FIRST[:1], 1).covariance


def test_frechet_distance_equals_the_matrix_root() -> None:
    first, second = statistics(FIRST, 9), statistics(SECOND, 9)
    root = linalg.sqrtm(first.covariance.numpy() @ second.covariance.numpy()).real
    expected = (first.mean - second.mean).square().sum() + first.covariance.trace() + second.covariance.trace()
    assert frechet_distance(first, second) == pytest.approx(float(expected) - 2 * np.trace(root), rel=1e-9)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)
    few = statistics(torch.rand(3, 20), 3)  # fewer pictures than features: a singular covariance is no accident
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)


def test_kernel_distance() -> None:
    assert float(squared_mmd(FIRST, FIRST, unbiased=False)) == pytest.approx(0, abs=1e-12)
    same = kernel_distance(FIRST, FIRST[:50], size=20, repeats=50, generator=torch.Generator().manual_seed(1))
    other = kernel_distance(FIRST, SECOND + 1, size=20, repeats=50, generator=torch.Generator().manual_seed(1))
    assert abs(same.mean) < 3 * same.deviation < other.mean
    again = kernel_distance(FIRST, SECOND + 1, size=20, repeats=50, generator=torch.Generator().manual_seed(1))
    assert again == other
    with pytest.raises(InputError, match="only 50"):
        kernel_distance(FIRST, SECOND, generator=GENERATOR)
    with pytest.raises(SettingError, match="generator"):
        kernel_distance(FIRST, SECOND, size=20)
    with pytest.raises(SettingError, match="one shape"):
        squared_mmd(FIRST, SECOND)


@pytest.mark.parametrize("ties", [False, True])
def test_correlations_equal_scipy(ties: bool) -> None:
    x = torch.randn(2100, generator=torch.Generator().manual_seed(2)).double()
    y = 0.5 * x + torch.randn(2100, generator=torch.Generator().manual_seed(3)).double()
    if ties:
        x, y = (x * 2).round(), (y * 2).round()
    assert float(pearson(x, y)) == pytest.approx(stats.pearsonr(x, y).statistic, rel=1e-12)
    assert float(spearman(x, y)) == pytest.approx(stats.spearmanr(x, y).statistic, rel=1e-12)
    assert float(kendall(x, y)) == pytest.approx(stats.kendalltau(x, y).statistic, rel=1e-12)
    assert ranks(x).tolist() == stats.rankdata(x).tolist()
    assert float(rmse(x, y)) == pytest.approx(float((x - y).square().mean().sqrt()), rel=1e-6)


def test_correlations_without_meaning() -> None:
    assert pearson(torch.ones(5), torch.arange(5.0)).isnan()
    assert kendall(torch.ones(5), torch.arange(5.0)).isnan()
    with pytest.raises(InputError, match="at least 2"):
        spearman(torch.ones(1), torch.ones(1))
    with pytest.raises(SettingError, match="one length"):
        pearson(torch.ones(3), torch.ones(4))


def test_bootstrap_covers_the_truth() -> None:
    generator = torch.Generator().manual_seed(4)
    hits = 0
    for _ in range(40):
        sample = torch.randn(60, generator=generator).double() + 3
        interval = bootstrap(torch.mean, sample, generator=generator, repeats=200, confidence=0.9)
        assert interval.low < interval.value < interval.high
        hits += interval.low < 3 < interval.high
    assert 30 <= hits <= 40
    with pytest.raises(SettingError, match="confidence"):
        bootstrap(torch.mean, FIRST[:, 0], generator=generator, confidence=95)
    constant = bootstrap(pearson, torch.ones(5), torch.arange(5.0), generator=generator, repeats=5)
    assert np.isnan(constant.low)


def test_fits_find_the_curves_that_made_the_scores() -> None:
    x = torch.linspace(-3, 5, 80).double()
    four = 9 / (1 + torch.exp(-(x - 1.2) / 0.6)) + 2
    fit = fit_curve(x, four)
    assert fit.parameters.tolist() == pytest.approx([11, 2, 1.2, 0.6], rel=1e-5)
    five = 6 * (0.5 - 1 / (1 + torch.exp(2.5 * (x - 0.4)))) + 0.3 * x + 1
    for curve, values in (("logistic5", five), ("logistic5", -five), ("cubic", 2 * x**3 - x + 4)):
        found = fit_curve(x, values, curve)  # type: ignore[arg-type]
        assert torch.allclose(found.values, values, atol=1e-5)
    assert fit_curve(x, 2 * x**3 - x + 4, "cubic").parameters.tolist() == pytest.approx([2, 0, -1, 4], abs=1e-9)
    assert float(fit_curve(x, five, "logistic5", fixed_level=True).parameters[4]) == pytest.approx(float(five.mean()))
    with pytest.raises(InputError, match="at least 6 pairs"):
        fit_curve(x[:5], x[:5])
    with pytest.raises(SettingError, match="logistic4, logistic5 or cubic"):
        fit_curve(x, x, "spline")  # type: ignore[arg-type]


def test_elo_by_hand() -> None:
    first, second = torch.tensor([0, 1]), torch.tensor([1, 2])
    history = elo(first, second, torch.tensor([1.0, 0.5]), items=4)
    assert history.expected.tolist() == pytest.approx([0.5, 1 / (1 + 10 ** (8 / 400))])
    assert history.trajectory[0].tolist() == [1408, 1392, 1400, 1400]
    assert float(history.ratings.sum()) == pytest.approx(5600)
    assert torch.equal(history.mean_of_last(2), history.trajectory.mean(0))
    assert float(win_probability(torch.tensor(400.0), torch.tensor(0.0))) == pytest.approx(10 / 11)
    for mistake in (
        lambda: elo(first, second, torch.tensor([1.0])),
        lambda: elo(first, second, torch.tensor([1.0, 2.0])),
        lambda: elo(first, second, torch.tensor([1.0, 1.0]), items=2),
    ):
        with pytest.raises(InputError):
            mistake()
    with pytest.raises(SettingError, match="last 3"):
        history.mean_of_last(3)


def test_bradley_terry_finds_the_strengths_that_made_the_results() -> None:
    strengths = torch.tensor([1200.0, 1350, 1450, 1600])
    first, second = (index.repeat(1) for index in torch.triu_indices(4, 4, 1))
    shares = win_probability(strengths[first], strengths[second])
    found = bradley_terry(first, second, shares)
    assert torch.allclose(found.float(), strengths, atol=1e-2)
    order = torch.randperm(len(first), generator=GENERATOR)
    assert torch.allclose(bradley_terry(first[order], second[order], shares[order]), found)
    with pytest.raises(InputError, match="always preferred"):
        bradley_terry(torch.tensor([0, 0]), torch.tensor([1, 1]), torch.tensor([1.0, 1.0]))


def test_votes_and_several_references() -> None:
    votes = torch.tensor([[[0, 0, 1], [2, 2, 2], [0, 1, 2]], [[1, 1, 0], [0, 0, 0], [0, 2, 0]]])
    labels, counts = effective_label(votes)
    assert labels.tolist() == [[POSITIVE, NEGATIVE, SIMILAR], [SIMILAR, POSITIVE, POSITIVE]]
    assert counts.tolist() == [[2, 3, 1], [2, 3, 2]]
    versions = torch.rand(2, 3, 3, 8, 8, generator=GENERATOR)
    restored = torch.rand(2, 3, 8, 8, generator=GENERATOR)
    found = multi_reference(psnr, restored, versions, votes)
    assert float(found[0]) == pytest.approx(float(psnr(versions[:1, 0], restored[:1])))
    second = [float(psnr(versions[1:, i], restored[1:])) for i in (1, 2)]
    assert float(found[1]) == pytest.approx(sum(second) / 2)
    votes[0, 0] = SIMILAR
    with pytest.raises(InputError, match="picture 0 was judged positive"):
        multi_reference(psnr, restored, versions, votes)
    with pytest.raises(SettingError, match="votes are"):
        effective_label(torch.tensor([[0, 1, 3]]))
