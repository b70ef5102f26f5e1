"""A reference is looked at once, every tile sees all of it, and it is asked for where it is needed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from finesight import media
from finesight.errors import InputError, SettingError
from finesight.models.image.edsr import Edsr
from finesight.models.prior.ttsr import Ttsr
from finesight.nn.traits import Traits
from finesight.run import Upscaler, upscale
from finesight.run.compute import Computer
from finesight.run.engines.torch import TorchNetwork
from finesight.run.fuse import fuse
from finesight.run.pixels import View
from finesight.run.reference import Bound, bind, takes_reference
from finesight.run.stage import Stage, run_stage
from finesight.run.tiles import plan_tiles
from finesight.zoo.model import Card, Model


@pytest.fixture(scope="module")
def ttsr() -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network = Ttsr(width=4, blocks=(1, 1, 1, 1)).eval()
    return Model(network, network.traits, Card(name="tiny-ttsr"))


def pixels(height: int, width: int, *, seed: int = 0, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).permute(2, 0, 1)[None]


@pytest.mark.parametrize("size", [(9, 14), (40, 21)])
def test_a_bound_network_answers_as_with_its_reference(ttsr: Model, size: tuple[int, int]) -> None:
    reference = pixels(*size, seed=1)
    bound = bind(ttsr, media.from_array(reference))
    image = tensor(pixels(7, 8))
    with torch.inference_mode():
        assert torch.equal(bound.network(image), ttsr.network(image, tensor(reference)))
    assert [port.name for port in bound.traits.inputs] == ["image"]
    assert bound.card is ttsr.card


def test_the_reference_is_looked_at_once(ttsr: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    remember = Ttsr.remember
    monkeypatch.setattr(Ttsr, "remember", lambda self, given: (looked.append(1), remember(self, given))[1])
    bound = bind(ttsr, media.from_array(pixels(12, 16)))
    prepared = TorchNetwork(bound.network, torch.device("cpu"))
    assert not looked
    for seed in range(3):
        prepared(tensor(pixels(5, 6, seed=seed)))
    fuse(bound.network)(tensor(pixels(5, 6)))
    assert len(looked) == 1


def test_exact_tiles_equal_the_whole_picture(ttsr: Model) -> None:
    bound = bind(ttsr, media.from_array(pixels(16, 20, seed=1)))
    halo = bound.traits.halo
    assert halo is not None
    given = pixels(2 * halo + 8, 9)
    plan = plan_tiles(*given.shape[:2], (2 * halo + 4) * 9, halo)
    assert plan is not None
    assert len(plan) >= 2
    out = np.empty((given.shape[0] * 4, 36, 3), np.float32)
    run_stage(
        Stage(View(given), plan, None), Computer(TorchNetwork(bound.network, torch.device("cpu")), bound.traits), out
    )
    with torch.inference_mode():
        expected = bound.network(tensor(given))[0].permute(1, 2, 0).numpy()
    assert np.abs(out - expected).max() < 1e-5


def test_a_network_that_cannot_remember_sees_its_reference_each_time() -> None:
    class Adding(torch.nn.Module):
        traits = Ttsr(width=2, texture=2, blocks=(0, 0, 0, 0)).traits

        def forward(self, image: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
            return image + reference.mean()

    bound = Bound(Adding(), torch.full((1, 3, 4, 4), 0.25))
    assert torch.allclose(bound(torch.zeros(1, 3, 2, 2)), torch.tensor(0.25))


def test_grey_and_transparent_references(ttsr: Model) -> None:
    grey = pixels(12, 16, channels=1)
    with torch.inference_mode():
        image = tensor(pixels(5, 6))
        three = bind(ttsr, media.from_array(np.repeat(grey, 3, axis=2))).network(image)
        assert torch.equal(bind(ttsr, media.from_array(grey)).network(image), three)
        clear = np.concatenate([np.repeat(grey, 3, axis=2), np.ones_like(grey)], axis=2)
        assert torch.equal(bind(ttsr, media.from_array(clear)).network(image), three)


def test_a_reference_must_fit_the_network(ttsr: Model) -> None:
    edsr = Edsr(width=4, blocks=1, scale=2)
    plain = Model(edsr, edsr.traits, Card(name="tiny-edsr"))
    assert takes_reference(ttsr.traits)
    assert not takes_reference(plain.traits)
    assert bind(plain, None) is plain
    with pytest.raises(SettingError, match=r"tiny-ttsr takes details from a reference .*add --reference FILE"):
        bind(ttsr, None)
    with pytest.raises(SettingError, match="tiny-edsr takes no reference picture"):
        bind(plain, media.from_array(pixels(8, 8)))
    damaged = pixels(8, 8)
    damaged[0, 0] = np.nan
    with pytest.raises(InputError, match="reference holds NaN"):
        bind(ttsr, media.from_array(pixels(8, 8)).replace(pixels=damaged))
    with pytest.raises(InputError, match="at least 4 pixels"):
        bind(ttsr, media.from_array(pixels(3, 8))).network(tensor(pixels(5, 6)))


def test_other_second_inputs_are_no_references() -> None:
    from finesight.nn.traits import Port

    assert not takes_reference(Traits(task="inpainting", halo=1, inputs=(Port("image"), Port("mask", channels=1))))


def test_upscale_takes_a_reference_of_any_kind_and_size(ttsr: Model) -> None:
    given, reference = pixels(7, 9), pixels(21, 12, seed=1)
    found = upscale(given, model=ttsr, reference=reference, precision="float32", device="cpu")
    with torch.inference_mode():
        expected = ttsr.network(tensor(given), tensor(reference))[0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() < 1e-5
    as_tensor = torch.from_numpy(reference).permute(2, 0, 1)
    assert upscale(given, model=ttsr, reference=as_tensor, scale=2.5, device="cpu").shape == (18, 22, 3)


def test_alpha_is_not_searched_for_in_the_reference(ttsr: Model) -> None:
    clear = np.concatenate([pixels(7, 9), np.linspace(0, 1, 63, dtype=np.float32).reshape(7, 9, 1)], axis=2)
    found = upscale(clear, model=ttsr, reference=pixels(12, 12), device="cpu")
    rows = found[:, 18, 3]
    assert found.shape == (28, 36, 4)
    assert (np.diff(rows) >= 0).all()
    assert abs(float(rows.mean()) - 0.5) < 0.05


def test_upscaler_asks_for_a_reference_before_any_work(ttsr: Model) -> None:
    with pytest.raises(SettingError, match="add --reference FILE"):
        Upscaler(ttsr, device="cpu").models(4)
    with pytest.raises(SettingError, match="a reference needs a model that takes one"):
        Upscaler(reference=pixels(8, 8), device="cpu")


def test_only_the_inner_part_computes_in_a_lower_precision(ttsr: Model) -> None:
    reference = media.from_array(pixels(24, 28, seed=1))
    given = media.from_array(np.rint(pixels(20, 22) * 255).astype(np.uint8))
    answers = {}
    for precision in ("float32", "bfloat16"):
        found, report = Upscaler(ttsr, device="cpu", reference=reference, precision=precision)(given)
        assert (report.precision, report.notes) == (precision, ())
        answers[precision] = found.pixels.astype(int)
    off = np.abs(answers["float32"] - answers["bfloat16"])
    assert 0 < off.max() <= 8
    assert np.sqrt((off**2.0).mean()) < 0.5
    prepared = TorchNetwork(bind(ttsr, reference).network, torch.device("cpu"), precision="bfloat16")
    kinds = {name.split(".")[1]: p.dtype for name, p in prepared.network.named_parameters() if "body" in name}
    assert kinds == {"generator": torch.bfloat16}
    extractor = [p.dtype for name, p in prepared.network.named_parameters() if "extractor" in name]
    assert set(extractor) == {torch.float32}
