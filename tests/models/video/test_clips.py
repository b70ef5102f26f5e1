"""What networks for clips promise beyond the contract of ``tests/models/test_contract.py``."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from finesight.data.windows import window_frames
from finesight.degrade.resize import resize
from finesight.errors import SettingError
from finesight.models.interpolation.cain import Cain
from finesight.models.interpolation.flavr import Flavr
from finesight.models.table import NETWORKS, network_class
from finesight.models.video import iconvsr
from finesight.models.video.basicvsr import add_flows
from finesight.models.video.realbasicvsr import RealBasicVsr
from finesight.models.video.spynet import SpyNet
from finesight.models.video.toflow import enlarge_bicubic
from finesight.nn.clip import Features, part
from finesight.zoo.tensors import load_tensors
from tests.models.tiny import TINY

CLIPS = {name: entry for name, entry in TINY.items() if name in NETWORKS}
WINDOW = [n for n in CLIPS if network_class(n).__module__.split(".")[2] in ("video", "interpolation") and n != "spynet"]
RECURRENT = [name for name in WINDOW if hasattr(network_class(name), "propagate")]
WINDOW = [name for name in WINDOW if name not in RECURRENT]


def tiny(name: str) -> Any:
    return TINY[name].build(name)


def clip(frames: int, *, batch: int = 1, size: tuple[int, int] = (12, 16), seed: int = 0) -> Tensor:
    return torch.rand(batch, frames, 3, *size, generator=torch.Generator().manual_seed(seed))


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


def test_both_kinds_are_here() -> None:
    assert {"basicvsr", "basicvsr-pp", "iconvsr", "realbasicvsr"} <= set(RECURRENT)
    assert {"edvr", "tdan", "toflow", "toflow-interpolation", "cain", "flavr"} <= set(WINDOW)


@pytest.mark.parametrize("name", WINDOW)
@torch.inference_mode()
def test_windows_share_the_features_of_a_frame(name: str) -> None:
    network = tiny(name)
    frames = network.traits.frames
    whole = clip(frames + 2)
    features = [network.encode(frame) for frame in whole.unbind(1)]
    for start in range(3):
        found = network.fuse(features[start : start + frames])
        close(found, network(whole[:, start : start + frames]))


@pytest.mark.parametrize("name", WINDOW)
def test_windows_refuse_another_number_of_frames(name: str) -> None:
    network = tiny(name)
    with pytest.raises(SettingError, match=rf"\(batch, {network.traits.frames}, 3"):
        network(clip(network.traits.frames + 1))


def walked(network: Any, features: Features, cut: int) -> Tensor:
    """Every direction in two pieces, the state handed on."""
    length = len(features["frame"])
    for direction in network.directions:
        early, late = part(features, 0, cut), part(features, cut, length)
        if direction.startswith("backward"):
            behind, state = network.propagate(direction, late)
            front, _ = network.propagate(direction, early, state)
        else:
            front, state = network.propagate(direction, early)
            behind, _ = network.propagate(direction, late, state)
        features[direction] = [*front, *behind]
    return torch.cat([network.decode(part(features, 0, cut)), network.decode(part(features, cut, length))], dim=1)


@pytest.mark.parametrize("name", RECURRENT)
@torch.inference_mode()
def test_a_walk_in_pieces_is_the_whole_walk(name: str) -> None:
    network = tiny(name)
    whole = clip(5)
    expected = network(whole)
    for cut in (1, 3):
        close(walked(network, network.encode(whole), cut), expected, 1e-6)


@pytest.mark.parametrize("name", ["basicvsr", "basicvsr-pp"])
@torch.inference_mode()
def test_a_segment_with_one_frame_more_on_each_side_has_the_same_features(name: str) -> None:
    network = tiny(name)
    whole = clip(6)
    features, segment = network.encode(whole), part(network.encode(whole[:, 1:5]), 1, 3)
    for key, values in part(features, 2, 4).items():
        for found, expected in zip(segment[key], values, strict=True):
            assert found is not None
            assert expected is not None
            close(found, expected)


@pytest.mark.parametrize("name", RECURRENT)
@torch.inference_mode()
def test_clips_of_one_and_two_frames(name: str) -> None:
    network = tiny(name)
    for frames in (1, 2):
        found = network(clip(frames))
        assert found.shape[:3] == (1, frames, 3)
        assert found.isfinite().all()


@pytest.mark.parametrize("name", RECURRENT)
@torch.inference_mode()
def test_a_mirrored_clip_leaves_nothing_behind(name: str) -> None:
    """The published code keeps the mirror's flag and then uses reversed flows for ordinary clips."""
    network = tiny(name)
    ordinary, half = clip(4), clip(2, seed=1)
    mirrored = torch.cat((half, half.flip(1)), dim=1)
    before = network(ordinary)
    network(mirrored)
    assert torch.equal(network(ordinary), before)


def test_the_mirror_shortcut_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SpyNet(levels=3)
    half = clip(3, size=(32, 40))
    mirrored = torch.cat((half, half.flip(1)), dim=1)
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    short: Features = {}
    add_flows(short, network, mirrored)
    assert len(calls) == 1
    monkeypatch.setattr(torch, "equal", lambda *_: False)
    long: Features = {}
    add_flows(long, network, mirrored)
    assert len(calls) == 3
    for key in short:
        for found, expected in zip(short[key], long[key], strict=True):
            assert (found is None) == (expected is None)
            if found is not None and expected is not None:
                close(found, expected)


def test_key_frames_look_where_windows_do() -> None:
    for padding, frames in ((2, 5), (2, 9), (3, 8), (2, 3), (1, 1)):
        for key in range(frames):
            found = [iconvsr._source(key + i, frames, padding) for i in range(-padding, padding + 1)]
            assert all(0 <= index < frames for index in found)
            ends = key in (0, frames - 1) or padding <= key < frames - padding
            if frames >= 2 * padding + 1 and ends:
                assert found == window_frames(frames, 2 * padding + 1, key)


class Darkening(nn.Module):
    """A cleaning network by which a clip loses half of its brightness."""

    def forward(self, frames: Tensor) -> Tensor:
        return -0.5 * frames


def cleaner(**settings: Any) -> RealBasicVsr:
    network = RealBasicVsr(8, 1, cleaning_blocks=1, **settings).eval()
    network.image_cleaning = nn.Sequential(Darkening())
    return network


@torch.inference_mode()
def test_each_clip_is_cleaned_as_often_as_it_needs() -> None:
    both = torch.cat((torch.full((1, 2, 3, 4, 4), 0.8), torch.full((1, 2, 3, 4, 4), 0.04)))
    cleaned = cleaner(threshold=60).clean(both)
    assert cleaned[0].unique().tolist() == pytest.approx([0.2])  # 0.4 and 0.2 off: twice, since 0.2 < 60 / 255
    assert cleaned[1].unique().tolist() == pytest.approx([0.02])
    together = cleaner(threshold=60, together=True).clean(both)  # mean change 0.21 at once
    assert together[0].unique().tolist() == pytest.approx([0.4])
    always = cleaner(threshold=0).clean(both)
    assert always[0].unique().tolist() == pytest.approx([0.1])


@torch.inference_mode()
def test_cleaning_in_chunks_is_cleaning_at_once() -> None:
    network = tiny("realbasicvsr")
    whole = clip(5)
    expected = network.clean(whole)
    network.chunk = 2
    close(network.clean(whole), expected)


@torch.inference_mode()
def test_toflow_enlarges_by_the_bicubic_rule_of_the_field() -> None:
    for size in ((7, 5), (1, 2), (3, 1)):
        image = clip(1, size=size)[:, 0].double()
        torch.testing.assert_close(enlarge_bicubic(image, 4), resize(image, scale=4))


@torch.inference_mode()
def test_cain_repeats_borders_where_it_cannot_mirror() -> None:
    network = Cain(groups=1, blocks=1, depth=1, reduction=2, padding=5)
    for size in ((3, 40), (33, 31), (1, 1)):
        assert network(clip(2, size=size)).shape[-2:] == size


@pytest.mark.parametrize(
    "settings", [{"join": "add"}, {"enlargement": "trilinear"}, {"batch_norm": True, "bias": True}]
)
@torch.inference_mode()
def test_flavr_variants_and_several_new_frames(settings: dict[str, Any]) -> None:
    network = Flavr(widths=(4, 6, 8, 10), frames=2, outputs=3, **settings).eval()
    grey = torch.full((1, 2, 3, 9, 16), 0.25)
    assert network(clip(2)).shape == (1, 3, 3, 12, 16)
    nn.init.zeros_(network.conv_last[1].weight)
    nn.init.zeros_(network.conv_last[1].bias)
    torch.testing.assert_close(network(grey), torch.full((1, 3, 3, 9, 16), 0.25))  # the mean is put back


def test_published_files_load() -> None:
    source = SpyNet().state_dict()
    without = {name: tensor for name, tensor in source.items() if name.startswith("basic_module")}
    load_tensors(SpyNet(), without)
    for name in ("basicvsr", "iconvsr"):  # as trained: a prefix, and a counter beside it
        network = tiny(name)
        load_tensors(
            network,
            {f"generator.{key}": t for key, t in network.state_dict().items()} | {"step_counter": torch.ones(1)},
        )
    four = SpyNet(levels=4, normalise=False)
    authors = {
        f"SpyNet.moduleBasic.{level}.moduleBasic.{2 * i}.{kind}": four.state_dict()[
            f"basic_module.{level}.basic_module.{i}.conv.{kind}"
        ]
        for level in range(4)
        for i in range(5)
        for kind in ("weight", "bias")
    }
    other = SpyNet(levels=4, normalise=False)
    load_tensors(other, authors)
    assert all(torch.equal(tensor, four.state_dict()[name]) for name, tensor in other.state_dict().items())


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("edvr", {}, 3_300_131),
        ("edvr", {"attention": False}, 2_996_259),
        ("edvr", {"width": 128, "blocks": 40}, 20_633_827),
        ("edvr", {"width": 128, "blocks": 40, "attention": False}, 19_419_875),
        ("tdan", {}, 1_970_819),
        ("toflow", {}, 1_405_899),
        ("spynet", {}, 1_440_300),
        ("basicvsr", {}, 6_291_311),
        ("iconvsr", {}, 8_694_991),
        ("iconvsr", {"padding": 3}, 8_711_375),
        ("basicvsr-pp", {}, 7_322_927),
        ("basicvsr-pp", {"width": 128, "blocks": 25}, 43_780_463),
        ("basicvsr-pp", {"width": 128, "blocks": 25, "scale": 1}, 44_075_631),
        ("realbasicvsr", {}, 6_294_834),
        ("cain", {}, 42_780_432),
        ("flavr", {}, 42_061_571),
        ("toflow-interpolation", {}, 995_723),
    ],
)
def test_published_number_of_parameters(name: str, arguments: dict[str, Any], expected: int) -> None:
    with torch.device("meta"):
        network = network_class(name)(**arguments)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_wrong_arguments_are_refused() -> None:
    for name, arguments in (
        ("basicvsr-pp", {"scale": 2}),
        ("iconvsr", {"stride": 0}),
        ("edvr", {"frames": 3, "centre": 3}),
        ("toflow", {"scale": 0}),
        ("cain", {"depth": 3, "padding": 2}),
        ("cain", {"depth": 1, "reduction": 16}),
    ):
        with pytest.raises(SettingError):
            network_class(name)(**arguments)
    with pytest.raises(SettingError, match="one size"):
        SpyNet(levels=1)(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5))
    with pytest.raises(SettingError, match="clip of shape"):
        tiny("basicvsr")(torch.rand(1, 3, 8, 8))
    network = tiny("basicvsr")
    with pytest.raises(SettingError, match="directions"):
        network.decode(network.encode(clip(2)))
