"""The published pool: what comes out has gone in, in pairs, once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from finesight.data.pool import PairPool
from finesight.errors import SettingError


def pairs(*numbers: int) -> tuple[Tensor, Tensor]:
    low = torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1, 1, 1)
    return low, (low + 100).expand(-1, 1, 2, 2)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_pool_fills_and_then_mixes() -> None:
    pool = PairPool(6, generator())
    for start in (0, 2, 4):
        low, high = pool.exchange(*pairs(start, start + 1))
        assert low.flatten().tolist() == [start, start + 1], "while it fills the batch is used as it is"
    out: list[float] = []
    for start in range(6, 40, 2):
        low, high = pool.exchange(*pairs(start, start + 1))
        assert torch.equal(high[:, 0, 0, 0], low.flatten() + 100), "pairs stay pairs"
        out += low.flatten().tolist()
    assert pool.low is not None
    assert sorted(out + pool.low.flatten().tolist()) == list(range(40)), "nothing twice, nothing lost"
    assert out != sorted(out)


def test_a_pool_goes_on_where_it_was() -> None:
    one = PairPool(4, generator())
    for start in range(0, 12, 2):
        one.exchange(*pairs(start, start + 1))
    other = PairPool(4, torch.Generator())
    other.restore(one.state())
    for start in range(12, 20, 2):
        assert torch.equal(one.exchange(*pairs(start, start + 1))[0], other.exchange(*pairs(start, start + 1))[0])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SettingError, match="at least 1"):
        PairPool(0, generator())
    pool = PairPool(4, generator())
    with pytest.raises(SettingError, match="multiple of the batch, got 3"):
        pool.exchange(*pairs(1, 2, 3))
    pool.exchange(*pairs(1, 2))
    with pytest.raises(SettingError, match="pairs of"):
        pool.exchange(torch.zeros(2, 1, 3, 3), torch.zeros(2, 1, 2, 2))
