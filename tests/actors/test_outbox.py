"""The queues of what waits for local actors."""

from __future__ import annotations

import pytest

from rt_edge.actors.outbox import LocalOutbox
from rt_edge.data.errors import BufferOverflow

A, B = ("a",), ("b",)


def outbox(limit=3):
    sent = []
    return LocalOutbox(lambda key, item: sent.append((key, item)), limit), sent


def test_one_transmit_is_under_way_when_many_are_put():
    """The second message to a target waits for the end of the first; another target does not."""
    box, sent = outbox()
    for item in (1, 2, 3):
        box.put(A, item)
    box.put(B, 9)
    assert sent == [(A, 1), (B, 9)]
    assert (box.in_flight(), box.waiting()) == (2, 2)
    box.completed(A)
    box.completed(A)
    assert sent[2:] == [(A, 2), (A, 3)]


def test_put_raises_when_the_limit_waits():
    """Beyond the limit nothing is taken, and what waits stays in order."""
    box, sent = outbox(2)
    for item in (1, 2, 3):
        box.put(A, item)
    with pytest.raises(BufferOverflow, match="2 messages wait"):
        box.put(A, 4)
    for _ in range(3):
        box.completed(A)
    assert [item for _, item in sent] == [1, 2, 3]


def test_stack_does_not_grow_when_transmits_end_at_once():
    """A thousand transmits that end during their own call need no recursion."""
    sent = []

    def transmit(key, item):
        sent.append(item)
        if item:
            box.completed(key)

    box = LocalOutbox(transmit, 2000)
    box.put(A, 0)
    for item in range(1, 1500):
        box.put(A, item)
    box.completed(A)
    assert sent == list(range(1500))
    assert box.in_flight() == 0
    assert not box._lanes


def test_waiting_messages_are_counted_when_the_target_is_given_up():
    """`abandon` says how many it forgot; a stray completion is harmless."""
    box, sent = outbox()
    for item in (1, 2, 3):
        box.put(A, item)
    assert box.abandon(A) == 2
    assert box.abandon(B) == 0
    box.completed(A)
    box.completed(A)
    box.put(A, 4)
    assert sent == [(A, 1), (A, 4)]
