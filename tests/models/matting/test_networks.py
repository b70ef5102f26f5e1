"""What the matting networks promise beyond the contract of all networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from finesight.errors import InputError, SettingError
from finesight.models.matting.dim import Dim
from finesight.models.matting.gca import Gca
from finesight.models.matting.indexnet import Fitting, IndexNet
from finesight.nn.guided_attention import GuidedContextualAttention
from finesight.nn.learned_index import IndexBlock, IndexKind
from finesight.nn.spectral_transposed import SpectralConvTranspose2d
from finesight.nn.trimap import encoded, impose, one_hot
from tests.oracles.check import check

BESIDE = ("gca_baseline", "gca_baseline_dimaug", "gca_dimaug", "gca_guidance")
"""Reference files above 200 KB: they lie beside the checkout only."""


@pytest.mark.large
@pytest.mark.parametrize("name", BESIDE)
def test_agrees_with_the_published_implementation(name: str, shared: Path) -> None:
    result = check(shared / "oracles" / "matting" / f"{name}.npz")
    assert result.passed, f"{result.output}: {result.error:.2e}"


def test_published_parameter_counts() -> None:
    with torch.device("meta"):
        networks = {Dim(): 26_276_802, IndexNet(): 5_953_515, Gca(): 25_164_529, Gca(attention=False): 25_072_481}
    for network, expected in networks.items():
        assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_classes_are_encoded_and_imposed() -> None:
    trimap = torch.tensor([[[[0.0, 1, 2]]]])
    assert one_hot(trimap)[0, :, 0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert torch.equal(encoded(trimap), torch.tensor([[[[0, 128 / 255, 1]]]]))
    alpha = torch.tensor([[[[0.7, 0.3, 0.6]]]])
    assert torch.equal(impose(alpha, trimap), torch.tensor([[[[0, 0.3, 1]]]]))
    assert torch.equal(impose(alpha * 9 - 4, trimap), torch.tensor([[[[0.0, 0, 1]]]]))


@pytest.mark.parametrize("unknown", [False, True])
def test_attention_does_not_depend_on_the_block_and_has_its_gradient(unknown: bool) -> None:
    generator = torch.Generator().manual_seed(5)
    guidance, features = (torch.randn(2, 4, 8, 12, generator=generator) for _ in range(2))
    region = (torch.rand(2, 1, 8, 12, generator=generator) > 0.4).float() if unknown else None
    module = GuidedContextualAttention(4).eval()
    nn.init.ones_(module.out_conv[1].weight)  # type: ignore[arg-type]
    gradients, answers = [], []
    for chunk in (1, 60, 2**21):
        module.chunk = chunk
        inputs = guidance.clone().requires_grad_(), features.clone().requires_grad_()
        answer = module(*inputs, region)
        gradients.append(torch.autograd.grad(answer.square().sum(), inputs))
        answers.append(answer)
    for answer, gradient in zip(answers[1:], gradients[1:], strict=True):
        torch.testing.assert_close(answer, answers[0])
        torch.testing.assert_close(gradient, gradients[0], rtol=1e-4, atol=1e-5)


def test_attention_refuses_what_does_not_fit() -> None:
    module = GuidedContextualAttention(4)
    even = torch.zeros(1, 4, 8, 8)
    with pytest.raises(InputError, match="even sides of at least 4"):
        module(torch.zeros(1, 4, 8, 7), torch.zeros(1, 4, 8, 7))
    with pytest.raises(InputError, match="differ in size"):
        module(even, torch.zeros(1, 4, 8, 10))
    with pytest.raises(InputError, match="unknown region"):
        module(even, even, torch.zeros(1, 1, 4, 4))


def test_transposed_spectral_norm_is_that_of_torch() -> None:
    own = SpectralConvTranspose2d(3, 5, 4, stride=2, padding=1)
    theirs = torch.nn.utils.spectral_norm(nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1, bias=False))
    theirs.load_state_dict(own.state_dict())
    picture = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        torch.testing.assert_close(own(picture), theirs(picture))
    torch.testing.assert_close(own.weight_u, theirs.weight_u)
    torch.testing.assert_close(own.eval()(picture), theirs.eval()(picture))
    torch.testing.assert_close(own.fused()(picture), own(picture))


def test_bad_arguments_and_a_trimap_of_another_size() -> None:
    with pytest.raises(SettingError, match="1 or 3 channels"):
        Gca(trimap_channels=2)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="five levels"):
        Dim(widths=(4, 4, 4, 4))
    with pytest.raises(SettingError, match="four levels"):
        Gca(encoder_blocks=(1, 2, 3))
    network = Gca(width=4, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1)).eval()
    with pytest.raises(InputError, match="trimap must be"):
        network(torch.rand(1, 3, 8, 9), torch.zeros(1, 1, 8, 8))


def test_whole_numbers_are_taken_as_a_trimap() -> None:
    network = Gca(width=4, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1)).eval()
    image, trimap = torch.rand(1, 3, 20, 9), torch.randint(0, 3, (1, 1, 20, 9))
    assert torch.equal(network(image, trimap.to(torch.uint8)), network(image, trimap.float()))


def test_indices_share_each_cell() -> None:
    picture = torch.randn(1, 4, 6, 8, generator=torch.Generator().manual_seed(2))
    kinds: tuple[IndexKind, ...] = ("o2o", "m2o", "holistic")
    for kind in kinds:
        for nonlinear in (False, True):
            encoder, decoder = IndexBlock(4, kind=kind, nonlinear=nonlinear).eval()(picture)
            assert encoder.shape == decoder.shape == (1, 1 if kind == "holistic" else 4, 6, 8)
            torch.testing.assert_close(4 * avg_pool2d(encoder, 2), torch.ones(1, encoder.shape[1], 3, 4))
            assert 0 < decoder.min() < decoder.max() < 1
    with pytest.raises(SettingError, match="o2o, m2o or holistic"):
        IndexBlock(4, kind="all")  # type: ignore[arg-type]


@pytest.mark.parametrize(("fitting", "side"), [("down", 32), ("up", 64), ("mirror", 64)])
def test_indexnet_fits_pictures(fitting: Fitting, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = IndexNet(fitting=fitting).eval()
    sizes = []

    def raw(colours: Tensor, trimap: Tensor) -> Tensor:
        assert set(trimap.unique().tolist()) <= {0, 1, 2}
        sizes.append((colours.shape[-2:], trimap.shape[-2:]))
        return 3 * colours[:, :1]

    monkeypatch.setattr(network, "raw", raw)
    image, trimap = torch.rand(1, 3, 40, 33), torch.randint(0, 3, (1, 1, 40, 33))
    alpha = network(image, trimap)
    assert sizes == [((side, side), (side, side))]
    assert alpha.shape == (1, 1, 40, 33)
    assert alpha.min() == 0
    assert alpha.max() == 1
    assert network.train()(image, trimap).max() > 1
    with pytest.raises(SettingError, match="down, up or mirror"):
        IndexNet(fitting="crop")  # type: ignore[arg-type]
