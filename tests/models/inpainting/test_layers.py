"""Partial and gated convolution and contextual attention against their definitions, written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import InputError
from finesight.losses.adversarial import mask_discriminator_loss, mask_generator_loss, mask_target
from finesight.nn.boxes import box_masks, box_patches, patch_boxes
from finesight.nn.contextual_attention import ContextualAttention
from finesight.nn.gated_conv import GatedConv2d
from finesight.nn.partial_conv import PartialConv2d


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def written_out(x: Tensor, context: Tensor, mask: Tensor | None, scale: float, fuse: bool) -> tuple[Tensor, Tensor]:
    """One sample the published way: every patch unfolded, every pair of patches held at once."""
    c2, x2 = context[..., ::2, ::2], x[..., ::2, ::2]
    (hc, wc), (hx, wx) = c2.shape[-2:], x2.shape[-2:]
    raw = F.unfold(context, 4, padding=1, stride=2)[0].T.reshape(hc * wc, x.shape[1], 4, 4)
    patches = F.unfold(c2, 3, padding=1)[0].T
    patches = patches / patches.norm(dim=1, keepdim=True).clamp(min=1e-4)
    pairs = F.unfold(x2, 3, padding=1)[0].T @ patches.T  # query, context
    if fuse:
        for axes in ((0, 1, 2, 3), (1, 0, 3, 2)):  # row by row, then column by column
            pairs = pairs.view(hx, wx, hc, wc).permute(axes).reshape(hx * wx, hc * wc)
            total = pairs.clone()
            total[1:, 1:] += pairs[:-1, :-1]
            total[:-1, :-1] += pairs[1:, 1:]
            sizes = (hx, wx, hc, wc) if axes[0] == 0 else (wx, hx, wc, hc)
            pairs = total.view(sizes).permute(axes).reshape(hx * wx, hc * wc)
    if mask is not None:
        touched = F.unfold(mask[..., ::2, ::2], 3, padding=1)[0].sum(0) > 0
        if not touched.all():
            pairs = pairs.masked_fill(touched, -torch.inf)
    weights = (scale * pairs).softmax(1)
    grid = weights.T.view(1, hc * wc, hx, wx)
    count = F.conv_transpose2d(torch.ones(1, 1, hx, wx).to(x), torch.ones(1, 1, 4, 4).to(x), stride=2, padding=1)
    return F.conv_transpose2d(grid, raw, stride=2, padding=1) / count, weights.T.view(1, hc, wc, hx, wx)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(
    ("size", "context_size"),
    [((8, 6), (8, 6)), ((2, 10), (2, 10)), ((10, 2), (10, 2)), ((6, 8), (10, 4)), ((2, 2),) * 2],
)
def test_attention_is_its_definition(size: tuple[int, int], context_size: tuple[int, int], fuse: bool) -> None:
    x, context = random(2, 3, *size), random(2, 3, *context_size, seed=1)
    mask = torch.zeros(2, 1, *context_size, dtype=torch.float64)
    mask[0, :, :2, :2] = 1
    mask[1] = 1  # nothing is left: nothing is barred
    for given in (None, mask):
        expected = [
            written_out(x[n : n + 1], context[n : n + 1], None if given is None else given[n : n + 1], 3.0, fuse)
            for n in range(2)
        ]
        for chunk in (1, 60, 2**22):
            module = ContextualAttention(softmax_scale=3.0, fuse=fuse, chunk=chunk)
            answer, score = module.scores(x, context, given)
            assert torch.allclose(answer, torch.cat([each[0] for each in expected]), atol=1e-10)
            assert torch.allclose(score, torch.cat([each[1] for each in expected]), atol=1e-10)
            assert torch.equal(module(x, context, given), answer)


def test_gradient_of_attention_does_not_depend_on_the_chunk() -> None:
    x, context = random(1, 3, 12, 10).requires_grad_(), random(1, 3, 12, 10, seed=2).requires_grad_()
    weight = random(1, 3, 12, 10, seed=3)
    mask = torch.zeros(1, 1, 12, 10)
    mask[..., 4:8, 2:4] = 1
    slopes = []
    for chunk in (1, 2**22):
        answer = ContextualAttention(chunk=chunk)(x, context, mask)
        slopes.append(torch.autograd.grad((answer * weight).sum(), (x, context)))
    expected = torch.autograd.grad((written_out(x, context, mask, 10.0, True)[0] * weight).sum(), (x, context))
    for found in slopes:
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, atol=1e-9)


def test_attention_refuses_what_does_not_fit() -> None:
    module = ContextualAttention()
    with pytest.raises(InputError, match="even sides"):
        module(random(1, 2, 5, 4), random(1, 2, 4, 4))
    with pytest.raises(InputError, match="samples or channels"):
        module(random(1, 2, 4, 4), random(1, 3, 4, 4))
    with pytest.raises(InputError, match="mask must be"):
        module(random(1, 2, 4, 4), random(1, 2, 4, 4), torch.zeros(1, 1, 2, 2))


def test_partial_convolution_by_hand() -> None:
    layer = PartialConv2d(1, 1, 3, padding=1, multi_channel=False)
    torch.nn.init.ones_(layer.weight)
    torch.nn.init.constant_(layer.bias, 0.5)  # type: ignore[arg-type]
    x = torch.full((1, 1, 3, 5), 2.0)
    valid = torch.zeros(1, 1, 3, 5)
    valid[..., 0, 0] = 1
    answer, grown = layer(x, valid)
    seen = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    assert torch.equal(grown[0, 0], seen)
    assert torch.allclose(answer[0, 0], seen * (2 * 9 + 0.5))  # one known pixel of nine
    other = x.masked_fill(valid == 0, 7.0)
    assert torch.equal(layer(other, valid)[0], answer)


@pytest.mark.parametrize("multi_channel", [True, False])
def test_partial_convolution_of_what_is_all_known_is_plain_inside(multi_channel: bool) -> None:
    layer = PartialConv2d(3, 4, 3, padding=1, multi_channel=multi_channel).double()
    x = random(2, 3, 6, 7)
    answer, grown = layer(x, torch.ones(2, 3 if multi_channel else 1, 6, 7, dtype=torch.float64))
    plain, nothing = layer(x)
    assert nothing is None
    assert torch.allclose(answer[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1], atol=1e-7)
    assert not torch.allclose(answer[..., 0, :], plain[..., 0, :], atol=1e-3)  # outside counts as unknown
    assert grown.shape == (2, 4 if multi_channel else 1, 6, 7)
    assert bool((grown == 1).all())
    with pytest.raises(InputError, match="validity must be"):
        layer(x, torch.ones(2, 2, 6, 7))


def test_gated_convolution_by_hand() -> None:
    layer = GatedConv2d(1, 1, 1)
    with torch.no_grad():
        layer.conv.conv.weight.copy_(torch.tensor([2.0, 1.0]).view(2, 1, 1, 1))
        layer.conv.conv.bias.zero_()  # type: ignore[union-attr]
    x = torch.tensor([-1.0, 3.0]).view(1, 1, 1, 2)
    assert torch.allclose(layer(x), F.elu(2 * x) * torch.sigmoid(x))


def test_blurred_target_of_a_distant_hole_is_a_gaussian() -> None:
    mask = torch.zeros(1, 1, 81, 91)
    mask[..., 40, 45] = 1
    target = mask_target(mask)[0, 0].double()
    assert abs(float(target.sum()) - 1) < 1e-5
    assert float(target[40, 55] / target[40, 45]) == pytest.approx(2.718281828**-0.5, rel=1e-5)
    assert float(target[4, 45]) == 0  # 36 rows away, outside the 71 of the kernel


def test_weighted_generator_loss_looks_into_the_hole_only() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2, :] = 1
    logits = torch.cat((torch.full((1, 1, 2, 4), 3.0), torch.full((1, 1, 2, 4), 1.0)), dim=2)
    assert float(mask_generator_loss(logits, mask, weighted=True)) == pytest.approx(4.0)
    assert float(mask_generator_loss(logits, mask)) == pytest.approx(2.0)
    assert float(mask_discriminator_loss(torch.ones(1, 1, 1, 1), mask, real=True)) == 0


def test_boxes() -> None:
    boxes = torch.tensor([[5, 6, 2, 4], [0, 1, 3, 3]])
    assert patch_boxes(boxes, 6).tolist() == [[3, 5, 6, 6], [0, 0, 6, 6]]
    assert box_masks(boxes, (8, 12)).sum((1, 2, 3)).tolist() == [8, 9]
    image = random(2, 3, 9, 12)
    assert torch.equal(box_patches(image, boxes, 6)[0], image[0, :, 3:9, 5:11])
    with pytest.raises(InputError, match="does not fit"):
        box_patches(image, torch.tensor([[7, 6, 2, 4], [0, 1, 3, 3]]), 6)
