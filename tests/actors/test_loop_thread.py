"""The second thread: a real loop, real wake-ups."""

from __future__ import annotations

import asyncio
import select
import threading

import pytest

from rt_edge.actors.loop_thread import LoopThread
from rt_edge.data.errors import BufferOverflow, InternalError


@pytest.fixture
def thread():
    made = LoopThread("test", limit=8)
    made.start()
    yield made
    assert made.stop(5)


def wait(thread, count):
    """What the loop handed over, once `count` items have come."""
    got = []
    poll = select.poll()
    poll.register(thread.fileno(), select.POLLIN)
    while len(got) < count:
        assert poll.poll(5000), got
        got += thread.take()
    return got


def test_calls_run_in_the_loop_in_order_when_handed_over(thread):
    """Functions run on the loop's thread in the order they came."""
    for number in range(8):
        thread.to_loop(lambda n: thread.to_actor((n, threading.current_thread().name)), number)
    assert wait(thread, 8) == [(n, "test") for n in range(8)]


def test_descriptor_is_readable_only_when_something_waits(thread):
    """One wake-up for what has come together, none after it was taken."""
    done = threading.Event()
    thread.to_loop(lambda: [thread.to_actor(n) for n in range(5)] and done.set())
    assert done.wait(5)
    assert wait(thread, 5) == [0, 1, 2, 3, 4]
    assert not select.select([thread.fileno()], [], [], 0)[0]


def test_to_loop_raises_when_the_loop_is_blocked(thread):
    """The queue towards the loop is bounded, and goes on when the loop does."""
    blocked, release = threading.Event(), threading.Event()

    def block():
        blocked.set()
        release.wait(5)

    thread.to_loop(block)
    assert blocked.wait(5)
    for number in range(7):
        thread.to_loop(thread.to_actor, number)
    with pytest.raises(BufferOverflow):
        thread.to_loop(thread.to_actor, 99)
    release.set()
    assert wait(thread, 7) == list(range(7))


def test_what_must_not_be_lost_finds_room_in_order_when_the_queue_is_full(thread):
    """`tell_loop` still takes as much again, behind what waits already, and has a bound of its own."""
    blocked, release, seen = threading.Event(), threading.Event(), []

    def block():
        blocked.set()
        release.wait(5)

    thread.to_loop(block)
    assert blocked.wait(5)
    for number in range(7):
        thread.to_loop(seen.append, number)
    with pytest.raises(BufferOverflow):
        thread.to_loop(seen.append, -1)
    for number in range(7, 14):
        thread.tell_loop(seen.append, number)
    thread.tell_loop(lambda: thread.to_actor(list(seen)))
    with pytest.raises(BufferOverflow):
        thread.tell_loop(seen.append, -1)
    release.set()
    assert wait(thread, 1) == [list(range(14))]


def test_to_actor_raises_when_the_actor_does_not_take(thread):
    """The queue towards the actor is bounded."""
    told = []

    def flood():
        for number in range(9):
            try:
                thread.to_actor(number)
            except BufferOverflow as error:
                told.append(error)
        done.set()

    done = threading.Event()
    thread.to_loop(flood)
    assert done.wait(5)
    assert len(told) == 1
    assert wait(thread, 8) == list(range(8))


def test_loop_goes_on_when_a_call_raises():
    """An exception goes to `on_error`; the calls after it run."""
    errors = []
    thread = LoopThread("test", errors.append)
    thread.start()
    thread.to_loop(lambda: 1 / 0)
    thread.to_loop(thread.to_actor, "after")
    assert wait(thread, 1) == ["after"]
    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert thread.stop(5)


def test_tasks_are_cancelled_when_the_loop_stops():
    """A task that waits for ever sees its cancellation before the thread ends; afterwards nothing is taken."""
    thread, seen = LoopThread("test"), []
    thread.start()
    started = threading.Event()

    async def forever():
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    thread.to_loop(lambda: seen.append(thread.loop.create_task(forever())))
    assert started.wait(5)
    assert thread.stop(5)
    assert seen[1:] == ["cancelled"]
    with pytest.raises(InternalError):
        thread.to_loop(print)


def test_stop_says_no_when_the_loop_is_stuck():
    """A loop that is blocked does not hold its actor beyond the deadline."""
    thread, stuck, release = LoopThread("test"), threading.Event(), threading.Event()
    thread.start()
    thread.to_loop(lambda: stuck.set() or release.wait(5))
    assert stuck.wait(5)
    assert not thread.stop(0.05)
    release.set()
    assert thread.stop(5)
