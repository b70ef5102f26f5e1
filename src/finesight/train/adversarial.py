"""Training a generator against a discriminator: one loop, in the order in which things happen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from finesight.data.batch import Batch, chance
from finesight.errors import SettingError
from finesight.losses.adversarial import (
    gradient_penalty,
    r1_penalty,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    shift_penalty,
)
from finesight.progress import Cancel, Progress, silent
from finesight.train.answers import answer
from finesight.train.begin import finish, session
from finesight.train.holes import distinguishing, extra_inputs, fooling, local_penalties
from finesight.train.learner import Learner
from finesight.train.recipe import Recipe
from finesight.train.session import Note, Session, unheard
from finesight.train.settings.adversarial import DiscriminatorSettings
from finesight.train.settings.loss_kind import frames

__all__ = ["train"]

Values = dict[str, Tensor]


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    stop_after: int | None = None,
    progress: Progress = silent,
    note: Note = unheard,
    cancel: Cancel | None = None,
) -> Path | None:
    """Train, or go on training, in ``folder``; arguments, files, result and errors as of ``regression.train``.

    Each step the generator learns first, then the discriminator, from the same restored pictures (Wang et al., ESRGAN,
    ECCVW 2018, in the order of the published implementations).

    Args:
        recipe: the settings, with a discriminator.
    """
    if recipe.discriminator is None:
        raise SettingError("A recipe without a discriminator is trained by finesight.train.regression.train")
    settings = recipe.discriminator
    with session(
        recipe, folder, device=device, stop_after=stop_after, progress=progress, note=note, cancel=cancel
    ) as run:
        critic = run.critic
        assert critic is not None
        while run.step < run.last:
            parts = run.parts()
            judged = run.step >= settings.from_step
            fakes, values = _generator_step(run, critic, settings, parts, judged=judged)
            for _ in range(settings.updates if judged and values is not None else 0):
                found = _discriminator_step(run, critic, settings, parts, fakes)
                values = None if found is None or values is None else {**values, **found}
            run.passed(values)
        return finish(run)


def _generator_step(
    run: Session, critic: Learner, settings: DiscriminatorSettings, parts: Sequence[Batch], *, judged: bool
) -> tuple[list[Tensor], Values | None]:
    """The restored pictures of every part, and the losses; ``None`` when the gradient was not finite."""
    learner = run.learner
    learner.begin(run.step)
    rests = (
        settings.generator_rests is not None and settings.generator_rests[0] <= run.step < settings.generator_rests[1]
    )
    learns = run.step % settings.generator_every == 0 and not rests
    fakes: list[Tensor] = []
    values: Values = {}
    for batch in parts:
        with learner.autocast(run.step), torch.set_grad_enabled(learns):
            found = answer(learner.called, batch, run.needs, average=run.average.network)
        found = found.float()
        fakes.append(found.pictures[-1].detach())
        if not learns:
            continue
        losses = run.losses(found, batch)
        if judged:
            losses["adversarial"] = settings.weight * _fooling(run, critic, settings, found.pictures[-1], batch)
        learner.backward(torch.stack(list(losses.values())).sum() * run.share)
        for name, value in losses.items():
            values[name] = values.get(name, 0) + value.detach() * run.share
    if learns:
        if not learner.apply():
            return fakes, None
        run.average.update(learner.network, run.step)
    return fakes, values


def _fooling(run: Session, critic: Learner, settings: DiscriminatorSettings, fake: Tensor, batch: Batch) -> Tensor:
    """What the generator minimises; the discriminator itself learns nothing from it."""
    with critic.resting(), critic.autocast(run.step):
        on_fake = _judge(critic.called, fake, batch)
        if not settings.relativistic:
            return _sum(fooling(one.float(), settings.loss, batch) for one in on_fake)
        with torch.no_grad():
            on_real = _judge(critic.called, _real(settings, batch), batch)
    pairs = zip(on_fake, on_real, strict=True)
    return _sum(relativistic_generator_loss(one.float(), real.float(), settings.plain) for one, real in pairs)


def _discriminator_step(
    run: Session,
    critic: Learner,
    settings: DiscriminatorSettings,
    parts: Sequence[Batch],
    fakes: Sequence[Tensor],
) -> Values | None:
    """One update on the true pictures and on the restored ones, each in a pass of its own (batch statistics)."""
    critic.begin(run.step)
    values: Values = {}
    for number, (batch, fake) in enumerate(zip(parts, fakes, strict=True)):
        true = _real(settings, batch)
        with critic.autocast(run.step):
            on_real = [one.float() for one in _judge(critic.called, true, batch)]
            on_fake = [one.float() for one in _judge(critic.called, fake, batch)]
        losses = _distinguishing(settings, on_real, on_fake, batch)
        losses |= _penalties(run, critic.network, settings, batch, true, fake, on_real, number)
        critic.backward(torch.stack(list(losses.values())).sum() * run.share)
        for name, value in losses.items():
            key = f"discriminator.{name}"
            values[key] = values.get(key, 0) + value.detach() * run.share
    return values if critic.apply() else None


def _distinguishing(
    settings: DiscriminatorSettings, on_real: list[Tensor], on_fake: list[Tensor], batch: Batch
) -> Values:
    if settings.relativistic:
        pairs = list(zip(on_real, on_fake, strict=True))
        return {
            "real": _sum(relativistic_discriminator_loss(r, f, settings.plain, real=True) for r, f in pairs),
            "fake": _sum(relativistic_discriminator_loss(f, r, settings.plain, real=False) for r, f in pairs),
        }
    return {
        "real": _sum(distinguishing(one, settings.loss, batch, real=True) for one in on_real),
        "fake": _sum(distinguishing(one, settings.loss, batch, real=False) for one in on_fake),
    }


def _penalties(
    run: Session,
    network: nn.Module,
    settings: DiscriminatorSettings,
    batch: Batch,
    true: Tensor,
    fake: Tensor,
    on_real: list[Tensor],
    number: int,
) -> Values:
    """What keeps the discriminator smooth, where the settings give it weight; in float32, for second derivatives."""
    values: Values = {}
    if settings.gradient_penalty:
        place = (run.step + run.shift) * 1000 + number * run.processes.count + run.processes.rank
        alpha = torch.rand(len(frames(true)), 1, 1, 1, generator=chance(run.recipe.seed + 7, place)).to(true)

        def judged(mixed: Tensor) -> Tensor:
            return _sum(one.sum() for one in _judge(network, mixed, batch))

        if len(on_real) > 1 and "boxes" in batch.others:
            penalty = local_penalties(network, true, fake, alpha, batch)
        else:
            penalty = gradient_penalty(judged, frames(true), frames(fake), alpha)
        values["penalty"] = settings.gradient_penalty * penalty
    if settings.r1:
        slope_at = frames(true).detach().requires_grad_(True)
        values["r1"] = settings.r1 * _sum(r1_penalty(one, slope_at) for one in _judge(network, slope_at, batch))
    if settings.shift:
        values["shift"] = settings.shift * _sum(shift_penalty(one, weight=1.0) for one in on_real)
    return values


def _real(settings: DiscriminatorSettings, batch: Batch) -> Tensor:
    return batch.others[settings.target] if settings.target else batch.target


def _judge(network: Any, pictures: Tensor, batch: Batch) -> list[Tensor]:
    """The discriminator's logits, of one head or several; further inputs, such as a mask, come from the batch."""
    traits = getattr(network, "traits", None)
    more = extra_inputs(network, pictures, batch) if traits is not None else []
    found = network(frames(pictures), *more)
    return list(found) if isinstance(found, tuple | list) else [found]


def _sum(terms: Any) -> Tensor:
    return torch.stack(list(terms)).sum()
