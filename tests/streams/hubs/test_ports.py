"""The queue of one consumer: what is kept when it is full is what the obvious function on lists keeps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.streams.hubs.ports import Port, SlowConsumer

SIZE = 4


def model(policy: str, queue: list[int], items: list[int]) -> list[int]:
    """What is kept, element by element (drop_tail, drop_buffer: by batch, as they come)."""
    if policy == "drop_head":
        return (queue + items)[-SIZE:]
    if policy == "drop_new":
        return (queue + items)[:SIZE]
    over = len(queue) + len(items) - SIZE
    if policy == "drop_buffer":
        return items[-SIZE:] if over > 0 else queue + items
    if over <= 0:
        return queue + items
    return (queue[: max(0, len(queue) - over)] + items[-SIZE:])[:SIZE]


@pytest.mark.parametrize("policy", ["drop_head", "drop_new", "drop_tail", "drop_buffer"])
@given(acts=st.lists(st.one_of(st.integers(1, 9), st.integers(-3, -1)), max_size=30))
def test_queue_keeps_what_its_policy_says_when_it_is_full(policy: Any, acts: list[int]) -> None:
    """Batches of any size; every element was taken, waits, or is counted."""
    port = Port("p", lambda: None, SIZE, SlowConsumer(overflow=policy))
    queue: list[int] = []
    sent = 0
    for act in acts:
        if act > 0:
            items = list(range(sent, sent + act))
            sent += act
            port.put(items, 0.0)
            queue = model(policy, queue, items)
        else:
            assert port.take(-act) == queue[:-act]
            queue = queue[-act:]
        assert list(port.queue) == queue
        assert sent == len(queue) + port.counters["dropped_overflow"] + port.counters["passed"]


def test_time_is_counted_from_the_moment_the_queue_is_full_and_anew_when_something_is_taken() -> None:
    """Not from the first element; other policies hold up nobody."""
    port = Port("p", lambda: None, 2, SlowConsumer(within=1.0))
    port.put([1], 1.0)
    assert port.full_since is None
    port.put([2], 2.0)
    assert port.full_since == 2.0
    port.take(1)
    assert port.full_since is None
    port.put([3], 4.0)
    assert port.full_since == 4.0
    other = Port("p", lambda: None, 1, SlowConsumer(overflow="drop_new"))
    other.put([1, 2], 1.0)
    assert other.full_since is None
