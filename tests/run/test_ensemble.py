"""Self-ensemble: the mean of eight turns, the same on tiles, blocks and all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.media import from_array
from finesight.models.image.liif import LiifEdsr
from finesight.run import Upscaler, upscale, work
from finesight.run.engines.torch import TorchNetwork
from finesight.run.ensemble import SelfEnsemble
from finesight.run.select import Chosen
from tests.run.networks import Plain, Shuffled, model_of

CPU = torch.device("cpu")


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height * width).random((height, width, channels)).astype(np.float32)


def mean_of_turns(network: nn.Module, image: Tensor) -> Tensor:
    """Written with quarter turns and a mirror, another way to name the same eight."""
    answers = []
    for quarter in range(4):
        for mirrored in (False, True):
            given = torch.rot90(image, quarter, (2, 3))
            answer = network(given.flip(3) if mirrored else given)
            answers.append(torch.rot90(answer.flip(3) if mirrored else answer, -quarter, (2, 3)))
    return torch.stack(answers).mean(0)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (9, 5), (12, 17)])
def test_is_the_mean_of_eight_turns(size: tuple[int, int]) -> None:
    network = Plain()
    tiles = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    before = tiles.clone()
    with torch.inference_mode():
        torch.testing.assert_close(SelfEnsemble(TorchNetwork(network, CPU))(tiles), mean_of_turns(network, tiles))
        assert size == (1, 1) or (network(tiles) - mean_of_turns(network, tiles)).abs().max() > 1e-3
    assert torch.equal(tiles, before)


@pytest.mark.parametrize("size", [(33, 47), (40, 26), (37, 52)])
@pytest.mark.parametrize("network", [Plain(), Shuffled(scale=2), Shuffled(scale=3, seed=4)], ids=["plain", "x2", "x3"])
def test_tiles_equal_the_whole_picture(network: nn.Module, size: tuple[int, int]) -> None:
    picture = noise(*size)
    settings = {"device": "cpu", "precision": "float32", "engine": "torch", "self_ensemble": True}
    given = from_array(picture)
    whole, one = Upscaler(model_of(network), **settings)(given)  # type: ignore[arg-type]
    tiled, many = Upscaler(model_of(network), tile=21, exact=True, **settings)(given)  # type: ignore[arg-type]
    assert (one.tiles, many.exact, many.self_ensemble) == (1, True, True)
    assert many.tiles > 1
    np.testing.assert_allclose(tiled.pixels, whole.pixels, atol=2e-6)


def test_does_not_depend_on_the_turn_of_the_picture() -> None:
    model, picture = model_of(Plain()), noise(14, 23)
    upright = upscale(picture, model=model, self_ensemble=True, precision="float32", engine="torch")
    turned = upscale(np.rot90(picture).copy(), model=model, self_ensemble=True, precision="float32", engine="torch")
    np.testing.assert_allclose(np.rot90(turned, -1), upright, atol=2e-6)
    plain = upscale(picture, model=model, precision="float32", engine="torch")
    assert np.abs(plain - upright).max() > 1e-3


def test_alpha_and_grey_are_averaged_too() -> None:
    picture = noise(9, 12, 4)
    result = upscale(picture, model=model_of(Plain()), self_ensemble=True)
    assert result.shape == (18, 24, 4)
    assert upscale(noise(9, 12, 1), model=model_of(Plain()), self_ensemble=True).shape == (18, 24, 1)


class Broken(TorchNetwork):
    """Says that it is bfloat16, and answers NaN."""

    def __call__(self, tiles: Tensor) -> Tensor:
        return super().__call__(tiles) * float("nan")


def test_tiles_that_are_no_numbers_are_redone(monkeypatch: pytest.MonkeyPatch) -> None:
    network, picture = Plain(), noise(6, 7)
    broken = Broken(network, CPU, precision="float32")
    broken.precision = "bfloat16"
    monkeypatch.setattr(work, "choose", lambda *_, **__: Chosen(broken, "broken"))
    result, report = Upscaler(model_of(network), device="cpu", self_ensemble=True)(from_array(picture))
    with torch.inference_mode():
        expected = mean_of_turns(network, torch.from_numpy(picture).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    np.testing.assert_allclose(result.pixels, expected, atol=2e-6)
    assert any("redone in float32: 1" in note for note in report.notes)


def test_networks_of_any_scale_refuse() -> None:
    network = LiifEdsr(width=8, blocks=1, hidden=(16, 16))
    with pytest.raises(SettingError, match="self-ensemble"):
        upscale(noise(5, 6), model=model_of(network, "liif"), self_ensemble=True)
