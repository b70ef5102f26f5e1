"""Training inpainting: what losses see, what discriminators are shown, and that the two learn in their phases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from finesight.data.batch import Batch
from finesight.data.inpainting import Cut, HoleSource
from finesight.data.masks import Box, Irregular
from finesight.errors import SettingError
from finesight.losses import adversarial, pixel
from finesight.models.inpainting.deepfillv1 import DeepFillV1Discriminators
from finesight.nn.boxes import box_patches
from finesight.train.answers import answer
from finesight.train.holes import distinguishing, extra_inputs, fooling, local_penalties
from finesight.train.recipe import with_settings
from finesight.train.settings.inpainting_losses import HoleL1, HoleSmoothness
from tests.models.tiny import TINY


def batch(*, boxes: bool = True) -> Batch:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (80, 80, 3), np.uint8) for _ in range(3)]
    masks = Box(height=16, width=16, margin=8, delta=4) if boxes else Irregular(area=(0.1, 0.9))
    return HoleSource(pictures, [masks], Cut(size=64), held_out=100, seed=2).batch(0, 2)


def test_the_last_answer_is_the_picture_with_its_known_pixels_and_the_stages_come_before() -> None:
    network = TINY["deepfillv2"].build("deepfillv2")
    given = batch()
    image, mask = given.inputs
    found = answer(network, given).pictures
    stages = network.predictions(image, mask)  # type: ignore[operator]
    assert len(found) == 3
    for one, other in zip(found, (*stages, network(image, mask)), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(("region", "outputs"), [("hole", "last"), ("known", "all"), ("all", "last")])
def test_l1_of_regions_is_of_what_the_stages_paint(region: Any, outputs: Any) -> None:
    network, given = TINY["deepfillv2"].build("deepfillv2"), batch()
    found = answer(network, given)
    term = HoleL1(region=region, outputs=outputs).term(torch.device("cpu"))
    mask = given.inputs[1]
    weight = {"hole": mask, "known": 1 - mask, "all": torch.ones_like(mask)}[region]
    stages = found.pictures[:-1] if outputs == "all" else found.pictures[-2:-1]
    expected = sum(float(((one - given.target).abs() * weight).sum() / (3 * weight.sum())) for one in stages)
    assert float(term(found, given)) == pytest.approx(expected, rel=1e-5)


def test_smoothness_is_of_the_composite_inside_the_hole() -> None:
    network, given = TINY["deepfillv2"].build("deepfillv2"), batch()
    found = answer(network, given)
    term = HoleSmoothness().term(torch.device("cpu"))
    assert torch.equal(term(found, given), pixel.total_variation(found.pictures[-1], given.inputs[1]))


def test_discriminators_are_shown_masks_and_patches() -> None:
    given = batch()
    local = TINY["deepfillv1-discriminators"].build("deepfillv1-discriminators")
    (patch,) = extra_inputs(local, given.target, given)
    assert torch.equal(patch, box_patches(given.target, given.others["boxes"], 32))
    masked = TINY["deepfillv2-discriminator"].build("deepfillv2-discriminator")
    assert torch.equal(extra_inputs(masked, given.target, given)[0], given.inputs[1])
    with pytest.raises(SettingError, match="masks of kind box alone"):
        extra_inputs(local, given.target, batch(boxes=False))


def test_losses_by_name() -> None:
    given = batch()
    logits = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    mask = given.others["mask"]
    assert torch.equal(fooling(logits, "mask", given), adversarial.mask_generator_loss(logits, mask))
    assert torch.equal(fooling(logits, "hinge", given), -logits.mean())
    for real in (True, False):
        found = distinguishing(logits, "mask", given, real=real)
        assert torch.equal(found, adversarial.mask_discriminator_loss(logits, mask, real=real))
        wasserstein = distinguishing(logits, "wgan", given, real=real)
        assert torch.equal(wasserstein, (-1 if real else 1) * logits.mean())
    with pytest.raises(SettingError, match="draws the mask"):
        with_settings(
            {
                "name": "a",
                "network": {"architecture": "pconv"},
                "data": {"pack": "none"},
                "discriminator": {"architecture": "aot-gan-discriminator", "loss": "mask", "relativistic": True},
            }
        )


def test_each_critic_is_kept_smooth_where_it_looks() -> None:
    network = TINY["deepfillv1-discriminators"].build("deepfillv1-discriminators")
    assert isinstance(network, DeepFillV1Discriminators)
    given = batch()
    fake = given.target.flip(0)
    alpha = torch.tensor([0.3, 0.8])[:, None, None, None]
    found = local_penalties(network, given.target, fake, alpha, given)
    real_patch, fake_patch = (box_patches(one, given.others["boxes"], 32) for one in (given.target, fake))

    def whole(mixed: Tensor) -> Tensor:
        return network.global_disc(mixed.flip(1) * 2 - 1)  # type: ignore[no-any-return]

    def local(mixed: Tensor) -> Tensor:
        return network.local_disc(mixed.flip(1) * 2 - 1)  # type: ignore[no-any-return]

    expected = adversarial.gradient_penalty(whole, given.target, fake, alpha, given.inputs[1])
    expected = expected + adversarial.gradient_penalty(local, real_patch, fake_patch, alpha)
    assert torch.allclose(found, expected, rtol=1e-5)


def test_generator_and_discriminators_learn_in_their_phases(tmp_path: Path) -> None:
    from finesight.train.adversarial import train
    from tests.data.small import small_pack

    (tmp_path / "pack").mkdir()
    recipe = with_settings(
        {
            "name": "phases",
            "network": {"architecture": "global-local", "arguments": dict(TINY["global-local"].arguments)},
            "data": {
                "kind": "inpainting",
                "pictures": str(small_pack(tmp_path / "pack")),
                "size": 32,
                "batch": 2,
                "held_out": 5,
                "masks": [{"kind": "box", "height": 8, "width": 8, "margin": 4, "delta": 4}],
            },
            "loss": ["hole-l1"],
            "discriminator": {
                "architecture": "global-local-discriminators",
                "arguments": {k: list(v) if isinstance(v, tuple) else v for k, v in _JUDGE.items()},
                "from_step": 1,
                "generator_rests": [1, 2],
            },
            "steps": 9,
            "average": 0,
        }
    )
    states = []
    for _ in range(3):
        train(recipe, tmp_path / "run", stop_after=1)
        state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
        states.append([_weights(state[name]) for name in ("learner", "critic")])
    generator, judge = ([one[part] for one in states] for part in (0, 1))
    assert not torch.equal(judge[0], judge[1])
    assert torch.equal(generator[0], generator[1])
    assert not torch.equal(generator[1], generator[2])


_JUDGE = TINY["global-local-discriminators"].arguments


def _weights(content: Any) -> Tensor:
    """All trained numbers of a network's state, one after the other; statistics of batches are none."""
    found: list[Tensor] = []

    def walk(part: Any) -> None:
        for name, value in part.items():
            if isinstance(value, dict):
                if "optimizer" not in name:
                    walk(value)
            elif isinstance(value, Tensor) and value.is_floating_point() and "running" not in name:
                found.append(value.flatten())

    walk(content)
    return torch.cat(found)
