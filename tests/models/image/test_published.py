"""Published sizes, names, initial values and errors of the super-resolution networks."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import Error, InputError, ModelError, SettingError
from finesight.models.image.a2n import A2n
from finesight.models.image.cria_cl import CriaCl
from finesight.models.image.discriminator_unet import UNetDiscriminator
from finesight.models.image.discriminator_vgg import ModifiedVgg
from finesight.models.image.edsr import DIV2K_MEAN, Edsr
from finesight.models.image.elan import Elan
from finesight.models.image.liif import LiifRdn
from finesight.models.image.msrresnet import MsrResNet
from finesight.models.image.rcan import Rcan
from finesight.models.image.rdn import Rdn
from finesight.models.image.rrdbnet import RrdbNet
from finesight.models.image.srcnn import Srcnn
from finesight.models.image.srvgg import SrvggCompact
from finesight.zoo.tensors import load_tensors


def picture(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height * width))


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (lambda: Srcnn(), 20_099),
        (lambda: MsrResNet(), 1_517_571),
        (lambda: MsrResNet(dropout=0.7, activation_after_shuffle=True), 1_517_571),
        (lambda: Edsr(scale=2), 1_369_859),
        (lambda: Edsr(scale=3), 1_554_499),
        (lambda: Edsr(scale=4), 1_517_571),
        (lambda: Rdn(scale=2), 22_123_395),
        (lambda: Rdn(scale=3), 22_308_035),
        (lambda: Rdn(scale=4), 22_271_107),
        (lambda: RrdbNet(), 16_697_987),
        (lambda: RrdbNet(dropout=0.5), 16_697_987),
        (lambda: Rcan(), 15_592_355),
        (lambda: Rcan(scale=1), 15_296_931),
        (lambda: A2n(scale=4), 1_047_459),
        (lambda: A2n(scale=2), 1_036_443),
        (lambda: A2n(scale=3), 1_036_443),
        (lambda: A2n(scale=4, plain_kernel=1), 842_659),
        (lambda: A2n(scale=3, plain_kernel=1), 831_643),
        (lambda: SrvggCompact(), 621_424),
        (lambda: SrvggCompact(convolutions=32), 1_213_296),
        (lambda: LiifRdn(), 22_320_835),
        (lambda: ModifiedVgg(), 14_499_401),
        (lambda: UNetDiscriminator(), 4_376_897),
    ],
)
def test_published_parameter_counts(build: Callable[[], nn.Module], parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in build().parameters()) == parameters


@pytest.mark.parametrize(
    ("build", "halo"),
    [
        (lambda: Edsr(scale=2), 36),
        (lambda: Edsr(scale=4), 36),
        (lambda: Edsr(width=256, blocks=32, residual_scale=0.1), 68),
        (lambda: RrdbNet(), 349),
        (lambda: Rdn(), 133),
        (lambda: SrvggCompact(), 18),
    ],
)
def test_halo_of_published_sizes(build: Callable[[], nn.Module], halo: int) -> None:
    with torch.device("meta"):
        assert build().traits.halo == halo  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "build",
    [
        lambda: Srcnn(),
        lambda: MsrResNet(width=8, blocks=1),
        lambda: Edsr(width=8, blocks=1),
        lambda: Rdn(width=8, blocks=1, growth=4),
        lambda: RrdbNet(width=8, blocks=1, growth=4),
        lambda: SrvggCompact(width=8, convolutions=1),
        lambda: Rcan(width=8, groups=1, blocks=1, squeeze=2),
        lambda: Elan(width=12, blocks=1, windows=(2,)),
        lambda: A2n(width=8, blocks=1, reduction=1),
        lambda: CriaCl(width=8, blocks=1, growth=4),
    ],
)
def test_no_network_clamps(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(8)
    found = build().eval()((picture(9, 9) - 0.5) * 1e6)
    assert found.min() < 0
    assert found.max() > 1


def test_unshuffled_forms_take_every_size() -> None:
    """Mirrored up to the multiple: the part that the padding cannot reach equals the padded picture's."""
    network = RrdbNet(scale=1, width=6, blocks=1, growth=4).eval()
    image = picture(21, 6)
    padded = F.pad(image, (0, 2, 0, 3), mode="reflect")
    assert torch.equal(network(image), network(padded)[..., :21, :6])
    assert network(picture(1, 1)).shape == (1, 3, 1, 1)
    assert RrdbNet(scale=2, width=4, blocks=1, growth=4)(picture(3, 5)).shape == (1, 3, 6, 10)


@pytest.mark.parametrize(("scale", "size"), [(4, (20, 28)), (2, (5, 7)), (1, (2, 2))])
def test_hggt_form_enlarges_by_its_scale_after_unshuffling(scale: int, size: tuple[int, int]) -> None:
    network = RrdbNet(scale=scale, width=4, blocks=1, growth=4, upsampler="pixelshuffle").eval()
    assert network(picture(5, 7)).shape[-2:] == size
    ratio = network.traits.outputs[0].ratio
    assert size == (-(-5 * ratio // 1), -(-7 * ratio // 1))


def renamed(network: nn.Module, *pairs: tuple[str, str]) -> dict[str, Tensor]:
    answer = {}
    for name, tensor in network.state_dict().items():
        for pattern, replacement in pairs:
            name = re.sub(pattern, replacement, name)
        answer[name] = tensor
    assert set(answer) != set(network.state_dict()), "nothing was renamed"
    return answer


def loads_as(network: nn.Module, other: nn.Module, published: dict[str, Tensor], image: Tensor) -> None:
    load_tensors(other, published)
    assert torch.equal(other.eval()(image), network.eval()(image))


def test_basicsr_edsr_names() -> None:
    network, other = (Edsr(width=6, blocks=2) for _ in range(2))
    pairs = ((r"upsample\.1\.upsample_conv", "upsample.2"), (r"upsample\.0\.upsample_conv", "upsample.0"))
    loads_as(network, other, renamed(network, *pairs), picture(5, 6))


def test_authors_edsr_works_in_255_and_becomes_the_same_function() -> None:
    """The authors' forward pass, written out with their names and range, against ours after loading."""
    ours = Edsr(width=6, blocks=2, scale=2)
    pairs = (
        (r"^conv_first", "head.0"),
        (r"^conv_after_body", "body.2"),
        (r"^body\.(\d)\.conv1", r"body.\1.body.0"),
        (r"^body\.(\d)\.conv2", r"body.\1.body.2"),
        (r"^upsample\.0\.upsample_conv", "tail.0.0"),
        (r"^conv_last", "tail.1"),
    )
    tensors = renamed(ours, *pairs)
    tensors = {name: torch.randn_like(tensor) * 0.3 for name, tensor in tensors.items()}
    tensors |= {"sub_mean.weight": torch.eye(3)[..., None, None], "sub_mean.bias": -255 * torch.tensor(DIV2K_MEAN)}
    tensors |= {"add_mean.weight": torch.eye(3)[..., None, None], "add_mean.bias": 255 * torch.tensor(DIV2K_MEAN)}

    def conv(x: Tensor, name: str) -> Tensor:
        weight = tensors[f"{name}.weight"]
        return F.conv2d(x, weight, tensors[f"{name}.bias"], padding=weight.shape[-1] // 2)

    image = picture(5, 6)
    x = first = conv(conv(image * 255, "sub_mean"), "head.0")
    for block in range(2):
        x = x + conv(F.relu(conv(x, f"body.{block}.body.0")), f"body.{block}.body.2")
    x = F.pixel_shuffle(conv(conv(x, "body.2") + first, "tail.0.0"), 2)
    expected = conv(conv(x, "tail.1"), "add_mean") / 255
    load_tensors(ours, tensors)
    assert torch.allclose(ours.eval()(image), expected, atol=1e-5 * float(expected.abs().max()))


def test_authors_rcan_names() -> None:
    network, other = (Rcan(width=8, groups=2, blocks=2, squeeze=2) for _ in range(2))
    pairs = (
        (r"^conv_first", "head.0"),
        (r"^conv_after_body", "body.2"),
        (r"^body\.(\d)\.conv\.", r"body.\1.body.2."),
        (r"^body\.(\d)\.residual_group\.(\d)\.rcab\.3\.attention\.1", r"body.\1.body.\2.body.3.conv_du.0"),
        (r"^body\.(\d)\.residual_group\.(\d)\.rcab\.3\.attention\.3", r"body.\1.body.\2.body.3.conv_du.2"),
        (r"^body\.(\d)\.residual_group\.(\d)\.rcab", r"body.\1.body.\2.body"),
        (r"^upsample\.", "tail.0."),
        (r"^conv_last", "tail.1"),
    )
    loads_as(network, other, renamed(network, *pairs), picture(5, 6))


@pytest.mark.parametrize(
    "trunk",
    [
        lambda block: f"body.{block}",
        lambda block: f"body{block + 1}.0",
        lambda block: f"recon_trunk{block // 3 + 1}.{block % 3}",
    ],
    ids=["BasicSR", "RDSR", "DDR"],
)
def test_other_srresnet_names(trunk: Callable[[int], str]) -> None:
    """With 12 blocks: containers are put in the order of their numbers, not of their letters."""
    network, other = (MsrResNet(width=4, blocks=12, activation_after_shuffle=True) for _ in range(2))
    pairs = tuple((rf"^trunk_net\.{block}\.", f"{trunk(block)}.") for block in range(12))
    published = renamed(network, *pairs, (r"^upsample(\d)\.upsample_conv", r"upconv\1"), (r"^conv_hr", "HRconv"))
    shuffled = dict(sorted(published.items(), key=lambda item: item[0][::-1]))
    loads_as(network, other, shuffled, picture(4, 5))


@pytest.mark.parametrize(
    "build", [lambda: RrdbNet(width=6, blocks=2, growth=4), lambda: CriaCl(width=6, blocks=2, growth=4)]
)
def test_first_esrgan_names(build: Callable[[], nn.Module]) -> None:
    network, other = build(), build()
    pairs = (
        (r"^body\.(\d)\.rdb(\d)", r"RRDB_trunk.\1.RDB\2"),
        (r"^conv_body", "trunk_conv"),
        (r"^conv_up(\d)", r"upconv\1"),
        (r"^conv_hr", "HRconv"),
    )
    loads_as(network, other, renamed(network, *pairs), picture(4, 5))


@pytest.mark.parametrize("underscore", [True, False])
@pytest.mark.parametrize("parametrised", [True, False])
def test_other_unet_names(underscore: bool, parametrised: bool) -> None:
    network, other = UNetDiscriminator(width=4), UNetDiscriminator(width=4)
    pairs: tuple[tuple[str, str], ...] = ((r"^conv_", "conv" if not underscore else "conv_"),)
    if parametrised:
        pairs += (
            (r"weight_orig", "parametrizations.weight.original"),
            (r"weight_([uv])$", r"parametrizations.weight.0._\1"),
        )
    if underscore and not parametrised:
        return
    loads_as(network, other, renamed(network, *pairs), picture(16, 8))


def test_a2n_files_have_the_tensors_of_the_authors() -> None:
    with torch.device("meta"):
        assert len(A2n(scale=2).state_dict()) == len(A2n(scale=3).state_dict()) == 172
        assert len(A2n(scale=4).state_dict()) == 178


def test_a2n_works_in_255() -> None:
    torch.manual_seed(5)
    network, plain = A2n(width=8, blocks=1, scale=2).eval(), A2n(width=8, blocks=1, scale=2, peak=1.0).eval()
    plain.load_state_dict(network.state_dict())
    image = picture(5, 6)
    assert torch.allclose(network(image), plain(image * 255) / 255, rtol=1e-5, atol=1e-6)


def test_wrong_file_names_what_differs() -> None:
    with pytest.raises(ModelError, match=r"does not fit Edsr; missing: body\.0\.conv1.*not expected: body\.0\.rdb1"):
        load_tensors(Edsr(width=4, blocks=1), RrdbNet(width=4, blocks=1, growth=4).state_dict())


@pytest.mark.parametrize(
    "build",
    [
        lambda: Edsr(scale=5),
        lambda: Rdn(scale=8),
        lambda: MsrResNet(scale=8),
        lambda: RrdbNet(scale=3),
        lambda: A2n(scale=1),
        lambda: CriaCl(scale=2),
        lambda: Elan(width=32, windows=(4, 8, 16)),
    ],
)
def test_scales_that_do_not_exist(build: Callable[[], nn.Module]) -> None:
    with torch.device("meta"), pytest.raises(SettingError) as caught:
        build()
    assert isinstance(caught.value, Error)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [128, 256])
def test_modified_vgg_takes_one_size(side: int) -> None:
    network = ModifiedVgg(width=2, side=side).eval()  # type: ignore[arg-type]
    assert network(picture(side, side, 2)).shape == (2,)
    assert network.linear1.in_features == 16 * 16
    with pytest.raises(InputError, match=rf"{side} x {side} pixels, not 130 x 127"):
        network(picture(127, 130))


def test_initial_values_as_published() -> None:
    torch.manual_seed(0)
    edsr, large = Edsr(width=64, blocks=1), Edsr(width=64, blocks=1, residual_scale=0.1)
    expected = (2 / (64 * 9)) ** 0.5
    assert float(edsr.body[0].conv1.weight.std()) == pytest.approx(0.1 * expected, rel=0.05)  # type: ignore[union-attr]
    assert float(large.body[0].conv1.weight.std()) == pytest.approx(1 / (3 * 64 * 9) ** 0.5, rel=0.05)  # type: ignore[union-attr]
    assert float(edsr.upsample[0].upsample_conv.weight.std()) == pytest.approx(expected, rel=0.05)  # type: ignore[union-attr]
    rrdb = RrdbNet(width=64, blocks=1)
    assert float(rrdb.conv_hr.weight.std()) == pytest.approx(0.1 * expected, rel=0.05)
    assert not rrdb.conv_hr.bias.any()  # type: ignore[union-attr]
    cria = CriaCl(width=64, blocks=1)
    assert float(cria.conv_hr.weight.std()) == pytest.approx(1 / (3 * 64 * 9) ** 0.5, rel=0.05)
    assert float(cria.body[0].rdb1.conv5.weight.std()) == pytest.approx(0.1 * (2 / (192 * 9)) ** 0.5, rel=0.05)  # type: ignore[union-attr]


def test_cria_cl_answer_is_the_sum_of_its_views() -> None:
    network = CriaCl(width=6, blocks=1, growth=4).eval()
    image = picture(4, 5)
    views = network.views(image)
    assert torch.equal(network(image), views.first + views.second)
    assert torch.allclose(views.mask.sum(1), torch.ones(1, 16, 20), atol=1e-6)
    assert CriaCl(scale=1, width=6, blocks=1, growth=4)(image).shape == image.shape


@pytest.mark.parametrize("shared", [0, 1, 2])
@pytest.mark.parametrize("scale", [1, 2])
def test_elan_forms(shared: int, scale: int) -> None:
    """Attention that is computed at once and attention whose maps are kept for sharing are one function."""
    torch.manual_seed(2)
    network = Elan(width=20, blocks=2, windows=(2, 4), shared=shared, scale=scale, peak=1.0).eval()
    image = picture(5, 9)
    assert network(image).shape == (1, 3, 5 * scale, 9 * scale)
    block = network.body[1]
    features = torch.rand(2, 20, 8, 4)
    gmsa = block.modules_gmsa["gmsa_0"]  # type: ignore[union-attr,index]
    whole = gmsa(features)
    assert torch.allclose(whole, gmsa.mix(features, gmsa.attention(features)), atol=1e-6)
    gmsa.chunk = 2 * 4**4  # two windows of the larger size at a time, of the smaller all
    assert torch.allclose(gmsa(features), whole, atol=1e-6)
    gmsa.chunk = 1
    assert torch.allclose(gmsa(features), whole, atol=1e-6)
    assert len(block.modules_gmsa) == shared + 1  # type: ignore[arg-type]
    if shared:
        assert block.modules_gmsa["gmsa_1"].project_inp[0].out_channels == 20  # type: ignore[union-attr,index]


def test_elan_attention_by_its_definition() -> None:
    """One unshifted window over the whole picture: softmax of plain products, tokens row by row."""
    torch.manual_seed(3)
    gmsa = Elan(width=6, blocks=1, windows=(2,)).body[0].modules_gmsa["gmsa_0"].eval()  # type: ignore[union-attr,index]
    features = torch.rand(1, 6, 2, 2)
    tokens = gmsa.project_inp(features)[0].flatten(1).T  # row by row
    query, value = tokens[:, :6], tokens[:, 6:]
    expected = gmsa.project_out((torch.softmax(query @ query.T, dim=1) @ value).T.view(1, 6, 2, 2))
    assert torch.allclose(gmsa(features), expected, atol=1e-6)


@pytest.mark.parametrize("unit", ["channel", "element"])
def test_dropout_before_the_last_convolution(unit: str) -> None:
    """Draws from the given generator, drops whole maps or single values, keeps the mean, rests in evaluation."""
    network = MsrResNet(width=64, blocks=1, dropout=0.7, dropout_unit=unit)  # type: ignore[arg-type]
    seen: list[Tensor] = []
    network.conv_last.register_forward_pre_hook(lambda module, given: seen.append(given[0]))  # noqa: ARG005
    image = picture(6, 6)
    network.eval()(image)
    for seed in (1, 1, 2):
        network.train().dropout.generator = torch.Generator().manual_seed(seed)
        network(image)
    whole, first, again, other = seen
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    ratio = first / whole
    assert set(ratio.detach().mul(0.3).round(decimals=3).unique().tolist()) <= {0.0, 1.0}
    alike = (ratio.flatten(2) - ratio.flatten(2)[..., :1]).abs().max() < 1e-3
    assert bool(alike) is (unit == "channel")


@pytest.mark.parametrize("name", ["relu", "leakyrelu", "prelu"])
def test_srvgg_activations(name: str) -> None:
    network = SrvggCompact(width=4, convolutions=1, scale=2, activation=name).eval()  # type: ignore[arg-type]
    layer = network.body[1]
    slopes = {"relu": 0.0, "leakyrelu": 0.1, "prelu": 0.25}
    assert torch.allclose(layer(torch.full((1, 4, 1, 1), -2.0)), torch.full((1, 4, 1, 1), -2 * slopes[name]))
