"""New weights from published ones: our safetensors from any layout, and a mixture of two networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from finesight.errors import ModelError, SettingError
from finesight.zoo.building import vessel
from finesight.zoo.cards import catalog
from finesight.zoo.loading import load
from finesight.zoo.model import Model
from finesight.zoo.saving import save

__all__ = ["blend", "convert", "denoising"]


def convert(source: str | Path, out: str | Path, *, half: bool = False, scale: int | None = None) -> Path:
    """Write a model or a published file as safetensors that name their architecture and where they came from.

    Args:
        source: name of the catalog or file, as for ``load``.
        out: file to write; ``.safetensors`` is added where it has no suffix.
        half: store float16, half as large.
        scale: where the tensors cannot tell.

    Raises:
        ModelError: as ``load``.
        OutputError: ``out`` cannot be written.
        SettingError: ``out`` has another suffix.
    """
    target = Path(out)
    if target.suffix == "":
        target = target.with_suffix(".safetensors")
    if target.suffix != ".safetensors":
        raise SettingError(f"{target} should end in .safetensors, the format that convert writes.")
    model = load(source, scale=scale)
    facts = model.card.facts()
    told = ("name", "summary", "licence", "non_commercial", "paper", "url")
    kept: dict[str, Any] = {key: facts[key] for key in told if key in facts}
    return save(
        target,
        model.network,
        architecture=model.card.architecture,
        arguments=model.card.arguments,
        card={**model.card.training, **kept, "converted_from": model.card.weights_sha256},
        dtype=torch.float16 if half else None,
    )


def blend(first: Model, second: Model, weight: float) -> Model:
    """A network between two: every tensor is ``weight * first + (1 - weight) * second``.

    With realesr-general-x4v3 and realesr-general-wdn-x4v3 the weight is the strength of denoising.

    Args:
        first, second: of one architecture with the same arguments.
        weight: in [0, 1].

    Raises:
        ModelError: they are not of one architecture.
        SettingError: the weight is outside [0, 1].
    """
    if not 0 <= weight <= 1:
        raise SettingError(f"A weight between 0 and 1 is needed to mix two networks, not {weight}.")
    one, other = first.card, second.card
    if (one.architecture, dict(one.arguments)) != (other.architecture, dict(other.arguments)):
        raise ModelError(
            f"{one.name} ({one.architecture}, {dict(one.arguments)}) and {other.name} ({other.architecture}, "
            f"{dict(other.arguments)}) cannot be mixed: they are not the same network."
        )
    mixed = vessel(one.architecture, one.arguments)
    theirs = second.network.state_dict()
    with torch.no_grad():
        own = mixed.state_dict()
        for name, tensor in first.network.state_dict().items():
            fraction = weight * tensor + (1 - weight) * theirs[name] if tensor.is_floating_point() else tensor
            own[name].copy_(fraction)
    described = replace(
        one,
        name=f"{weight:g}*{one.name}+{1 - weight:g}*{other.name}",
        weights_sha256=f"{one.weights_sha256}+{other.weights_sha256}",
    )
    return Model(mixed.eval(), mixed.traits, described)  # type: ignore[arg-type]  # every network has traits


def denoising(model: Model, strength: float, *, offline: bool | None = None) -> Model:
    """``model`` with another strength of denoising, where its card names weights that denoise weakly.

    Args:
        model: of the catalog; what it is at strength 1.
        strength: in [0, 1]; every tensor is ``strength * model + (1 - strength) * weak``.
        offline: as for ``load``.

    Raises:
        ModelError: its card names no such weights, or they cannot be had.
        SettingError: the strength is outside [0, 1].
    """
    if not 0 <= strength <= 1:
        raise SettingError(f"denoise: expected a strength between 0 and 1, got {strength:g}.")
    weak = model.card.denoise_weak
    if not weak:
        able = ", ".join(name for name, card in catalog().items() if card.denoise_weak)
        raise ModelError(f"{model.card.name} has one strength of denoising only; with others there is: {able}.")
    return model if strength == 1 else blend(model, load(weak, offline=offline), strength)
