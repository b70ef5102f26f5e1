"""Exported networks answer as torch does on any size, or are not written."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import finesight
from finesight.errors import CalculationError, ModelError, OutputError
from finesight.models.image.srvgg import SrvggCompact
from finesight.models.prior.ttsr import Ttsr
from finesight.nn.traits import Traits
from finesight.run.export import SUFFIXES, ExportFormat, export
from finesight.zoo.model import Model
from tests.run.networks import model_of

PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino",), "safetensors": ()}
HERE = {form: all(importlib.util.find_spec(name) for name in names) for form, names in PACKAGES.items()}
FORMS = [
    pytest.param(form, marks=pytest.mark.skipif(not HERE[form], reason="extra fast is not installed"))
    for form in PACKAGES
]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def compact() -> Model:
    arguments = {"scale": 2, "convolutions": 2, "width": 6}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = model_of(SrvggCompact(**arguments), "compact")  # type: ignore[arg-type]
    return replace(model, card=replace(model.card, architecture="srvgg-compact", arguments=arguments))


@pytest.mark.parametrize("form", FORMS)
def test_answers_as_torch_does(compact: Model, form: ExportFormat, tmp_path: Path) -> None:
    done = export(compact, tmp_path / f"net{SUFFIXES[form]}", form, generator=generator())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(file.name for file in done.files)
    assert done.files[0] == tmp_path / f"net{SUFFIXES[form]}"
    assert 0 <= done.difference < 1e-5
    assert len(set(done.sizes)) == len(done.sizes) > 2
    assert {count for count, _, _ in done.sizes} == {1, 2}
    image = torch.rand(3, 3, 17, 91, generator=generator(1))
    with torch.inference_mode():
        expected = compact.network(image)
    torch.testing.assert_close(_run(form, done.files[0], image), expected, atol=1e-5, rtol=0)


def _run(form: str, file: Path, image: Tensor) -> Tensor:
    if form == "safetensors":
        with torch.inference_mode():
            answer: Tensor = finesight.load(file).network(image)
        return answer
    if form == "onnx":
        import onnxruntime

        return torch.from_numpy(onnxruntime.InferenceSession(str(file)).run(["result"], {"image": image.numpy()})[0])
    import openvino

    compiled = openvino.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return torch.from_numpy(np.array(compiled(image.numpy())[0]))


class Remembering(nn.Module):
    """Adds a picture of the size that it saw first, cut or not: what a traced graph keeps is wrong elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)
        self.traits = Traits(task="denoising", scale=1, halo=0)

    def forward(self, image: Tensor) -> Tensor:
        answer: Tensor = self.layer(image) * float(image.shape[2])
        return answer


@pytest.mark.skipif(not HERE["openvino"], reason="extra fast is not installed")
def test_graphs_that_keep_a_size_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(CalculationError, match="Nothing was written"):
        export(model_of(Remembering(), "odd"), tmp_path / "odd.xml", "openvino", generator=generator())
    assert list(tmp_path.iterdir()) == []


def test_networks_of_two_pictures_are_refused(tmp_path: Path) -> None:
    model = model_of(Ttsr(width=4, blocks=(1, 1, 1, 1)), "ttsr")
    with pytest.raises(ModelError, match="from one picture to one picture"):
        export(model, tmp_path / "a.onnx", "onnx", generator=generator())


def test_places_that_cannot_be_written(compact: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        export(compact, tmp_path / "file" / "a.safetensors", "safetensors", generator=generator())
