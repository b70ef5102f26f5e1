"""Deformable convolution: by hand, against two independent forms, its gradient, its memory."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.nn import deformable_strips
from finesight.nn.deformable import DeformablePack, ModulatedDeformablePack, deformable_convolution


def one_tap_at_a_time(
    x: Tensor, offset: Tensor, weight: Tensor, mask: Tensor | None, *, stride: int, padding: int, dilation: int
) -> Tensor:
    """The same function by one call of grid_sample for each tap."""
    taps = weight.shape[-2] * weight.shape[-1]
    groups = offset.shape[1] // (2 * taps)
    batch, _, height, width = x.shape
    rows, columns = offset.shape[-2:]
    moves = offset.view(batch, groups, taps, 2, rows, columns)
    answer = x.new_zeros(batch, weight.shape[0], rows, columns)
    for tap in range(taps):
        i, j = divmod(tap, weight.shape[-1])
        y = torch.arange(rows, dtype=x.dtype).view(-1, 1) * stride - padding + i * dilation + moves[:, :, tap, 0]
        x_ = torch.arange(columns, dtype=x.dtype) * stride - padding + j * dilation + moves[:, :, tap, 1]
        grid = torch.stack((2 * x_ / (width - 1) - 1, 2 * y / (height - 1) - 1), dim=-1)
        sampled = F.grid_sample(
            x.reshape(batch * groups, -1, height, width), grid.flatten(0, 1), align_corners=True, padding_mode="zeros"
        ).view(batch, groups, -1, rows, columns)
        if mask is not None:
            sampled = sampled * mask.view(batch, groups, taps, rows, columns)[:, :, tap].unsqueeze(2)
        answer = answer + F.conv2d(sampled.flatten(1, 2), weight[:, :, i, j, None, None])
    return answer


def by_loops(x: Tensor, offset: Tensor, weight: Tensor, *, legacy: bool) -> Tensor:
    """One channel, one group, 3x3, padding 1, by the definition."""
    height, width = x.shape[-2:]

    def pixel(y: int, x_: int) -> float:
        return float(x[0, 0, y, x_]) if 0 <= y < height and 0 <= x_ < width else 0.0

    def sample(y: float, x_: float) -> float:
        if legacy:
            if not (0 <= y < height and 0 <= x_ < width):
                return 0.0
            y, x_ = min(y, height - 1), min(x_, width - 1)
        top, left = math.floor(y), math.floor(x_)
        return sum(
            (1 - abs(y - (top + i))) * (1 - abs(x_ - (left + j))) * pixel(top + i, left + j)
            for i, j in itertools.product((0, 1), repeat=2)
        )

    answer = torch.zeros(1, 1, height, width, dtype=x.dtype)
    for r, c, tap in itertools.product(range(height), range(width), range(9)):
        i, j = divmod(tap, 3)
        y = r - 1 + i + float(offset[0, 2 * tap, r, c])
        x_ = c - 1 + j + float(offset[0, 2 * tap + 1, r, c])
        answer[0, 0, r, c] += float(weight[0, 0, i, j]) * sample(y, x_)
    return answer


def random_case(
    *, deform_groups: int = 2, stride: int = 1, dilation: int = 1, modulated: bool = True
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 4, 9, 7, generator=generator, dtype=torch.float64)
    weight = torch.randn(5, 4, 3, 3, generator=generator, dtype=torch.float64)
    rows, columns = (math.floor((n + 2 - 2 * dilation - 1) / stride) + 1 for n in (9, 7))
    offset = 3 * torch.randn(2, deform_groups * 18, rows, columns, generator=generator, dtype=torch.float64)
    mask = torch.rand(2, deform_groups * 9, rows, columns, generator=generator, dtype=torch.float64)
    return {"x": x, "offset": offset, "weight": weight} | ({"mask": mask} if modulated else {})


def test_without_offsets_it_is_an_ordinary_convolution() -> None:
    case = random_case(modulated=False)
    found = deformable_convolution(case["x"], torch.zeros(2, 36, 9, 7, dtype=torch.float64), case["weight"], padding=1)
    torch.testing.assert_close(found, F.conv2d(case["x"], case["weight"], padding=1))


def test_offsets_are_down_then_right() -> None:
    """By hand: a single tap that looks one row down and half a column to the right."""
    x = torch.arange(9.0).view(1, 1, 3, 3)
    offset = torch.tensor([1.0, 0.5]).view(1, 2, 1, 1).expand(1, 2, 3, 3)
    found = deformable_convolution(x, offset, torch.full((1, 1, 1, 1), 2.0), torch.ones(1))
    expected = torch.tensor([[3.5, 4.5, 2.5], [6.5, 7.5, 4.0], [0, 0, 0]])  # beyond the border lie zeros
    torch.testing.assert_close(found[0, 0], 2 * expected + 1)


@pytest.mark.parametrize("border", ["zeros", "legacy"])
def test_both_border_rules_by_the_definition(border: str) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 1, 4, 5, generator=generator, dtype=torch.float64)
    offset = 2 * torch.randn(1, 18, 4, 5, generator=generator, dtype=torch.float64)
    offset[:, :, ::2] = offset[:, :, ::2].round()  # exact hits of the border too
    weight = torch.randn(1, 1, 3, 3, generator=generator, dtype=torch.float64)
    found = deformable_convolution(x, offset, weight, padding=1, border=border)  # type: ignore[arg-type]
    torch.testing.assert_close(found, by_loops(x, offset, weight, legacy=border == "legacy"))


@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("deform_groups", [1, 4])
def test_equals_one_grid_sample_a_tap(deform_groups: int, stride: int, dilation: int, modulated: bool) -> None:
    case = random_case(deform_groups=deform_groups, stride=stride, dilation=dilation, modulated=modulated)
    settings = {"stride": stride, "padding": 1, "dilation": dilation}
    found = deformable_convolution(**case, **settings)  # type: ignore[arg-type]
    torch.testing.assert_close(found, one_tap_at_a_time(**({"mask": None} | case), **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("chunk", [1, 10, 25, 1000])
def test_strips_leave_no_trace(chunk: int) -> None:
    case = random_case()
    torch.testing.assert_close(
        deformable_convolution(**case, padding=1, chunk=chunk),  # type: ignore[arg-type]
        deformable_convolution(**case, padding=1, chunk=10**9),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("border", ["zeros", "legacy"])
@pytest.mark.parametrize("kept", [0, 2**27])
def test_gradient(border: str, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deformable_strips, "KEPT", kept)  # samples looked up again, or remembered
    generator = torch.Generator().manual_seed(5)
    shapes = {"x": (1, 4, 4, 5), "offset": (1, 36, 4, 5), "weight": (2, 2, 3, 3), "bias": (2,), "mask": (1, 18, 4, 5)}
    tensors = {n: torch.rand(s, generator=generator, dtype=torch.float64) * 0.8 + 0.1 for n, s in shapes.items()}
    tensors["offset"] = tensors["offset"] * 3 - 1.55  # never on a pixel, where the derivative jumps

    def call(x: Tensor, offset: Tensor, weight: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
        return deformable_convolution(
            x,
            offset,
            weight,
            bias,
            mask=mask,
            padding=1,
            groups=2,
            border=border,
            chunk=10,  # type: ignore[arg-type]
        )

    tensors["mask"][0, 3] = 0  # its gradient is not
    assert torch.autograd.gradcheck(call, tuple(tensor.requires_grad_() for tensor in tensors.values()), atol=1e-6)


def test_the_answer_may_be_changed_in_place() -> None:
    x, weight = torch.rand(1, 2, 3, 4, requires_grad=True), torch.rand(3, 2, 3, 3)
    answer = F.relu_(deformable_convolution(x, torch.zeros(1, 18, 3, 4), weight, padding=1))
    (found,) = torch.autograd.grad(answer.sum(), x)
    (expected,) = torch.autograd.grad(F.conv2d(x, weight, padding=1).sum(), x)
    torch.testing.assert_close(found, expected)


def test_gradient_of_some_only() -> None:
    x, offset, weight = torch.rand(2, 2, 5, 6), torch.rand(2, 18, 5, 6) * 2 - 1, torch.rand(3, 2, 3, 3)
    expected = torch.autograd.grad(
        deformable_convolution(x, offset.requires_grad_(), weight.requires_grad_(), padding=1).square().sum(),
        (offset, weight),
    )
    for tensor, whole in zip((offset, weight), expected, strict=True):
        for other in (offset, weight):
            other.requires_grad_(other is tensor)
        answer = deformable_convolution(x, offset, weight, padding=1, chunk=6)
        (found,) = torch.autograd.grad(answer.square().sum(), tensor)
        torch.testing.assert_close(found, whole)


def test_inputs_stay_and_nan_stays_where_it_is() -> None:
    case = random_case()
    kept = {name: tensor.clone() for name, tensor in case.items()}
    deformable_convolution(**case, padding=1)  # type: ignore[arg-type]
    with torch.no_grad():
        deformable_convolution(**case, padding=1)  # type: ignore[arg-type]
    assert all(torch.equal(case[name], kept[name]) for name in kept)
    case["offset"][0, 0, 4, 3] = float("nan")  # an exploding offset must neither crash nor spread
    broken = deformable_convolution(**case, padding=1)  # type: ignore[arg-type]
    whole = deformable_convolution(**kept, padding=1)  # type: ignore[arg-type]
    broken[0, :, 4, 3] = whole[0, :, 4, 3] = 0
    torch.testing.assert_close(broken, whole)


def test_half_precision_keeps_positions_exact() -> None:
    """bfloat16 knows no position beyond 256 to less than two pixels: a shift of 0.5 at column 300 must survive."""
    x = torch.zeros(1, 1, 1, 320, dtype=torch.bfloat16)
    x[..., 300] = 1
    offset = torch.tensor([0.0, 0.5], dtype=torch.bfloat16).view(1, 2, 1, 1).expand(1, 2, 1, 320)
    found = deformable_convolution(x, offset, torch.ones(1, 1, 1, 1, dtype=torch.bfloat16))
    assert found.dtype == torch.bfloat16
    assert found[0, 0, 0, 298:302].tolist() == pytest.approx([0, 0.5, 0.5, 0], abs=1e-3)


def test_exports_with_any_size() -> None:
    class Layer(nn.Module):
        def forward(self, x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
            return deformable_convolution(x, offset, weight, padding=1)

    height, width = torch.export.Dim("height", min=4, max=64), torch.export.Dim("width", min=4, max=64)
    sizes = ({2: height, 3: width}, {2: height, 3: width}, None)
    weight = torch.rand(3, 4, 3, 3)
    program = torch.export.export(
        Layer(), (torch.rand(1, 4, 9, 7), torch.rand(1, 18, 9, 7), weight), dynamic_shapes=sizes
    )
    other = torch.rand(1, 4, 12, 10), torch.rand(1, 18, 12, 10), weight
    torch.testing.assert_close(program.module()(*other), Layer()(*other))


@pytest.mark.parametrize(
    ("offset", "mask", "words"),
    [((1, 18, 8, 9), None, "offsets"), ((1, 19, 9, 9), None, "offsets"), ((1, 18, 9, 9), (1, 9, 9, 8), "mask"),
     ((1, 54, 9, 9), None, "cannot use")],
)  # fmt: skip
def test_wrong_shapes_are_refused(offset: tuple[int, ...], mask: tuple[int, ...] | None, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        deformable_convolution(
            torch.rand(1, 4, 9, 9),
            torch.rand(offset),
            torch.rand(2, 4, 3, 3),
            mask=None if mask is None else torch.rand(mask),
            padding=1,
        )


def test_wrong_groups_are_refused() -> None:
    with pytest.raises(SettingError, match="2 groups"):
        deformable_convolution(torch.rand(1, 4, 9, 9), torch.rand(1, 18, 9, 9), torch.rand(2, 4, 3, 3), groups=2)


def test_new_packs_do_not_move_and_halve() -> None:
    x, feature = torch.rand(1, 16, 6, 5), torch.rand(1, 8, 6, 5)
    plain = DeformablePack(16, 8)
    torch.testing.assert_close(plain(x), F.conv2d(x, plain.weight, padding=1))
    modulated = ModulatedDeformablePack(16, 8)
    torch.testing.assert_close(modulated(x, feature), F.conv2d(x, modulated.weight / 2, padding=1))
    assert sorted(plain.state_dict()) == ["conv_offset.bias", "conv_offset.weight", "weight"]
    assert sorted(modulated.state_dict()) == ["bias", "conv_offset.bias", "conv_offset.weight", "weight"]
