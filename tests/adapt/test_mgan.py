"""mGANprior's loop and operators: laws that the published answers cannot show."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from finesight.adapt import mgan_tasks as tasks
from finesight.adapt.mgan import fit_codes, start
from finesight.errors import CalculationError, SettingError
from finesight.models.prior.pggan import Pggan


@pytest.fixture(scope="module")
def network() -> Pggan:
    torch.manual_seed(0)
    return Pggan(16, latent=16, base_channels=128, most_channels=16).eval()


def test_loss_falls_and_nothing_else_changes(network: Pggan) -> None:
    generator = torch.Generator().manual_seed(1)
    target = network.synthesise(torch.randn(1, 16, generator=generator)).detach()
    codes, weights = start(network, codes=4, blocks=4, generator=generator)
    assert codes.shape == (1, 4, 16)
    assert torch.equal(weights, torch.full((1, 4, 16), 0.25))
    kept = codes.clone(), weights.clone(), {n: t.clone() for n, t in network.state_dict().items()}
    told: list[tuple[int, int]] = []
    found = fit_codes(
        network,
        lambda image: tasks.objective(image, target),
        codes,
        weights,
        blocks=4,
        steps=30,
        optimiser="adam",
        learning_rate=0.05,
        progress=lambda *step: told.append(step[:2]),
    )
    assert found.losses[-1] < 0.7 * found.losses[0]
    assert told == [(step + 1, 30) for step in range(30)]
    assert torch.equal(codes, kept[0])
    assert torch.equal(weights, kept[1])
    assert all(torch.equal(tensor, kept[2][name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    again = network.second_part(network.compose(found.codes, found.weights, 4), 4)
    assert torch.equal(again, found.image)


def test_hole_does_not_count(network: Pggan) -> None:
    mask = torch.zeros(1, 3, 16, 16)
    mask[..., 4:9, 4:9] = 1
    first = torch.rand(1, 3, 16, 16)
    second = tasks.paste(first + 3, first, mask)
    assert float(tasks.objective(first, second, task=partial(tasks.masked, mask=mask))) == 0
    assert float(tasks.objective(first, second)) > 0


def test_shrinking_reads_the_middle_of_a_block() -> None:
    picture = torch.arange(64.0).view(1, 1, 8, 8)
    assert float(tasks.shrink(picture, 8)) == pytest.approx(float(picture[0, 0, 3:5, 3:5].mean()))
    assert torch.equal(tasks.shrink(tasks.enlarge(picture, 4), 4), picture)


def test_mistakes_are_named(network: Pggan) -> None:
    codes = torch.zeros(1, 2, 16)
    with pytest.raises(SettingError, match="one code can be fitted, not 2"):
        fit_codes(network, torch.mean, codes, None, blocks=4, steps=1)
    with pytest.raises(CalculationError, match="at step 0; lower the learning rate"):
        fit_codes(network, lambda image: image.mean() / 0, codes, torch.ones(1, 2, 16), blocks=4, steps=1)
    with pytest.raises(SettingError, match="sgd or adam"):
        fit_codes(network, torch.mean, codes, torch.ones(1, 2, 16), blocks=4, steps=1, optimiser="lbfgs")  # type: ignore[arg-type]
