"""Our own networks for clips begin as something that already works."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import finesight
from finesight.degrade.resize import resize
from finesight.models.image.collapsible import Collapsible
from finesight.models.interpolation.midway import Midway
from finesight.models.video.collapsible_clip import CollapsibleClip
from finesight.run.clips.prepare import lower_clip
from finesight.run.fuse import fuse
from finesight.zoo.cards import WEIGHTS
from tests.models.tiny import TINY


def texture(height: int, width: int) -> Tensor:
    """Smooth noise with detail everywhere, ``1 3 H W``."""
    noise = torch.rand(1, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(3))
    return F.interpolate(noise, size=(height, width), mode="bicubic", align_corners=False).clamp(0, 1)


@pytest.fixture
def picture_network() -> Collapsible:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = Collapsible(width=8, depth=2, expansion=6, scale=3)
        for parameter in network.tail.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return network.eval()


@torch.inference_mode()
def test_with_the_tensors_of_a_picture_network_it_is_that_network(picture_network: Collapsible) -> None:
    network = CollapsibleClip(8, 2, behind_width=6, behind_depth=1, scale=3).eval()
    found = network.load_state_dict(picture_network.collapsed().state_dict(), strict=False)
    assert found.unexpected_keys == []
    assert {name.split(".")[0] for name in found.missing_keys} == {"behind", "join_behind", "join_before"}
    clip = torch.rand(2, 4, 3, 9, 11, generator=torch.Generator().manual_seed(1))
    expected = picture_network(clip.flatten(0, 1)).unflatten(0, (2, 4))
    torch.testing.assert_close(network(clip), expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_what_it_remembers_changes_what_it_says() -> None:
    """Each frame is seen by all others: those before through the trunk, those behind through the thin branch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = CollapsibleClip(8, 1, behind_width=6, behind_depth=1, scale=2).eval()
        for name, parameter in network.named_parameters():
            if not parameter.any() and name.endswith("weight"):
                torch.nn.init.normal_(parameter, std=0.1)
    clip = texture(16, 20).expand(1, 3, 3, 16, 20).clone()
    before = network(clip)
    for changed, seen in ((0, 2), (2, 0)):
        other = clip.clone()
        other[:, changed] += 0.2
        assert (network(other)[:, seen] - before[:, seen]).abs().max() > 1e-5


@torch.inference_mode()
def test_untrained_the_middle_is_where_it_belongs() -> None:
    wide = texture(64, 96)
    first, truth, second = (wide[..., 10 + shift : 74 + shift] for shift in (0, 4, 8))
    clip = torch.stack((first, second), dim=1)
    inner = (..., slice(8, -8), slice(12, -12))
    network = Midway((4, 6, 8)).eval()
    found = (network(clip) - truth)[inner].square().mean()
    average = (clip.mean(1) - truth)[inner].square().mean()
    assert found < average / 20
    torch.testing.assert_close(network(clip.flip(1)), network(clip), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_untrained_a_still_clip_stays_as_it_is() -> None:
    still = texture(40, 52)[..., :37, :50]
    found = Midway((4, 6)).eval()(torch.stack((still, still), dim=1))
    torch.testing.assert_close(found, still, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["midway", "collapsible-clip"])
@torch.inference_mode()
def test_they_compute_in_lower_precision(name: str) -> None:
    """As clips are computed where bfloat16 is fast; what is shown stays float32."""
    network = TINY[name].build(name)
    with torch.inference_mode(False):
        lower = lower_clip(fuse(network), torch.bfloat16)
    clip = torch.stack([texture(32, 44)] * 2, dim=1)
    found, expected = lower(clip), network(clip)
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()


def test_both_ship_and_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINESIGHT_OFFLINE", "1")
    names = ("finesight-interpolate", "finesight-video-x4")
    assert sum((WEIGHTS / finesight.load(name).card.packaged).stat().st_size for name in names) < 4_000_000
    assert [finesight.load(name).traits.kind for name in names] == ["window", "recurrent"]


@torch.inference_mode()
def test_what_ships_is_better_than_the_floor() -> None:
    """On a drawn texture that slides; ``benchmarks/video_weights.py`` measures a real clip."""
    wide = texture(64, 96)
    frames = torch.stack([wide[..., 10 + shift : 74 + shift] for shift in (0, 3, 6)], dim=1)
    middle = finesight.load("finesight-interpolate").network.eval()(frames[:, ::2])
    inner = (..., slice(8, -8), slice(12, -12))
    error, floor = ((one - frames[:, 1])[inner].square().mean() for one in (middle, frames[:, ::2].mean(1)))
    assert error < floor / 20
    low = resize(frames[0], scale=0.25)[None]
    enlarged = finesight.load("finesight-video-x4").network.eval()(low)[0]
    error, floor = ((one - frames[0]).square().mean() for one in (enlarged, resize(low[0], scale=4)))
    assert enlarged.shape == frames[0].shape
    assert error < floor
