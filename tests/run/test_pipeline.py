"""Items go through reading, computing and writing beside each other; memory, failures and stopping are as without."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finesight.errors import CancelledError, InputError
from finesight.progress import Cancel
from finesight.run.pipeline import Outcome, Steps, run_pipeline

Numbers = Steps[int, int, int, int]


def steps(
    *,
    read: Callable[[int], int] = lambda item: item,
    compute: Callable[[int, int, int], int] = lambda _, __, value: 2 * value,
    write: Callable[[int, int], int] = lambda _, result: result + 1,
    size: Callable[[int], int] = lambda _: 1,
) -> Numbers:
    return Steps(read, compute, write, size)


def run(items: list[int], given: Numbers, **options: int) -> dict[int, Outcome[int, int]]:
    found = list(run_pipeline(items, given, **{"room": 100, **options}))
    assert len({outcome.item for outcome in found}) == len(found)
    return {outcome.item: outcome for outcome in found}


@given(count=st.integers(0, 30), room=st.integers(-1, 40), workers=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_every_item_has_one_outcome(count: int, room: int, workers: int) -> None:
    items = list(range(count))

    def fail(item: int) -> int:
        if item % 7 == 3:
            raise InputError(f"no {item}")
        return item

    found = run(items, steps(read=fail, size=lambda item: item), room=room, workers=workers)
    assert sorted(found) == items
    for item, outcome in found.items():
        if item % 7 == 3:
            assert (outcome.done, str(outcome.error)) == (None, f"no {item}")
        else:
            assert (outcome.done, outcome.error) == (2 * item + 1, None)


@pytest.mark.parametrize("place", ["read", "compute", "write"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_in_any_step_is_that_items_only(place: str, workers: int) -> None:
    def fail(*arguments: int) -> int:
        if arguments[1 if place == "compute" else 0] == 2:
            raise ValueError("two")
        return arguments[-1]

    found = run([1, 2, 3, 4], steps(**{place: fail}), workers=workers)
    assert [item for item, outcome in sorted(found.items()) if outcome.error is not None] == [2]


@pytest.mark.parametrize("workers", [1, 3])
def test_items_on_their_way_hold_no_more_than_the_room(workers: int) -> None:
    held, most, lock = 0, 0, threading.Lock()

    def change(by: int) -> None:
        nonlocal held, most
        with lock:
            held += by
            most = max(most, held)

    def read(item: int) -> int:
        change(item)
        return item

    def write(item: int, result: int) -> int:
        time.sleep(0.002)
        change(-item)
        return result

    items = [5, 1, 2, 9, 3, 3, 1, 4] * 3
    outcomes = list(run_pipeline(items, steps(read=read, write=write, size=lambda item: item), room=8, workers=workers))
    assert len(outcomes) == len(items)
    assert most <= 9  # the largest item alone is let in
    assert held == 0


def test_steps_run_beside_each_other() -> None:
    def slow(*arguments: int) -> int:
        time.sleep(0.03)
        return arguments[-1]

    began = time.perf_counter()
    run(list(range(10)), steps(read=slow, compute=slow, write=slow))
    assert time.perf_counter() - began < 0.75 * 10 * 3 * 0.03


def test_one_worker_computes_in_the_calling_thread_and_several_share() -> None:
    names: dict[int, set[int]] = {1: set(), 3: set()}
    numbers: set[int] = set()

    def compute(number: int, _: int, value: int) -> int:
        names[workers].add(threading.get_ident())
        numbers.add(number)
        time.sleep(0.005)
        return value

    for workers in names:
        run(list(range(12)), steps(compute=compute), workers=workers)
    assert names[1] == {threading.get_ident()}
    assert threading.get_ident() not in names[3]
    assert numbers == {0, 1, 2}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_computed_is_written_before_it_stops(workers: int) -> None:
    cancel, written = Cancel(), []

    def compute(_: int, item: int, value: int) -> int:
        if item == 4:
            cancel.set()
        if item > 4:
            cancel.check()
        return value

    def write(item: int, result: int) -> int:
        time.sleep(0.002)
        written.append(item)
        return result

    found: list[int] = []

    def follow() -> None:
        given = steps(compute=compute, write=write)
        for outcome in run_pipeline(list(range(50)), given, room=9, workers=workers, cancel=cancel):
            found.extend([outcome.item])

    with pytest.raises(CancelledError):
        follow()
    assert sorted(found) == sorted(written)
    assert set(range(5)) <= set(written)
    assert len(written) < 12


@pytest.mark.parametrize("place", ["read", "write"])
def test_what_is_no_error_of_an_item_ends_everything(place: str) -> None:
    def leave(*arguments: int) -> int:
        if arguments[0] == 3:
            raise SystemExit
        return arguments[-1]

    with pytest.raises(SystemExit):
        list(run_pipeline(list(range(9)), steps(**{place: leave}), room=3))
