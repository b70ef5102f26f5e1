"""AlexNet, SqueezeNet, Inception, LPIPS, DISTS and the poolings: laws, published files, mistakes."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.models.quality.alexnet import AlexNet
from finesight.models.quality.dists import Dists
from finesight.models.quality.inception import InceptionV3
from finesight.models.quality.lpips import Lpips
from finesight.models.quality.pooling import BlurPool, L2Pool
from finesight.models.quality.squeezenet import SqueezeNet
from finesight.zoo.tensors import load_tensors
from tests.oracles.check import check

GENERATOR = torch.Generator().manual_seed(5)
FIRST = torch.rand(2, 3, 32, 40, generator=GENERATOR)
SECOND = (FIRST + 0.1 * torch.randn(FIRST.shape, generator=GENERATOR)).clamp(0, 1)


@pytest.fixture(scope="module", params=["alex", "vgg", "squeeze", "dists"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    made = Dists() if request.param == "dists" else Lpips(request.param)
    with torch.no_grad():
        for parameter in getattr(made, "heads", nn.ModuleList()).parameters():
            parameter.abs_()  # as all published heads are
    return made.eval()


def test_distances_are_laws(network: nn.Module) -> None:
    """In float64: tiny pictures and untrained weights leave variances near the constants."""
    network = copy.deepcopy(network).double()
    first, second = FIRST.double(), SECOND.double()
    with torch.no_grad():
        distance = network(first, second)
        assert distance.shape == (2,)
        assert (distance > 0).all()
        assert torch.allclose(network(first, first), torch.zeros(2).double(), atol=1e-12)
        assert torch.allclose(distance, network(second, first), rtol=1e-10)
        alone = torch.cat([network(first[i : i + 1], second[i : i + 1]) for i in range(2)])
        assert torch.allclose(distance, alone, rtol=1e-10)
    assert torch.equal(first, FIRST.double())


def test_distances_have_gradients(network: nn.Module) -> None:
    moved = SECOND[:1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(moved, FIRST[:1]).sum(), moved)
    assert gradient.isfinite().all()
    assert float(gradient.abs().max()) > 0


def test_one_reference_serves_many_and_the_map_is_the_layers_enlarged() -> None:
    network = Lpips("alex").eval()
    with torch.no_grad():
        reference = network.features(FIRST[:1])
        layers = network.layers(network.features(SECOND), reference)
        expected = network.map(SECOND, FIRST[:1].expand(2, -1, -1, -1))
        assert torch.allclose(network.enlarge(layers, (32, 40)), expected, atol=1e-6)
        single = [nn.functional.interpolate(layer, (32, 40), mode="bilinear") for layer in layers]
        assert torch.allclose(torch.stack(single).sum(0), expected, atol=1e-6)


def test_published_files_load(shared: Path) -> None:
    """The head files as they are, with a complete torchvision trunk, classifier and all."""
    for version in ("0.0", "0.1"):
        heads = torch.load(shared / f"data/lpips/v{version}/alex.pth", map_location="cpu", weights_only=True)
        trunk = {f"features.{name}": t for name, t in AlexNet().features.state_dict().items()}
        network = Lpips("alex", version=version)
        load_tensors(network, trunk | {"classifier.1.weight": torch.zeros(2, 2)} | heads)
        assert torch.equal(network.heads[3].weight, heads["lin3.model.1.weight"])
        assert torch.equal(network.trunk.features[6].weight, trunk["features.6.weight"])
    numbers = torch.load(shared / "data/dists/weights.pt", map_location="cpu", weights_only=True)
    vgg = {f"features.{name}": t for name, t in Dists().trunk.features.state_dict().items()}
    dists = Dists()
    load_tensors(dists, vgg | numbers | {"features.30.weight": torch.zeros(1)})
    assert torch.equal(dists.alpha, numbers["alpha"])


@pytest.mark.parametrize(
    "name", ["space/lpips_alex", "space/lpips_vgg", "space/lpips_squeeze", "space/lpips_alex_v00", "metrics/dists"]
)
def test_published_answers_that_hold_published_parameters(shared: Path, name: str) -> None:
    result = check(shared / "oracles" / f"{name}.npz")
    assert result.passed, result


def test_alexnet_halo_is_exact() -> None:
    network = AlexNet().double()
    for parameter in network.parameters():
        parameter.data.abs_()
    for place in (2, 5):
        network.features[place] = nn.AvgPool2d(3, 2)  # a maximum hides all but one of its inputs from the gradient
    image = torch.rand(1, 3, 256, 256, dtype=torch.float64, requires_grad=True)
    network(image)["relu5"][0, 0, 7, 7].backward()
    seen = image.grad[0].abs().sum(0).sum(0).nonzero().flatten() - 7 * network.traits.multiple
    assert max(-int(seen.min()), int(seen.max())) == network.traits.halo


@pytest.mark.parametrize(("network", "size"), [(AlexNet(), 31), (SqueezeNet(), 17)])
def test_smallest_pictures(network: nn.Module, size: int) -> None:
    features = network(torch.rand(1, 3, size, size))
    assert [port.channels for port in network.traits.outputs] == [x.shape[1] for x in features.values()]
    assert [port.name for port in network.traits.outputs] == list(features)
    with pytest.raises(InputError, match=f"at least {size}"):
        network(torch.rand(1, 3, size, size - 1))


def test_inception_laws() -> None:
    torch.manual_seed(0)
    network = InceptionV3(resize=False).eval()
    images = torch.rand(2, 3, 80, 90)
    with torch.no_grad():
        together = network(images)
        assert together.shape == (2, 2048)
        assert torch.allclose(together, torch.cat([network(images[i : i + 1]) for i in range(2)]), atol=1e-5)
        already = InceptionV3(resize=False, rescale=False).eval()
        already.load_state_dict(network.state_dict())
        assert torch.allclose(already(images * 2 - 1), together, atol=1e-6)
    with pytest.raises(InputError, match="at least 75"):
        network(images[..., :74])


def test_poolings_by_hand() -> None:
    ones = torch.ones(1, 1, 6, 6)
    assert torch.allclose(L2Pool()(ones * 3)[0, 0, 1:, 1:], torch.full((2, 2), 3.0))
    ramp = torch.arange(6.0).expand(1, 1, 6, 6)
    blurred = BlurPool(3)(ramp)
    assert blurred[0, 0, 0].tolist() == [0.5, 2, 4]  # the mirrored left edge sees 1 0 1
    for bad in (lambda: L2Pool(2), lambda: BlurPool(0), lambda: BlurPool(3, padding="wrap")):  # type: ignore[arg-type]
        with pytest.raises(SettingError):
            bad()


def test_mistakes_are_named() -> None:
    with pytest.raises(SettingError, match="alex, vgg, squeeze"):
        Lpips("resnet")  # type: ignore[arg-type]
    grey: Tensor = FIRST[:, :1]
    with pytest.raises(InputError, match="RGB"):
        Lpips("alex")(grey, grey)
