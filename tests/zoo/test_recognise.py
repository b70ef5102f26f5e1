"""A bare file tells its architecture and sizes, in every layout in which it is published."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import finesight
from finesight.errors import ModelError
from finesight.models.table import NETWORKS, network_class
from finesight.zoo.building import skeleton
from finesight.zoo.matching import match
from finesight.zoo.recognise import RECOGNISERS
from finesight.zoo.shapes import Ask

CONFIGURATIONS: list[tuple[str, dict[str, Any]]] = [
    ("a2n", {"scale": 4, "width": 8, "blocks": 2, "upsampler_width": 6, "plain_kernel": 1, "inputs": 1, "outputs": 2}),
    ("basicvsr", {"width": 8, "blocks": 2}),
    ("basicvsr-pp", {"width": 16, "blocks": 2}),
    ("basicvsr-pp", {"width": 16, "blocks": 1, "scale": 1}),
    ("collapsible", {"scale": 3, "width": 8, "depth": 2, "expansion": 5}),
    ("edsr", {"scale": 2, "width": 8, "blocks": 3}),
    ("edsr", {"scale": 3, "width": 8, "blocks": 1, "channels": 1, "mean": (0.0,), "std": (1.0,)}),
    ("edsr", {"scale": 8, "width": 256, "blocks": 1, "residual_scale": 0.1}),
    ("edvr", {"width": 16, "blocks": 2, "frames": 3, "extraction_blocks": 1}),
    ("edvr", {"width": 16, "blocks": 1, "attention": False}),
    ("edvr-features", {"width": 16, "frames": 7}),
    ("iconvsr", {"width": 64, "blocks": 1, "padding": 3}),
    ("realbasicvsr", {"width": 8, "blocks": 1, "cleaning_blocks": 2, "threshold": 5}),
    ("tdan", {"width": 16, "blocks_before": 1, "blocks_after": 2}),
    ("elan", {"scale": 2, "width": 12, "blocks": 2, "shared": 1, "expansion": 3}),
    ("glean", {"in_size": 16, "out_size": 64, "width": 8, "blocks": 2, "growth": 4, "most_channels": 8}),
    ("ttsr", {"width": 8, "blocks": (3, 2, 1, 2)}),
    ("aot-gan", {"width": 4, "blocks": 2, "rates": (1, 2)}),
    ("aot-gan-discriminator", {"width": 4}),
    ("deepfillv1", {"channel_factor": 0.25, "decoder_factor": 0.125}),
    ("deepfillv1-discriminators", {"size": 32, "local_size": 16}),
    ("deepfillv2", {"channel_factor": 0.75, "decoder_factor": 0.25}),
    ("deepfillv2-discriminator", {"widths": (4, 6, 8)}),
    ("global-local", {"width": 4}),
    ("global-local", {"width": 4, "norm": None}),
    (
        "global-local-discriminators",
        {"size": 32, "local_size": 16, "widths": (4, 6), "local_widths": (4, 5, 6), "hidden": 8},
    ),
    ("pconv", {"levels": 3, "width": 4}),
    ("indexnet", {"index": "o2o", "context": False}),
    ("indexnet", {"index": "holistic", "nonlinear": False}),
    ("indexnet", {"index": "m2o"}),
    ("dim", {"widths": (4, 5, 6, 8, 8), "refine_width": 7}),
    ("dim", {"refine": False, "widths": (4, 5, 6, 8, 8)}),
    ("gca", {"width": 4, "encoder_blocks": (1, 2, 1, 1), "decoder_blocks": (1, 1, 2, 1)}),
    ("gca", {"attention": False, "trimap_channels": 1, "width": 6}),
    ("ttsr-discriminator", {"size": 64, "width": 4, "hidden": 6}),
    ("liif-edsr", {"width": 8, "blocks": 2, "hidden": (9, 7), "unfold": False}),
    ("liif-edsr", {"width": 8, "blocks": 1, "hidden": (9,), "cell_decode": False}),
    ("liif-rdn", {"width": 8, "blocks": 2, "layers": 3, "growth": 4, "hidden": (9, 7, 5)}),
    ("modified-vgg", {"width": 4, "side": 256}),
    ("light-cnn", {"size": 64, "width": 8}),
    ("light-cnn-features", {"width": 8}),
    ("pggan", {"size": 256}),
    ("msrresnet", {"scale": 3, "width": 8, "blocks": 2}),
    ("rcan", {"scale": 1, "width": 8, "groups": 2, "blocks": 3, "squeeze": 4}),
    ("rcan", {"scale": 4, "width": 8, "groups": 2, "blocks": 1, "squeeze": 2}),
    ("rdn", {"scale": 3, "width": 8, "blocks": 2, "layers": 3, "growth": 4}),
    ("rdn", {"scale": 4, "width": 8, "blocks": 2, "layers": 1, "growth": 4}),
    ("rrdbnet", {"scale": 4, "width": 8, "blocks": 2, "growth": 4}),
    ("rrdbnet", {"scale": 2, "width": 8, "blocks": 2, "growth": 4}),
    ("rrdbnet", {"scale": 1, "width": 8, "blocks": 1, "growth": 4}),
    ("rrdbnet", {"scale": 4, "width": 8, "blocks": 1, "growth": 4, "upsampler": "pixelshuffle"}),
    ("rrdbnet", {"scale": 2, "width": 8, "blocks": 1, "growth": 4, "upsampler": "pixelshuffle"}),
    ("spynet", {}),
    ("spynet", {"levels": 4, "normalise": False}),
    ("spynet", {"levels": 4, "batch_norm": True, "normalise": False}),
    ("srvgg-compact", {"scale": 2, "width": 8, "convolutions": 3}),
    ("stylegan2", {"size": 32, "style_channels": 16, "mapping_layers": 3, "most_channels": 8}),
    ("stylegan2-discriminator", {"size": 64, "channel_multiplier": 1, "most_channels": 512}),
    ("trimap-unet", {"widths": (4, 6, 8, 8), "detail": 3}),
    ("fba", {"width": 8, "blocks": (1, 2, 1, 1)}),
    ("unet-discriminator", {"width": 8}),
    ("vgg", {"depth": 16}),
    ("vgg", {"depth": 19}),
]
CONFIGURATIONS = [(name, arguments) for name, arguments in CONFIGURATIONS if name in NETWORKS]


def small(architecture: str, arguments: Mapping[str, Any]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return network_class(architecture)(**arguments)


def published(tensors: Mapping[str, Tensor], *renames: tuple[str, str]) -> dict[str, Tensor]:
    """The tensors under published names: ours, rewritten."""
    answer = {}
    for name, tensor in tensors.items():
        for pattern, replacement in renames:
            name = re.sub(pattern, replacement, name)
        answer[name] = tensor
    return answer


@pytest.mark.parametrize(("architecture", "arguments"), CONFIGURATIONS, ids=[f"{n}-{a}" for n, a in CONFIGURATIONS])
def test_sizes_are_read_off_the_tensors(architecture: str, arguments: dict[str, Any]) -> None:
    tensors = skeleton(network_class(architecture), arguments).state_dict()
    found = match(tensors, {}, path=Path("w.pth"))
    assert found is not None
    assert found.architecture == architecture
    assert found.differences == 0
    stated = {name: value for name, value in arguments.items() if name not in ("mean", "std")}
    assert {name: found.arguments[name] for name in stated} == stated


def test_every_architecture_of_the_table_of_functions_is_tried() -> None:
    untold = {"srcnn", "cria-cl"}  # their scale has no tensor: below
    assert {name for name, _ in CONFIGURATIONS} | untold >= {name for name in RECOGNISERS if name in NETWORKS}


LAYOUTS: dict[str, tuple[str, dict[str, Any], Callable[[dict[str, Tensor]], Any]]] = {
    "mmediting": (
        "edsr",
        {"scale": 2, "width": 8, "blocks": 2},
        lambda own: {"meta": {"iter": 1}, "state_dict": published(own, (r"^", "generator."))},
    ),
    "mmediting with an average, a discriminator and a loss": (
        "rrdbnet",
        {"scale": 4, "width": 8, "blocks": 1, "growth": 4},
        lambda own: {
            "state_dict": {
                **{f"generator.{n}": torch.zeros_like(t) for n, t in own.items()},
                **{f"generator_ema.{n}": t for n, t in own.items()},
                "step_counter": torch.tensor([3]),
                "discriminator.conv_0.weight": torch.ones(3),
                "perceptual_loss.vgg.mean": torch.ones(3),
            }
        },
    ),
    "BasicSR with an average": (
        "rrdbnet",
        {"scale": 2, "width": 8, "blocks": 2, "growth": 4},
        lambda own: {"params": {n: torch.zeros_like(t) for n, t in own.items()}, "params_ema": own},
    ),
    "BasicSR, data parallel": (
        "edsr",
        {"scale": 4, "width": 8, "blocks": 2},
        lambda own: {
            "params": published(own, (r"^upsample\.1\.", "upsample.2."), (r"upsample_conv\.", ""), (r"^", "module."))
        },
    ),
    "first ESRGAN release": (
        "rrdbnet",
        {"scale": 4, "width": 8, "blocks": 2, "growth": 4},
        lambda own: published(
            own,
            (r"^body\.(\d+)\.rdb(\d)\.", r"RRDB_trunk.\1.RDB\2."),
            ("^conv_body", "trunk_conv"),
            (r"^conv_up(\d)", r"upconv\1"),
            ("^conv_hr", "HRconv"),
        ),
    ),
    "EDSR-PyTorch layout of RCAN": (
        "rcan",
        {"scale": 2, "width": 8, "groups": 2, "blocks": 2, "squeeze": 4},
        lambda own: published(
            own,
            (r"^body\.(\d+)\.residual_group\.(\d+)\.rcab\.3\.attention\.1", r"body.\1.body.\2.body.3.conv_du.0"),
            (r"^body\.(\d+)\.residual_group\.(\d+)\.rcab\.3\.attention\.3", r"body.\1.body.\2.body.3.conv_du.2"),
            (r"^body\.(\d+)\.residual_group\.(\d+)\.rcab\.", r"body.\1.body.\2.body."),
            (r"^body\.(\d+)\.conv\.", r"body.\1.body.2."),
            (r"^conv_first", "head.0"),
            (r"^conv_after_body", "body.2"),
            (r"^upsample\.", "tail.0."),
            (r"^conv_last", "tail.1"),
        ),
    ),
    "LIIF authors'": (
        "liif-edsr",
        {"width": 8, "blocks": 2, "hidden": (6, 6)},
        lambda own: {
            "model": {
                "name": "liif",
                "args": {"encoder_spec": {"name": "edsr-baseline"}},
                "sd": published(
                    own,
                    (r"^encoder\.body\.(\d+)\.conv1\.", r"encoder.body.\1.body.0."),
                    (r"^encoder\.body\.(\d+)\.conv2\.", r"encoder.body.\1.body.2."),
                    (r"^encoder\.conv_first\.", "encoder.head.0."),
                    (r"^encoder\.conv_after_body\.", "encoder.body.2."),
                ),
            },
            "optimizer": {"sd": {"state": {}}},
        },
    ),
    "BasicSR's MSRResNet": (
        "msrresnet",
        {"scale": 4, "width": 8, "blocks": 2, "activation_after_shuffle": True},
        lambda own: {
            "params": published(
                own, (r"^trunk_net\.", "body."), (r"^upsample(\d)\.upsample_conv\.", r"upconv\1.")
            )
        },
    ),
    "KAIR, whole module under a key of its own": (
        "srvgg-compact",
        {"scale": 3, "width": 8, "convolutions": 2},
        lambda own: {"netG": own, "epoch": 3},
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_published_layouts(tmp_path: Path, layout: str) -> None:
    architecture, arguments, arrange = LAYOUTS[layout]
    if architecture not in NETWORKS:
        pytest.skip(f"{architecture} is not in the table")
    network = small(architecture, arguments)
    torch.save(arrange(dict(network.state_dict())), tmp_path / "w.pth")
    model = finesight.load(tmp_path / "w.pth")
    assert model.card.architecture == architecture
    assert {name: model.card.arguments[name] for name in arguments} == arguments
    for name, tensor in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], tensor), name


@pytest.mark.parametrize("scale", [2, 3])
def test_where_tensors_cannot_tell_the_error_says_what_to_pass(tmp_path: Path, scale: int) -> None:
    network = small("a2n", {"scale": scale, "width": 8, "blocks": 1, "upsampler_width": 6})
    torch.save(network.state_dict(), tmp_path / "aan.pt")
    with pytest.raises(ModelError, match=r"weights of a2n, but its tensors cannot tell the scale, 2 or 3; say it: finesight\.load\('aan\.pt', scale=3\)"):  # fmt: skip  # noqa: E501
        finesight.load(tmp_path / "aan.pt")
    model = finesight.load(tmp_path / "aan.pt", scale=scale)
    assert model.traits.scale == scale


def test_srcnn_asks_for_its_scale(tmp_path: Path) -> None:
    torch.save(small("srcnn", {"channels": (3, 8, 4, 3), "kernels": (5, 3, 1)}).state_dict(), tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"cannot tell the scale, 2, 3 or 4"):
        finesight.load(tmp_path / "w.pth")
    model = finesight.load(tmp_path / "w.pth", scale=3)
    assert model.card.arguments["kernels"] == (5, 3, 1)
    assert model.traits.scale == 3


def test_an_activation_that_cannot_be_told(tmp_path: Path) -> None:
    network = small("srvgg-compact", {"width": 8, "convolutions": 2, "activation": "relu"})
    torch.save(network.state_dict(), tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"arguments=\{'activation': 'leakyrelu'\}"):
        finesight.load(tmp_path / "w.pth")
    assert finesight.load(tmp_path / "w.pth", arguments={"activation": "relu"}).card.arguments["activation"] == "relu"


def test_a_file_of_no_known_architecture_gives_the_three_nearest(tmp_path: Path) -> None:
    tensors = {"conv_first.weight": torch.ones(8, 3, 3, 3), "body.0.secret.weight": torch.ones(3), "conv_last.bias": torch.ones(3)}  # fmt: skip  # noqa: E501
    torch.save(tensors, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"no architecture that finesight knows\. Nearest: ") as caught:
        finesight.load(tmp_path / "w.pth")
    assert str(caught.value).count("(the file lacks") == 3
    assert "body.#.secret.weight" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_shares_nothing(tmp_path: Path) -> None:
    torch.save({"alien": torch.ones(2)}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"None shares a name with it; it has alien\."):
        finesight.load(tmp_path / "w.pth")


def test_a_checkpoint_of_another_architecture_says_which_keys_differ(tmp_path: Path) -> None:
    torch.save(small("edsr", {"width": 8, "blocks": 1}).state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        ModelError, match=r"w\.pth does not fit Srcnn; missing: conv1\.weight.*not expected: conv_first"
    ):
        finesight.load(tmp_path / "w.pth", architecture="srcnn")


def test_nearly_right_sizes_say_what_differs(tmp_path: Path) -> None:
    tensors = dict(small("edsr", {"width": 8, "blocks": 2}).state_dict())
    tensors["body.1.conv1.weight"] = torch.ones(8, 8, 5, 5)
    del tensors["conv_last.bias"]
    torch.save(tensors, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"does not fit Edsr; missing: conv_last\.bias; of another shape: body\.1\.conv1\.weight is \(8, 8, 5, 5\)"):  # fmt: skip  # noqa: E501
        finesight.load(tmp_path / "w.pth")


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    torch.save(small("edsr", {"width": 8, "blocks": 1}).state_dict(), tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"'widht' is not an argument of edsr\. Did you mean width"):
        finesight.load(tmp_path / "w.pth", architecture="edsr", arguments={"widht": 8})
    with pytest.raises(ModelError, match=r"'edsrr' is not a known architecture\. Did you mean edsr"):
        finesight.load(tmp_path / "w.pth", architecture="edsrr")


def test_skeletons_take_no_memory_and_leave_the_random_state() -> None:
    before = torch.random.get_rng_state()
    network = skeleton(network_class("edsr"), {})
    assert all(parameter.is_meta for parameter in network.parameters())
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.empty(1).device.type == "cpu"


def test_ask_shows_its_choices() -> None:
    assert Ask((2, 3)).choices == (2, 3)
