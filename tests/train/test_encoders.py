"""Matting encoders start from classifiers whose files have other names."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from finesight.errors import InputError
from finesight.models.matting.dim import Dim
from finesight.models.matting.gca import Gca
from finesight.train import start
from finesight.train.encoders import start_encoder

WIDTHS = (4, 6, 8, 10, 10)


def vgg(widths: tuple[int, ...] = WIDTHS) -> dict[str, Tensor]:
    """A small VGG-16 as classifiers are named, with what stands behind its convolutions."""
    layers: list[nn.Module] = []
    before = 3
    for count, width in zip((2, 2, 3, 3, 3), widths, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    network = nn.ModuleDict({"features": nn.Sequential(*layers), "classifier": nn.Sequential(nn.Linear(before, 7))})
    return dict(network.state_dict())


def test_dim_takes_every_kernel_of_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = vgg()
    network = Dim(widths=WIDTHS, refine=False)
    decoder = {name: tensor.clone() for name, tensor in network.decoder.state_dict().items()}
    monkeypatch.setattr(start, "_classifier", lambda _: tensors)
    assert start.start_from(network, {"encoder.": "dim-vgg16"}) == 26
    own = network.encoder.state_dict()
    first = own["layer1.0.weight"]
    assert torch.equal(first[:, :3], tensors["features.0.weight"])
    assert not first[:, 3:].any(), "nothing is known of trimaps"
    assert torch.equal(own["layer5.4.weight"], tensors["features.28.weight"])
    assert torch.equal(own["layer5.4.bias"], tensors["features.28.bias"])
    assert all(torch.equal(tensor, decoder[name]) for name, tensor in network.decoder.state_dict().items())


def test_gca_takes_kernels_and_norms() -> None:
    """Spectrally normalised kernels take plain ones; guidance and shortcuts, which come later, keep theirs."""
    network, other = (Gca(attention=attention, width=4) for attention in (True, False))
    renamed: dict[str, Tensor] = {}
    for name, tensor in other.encoder.state_dict().items():
        if name.startswith("shortcut") or name.endswith(("weight_u", "weight_v")):
            continue
        renamed["module." + name.replace("weight_orig", "weight")] = torch.randn_like(tensor.float())
    renamed["module.conv1.conv.weight"] = renamed["module.conv1.conv.weight"][:, :3]
    before = network.encoder.shortcut[0][0].conv.weight_orig.clone()  # type: ignore[index, union-attr]
    start_encoder(network, "encoder.", renamed, source="a file")
    own = network.encoder.state_dict()
    assert torch.equal(own["layer3.1.conv2.conv.weight_orig"], renamed["module.layer3.1.conv2.conv.weight"])
    assert torch.equal(own["layer4.0.interpolation.1.bn.running_var"], renamed["module.layer4.0.interpolation.1.bn.running_var"])  # fmt: skip  # noqa: E501
    assert not own["conv1.conv.weight_orig"][:, 3:].any()
    assert torch.equal(own["shortcut.0.0.conv.weight_orig"], before)


def test_other_files_are_refused() -> None:
    wrong: Mapping[str, Tensor] = {f"a.{place}.weight": torch.zeros(5, 5, 7, 7) for place in range(4)}
    with pytest.raises(InputError, match=r"has 4 kernels, of which 0 fit Dim"):
        start_encoder(Dim(widths=WIDTHS), "encoder.", wrong, source="other.pth")
