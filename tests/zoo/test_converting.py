"""Our format from any other, mixtures of two networks, memory, and other people's networks."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

import finesight
from finesight import zoo
from finesight.errors import ModelError, SettingError
from finesight.models.table import network_class

SIZES = {"scale": 2, "width": 8, "blocks": 1}


def written(path: Path, seed: int = 0, **changes: Any) -> Path:
    """A bare EDSR checkpoint."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = network_class("edsr")(**(SIZES | changes))
    torch.save({"params": network.state_dict()}, path)
    return path


def test_convert_writes_what_load_reads(tmp_path: Path) -> None:
    source = written(tmp_path / "w.pth")
    out = zoo.convert(source, tmp_path / "out")
    assert out == tmp_path / "out.safetensors"
    before, after = finesight.load(source), finesight.load(out)
    for name, tensor in before.network.state_dict().items():
        assert torch.equal(after.network.state_dict()[name], tensor)
    assert after.card.training["converted_from"] == before.card.weights_sha256
    with safe_open(str(out), framework="pt") as file:
        assert file.metadata()["architecture"] == "edsr"
    assert {file.name for file in tmp_path.iterdir()} == {"w.pth", "out.safetensors"}


def test_convert_to_half_is_half_as_large(tmp_path: Path) -> None:
    source = written(tmp_path / "w.pth", width=32)
    whole, half = zoo.convert(source, tmp_path / "whole"), zoo.convert(source, tmp_path / "half", half=True)
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    x = torch.rand(1, 3, 8, 8)
    assert torch.allclose(finesight.load(half).network(x), finesight.load(whole).network(x), atol=2e-3)


def test_convert_refuses_other_formats(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"out\.pth should end in \.safetensors"):
        zoo.convert(written(tmp_path / "w.pth"), tmp_path / "out.pth")


def test_blend_is_linear(tmp_path: Path) -> None:
    one = finesight.load(written(tmp_path / "a.pth", 1))
    other = finesight.load(written(tmp_path / "b.pth", 2))
    mixed = zoo.blend(one, other, 0.25)
    for name, tensor in mixed.network.state_dict().items():
        expected = 0.25 * one.network.state_dict()[name] + 0.75 * other.network.state_dict()[name]
        assert torch.equal(tensor, expected)
    same = zoo.blend(one, other, 1).network.state_dict()
    assert all(torch.equal(same[name], tensor) for name, tensor in one.network.state_dict().items())
    assert mixed.card.name == "0.25*a+0.75*b"


def test_blend_refuses_other_networks_and_weights(tmp_path: Path) -> None:
    one = finesight.load(written(tmp_path / "a.pth"))
    other = finesight.load(written(tmp_path / "b.pth", width=4))
    with pytest.raises(ModelError, match=r"a \(edsr.*b \(edsr.*cannot be mixed"):
        zoo.blend(one, other, 0.5)
    with pytest.raises(SettingError, match=r"between 0 and 1.*not 1\.5"):
        zoo.blend(one, one, 1.5)


MEASURE = """
import resource, sys
import torch
from finesight.models.table import network_class
from finesight.zoo import load, save
network_class("edsr")
load(sys.argv[2])  # everything that is imported on the way
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = load(sys.argv[1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize("kind", ["zip", "plain", "safetensors"])
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory in the units of Linux")
def test_loading_holds_at_most_about_twice_the_file(tmp_path: Path, kind: str) -> None:
    network = network_class("edsr")(scale=2, width=256, blocks=8)
    file = tmp_path / "large.pth"
    if kind == "safetensors":
        file = zoo.save(
            tmp_path / "l.safetensors", network, architecture="edsr", arguments={"scale": 2, "width": 256, "blocks": 8}
        )
    else:
        torch.save({"params": network.state_dict()}, file, _use_new_zipfile_serialization=kind == "zip")
    little = written(tmp_path / "little.pth")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file), str(little)], capture_output=True, text=True, check=True
    )
    size = file.stat().st_size
    assert size > 40e6
    assert int(done.stdout) < 2.3 * size, f"{int(done.stdout) / size:.2f} times the file"


class Doubling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.alien = nn.Parameter(torch.tensor([2.0]))


class Descriptor:
    """What spandrel's loader gives, as far as we use it."""

    purpose = "SR"
    scale = 2
    input_channels = output_channels = 3
    architecture = SimpleNamespace(name="Doubler")
    size_requirements = SimpleNamespace(multiple_of=1, minimum=0)

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.model = Doubling()
        self.model.load_state_dict(tensors)

    def __call__(self, image: Tensor) -> Tensor:
        assert image.shape[0] == 1
        return torch.nn.functional.interpolate(image, scale_factor=2.0)


@pytest.fixture
def spandrel(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A stand-in for the package, which is not among the packages that the tests install."""
    module = types.ModuleType("spandrel")

    class UnsupportedModelError(Exception):
        pass

    class ModelLoader:
        def load_from_state_dict(self, tensors: dict[str, Tensor]) -> Descriptor:
            if "alien" not in tensors:
                raise UnsupportedModelError
            return Descriptor(tensors)

    module.UnsupportedModelError = UnsupportedModelError  # type: ignore[attr-defined]
    module.ModelLoader = ModelLoader  # type: ignore[attr-defined]
    module.ImageModelDescriptor = Descriptor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spandrel", module)
    return module


def test_other_architectures_come_from_spandrel(spandrel: types.ModuleType, tmp_path: Path) -> None:
    torch.save({"alien": torch.tensor([2.0])}, tmp_path / "w.pth")
    model = finesight.load(tmp_path / "w.pth")
    assert model.card.architecture == "Doubler"
    assert model.traits.scale == 2
    assert model.network(torch.rand(2, 3, 4, 5)).shape == (2, 3, 8, 10)


def test_what_spandrel_does_not_know_either(spandrel: types.ModuleType, tmp_path: Path) -> None:
    torch.save({"stranger": torch.tensor([2.0])}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"no architecture that finesight knows"):
        finesight.load(tmp_path / "w.pth")


def test_a_spandrel_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("operator torchvision::nms does not exist\nmore")

    monkeypatch.setattr("finesight.zoo.community.need", broken)
    torch.save({"alien": torch.tensor([2.0])}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"spandrel cannot be imported: operator torchvision::nms does not exist$"):
        finesight.load(tmp_path / "w.pth")
