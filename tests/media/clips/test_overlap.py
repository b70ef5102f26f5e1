"""Producers that work ahead: order, bounds, errors and ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from finesight.errors import InputError, SettingError
from finesight.media.clips.overlap import Consumer, overlapped


@pytest.mark.parametrize("ahead", [0, 1, 4])
def test_items_keep_their_order(ahead: int) -> None:
    assert list(overlapped(iter(range(50)), ahead=ahead)) == list(range(50))


def test_no_more_than_asked_are_made_ahead() -> None:
    made = []

    def produce() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = overlapped(produce(), ahead=3)
    assert next(items) == 0
    time.sleep(0.1)
    assert len(made) <= 5  # one taken, three waiting, one in the hand
    items.close()


def test_an_error_comes_after_the_items_before_it() -> None:
    def produce() -> Iterator[int]:
        yield 1
        raise InputError("broken")

    items = overlapped(produce())
    assert next(items) == 1
    with pytest.raises(InputError, match="broken"):
        next(items)


def test_leaving_early_ends_and_closes_the_producer_in_its_own_thread() -> None:
    ended = []

    def produce() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            ended.append(threading.current_thread().name)

    items = overlapped(produce(), ahead=2)
    next(items)
    items.close()
    assert ended == ["finesight-ahead"]


def test_work_overlaps() -> None:
    def produce() -> Iterator[int]:
        for number in range(6):
            time.sleep(0.03)
            yield number

    started = time.perf_counter()
    for _ in overlapped(produce()):
        time.sleep(0.03)
    assert time.perf_counter() - started < 0.33  # 0.36 s one after the other


def test_negative_is_refused() -> None:
    with pytest.raises(SettingError, match="-1"):
        overlapped([], ahead=-1)


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_consumer_takes_all_in_order(ahead: int) -> None:
    taken: list[int] = []
    consumer = Consumer(taken.append, ahead)
    for number in range(20):
        consumer.put(number)
    consumer.finish()
    assert taken == list(range(20))


def test_a_consumers_error_is_raised() -> None:
    taken: list[int] = []

    def take(number: int) -> None:
        if number == 2:
            raise InputError("no more")
        taken.append(number)

    consumer = Consumer(take, 1)
    for number in range(3):
        consumer.put(number)
    with pytest.raises(InputError, match="no more"):
        consumer.finish()
    assert taken == [0, 1]
