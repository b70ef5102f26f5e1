"""VGG: the published stack under its published names, any layer, whole or cut."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import InputError, ModelError, SettingError
from finesight.models.quality.vgg import IMAGENET_MEAN, IMAGENET_STD, Vgg, vgg_layers
from finesight.zoo.tensors import load_tensors
from tests.oracles.reader import tensor_of

# index of every convolution in torchvision's ``features`` and its output channels
CONVOLUTIONS = {
    16: {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512, 24: 512, 26: 512, 28: 512},
    19: {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 16: 256, 19: 512, 21: 512, 23: 512, 25: 512}
    | {28: 512, 30: 512, 32: 512, 34: 512},
}
POOLINGS = {16: (4, 9, 16, 23, 30), 19: (4, 9, 18, 27, 36)}


def published(depth: int, upto: int = 99, head: str = "features.") -> dict[str, Tensor]:
    tensors, inputs = {}, 3
    for index, outputs in CONVOLUTIONS[depth].items():
        if index > upto:
            break
        for kind, shape in (("weight", (outputs, inputs, 3, 3)), ("bias", (outputs,))):
            tensors[f"{head}{index}.{kind}"] = torch.from_numpy(tensor_of(f"features.{index}.{kind}", shape)) * 1.5
        inputs = outputs
    return tensors


def by_hand(image: Tensor, tensors: dict[str, Tensor], depth: int, last: int) -> Tensor:
    for index in range(last + 1):
        if index in CONVOLUTIONS[depth]:
            image = F.conv2d(image, tensors[f"features.{index}.weight"], tensors[f"features.{index}.bias"], padding=1)
        elif index in POOLINGS[depth]:
            image = F.max_pool2d(image, 2)
        else:
            image = image.clamp_min(0)
    return image


@pytest.mark.parametrize(
    ("depth", "name", "index"),
    [
        (16, "relu3_3", 15),
        (16, "pool5", 30),
        (19, "conv5_4", 34),
        (19, "conv1_1", 0),
        (19, "conv2_2", 7),
        (19, "conv3_4", 16),
        (19, "conv4_2", 21),
        (19, "relu5_1", 29),
    ],
)
def test_layers_have_their_published_index(depth: int, name: str, index: int) -> None:
    assert vgg_layers(depth)[index] == name
    assert tuple(i for i, n in enumerate(vgg_layers(depth)) if n.startswith("pool")) == POOLINGS[depth]
    assert [i for i, n in enumerate(vgg_layers(depth)) if n.startswith("conv")] == list(CONVOLUTIONS[depth])


@pytest.mark.parametrize("depth", [16, 19])
def test_complete_published_file_loads_and_every_layer_agrees(depth: int) -> None:
    tensors = published(depth)
    network = Vgg(depth, layers=vgg_layers(depth), normalise=False)
    load_tensors(network, tensors | {"classifier.0.weight": torch.zeros(1), "classifier.0.bias": torch.zeros(1)})
    image = torch.rand(1, 3, 33, 35, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = network(image)
        assert list(features) == list(vgg_layers(depth))
        for index in (0, 1, 3, 4, 12, 21, len(features) - 1):
            expected = by_hand(image, tensors, depth, index)
            assert torch.allclose(features[vgg_layers(depth)[index]], expected, atol=1e-5 * float(expected.abs().max()))


def test_normalises_as_imagenet() -> None:
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    kept = image.clone()
    plain, normal = Vgg(layers=["conv1_2"], normalise=False), Vgg(layers=["conv1_2"])
    normal.load_state_dict(plain.state_dict())
    mean, std = torch.tensor(IMAGENET_MEAN).view(3, 1, 1), torch.tensor(IMAGENET_STD).view(3, 1, 1)
    assert torch.allclose(normal(image)["conv1_2"], plain((image - mean) / std)["conv1_2"], atol=1e-6)
    assert torch.equal(image, kept)


@pytest.mark.parametrize("head", ["features.", "vgg.vgg_layers.", "vgg.vgg.", "", "net.slice1.", "stage1."])
def test_other_published_names(head: str) -> None:
    network = Vgg(16, layers=["relu2_2"])
    load_tensors(network, published(16, 7, head))
    assert torch.equal(network.features[7].bias, published(16)["features.7.bias"])


def test_feature_before_its_activation_is_not_overwritten() -> None:
    features = Vgg(layers=["relu1_1", "conv1_1"])(torch.rand(1, 3, 8, 8))
    assert list(features) == ["relu1_1", "conv1_1"]
    assert features["conv1_1"].detach().min() < 0
    assert torch.equal(features["conv1_1"].clamp_min(0), features["relu1_1"])


def test_another_pooling_takes_every_place() -> None:
    image = torch.rand(1, 3, 16, 16)
    first = Vgg(16, layers=["relu3_3"])
    second = Vgg(16, layers=["relu3_3"], pool=nn.AvgPool2d(2))
    second.load_state_dict(first.state_dict())
    assert [i for i, layer in enumerate(second.features) if isinstance(layer, nn.AvgPool2d)] == [4, 9]
    assert not torch.allclose(first(image)["relu3_3"], second(image)["relu3_3"])


def test_halo_is_exact() -> None:
    network = Vgg(16, layers=["conv3_3"]).double()
    for parameter in network.parameters():
        parameter.data.abs_()
    for place in (4, 9):
        network.features[place] = nn.AvgPool2d(2)  # a maximum hides all but one of its inputs from the gradient
    image = torch.rand(1, 3, 96, 96, dtype=torch.float64, requires_grad=True)
    ratio = network.traits.multiple
    network(image)["conv3_3"][0, 0, 12, 12].backward()
    seen = image.grad[0].abs().sum(0).sum(0).nonzero().flatten() - 12 * ratio
    assert -network.traits.halo <= int(seen.min())
    assert int(seen.max()) <= network.traits.halo
    assert network.traits.halo - max(-int(seen.min()), int(seen.max())) == 0
    assert network.traits.outputs[0].channels == 256
    assert network.traits.outputs[0].ratio * ratio == 1


def test_mistakes_are_named() -> None:
    with pytest.raises(SettingError, match="relu3_3"):
        Vgg(16, layers=["relu3_4"])
    with pytest.raises(SettingError, match="16 and 19"):
        vgg_layers(13)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="no layer"):
        Vgg(layers=[])
    with pytest.raises(InputError, match="at least 4"):
        Vgg(layers=["conv3_1"])(torch.rand(1, 3, 3, 9))
    with pytest.raises(InputError, match=r"\(1, 1, 8, 8\)"):
        Vgg(layers=["conv1_1"])(torch.rand(1, 1, 8, 8))
    with pytest.raises(ModelError, match=r"features\.7"):
        load_tensors(Vgg(16, layers=["conv2_2"]), published(16, 5))
