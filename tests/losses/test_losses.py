"""Losses by hand and by law; their values against published code are in ``tests/oracles``."""

from __future__ import annotations

import math

import pytest
import torch

from finesight.errors import SettingError
from finesight.losses import adversarial, perceptual, pixel
from finesight.train.schedules import cosine_restart, multi_step


def test_masked_mean_counts_masked_elements_only() -> None:
    restored, truth = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    truth[..., 0, 0] = 5
    mask = torch.zeros(1, 1, 2, 2)
    mask[..., 0, 0] = 1
    assert float(pixel.l1(restored, truth, mask)) == pytest.approx(5)
    assert float(pixel.mse(restored, truth, mask)) == pytest.approx(25)
    assert float(pixel.l1(restored, truth, mask, reduction="sum")) == pytest.approx(15)


def test_sample_mean_weighs_samples_equally() -> None:
    loss = torch.tensor([1.0, 4.0])[:, None, None, None].expand(2, 1, 2, 2)
    mask = torch.ones(2, 1, 2, 2)
    mask[1, :, 0] = 0
    assert float(pixel.reduced(loss, mask, "sample-mean")) == pytest.approx(2.5)
    assert float(pixel.reduced(loss, mask)) == pytest.approx((4 * 1 + 2 * 4) / 6)


def test_charbonnier_has_a_gradient_at_zero() -> None:
    restored = torch.zeros(1, 1, 2, 2, requires_grad=True)
    pixel.charbonnier(restored, torch.zeros(1, 1, 2, 2)).backward()
    assert restored.grad is not None
    assert torch.isfinite(restored.grad).all()


def test_total_variation_of_a_step_by_hand() -> None:
    step = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])[None, None]
    assert float(pixel.total_variation(step)) == pytest.approx(0 + 2 / 4)


def test_gradient_loss_ignores_a_constant_away_from_the_border() -> None:
    picture = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    inner = torch.zeros(1, 1, 8, 8)
    inner[..., 1:-1, 1:-1] = 1
    assert float(pixel.gradient(picture, picture + 0.3, inner)) == pytest.approx(0, abs=1e-5)
    assert float(pixel.gradient(picture, picture.flip(-1), inner)) > 0.1


def test_refusals_say_what_was_found() -> None:
    loss = torch.rand(2, 3, 4, 4)
    with pytest.raises(SettingError, match=r"\(2, 1, 4, 4\)"):
        pixel.reduced(loss, torch.rand(2, 2, 4, 4))
    with pytest.raises(SettingError, match="average"):
        pixel.reduced(loss, None, "average")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="vanila"):
        adversarial.generator_loss(loss, "vanila")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="l3"):
        perceptual.perceptual({"a": loss}, {"a": loss}, {"a": 1.0}, criterion="l3")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="restart weight"):
        cosine_restart(0, base=1, periods=[1, 2], restart_weights=[1])


def test_a_sure_discriminator_has_little_to_lose() -> None:
    sure = torch.full((2, 1, 3, 3), 20.0)
    for kind in ("vanilla", "wgan-softplus", "hinge"):
        assert float(adversarial.discriminator_loss(sure, kind, real=True)) < 1e-6
        assert float(adversarial.discriminator_loss(-sure, kind, real=False)) < 1e-6
        assert float(adversarial.discriminator_loss(-sure, kind, real=True)) > 10


def test_gradient_penalty_of_a_linear_discriminator_by_hand() -> None:
    """D(x) = sum over 3 channels of 2 x: the gradient's norm over channels is 2 sqrt(3) at every pixel."""
    real, fake = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    penalty = adversarial.gradient_penalty(lambda x: (2 * x).sum(1), real, fake, torch.rand(2, 1, 1, 1))
    assert float(penalty) == pytest.approx((2 * math.sqrt(3) - 1) ** 2, rel=1e-5)


def test_r1_of_a_linear_discriminator_by_hand() -> None:
    real = torch.rand(2, 3, 4, 4, requires_grad=True)
    assert float(adversarial.r1_penalty((2 * real).sum((1, 2, 3)), real)) == pytest.approx(4 * 48, rel=1e-5)


def test_equal_features_have_no_distance_and_truth_no_gradient() -> None:
    features = torch.rand(1, 4, 5, 5, requires_grad=True)
    truth = torch.rand(1, 4, 5, 5, requires_grad=True)
    assert float(perceptual.style({"a": features}, {"a": features}, {"a": 1.0})) == 0
    perceptual.perceptual({"a": features}, {"a": truth}, {"a": 2.0}).backward()
    assert features.grad is not None
    assert truth.grad is None


def test_multi_step_changes_at_its_milestone() -> None:
    rates = [multi_step(step, base=1.0, milestones=[10, 20], gamma=0.5) for step in (9, 10, 19, 20)]
    assert rates == [1.0, 0.5, 0.5, 0.25]
