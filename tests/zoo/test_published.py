"""Every entry of the catalog whose network we have: written as published, served, fetched, checked, loaded, run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from torch import Tensor

import finesight
from finesight import zoo
from finesight.models.table import NETWORKS, network_class
from finesight.zoo import cards, files, loading
from finesight.zoo.building import skeleton
from finesight.zoo.model import Card, Model
from tests.oracles.reader import tensor_of
from tests.zoo.layouts import absent_framework, framework_extras
from tests.zoo.server import Answers, serving

ENTRIES = {n: c for n, c in zoo.catalog().items() if c.architecture in NETWORKS and not c.packaged}
LARGE = 8_000_000

SHRUNK: dict[str, dict[str, Any]] = {
    "a2n": {"width": 8, "blocks": 2, "upsampler_width": 6},
    "aot-gan": {"width": 4, "blocks": 1},
    "deepfillv1": {"channel_factor": 0.125, "decoder_factor": 0.125},
    "deepfillv2": {"channel_factor": 0.125, "decoder_factor": 0.125},
    "dim": {"widths": (4, 4, 4, 8, 8), "refine_width": 4},
    "gca": {"width": 4},
    "global-local": {"width": 4},
    "pconv": {"width": 4},
    "basicvsr": {"width": 16, "blocks": 1},
    "basicvsr-pp": {"width": 16, "blocks": 1},
    "cria-cl": {"width": 8, "blocks": 1, "growth": 4},
    "edsr": {"width": 8, "blocks": 2},
    "cain": {"groups": 1, "blocks": 1, "depth": 2},
    "edvr": {"width": 16, "blocks": 1, "extraction_blocks": 1},
    "edvr-features": {"width": 16, "extraction_blocks": 1},
    "iconvsr": {"width": 64, "blocks": 1},
    "realbasicvsr": {"width": 8, "blocks": 1, "cleaning_blocks": 1},
    "tdan": {"width": 16, "blocks_before": 1, "blocks_after": 1},
    "dic": {"width": 8, "blocks": 1, "landmark_width": 16, "steps": 2, "fusion_blocks": 1},
    "light-cnn": {"width": 8},
    "modified-vgg": {"width": 8},
    "pggan": {"most_channels": 8, "latent": 8, "size": 32},
    "ttsr-discriminator": {"width": 4, "hidden": 8},
    "unet-discriminator": {"width": 8},
    "elan": {"width": 12, "blocks": 2},
    "glean": {"width": 8, "blocks": 1, "growth": 4, "style_channels": 8, "most_channels": 8},
    "liif-edsr": {"width": 8, "blocks": 2, "hidden": (16, 8)},
    "liif-rdn": {"hidden": (16, 8), "width": 8, "blocks": 1, "layers": 2, "growth": 4},
    "msrresnet": {"width": 8, "blocks": 2},
    "rcan": {"width": 16, "groups": 2, "blocks": 2},
    "rdn": {"width": 8, "blocks": 2, "layers": 2, "growth": 4},
    "rrdbnet": {"width": 8, "blocks": 2, "growth": 4},
    "srvgg-compact": {"width": 8, "convolutions": 3},
    "stylegan2": {"most_channels": 8, "style_channels": 8},
    "stylegan2-discriminator": {"most_channels": 8},
    "ttsr": {"width": 8, "blocks": (1, 1, 1, 1)},
}
"""Arguments that make a network small without changing its names' form; the full size runs with --large."""

PUBLISHED: dict[str, tuple[tuple[str, str], ...]] = {
    "cria-cl": (
        (r"^body\.(\d+)\.rdb(\d)\.", r"RRDB_trunk.\1.RDB\2."),
        ("^conv_body", "trunk_conv"),
        (r"^conv_up(\d)", r"upconv\1"),
        ("^conv_hr", "HRconv"),
    ),
    "dim": ((r"^(?=encoder|decoder)", "backbone."),),
    "gca": ((r"^", "backbone."),),
    "indexnet": ((r"^", "backbone."),),
    "liif-edsr": ((r"^encoder\.", ""),),
    "liif-rdn": ((r"^encoder\.", ""),),
}
"""From our tensor names to published ones, where they differ."""


WHOLE = {"dim", "gca", "indexnet", "ttsr"}
"""Networks of several parts whose published names begin with the part, not with ``generator.``."""


def weights(card: Card) -> dict[str, Tensor]:
    """Deterministic tensors under our names."""
    own = skeleton(network_class(card.architecture), card.arguments).state_dict()
    answer = {}
    for name, like in own.items():
        shape = tuple(like.shape)
        if not like.is_floating_point() or not shape:
            answer[name] = torch.zeros(shape, dtype=like.dtype)
            continue
        if name.endswith((".weight_u", ".weight_v")):  # of noise, it would divide kernels by next to nothing
            answer[name] = torch.ones(shape)
            continue
        role = "statistic" if name.endswith(("running_mean", "running_var")) else "parameter"
        answer[name] = torch.from_numpy(tensor_of(name, shape, role)).reshape(shape).clone()
    if card.architecture == "spynet":  # published without these two
        answer = {name: tensor for name, tensor in answer.items() if name not in ("mean", "std")}
    return answer


def named(card: Card, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under published names."""
    answer = dict(tensors)
    for pattern, replacement in PUBLISHED.get(card.architecture, ()):
        answer = {re.sub(pattern, replacement, name): tensor for name, tensor in answer.items()}
    return answer


def layout(card: Card, tensors: Mapping[str, Tensor], classes: Mapping[str, type]) -> Any:
    """How the source of a card arranges its files."""
    zeros = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    if "xinntao" in card.url:
        return {"params_ema": tensors} if "RealESRGAN" in card.url else {"params": tensors}
    if card.family == "HGGT":
        return {"params_ema" if "rrdb" in card.name else "params": tensors}
    if card.manual or "third_party" in card.url or card.task in ("flow", "features"):
        return dict(tensors)
    extras = framework_extras(classes)
    if card.part:
        parts = {f"{card.part}{name}": tensor for name, tensor in tensors.items()}
        other = "discriminator." if card.part.startswith("generator") else "generator."
        return {**extras, "state_dict": {**parts, f"{other}unrelated": torch.ones(2)}}
    whole = "" if card.architecture in WHOLE else "generator."
    state = {f"{whole}{name}": tensor for name, tensor in tensors.items()}
    if "esrgan" in card.name or "realbasicvsr" in card.name:
        state = {f"generator_ema.{name}": tensor for name, tensor in tensors.items()}
        state |= {f"generator.{name}": tensor for name, tensor in zeros.items()}
    beside = {"discriminator.a": torch.ones(2), "perceptual_loss.vgg.vgg_layers.0.bias": torch.ones(3)}
    return {**extras, "state_dict": {**state, **beside, "step_counter": torch.tensor([1])}, "optimizer": {"state": {}}}


def small(card: Card) -> Card:
    return replace(card, arguments={**card.arguments, **SHRUNK.get(card.architecture, {})})


def parameters(card: Card) -> int:
    """How many numbers a network has."""
    key = _network(card)
    if key not in COUNTED:
        network = skeleton(network_class(card.architecture), card.arguments)
        COUNTED[key] = sum(parameter.numel() for parameter in network.parameters())
    return COUNTED[key]


def _network(card: Card) -> tuple[str, str]:
    return card.architecture, repr(sorted(card.arguments.items()))


FIRST = {_network(variant(card)): name for name, card in reversed(ENTRIES.items()) for variant in (small, replace)}
"""The entry that runs a network; the others of the same architecture and arguments only load it."""


COUNTED: dict[tuple[str, str], int] = {}


def cases() -> Iterator[Any]:
    for name, card in ENTRIES.items():
        if parameters(small(card)) <= LARGE:
            yield pytest.param(small(card), id=name)
        if card.architecture in SHRUNK or parameters(card) > LARGE:
            yield pytest.param(card, id=f"{name}-full", marks=pytest.mark.large)


def written(card: Card) -> bytes:
    """The published file: torch's older format for the years in which it was the only one."""
    buffer = BytesIO()
    modern = not re.search(r"_2020\d{4}", card.filename)
    with absent_framework() as classes:
        torch.save(layout(card, named(card, weights(card)), classes), buffer, _use_new_zipfile_serialization=modern)
    return buffer.getvalue()


def run(model: Model) -> tuple[Tensor, ...]:
    """One forward pass on as little as the network takes."""
    traits = model.traits
    side = max(traits.minimum, 8 if traits.kind != "recurrent" else 64)
    side = -(-side // traits.multiple) * traits.multiple
    generator = torch.Generator().manual_seed(1)
    inputs = []
    for port in traits.inputs:
        shape = (1, port.channels) if port.space == "vector" else (1, port.channels, *[int(side * port.ratio)] * 2)
        if traits.kind in ("recurrent", "window") and port.space == "grid":
            shape = (1, 2 if traits.kind == "recurrent" else traits.frames, *shape[1:])
        inputs.append(torch.rand(shape, generator=generator))
    with torch.inference_mode():
        answer = model.network(*inputs)
    values = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list | tuple) else (answer,)
    return tuple(values)


@pytest.mark.parametrize("card", list(cases()))
def test_from_the_published_file_to_an_answer(card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = written(card)
    place = urlsplit(card.url).path
    with serving(Answers(files={place: content})) as address:
        entry = replace(
            card,
            url=f"{address}{place}" if card.url else "",
            sha256=hashlib.sha256(content).hexdigest()[:8] if card.sha256 else "",
        )
        known = {**cards.catalog(), card.name: entry}
        for module in (cards, files, loading):
            monkeypatch.setattr(module, "catalog", lambda: known)
        monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
        if card.manual:
            (tmp_path / card.filename).write_bytes(content)
            assert card.name in zoo.import_file(tmp_path / card.filename)
        file = zoo.get(card.name, say=lambda _: None)
    assert file.name == card.filename
    assert file.read_bytes() == content
    assert zoo.check(card.name).state == ("good" if card.sha256 else "recorded")
    model = finesight.load(card.name, offline=True)
    assert model.card.weights_sha256 == hashlib.sha256(content).hexdigest()
    loaded = model.network.state_dict()
    for own, tensor in weights(card).items():
        assert torch.equal(loaded[own], tensor), own
    side = (model.traits.maximum or 8) * (model.traits.scale or 1)
    if FIRST[_network(card)] == card.name and side <= 256:
        assert all(bool(tensor.isfinite().all()) for tensor in run(model))


def test_there_are_entries_for_every_network_that_is_published() -> None:
    assert {"edsr-x4", "rdn-x2", "esrgan-x4", "real-esrgan-x4", "liif-edsr", "a2n-x4"} <= set(ENTRIES)
