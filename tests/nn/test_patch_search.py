"""The blockwise search against all pairs at once, as published."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.nn.patch_search import search_patches, transfer_patches


def features(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_pairs(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    queries = F.normalize(F.unfold(query, 3, padding=1), dim=1)
    keys = F.normalize(F.unfold(key, 3, padding=1), dim=1)
    score, index = torch.bmm(keys.transpose(1, 2), queries).max(dim=1)
    return score.view(len(query), 1, *query.shape[2:]), index


def folded(values: Tensor, index: Tensor, size: tuple[int, int], step: int) -> Tensor:
    patches = F.unfold(values, 3 * step, padding=step, stride=step)
    found = patches.gather(2, index[:, None].expand(-1, patches.shape[1], -1))
    return F.fold(found, (size[0] * step, size[1] * step), 3 * step, padding=step, stride=step) / 9


@pytest.mark.parametrize("chunk", [1, 700, 5000, 2**22])
@pytest.mark.parametrize(("size", "grid"), [((6, 7), (6, 7)), ((5, 9), (11, 4)), ((1, 1), (3, 5)), ((8, 3), (1, 1))])
def test_every_chunk_equals_all_pairs(size: tuple[int, int], grid: tuple[int, int], chunk: int) -> None:
    query, key = features(2, 5, *size, seed=1), features(2, 5, *grid, seed=2)
    kept = query.clone(), key.clone()
    score, index = all_pairs(query, key)
    found, where = search_patches(query, key, chunk=chunk)
    assert torch.equal(where, index)
    assert torch.allclose(found.double(), score, atol=1e-6)
    assert torch.equal(query, kept[0])
    assert torch.equal(key, kept[1])


@pytest.mark.parametrize("chunk", [100, 2**22])
def test_the_first_of_equals_is_taken(chunk: int) -> None:
    query = torch.ones(1, 2, 6, 6)
    _, index = search_patches(query, torch.ones(1, 2, 9, 9), chunk=chunk)
    assert int(index[0, 14]) == 10  # the first patch that lies inside, second row, second column
    _, index = search_patches(query, torch.zeros(1, 2, 9, 9), chunk=chunk)
    assert torch.equal(index, torch.zeros_like(index))


@pytest.mark.parametrize(("step", "more"), [(1, 0), (2, 0), (2, 1), (4, 0), (4, 3)])
def test_transfer_is_unfold_gather_fold(step: int, more: int) -> None:
    size, grid = (5, 6), (7, 4)
    values = features(2, 3, grid[0] * step + more, grid[1] * step + more, seed=3)
    index = torch.randint(28, (2, 30), generator=torch.Generator().manual_seed(4))
    assert torch.allclose(transfer_patches(values, index, size, grid, step), folded(values, index, size, step))


def test_gradient_flows_through_score_and_values() -> None:
    query, key = features(1, 4, 5, 5, seed=5), features(1, 4, 6, 7, seed=6)
    values = features(1, 3, 12, 14, seed=7)
    found = [tensor.clone().float().requires_grad_() for tensor in (query, key, values)]
    score, index = search_patches(found[0], found[1])
    (score.sum() + transfer_patches(found[2], index, (5, 5), (6, 7), 2).square().sum()).backward()
    true = [tensor.clone().requires_grad_() for tensor in (query, key, values)]
    score, index = all_pairs(true[0], true[1])
    (score.sum() + folded(true[2], index, (5, 5), 2).square().sum()).backward()
    for ours, theirs in zip(found, true, strict=True):
        assert torch.allclose(ours.grad.double(), theirs.grad, atol=1e-5)
