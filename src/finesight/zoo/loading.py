"""From a name or a file to a network with its weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from finesight.errors import ModelError, SettingError
from finesight.zoo import checkpoint
from finesight.zoo.building import vessel
from finesight.zoo.cache import sha256, verified
from finesight.zoo.cards import card, catalog
from finesight.zoo.checkpoint import Checkpoint
from finesight.zoo.community import community
from finesight.zoo.files import get
from finesight.zoo.matching import match, nearest_architectures
from finesight.zoo.model import Card, Model
from finesight.zoo.tensors import load_tensors, strip_prefix

__all__ = ["load"]


def load(
    name_or_path: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
    architecture: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    scale: int | None = None,
    offline: bool | None = None,
) -> Model:
    """A network with its weights: by a name of the catalog, or from a file of any of the known layouts.

    Args:
        name_or_path: ``finesight-x4``, ``edsr-x4`` ... (see ``finesight models list``), or a file; a name that is both
            means the file when it has a suffix or a folder in it.
        device: where the network is put.
        architecture: what the file holds, where it cannot be told from the file.
        arguments: of the network's constructor; they go before what is read from the file.
        scale: the same as ``arguments={"scale": scale}``.
        offline: never fetch anything; default: what ``$FINESIGHT_OFFLINE`` says.

    >>> model = load("finesight-x2")
    >>> model.traits.scale
    2

    Raises:
        ModelError: the name is unknown, or the file is not what it should be.
    """
    given = dict(arguments or {}) | ({} if scale is None else {"scale": scale})
    text = os.fspath(name_or_path)
    if text in catalog() or not _looks_like_file(text):
        model = _load_named(card(text), architecture, given, offline=offline)
    else:
        model = _load_file(Path(text), architecture, given)
    try:
        model.network.to(device)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"The device '{device}' cannot be used: {str(error).splitlines()[0]}") from error
    return model


def _looks_like_file(text: str) -> bool:
    path = Path(text)
    return len(path.parts) > 1 or path.suffix in checkpoint.SUFFIXES or path.exists()


def _finish(network: nn.Module, found: Card, file: Path) -> Model:
    traits = network.traits
    measured = verified(found, file) if found.url or found.manual else sha256(file)
    return Model(network.eval(), traits, found.measured(measured))  # type: ignore[arg-type]  # every network has traits


def _load_named(found: Card, architecture: str | None, given: Mapping[str, Any], *, offline: bool | None) -> Model:
    if not found.runnable and not architecture:
        lacking = f"this version of finesight has no network '{found.architecture}' yet"
        raise ModelError(f"{found.name} is listed, but {lacking}.")
    file = get(found.name, offline=offline)
    read = checkpoint.read(file)
    used = architecture or read.architecture or found.architecture
    values = {**found.arguments, **read.arguments, **given}
    network = vessel(used, values, source=found.name)
    tensors = strip_prefix(read.tensors, found.part) if found.part else read.tensors
    load_tensors(network, tensors, source=str(file))
    described = replace(found, architecture=used, arguments=values, training=dict(read.card))
    return _finish(network, described, file)


def _load_file(file: Path, architecture: str | None, given: Mapping[str, Any]) -> Model:
    read = checkpoint.read(file)
    if read.architecture and architecture in (None, read.architecture):
        used, values = read.architecture, {**read.arguments, **given}
    else:
        found = match(read.tensors, given, path=file, architecture=architecture)
        if found is None:
            return _load_other(read, architecture)
        used, values = found.architecture, dict(found.arguments)
    network = vessel(used, values, source=file.name)
    load_tensors(network, read.tensors, source=str(file))
    return _finish(network, _card_of(read, used, values, network), file)


def _load_other(read: Checkpoint, architecture: str | None) -> Model:
    """A file of no network of ours: by spandrel, or an error that names the nearest networks."""
    other = None if architecture else community(read.tensors, read.path)
    if other is None:
        unknown = f"{read.path} holds weights of no architecture that finesight knows"
        raise ModelError(f"{unknown}. {nearest_architectures(read.tensors)}")
    return _finish(other, _card_of(read, other.architecture, {}, other), read.path)


def _card_of(read: Checkpoint, architecture: str, arguments: Mapping[str, Any], network: nn.Module) -> Card:
    """A card for a file that is not in the catalog, from what it says about itself."""
    facts = read.card
    traits: Any = network.traits
    return Card(
        name=str(facts.get("name") or read.path.stem),
        task=traits.task,
        summary=str(facts.get("summary", "")),
        architecture=architecture,
        arguments=dict(arguments),
        file=read.path.name,
        licence=str(facts.get("licence", "")),
        scale=traits.scale,
        training=dict(facts),
    )
