"""Planning of tiles: pure arithmetic, checked on many shapes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finesight.errors import MemoryLimitError, SettingError
from finesight.nn.traits import Traits
from finesight.run.tiles import MOST_EXTRA_WORK, axis_spans, choose_plan, plan_tiles

sizes = st.integers(1, 400)


@settings(max_examples=300, deadline=None)
@given(
    length=sizes,
    tile=st.integers(1, 200),
    margin=st.integers(0, 40),
    multiple=st.sampled_from([1, 2, 3, 8]),
    blend=sizes,
)
def test_spans_fill_the_axis_with_context(length: int, tile: int, margin: int, multiple: int, blend: int) -> None:
    blend = min(blend, margin // 2)
    try:
        spans = axis_spans(length, tile, margin, multiple=multiple, blend=blend)
    except SettingError:
        assert tile < length  # only where a margin leaves nothing
        lowered = tile - (tile - length) % multiple
        assert (lowered - 2 * margin) // multiple * multiple < (4 * blend + 3 * multiple if blend else multiple)
        return
    assert spans[0].first == 0
    assert spans[-1].last == length
    assert all(a.last == b.first for a, b in itertools.pairwise(spans))
    assert len({s.length for s in spans}) == 1
    assert spans[0].length <= max(tile, 1) or len(spans) == 1
    for span in spans:
        assert 0 <= span.start <= span.first < span.last <= span.stop <= length
        assert span.start % multiple == 0
        assert span.start == 0 or span.first - span.start >= margin
        assert span.stop == length or span.stop - span.last >= margin
        assert span.before == (blend if span.first else 0)
        assert span.last - span.first >= span.before + span.after


@settings(max_examples=200, deadline=None)
@given(height=sizes, width=sizes, pixels=st.integers(16, 20000), margin=st.integers(0, 12))
def test_plans_respect_the_limit(height: int, width: int, pixels: int, margin: int) -> None:
    plan = plan_tiles(height, width, pixels, margin)
    if plan is None:
        assert min(height, 2 * margin + 1) * min(width, 2 * margin + 1) > pixels
        return
    assert plan.tile[0] * plan.tile[1] <= pixels
    assert len(list(plan)) == len(plan)
    area = sum((t.y.last - t.y.first) * (t.x.last - t.x.first) for t in plan)
    assert area == height * width


def test_one_tile_where_it_fits() -> None:
    plan = plan_tiles(300, 200, 60_000, 10)
    assert plan is not None
    assert len(plan) == 1
    assert plan.extra_work == 0


def test_planning_a_gigapixel_is_quick() -> None:
    plan = plan_tiles(40_000, 30_000, 384 * 384, 12)
    assert plan is not None
    assert plan.extra_work < 0.2


def traits(halo: int | None, **more: int) -> Traits:
    return Traits(
        task="super-resolution", scale=4, halo=halo, halo_reason="" if halo is not None else "attention", **more
    )


def test_exact_tiles_where_cheap() -> None:
    plan = choose_plan(1000, 1500, traits(12), most_pixels=10**6, good_pixels=256**2)
    assert plan is not None
    assert plan.exact
    assert plan.extra_work <= MOST_EXTRA_WORK
    assert len(plan) > 1


def test_larger_tiles_before_giving_up_exactness() -> None:
    assert choose_plan(1000, 1500, traits(60), most_pixels=256**2, good_pixels=256**2) is None
    plan = choose_plan(1000, 1500, traits(60), most_pixels=10**6, good_pixels=256**2)
    assert plan is not None
    assert plan.tile[0] * plan.tile[1] > 256**2
    assert plan.extra_work <= MOST_EXTRA_WORK


def test_exact_on_request() -> None:
    plan = choose_plan(1000, 1500, traits(60), most_pixels=256**2, good_pixels=256**2, exact=True)
    assert plan is not None
    assert plan.margin == 60
    assert plan.extra_work > MOST_EXTRA_WORK
    with pytest.raises(MemoryLimitError, match="Leave out exact"):
        choose_plan(1000, 1500, traits(350), most_pixels=256**2, good_pixels=256**2, exact=True)


def test_unbounded_halo() -> None:
    whole = choose_plan(300, 200, traits(None), most_pixels=10**6, good_pixels=1000)
    assert whole is not None
    assert len(whole) == 1
    assert choose_plan(3000, 2000, traits(None), most_pixels=10**6, good_pixels=1000) is None
    with pytest.raises(SettingError, match="attention"):
        choose_plan(3000, 2000, traits(None), most_pixels=10**6, good_pixels=1000, exact=True)
