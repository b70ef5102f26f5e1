"""Filters for every pixel: by hand, against unfolding, gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from finesight.errors import SettingError
from finesight.nn.dynamic_filter import dynamic_filter


def test_by_hand() -> None:
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)
    filters = torch.zeros(1, 9, 2, 2, 2)
    filters[:, 4, 0] = 1  # the first picture is the input
    filters[:, 5, 1] = 10  # the second is ten times the right neighbour
    found = dynamic_filter(image, filters, kernel=(3, 3))
    assert found[0].tolist() == [[[1, 2], [3, 4]], [[20, 0], [40, 0]]]


def test_equals_unfolding_and_has_a_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 5, 4, generator=generator, dtype=torch.float64).requires_grad_()
    filters = torch.rand(2, 15, 4, 5, 4, generator=generator, dtype=torch.float64).requires_grad_()
    patches = F.unfold(image, (3, 5), padding=(1, 2)).view(2, 3, 15, 5, 4)
    expected = torch.einsum("nckhw,nkrhw->ncrhw", patches, filters).flatten(1, 2)
    torch.testing.assert_close(dynamic_filter(image, filters, kernel=(3, 5)), expected)
    assert torch.autograd.gradcheck(
        lambda i, f: dynamic_filter(i, f, kernel=(3, 3)),
        (image[:1, :1, :3, :2].detach().requires_grad_(), filters[:1, :9, :2, :3, :2].detach().requires_grad_()),
    )


@pytest.mark.parametrize("shape", [(1, 24, 4, 5, 4), (1, 25, 4, 5, 5), (1, 25, 5, 4)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SettingError, match="dynamic filter"):
        dynamic_filter(torch.rand(1, 3, 5, 4), torch.rand(shape))
