"""The adversarial loop: its steps by hand, every kind of loss, penalties, resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import finesight
from finesight.errors import SettingError
from finesight.train import adversarial, regression
from finesight.train.recipe import with_settings
from finesight.train.start import fresh
from finesight.zoo.saving import save
from tests.train.tiny import content, network_of, random_vgg, same, weights_of

CRITIC = {"architecture": "unet-discriminator", "arguments": {"width": 4}}
JUDGE = {"architecture": "ttsr-discriminator", "arguments": {"size": 32, "width": 4, "hidden": 8}}
PLAIN = {"kind": "sgd", "learning_rate": 0.05, "warmup": 0, "schedule": {"kind": "constant"}, "clip": None}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A discriminator whose weights let signals through: the initial ones of ten layers damp them to nothing."""
    network = fresh(JUDGE["architecture"], JUDGE["arguments"], seed=1)  # type: ignore[arg-type]
    for tensor in network.parameters():
        tensor.data *= 2.5
    path = tmp_path_factory.mktemp("judge") / "judge.safetensors"
    save(path, network, architecture="ttsr-discriminator", arguments=JUDGE["arguments"])  # type: ignore[arg-type]
    return JUDGE | {"optimizer": PLAIN, "start_from": str(path)}


def judged(critic: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return content(discriminator=critic, **changes)


def by_hand(
    recipe: Any, steps: int, *, relativistic: bool, updates: int, weight: float
) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The published order of steps, written plainly, with stochastic gradient descent."""
    generator = fresh("srcnn", recipe.network.arguments, seed=recipe.seed).train()
    critic = finesight.load(recipe.discriminator.start_from).network.train()
    source = recipe.data.source(generator.traits, seed=recipe.seed)

    def called(logits: Tensor, label: float) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))

    def descend(network: torch.nn.Module, loss: Tensor) -> None:
        for parameter, slope in zip(network.parameters(), torch.autograd.grad(loss, network.parameters()), strict=True):
            parameter.data -= 0.05 * slope

    for step in range(steps):
        batch = source.batch(step, recipe.data.batch)
        true, fake = batch.target, generator(*batch.inputs)
        if relativistic:
            r, f = critic(true).detach(), critic(fake)
            fooling = (called(f - r.mean(), 1) + called(r - f.mean(), 0)) / 2
        else:
            fooling = called(critic(fake), 1)
        descend(generator, (fake - true).abs().mean() + weight * fooling)
        for _ in range(updates):
            r, f = critic(true), critic(fake.detach())
            if relativistic:
                loss = called(r - f.detach().mean(), 1) / 2 + called(f - r.detach().mean(), 0) / 2
            else:
                loss = called(r, 1) + called(f, 0)
            descend(critic, loss)
    return generator, critic


@pytest.mark.parametrize(("relativistic", "updates"), [(False, 1), (True, 1), (False, 2)])
def test_steps_as_the_published_order_has_them(
    tmp_path: Path, judge: dict[str, Any], *, relativistic: bool, updates: int
) -> None:
    critic = judge | {"relativistic": relativistic, "updates": updates, "weight": 0.5}
    settings = judged(critic, optimizer=PLAIN, steps=3)
    settings["data"]["patch"] = 16
    recipe = with_settings(settings)
    adversarial.train(recipe, tmp_path)
    generator, discriminator = by_hand(recipe, 3, relativistic=relativistic, updates=updates, weight=0.5)
    assert same(network_of(tmp_path), generator.state_dict(), tolerance=1e-6)
    assert same(network_of(tmp_path, "critic"), discriminator.state_dict(), tolerance=1e-6)
    other, sleeping = by_hand(recipe, 3, relativistic=relativistic, updates=0, weight=0.0)
    assert not same(generator.state_dict(), other.state_dict(), tolerance=1e-4), "the discriminator counts"
    assert not same(discriminator.state_dict(), sleeping.state_dict(), tolerance=1e-4)


@pytest.mark.parametrize("kind", ["vanilla", "lsgan", "wgan", "wgan-softplus", "hinge"])
def test_every_kind_runs_and_is_logged(tmp_path: Path, kind: str) -> None:
    settings = judged(CRITIC | {"loss": kind, "shift": 0.1}, steps=2, keep={"best": 0})
    assert adversarial.train(with_settings(settings), tmp_path) is not None
    rows = (tmp_path / "log.csv").read_text().splitlines()
    row = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))
    assert float(row["loss"]) == pytest.approx(float(row["loss.l1"]) + float(row["loss.adversarial"]), rel=1e-4)
    assert float(row["loss.discriminator.real"]) != 0


def test_penalties_change_the_discriminator(tmp_path: Path, judge: dict[str, Any]) -> None:
    found = []
    for number, more in enumerate([{}, {"gradient_penalty": 10}, {"r1": 5}]):
        settings = judged(judge | {"loss": "wgan"} | more, steps=1)
        settings["data"]["patch"] = 16
        adversarial.train(with_settings(settings), tmp_path / str(number))
        found.append(network_of(tmp_path / str(number), "critic"))
    assert not same(found[0], found[1], tolerance=1e-7)
    assert not same(found[0], found[2], tolerance=1e-7)


def test_before_its_step_the_discriminator_rests(tmp_path: Path) -> None:
    settings = judged(CRITIC | {"from_step": 2}, steps=3)
    adversarial.train(with_settings(settings), tmp_path, stop_after=2)
    untouched = fresh(CRITIC["architecture"], CRITIC["arguments"], seed=1).state_dict()  # type: ignore[arg-type]
    assert same(network_of(tmp_path, "critic"), untouched)
    adversarial.train(with_settings(settings), tmp_path)
    assert not same(network_of(tmp_path, "critic"), untouched)


def test_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    vgg = str(random_vgg(tmp_path / "vgg.safetensors"))
    losses = [{"kind": "l1"}, {"kind": "artifact"}, {"kind": "perceptual", "weights": vgg, "layers": {"conv2_2": 1.0}}]
    recipe = with_settings(judged(CRITIC | {"updates": 2}, steps=5, loss=losses))
    adversarial.train(recipe, tmp_path / "whole")
    for _ in range(3):
        adversarial.train(recipe, tmp_path / "parts", stop_after=2)
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts"))
    for part in ("learner", "critic", "average"):
        assert same(network_of(tmp_path / "whole", part), network_of(tmp_path / "parts", part))


def test_a_discriminator_of_two_inputs_gets_the_mask(tmp_path: Path) -> None:
    from finesight.data.batch import Batch
    from finesight.train.adversarial import _judge

    critic = fresh("deepfillv2-discriminator", {"widths": [4, 6, 8, 8, 8, 8]}, seed=1)
    mask = torch.zeros(2, 1, 64, 64)
    picture = torch.rand(2, 3, 64, 64)
    batch = Batch((), picture, others={"mask": mask})
    other = Batch((), picture, others={"mask": 1 - mask})
    assert not torch.equal(_judge(critic, picture, batch)[0], _judge(critic, picture, other)[0])


def test_each_loop_refuses_the_recipes_of_the_other(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="adversarial"):
        regression.train(with_settings(judged(CRITIC)), tmp_path)
    with pytest.raises(SettingError, match="regression"):
        adversarial.train(with_settings(content()), tmp_path)
