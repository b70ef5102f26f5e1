"""Cutting out: laws of tiles and results, trimaps, foreground colours, the closed-form baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.data.matting_drawn import drawn_alpha
from finesight.data.matting_source import loose_trimap
from finesight.errors import InputError, ModelError, SettingError
from finesight.media.picture import Picture
from finesight.models.matting.trimap_unet import spread_colours
from finesight.nn.traits import Port, Traits
from finesight.nn.trimap import FOREGROUND, UNKNOWN
from finesight.run.matting import Matter, closed_form_alpha, made_trimap, matte, read_trimap
from finesight.run.matting import tiles as tiling
from finesight.run.matting.foreground import estimate_foreground
from finesight.run.matting.results import composite, covering, cutout, parse_colour
from finesight.run.matting.tiles import compute_alpha
from finesight.run.matting.trimaps import boxes_mask
from finesight.zoo.model import Card, Model

RANDOM = np.random.default_rng(12)


class Blur(nn.Module):
    """A stand-in of a matting network: the trimap and the red channel, blurred over 9 pixels."""

    def __init__(self, *, halo: int | None = 4) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []
        self.traits = Traits(
            task="matting",
            halo=halo,
            halo_reason="" if halo else "it says so",
            multiple=4,
            inputs=(Port("image"), Port("trimap", channels=1)),
            outputs=(Port("alpha", channels=1),),
        )

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """See the class."""
        self.seen.append(tuple(image.shape))
        return F.avg_pool2d(0.4 * trimap + 0.2 * image[:, :1], 9, 1, 4, count_include_pad=False)


def model(network: nn.Module) -> Model:
    return Model(network.eval(), network.traits, Card(name="blur", task="matting"))  # type: ignore[arg-type]


def scene(height: int, width: int, dtype: type = np.uint8) -> tuple[Picture, np.ndarray]:
    """A picture and the trimap of a disc."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2) - min(height, width) / 4
    classes = np.where(distance < -6, FOREGROUND, np.where(distance > 6, 0, UNKNOWN)).astype(np.uint8)
    pixels = RANDOM.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)
    depth = 8 if dtype is np.uint8 else 16
    return Picture(pixels=pixels, depth=depth, dpi=(72.0, 72.0)), classes


def test_tiles_equal_the_whole_and_known_ones_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    picture, classes = scene(220, 300)
    whole = Matter(model(Blur()), device="cpu")(picture, classes)
    assert (whole.report.tiles, whole.report.computed) == (1, 1)
    monkeypatch.setattr(tiling, "_GOOD_PIXELS", 64 * 64)
    network = Blur()
    tiled = Matter(model(network), device="cpu")(picture, classes)
    assert tiled.report.tiles > tiled.report.computed > 1
    np.testing.assert_allclose(tiled.alpha, whole.alpha, atol=1e-6)
    known = classes != UNKNOWN
    assert np.array_equal(tiled.alpha[known], (classes[known] == FOREGROUND).astype(np.float32))
    assert 0 < whole.alpha[~known].mean() < 1


def test_exact_tiles_use_the_whole_halo(monkeypatch: pytest.MonkeyPatch) -> None:
    picture, classes = scene(200, 260)
    whole = Matter(model(Blur()), device="cpu")(picture, classes).alpha
    monkeypatch.setattr(tiling, "_GOOD_PIXELS", 64 * 64)
    tiled = compute_alpha(picture.pixels, classes, Blur(), torch.device("cpu"), exact=True)
    assert tiled.difference is None
    np.testing.assert_allclose(tiled.alpha, whole, atol=1e-6)


def test_attention_is_whole_up_to_a_size_and_says_so_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    picture, classes = scene(160, 200)
    monkeypatch.setattr(tiling, "_ATTENDED_PIXELS", 96 * 96)
    found = Matter(model(Blur(halo=None)), device="cpu")(picture, classes)
    assert any("it says so: here within tiles of" in note for note in found.report.notes)
    monkeypatch.setattr(tiling, "_ATTENDED_PIXELS", 200 * 200)
    assert Matter(model(Blur(halo=None)), device="cpu")(picture, classes).report.notes == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_results_keep_depth_metadata_and_their_promises(dtype: type) -> None:
    picture, classes = scene(90, 120, dtype)
    found = Matter(model(Blur()), device="cpu")(picture, classes)
    alpha = found.as_alpha()
    most = np.iinfo(dtype).max
    assert alpha.pixels.dtype == dtype
    assert alpha.dpi == picture.dpi
    assert (alpha.pixels[:, :, 0][classes == FOREGROUND] == most).all()
    assert (alpha.pixels[:, :, 0][classes == 0] == 0).all()
    assert found.as_alpha(16).depth == 16
    cut = found.cutout()
    assert cut.alpha is not None
    assert np.array_equal(cut.alpha, alpha.pixels[:, :, 0])
    assert np.array_equal(cut.pixels[classes == FOREGROUND], picture.pixels[classes == FOREGROUND])
    over = found.over((255, 0, 0))
    assert over.alpha is None
    assert (over.pixels[classes == 0] == (most, 0, 0)).all()
    assert np.array_equal(over.pixels[classes == FOREGROUND], picture.pixels[classes == FOREGROUND])


def test_own_alpha_is_multiplied() -> None:
    picture, _ = scene(8, 9)
    own = np.full((8, 9), 128, np.uint8)
    cut = cutout(picture.replace(alpha=own), np.full((8, 9), 0.5, np.float32), picture.pixels)
    assert cut.alpha is not None
    assert (cut.alpha == 64).all()


def test_nothing_unknown_uses_no_network() -> None:
    picture, classes = scene(40, 50)
    classes[classes == UNKNOWN] = 0
    network = Blur()
    marks = Picture(pixels=(classes * 127.5).astype(np.uint8)[:, :, None])
    found = Matter(model(network), device="cpu")(picture, read_trimap(marks, picture))
    assert not network.seen
    assert set(np.unique(found.alpha)) == {0, 1}
    assert "no unknown region" in found.report.notes[0]


def test_trimaps_are_read_by_stated_thresholds() -> None:
    picture = Picture(pixels=np.zeros((1, 6, 3), np.uint8))
    levels = np.array([[0, 12, 13, 128, 242, 243]], np.uint8)
    read = read_trimap(Picture(pixels=levels[:, :, None]), picture)
    assert read.classes.tolist() == [[0, 0, 1, 1, 1, 2]]
    assert "6 levels: up to 5% of white" in read.notes[0]
    deep = Picture(pixels=np.array([[0, 0, 32896, 32896, 65535, 65535]], np.uint16)[:, :, None], depth=16)
    assert read_trimap(deep, picture).classes.tolist() == [[0, 0, 1, 1, 2, 2]]
    assert read_trimap(deep, picture).notes == ()


def test_trimaps_that_do_not_fit() -> None:
    picture = Picture(pixels=np.zeros((4, 6, 3), np.uint8))
    small = Picture(pixels=np.array([[[0], [128], [255]], [[0], [128], [255]]], np.uint8))
    with pytest.raises(InputError, match=r"is 3x2, the picture 6x4\. Add --resize-trimap"):
        read_trimap(small, picture)
    assert read_trimap(small, picture, resize=True).classes[3].tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(InputError, match="unknown everywhere"):
        read_trimap(Picture(pixels=np.full((4, 6, 1), 128, np.uint8)), picture)
    half = read_trimap(Picture(pixels=np.repeat([[[128], [255]]], 4, 0).repeat(3, 1).astype(np.uint8)), picture)
    assert "knows no background" in half.notes[0]
    with pytest.raises(InputError, match=r"of 0, 1 and 2 for this picture"):
        Matter(model(Blur()), device="cpu")(picture, np.zeros((5, 6), np.uint8))
    with pytest.raises(ModelError, match="finds no alpha"):
        Matter("finesight-x4")


def test_made_trimaps_have_the_stated_widths() -> None:
    mask = np.zeros((5, 30), bool)
    mask[:, 15:] = True
    row = made_trimap(mask, inside=3, outside=4)[2].tolist()
    assert row == [0] * 11 + [1] * 7 + [2] * 12
    rough = np.linspace(0, 255, 30).astype(np.uint8)[None].repeat(5, 0)
    assert made_trimap(rough, inside=0, outside=0)[0].tolist() == [0] * 2 + [1] * 26 + [2] * 2
    boxed = made_trimap(
        boxes_mask(5, 30, [(10, -2, 12, 9)]), inside=2, outside=2, unknown=boxes_mask(5, 30, [(25, 0, 2, 5)])
    )
    assert boxed[0].tolist() == [0] * 8 + [1] * 4 + [2] * 8 + [1] * 7 + [0] * 0 + [1] * 2 + [0]
    with pytest.raises(SettingError, match="holds no pixel"):
        boxes_mask(5, 30, [(40, 0, 3, 3)])
    with pytest.raises(SettingError, match="pixels from 0 on"):
        made_trimap(mask, inside=-1, outside=0)


def test_foreground_colours_are_found_under_the_mixture() -> None:
    alpha = drawn_alpha(np.random.default_rng(2), 96, "hair")
    front, back = np.array([0.8, 0.3, 0.1]), np.array([0.1, 0.4, 0.9])
    pixels = (alpha[..., None] * front + (1 - alpha[..., None]) * back).astype(np.float32)
    found = estimate_foreground(pixels, alpha)
    mixed = (alpha > 0.1) & (alpha < 0.9)
    assert np.abs(found[mixed] - front).mean() < 0.05
    assert np.abs(pixels[mixed] - front).mean() > 0.2, "where the picture itself is far from it"
    assert np.array_equal(found[alpha == 1], pixels[alpha == 1])
    eight = estimate_foreground((pixels * 255).round().astype(np.uint8), alpha)
    assert np.abs(eight / 255 - found).max() < 0.1


def test_foreground_strips_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    from finesight.run.matting import foreground

    alpha = drawn_alpha(np.random.default_rng(4), 70, "leaves")
    pixels = RANDOM.random((70, 70, 3)).astype(np.float32)
    whole = estimate_foreground(pixels, alpha)
    monkeypatch.setattr(foreground, "_STRIP", 16)
    np.testing.assert_allclose(estimate_foreground(pixels, alpha), whole, atol=1e-6)


def test_composites_cover() -> None:
    background = Picture(pixels=RANDOM.integers(0, 256, (10, 40, 3)).astype(np.uint8))
    assert covering(background, 30, 20).shape == (30, 20, 3)
    assert covering(background, 10, 40) is background.pixels
    picture, _ = scene(12, 14, np.uint16)
    alpha = np.zeros((12, 14), np.float32)
    over = composite(picture, alpha, picture.pixels, Picture(pixels=np.full((3, 3, 1), 51, np.uint8)))
    assert over.pixels.dtype == np.uint16
    assert (np.abs(over.pixels.astype(int) - 13107) <= 1).all()
    for text in ("nocolour", "1,2,999", ""):
        with pytest.raises(SettingError, match="expected a colour"):
            parse_colour(text)


def test_closed_form_solves_what_it_is_made_for() -> None:
    """Two smooth colours: the colour line model holds and the answer is the truth."""
    alpha = drawn_alpha(np.random.default_rng(6), 48, "defocus")
    truth = torch.from_numpy(alpha)[None, None]
    trimap = loose_trimap(truth, 2, 2)
    front, back = (torch.tensor(colour).view(1, 3, 1, 1) for colour in ((0.8, 0.2, 0.1), (0.2, 0.4, 0.9)))
    image = truth * front + (1 - truth) * back
    found = closed_form_alpha(image, trimap)
    assert float((found - truth).abs().max()) < 0.02
    known = trimap != UNKNOWN
    assert torch.equal(found[known], (trimap[known] == FOREGROUND).float())
    assert closed_form_alpha(image, known.float() * 2).sum() == known.sum(), "nothing unknown"
    with pytest.raises(InputError, match="one picture of at least 3x3"):
        closed_form_alpha(image[..., 1:], trimap)


def test_matting_laplacian_by_definition() -> None:
    """Its product equals that of the matrix of the paper's equation 12, made entry by entry."""
    from finesight.run.matting.closed_form import _Laplacian

    image = torch.rand(3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    epsilon, matrix = 1e-3, torch.zeros(30, 30, dtype=torch.float64)
    for row in range(3):
        for column in range(4):
            places = [(row + i) * 6 + column + j for i in range(3) for j in range(3)]
            window = image.flatten(1)[:, places].T
            apart = window - window.mean(0)
            inverse = torch.linalg.inv(apart.T @ apart / 9 + epsilon / 9 * torch.eye(3, dtype=torch.float64))
            own = torch.eye(9, dtype=torch.float64) - (1 + apart @ inverse @ apart.T) / 9
            matrix[torch.tensor(places)[:, None], torch.tensor(places)] += own
    laplacian = _Laplacian(image, epsilon)
    alpha = torch.rand(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(laplacian(alpha).flatten(), matrix @ alpha.flatten())
    torch.testing.assert_close(laplacian.diagonal.flatten(), matrix.diagonal())


def test_any_kind_of_picture_is_taken() -> None:
    picture, classes = scene(32, 40)
    marks = (classes * 127.5).astype(np.uint8)
    one = matte(picture.pixels, marks, model=model(Blur()), device="cpu")
    tensor = torch.from_numpy(picture.pixels).permute(2, 0, 1)
    two = matte(tensor, torch.from_numpy(marks)[None], model=model(Blur()), device="cpu")
    assert np.array_equal(one.alpha, two.alpha)
    grey = matte(picture.pixels[:, :, 0], marks, model=model(Blur()), device="cpu")
    assert grey.alpha.shape == (32, 40)
    assert spread_colours(torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)).shape == (1, 3, 64, 64)
