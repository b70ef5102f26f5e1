"""DIC and LightCNN: laws that the published answers cannot show."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.models.prior.dic import Dic, face_inputs
from finesight.models.prior.face_parts import five_parts, landmark_heatmaps, landmark_positions
from finesight.models.prior.light_cnn import LightCnn, LightCnnFeatures
from finesight.nn.construct import uninitialised
from finesight.zoo.tensors import load_tensors


def tiny(**changes: object) -> Dic:
    torch.manual_seed(0)
    settings: dict[str, object] = {"width": 4, "blocks": 2, "landmark_width": 8, "steps": 3, "fusion_blocks": 1}
    return Dic(**(settings | changes)).eval()  # type: ignore[arg-type]


def face(count: int = 1, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network() -> Dic:
    return tiny()


def test_nothing_is_kept_between_calls(network: Dic) -> None:
    first, second = face(), face(seed=1)
    with torch.no_grad():
        expected = network(first)
        network(second)
        assert torch.equal(network(first), expected)
        together = network(torch.cat((first, second)))
        assert torch.allclose(together, torch.cat((expected, network(second))), atol=1e-6)


def test_steps_and_answer_agree(network: Dic) -> None:
    image = face(2)
    kept = image.clone()
    with torch.no_grad():
        found = network.steps(image)
        assert [each.shape for each in found.images] == [(2, 3, 128, 128)] * 3
        assert [each.shape for each in found.heatmaps] == [(2, 68, 32, 32)] * 3
        assert torch.equal(found.images[-1], network(image))
        assert not torch.allclose(found.images[0], found.images[1], atol=1e-4)
        assert torch.equal(tiny(steps=1)(image), found.images[0])
    assert torch.equal(image, kept)


@pytest.mark.parametrize("detach", [False, True])
def test_landmarks_steer_the_next_step(detach: bool) -> None:
    network = tiny(detach_attention=detach)
    network(face()).square().mean().backward()
    for name, parameter in network.named_parameters():
        if name.startswith("hour_glass"):
            assert (parameter.grad is None) == detach, name
        else:
            assert float(parameter.grad.abs().sum()) > 0, name
    network.zero_grad()
    torch.stack([each.square().mean() for each in network.steps(face()).heatmaps]).sum().backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in network.parameters())


def test_published_file_loads(network: Dic) -> None:
    critic = LightCnn(width=8)
    features = LightCnnFeatures(width=8)
    file = {f"generator.{name}": tensor.clone() for name, tensor in network.state_dict().items()}
    file |= {f"discriminator.{name}": tensor.clone() for name, tensor in critic.state_dict().items()}
    file |= {f"feature_loss.model.{name}": tensor.clone() for name, tensor in features.state_dict().items()}
    file |= {"img_denormalize.weight": torch.eye(3)[..., None, None], "img_denormalize.bias": torch.zeros(3)}
    file |= {"step_counter": torch.zeros(1)}
    other, judge, eyes = tiny(), LightCnn(width=8), LightCnnFeatures(width=8)
    for each in (other, judge, eyes):
        load_tensors(each, file)
    assert torch.equal(other(face()), network(face()))
    image = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.equal(judge(image), critic(image))
        assert judge(image).shape == (2,)
        assert torch.equal(eyes(image), features(image))
        assert torch.allclose(critic(image), torch.cat([critic(each[None]) for each in image]), atol=1e-5)


def test_published_sizes() -> None:
    with torch.device("meta"), uninitialised():
        assert sum(p.numel() for p in Dic().parameters()) == 21_803_849
        assert sum(p.numel() for p in LightCnn().parameters()) == 5_485_921


def test_positions_invert_the_target() -> None:
    generator = torch.Generator().manual_seed(2)
    landmarks = 20 + 210 * torch.rand(3, 68, 2, generator=generator, dtype=torch.float64)
    heatmaps = landmark_heatmaps(landmarks)
    assert heatmaps.shape == (3, 68, 32, 32)
    assert torch.allclose(landmark_positions(heatmaps, size=(256, 256)), landmarks, atol=1e-6)
    wide = landmark_heatmaps(torch.tensor([[[30.0, 4.0]]]), size=(64, 32), heatmap=(32, 16))
    assert wide.shape == (1, 1, 16, 32)
    assert float(wide[0, 0, 2, 15]) == 1.0
    assert torch.equal(landmark_positions(wide, size=(64, 32))[0, 0], torch.tensor([30.0, 4.0], dtype=torch.float64))


def test_parts_are_divided_by_their_own_maximum() -> None:
    heatmaps = torch.zeros(1, 68, 4, 4)
    heatmaps[0, 36, 1, 1], heatmaps[0, 41, 2, 2], heatmaps[0, 60, 0, 0] = 0.5, 2.0, 0.01
    parts = five_parts(heatmaps)
    assert float(parts[0, 0, 1, 1]) == float(parts[0, 0, 2, 2]) == 1.0
    assert float(parts[0, 3, 0, 0]) == pytest.approx(0.2)  # below the floor of 0.05
    assert float(parts.sum()) == pytest.approx(2.2)
    with pytest.raises(InputError, match="not for 98"):
        five_parts(torch.zeros(1, 98, 4, 4))


def test_training_pair() -> None:
    small, truth = face_inputs(torch.full((3, 200, 160), 51, dtype=torch.uint8))
    assert torch.equal(small, torch.full((3, 16, 16), 0.2))
    assert torch.equal(truth, torch.full((3, 128, 128), 0.2))


def test_mistakes_are_named(network: Dic) -> None:
    with pytest.raises(InputError, match=r"exactly 16 x 16 RGB pixels, got \(16, 20\)"):
        network(torch.rand(1, 3, 16, 20))
    with pytest.raises(InputError, match="with 1 channels"):
        network(torch.rand(1, 1, 16, 16))
    with pytest.raises(SettingError, match="at least one step"):
        Dic(steps=0)
    with pytest.raises(SettingError, match="multiple of 16"):
        LightCnn(size=100)
    with pytest.raises(InputError, match=r"\(N, 3, 32, 32\)"):
        LightCnn(size=32, width=8)(torch.rand(1, 3, 16, 16))
