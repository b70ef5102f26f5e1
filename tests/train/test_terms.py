"""Losses as a recipe names them are the functions of ``finesight.losses`` on what they should look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

import finesight
from finesight.data.batch import Batch
from finesight.errors import ModelError, SettingError
from finesight.losses import artifact_map, face, perceptual, pixel, texture
from finesight.losses.face import landmarks
from finesight.train.answers import Answer, answer
from finesight.train.settings.losses import Loss
from finesight.train.start import fresh
from finesight.zoo.saving import save
from tests.train.tiny import random_vgg

CPU = torch.device("cpu")


def loss(**settings: Any) -> Any:
    return TypeAdapter(Loss).validate_python(settings)


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


PICTURE, TRUTH, PLAIN = rand(2, 3, 24, 20), rand(2, 3, 24, 20, seed=1), rand(2, 3, 24, 20, seed=2)
WEIGHT = rand(2, 1, 24, 20, seed=3)


def value(settings: Any, found: Answer, **more: Any) -> float:
    return float(settings.term(CPU)(found, Batch((), TRUTH, **more)))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "l1"}, pixel.l1(PICTURE, TRUTH, WEIGHT)),
        ({"kind": "mse"}, pixel.mse(PICTURE, TRUTH, WEIGHT)),
        ({"kind": "charbonnier", "epsilon": 1e-3}, pixel.charbonnier(PICTURE, TRUTH, WEIGHT, epsilon=1e-3)),
        ({"kind": "charbonnier", "reduction": "sum"}, pixel.charbonnier(PICTURE, TRUTH, WEIGHT, reduction="sum")),
        ({"kind": "gradient"}, pixel.gradient(PICTURE, TRUTH, WEIGHT)),
        ({"kind": "total-variation"}, pixel.total_variation(PICTURE, WEIGHT)),
        ({"kind": "l1", "target": "plain"}, pixel.l1(PICTURE, PLAIN, WEIGHT)),
        ({"kind": "l1", "outputs": "all"}, pixel.l1(PLAIN, TRUTH, WEIGHT) + pixel.l1(PICTURE, TRUTH, WEIGHT)),
    ],
)
def test_losses_between_pictures(settings: dict[str, Any], expected: Tensor) -> None:
    found = Answer((PLAIN, PICTURE))
    assert value(loss(**settings), found, weight=WEIGHT, others={"plain": PLAIN}) == pytest.approx(float(expected))


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors")


@pytest.mark.parametrize("kind", ["perceptual", "style"])
@pytest.mark.parametrize("signed", [False, True])
def test_losses_between_features(vgg: Path, kind: str, *, signed: bool) -> None:
    layers = {"conv1_2": 0.3, "conv2_2": 1.0}
    network = finesight.load(vgg, arguments={"layers": tuple(layers)}).network
    with torch.no_grad():
        maps = [network(one * 2 - 1 if signed else one) for one in (PICTURE, TRUTH)]
    function = perceptual.perceptual if kind == "perceptual" else perceptual.style
    settings = loss(kind=kind, weights=str(vgg), layers=layers, criterion="mse", signed=signed)
    expected = float(function(*maps, layers, criterion="mse"))
    assert value(settings, Answer((PICTURE,))) == pytest.approx(expected, rel=1e-5)
    seen = PICTURE.clone().requires_grad_(True)
    settings.term(CPU)(Answer((seen,)), Batch((), TRUTH)).backward()
    assert seen.grad is not None
    assert seen.grad.abs().max() > 0


def test_clips_are_judged_frame_by_frame(vgg: Path) -> None:
    settings = loss(kind="perceptual", weights=str(vgg), layers={"conv2_2": 1.0})
    whole = value(settings, Answer((PICTURE,)))
    clip = settings.term(CPU)(Answer((PICTURE[None],)), Batch((), TRUTH[None]))
    assert float(clip) == pytest.approx(whole)


def test_weights_that_are_not_there_say_what_to_get(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path))
    monkeypatch.setenv("FINESIGHT_OFFLINE", "1")
    with pytest.raises(ModelError, match="vgg19-dcbb9e9d"):
        loss(kind="perceptual").term(CPU)
    with pytest.raises(ModelError, match="light_cnn_feature"):
        loss(kind="identity").term(CPU)


def test_artefacts_need_the_average() -> None:
    settings = loss(kind="artifact", detach=False)
    assert settings.needs == {"average"}
    found = Answer((PICTURE,), {"average": PLAIN})
    expected = artifact_map.artifact_loss(TRUTH, PICTURE, PLAIN, detach=False)
    assert value(settings, found) == pytest.approx(float(expected))
    network = fresh("srcnn", {"channels": [3, 4, 4, 3], "scale": 2}, seed=1)
    other = fresh("srcnn", {"channels": [3, 4, 4, 3], "scale": 2}, seed=2)
    batch = Batch((rand(1, 3, 6, 6),), TRUTH)
    steady = answer(network, batch, settings.needs, average=other).others["average"]
    assert torch.equal(steady, other(*batch.inputs))
    assert not steady.requires_grad


@pytest.mark.parametrize("attention", [False, True])
def test_textures_come_from_the_network(*, attention: bool) -> None:
    network: Any = fresh("ttsr", {"width": 8, "blocks": [1, 1, 1, 1]}, seed=1)
    batch = Batch((rand(1, 3, 8, 8), rand(1, 3, 32, 32, seed=4)), rand(1, 3, 32, 32, seed=5))
    settings = loss(kind="texture", attention=attention)
    found = answer(network, batch, settings.needs)
    assert torch.allclose(found.pictures[-1], network(*batch.inputs), atol=1e-6), "the same picture as ever"
    maps = network.extractor(found.pictures[-1])
    textures = [found.others[f"texture.{level}"] for level in (3, 2, 1)]
    assert [one.shape for one in maps] == [one.shape for one in textures]
    weight = found.others["attention"] if attention else None
    expected = texture.texture_transfer(maps, textures, weight).detach()
    assert float(settings.term(CPU)(found, batch).detach()) == pytest.approx(float(expected), rel=1e-5)


def test_faces_are_judged_at_every_step(tmp_path: Path) -> None:
    small = {"width": 4, "blocks": 1, "landmark_width": 8, "steps": 2, "fusion_blocks": 1}
    network: Any = fresh("dic", small, seed=1).eval()
    maps = rand(1, 68, 32, 32, seed=6)
    batch = Batch((rand(1, 3, 16, 16),), rand(1, 3, 128, 128, seed=1), others={"heatmaps": maps})
    found = answer(network, batch)
    steps = network.steps(*batch.inputs)
    assert len(found.pictures) == 2
    for criterion, function in (("mse", pixel.mse), ("l1", pixel.l1)):
        expected = sum(float(function(one, maps).detach()) for one in steps.heatmaps)
        got = loss(kind="landmarks", criterion=criterion).term(CPU)(found, batch).detach()
        assert float(got) == pytest.approx(expected, rel=1e-5)
    faces = {"size": 128, "width": 8}
    known: Any = fresh("light-cnn-features", faces, seed=2)
    path = save(tmp_path / "light.safetensors", known, architecture="light-cnn-features", arguments=faces)
    got = loss(kind="identity", weights=str(path)).term(CPU)(found, batch).detach()
    expected = float((known(found.pictures[-1]) - known(batch.target)).abs().mean().detach())
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_face_losses_by_hand() -> None:
    one, two = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 3.0]]]])
    assert float(landmarks([one, two], torch.ones(1, 1, 1, 2))) == 1 + 2
    assert float(landmarks([one, two], torch.ones(1, 1, 1, 2), criterion="l1")) == 1 + 1
    with pytest.raises(SettingError, match="0 steps"):
        landmarks([], one)
    seen = one.clone().requires_grad_(True)
    assert float(face.identity(two, seen)) == 2
    assert not face.identity(two, seen).requires_grad


def test_a_compiled_network_is_called_as_its_kind_is() -> None:
    """``torch.compile`` wraps: the wrapper's forward is called, but the methods of special kinds are the network's."""
    network: Any = fresh("liif-edsr", {"width": 8, "blocks": 1, "hidden": [16]}, seed=1)
    wrapped = torch.compile(network)
    places = torch.zeros(1, 5, 2)
    batch = Batch((rand(1, 3, 8, 8), places, torch.full((1, 5, 2), 0.1)), rand(1, 5, 3))
    assert torch.equal(answer(wrapped, batch).pictures[-1], answer(network, batch).pictures[-1])  # type: ignore[arg-type]
