"""The host under a virtual clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rt_edge.data.errors import InternalError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.stages.ignore import Ignore
from rt_edge.streams.stages.iterate import Iterate
from rt_edge.testkit.virtual_clock import Sleep, VirtualClock, VirtualHost


def test_timers_fire_in_order_when_time_is_advanced() -> None:
    """Nothing happens before time is moved; timers come in the order of their time, a cancelled one not at all."""
    host = VirtualHost()
    seen: list[tuple[str, float]] = []
    host.later(2.0, lambda: seen.append(("late", host.time.now)))
    host.later(1.0, lambda: seen.append(("early", host.time.now)))
    host.later(1.5, lambda: seen.append(("never", host.time.now)))()
    host.soon(lambda: seen.append(("soon", host.time.now)))
    assert seen == []
    host.settle()
    host.advance(3.0)
    assert seen == [("soon", 0.0), ("early", 1.0), ("late", 2.0)]
    assert host.clock.monotonic() == 3.0


def test_coroutine_sleeps_in_virtual_time_when_it_is_spawned() -> None:
    """A coroutine runs on `Sleep`; its result or error is told; a cancelled one is closed."""
    host = VirtualHost()
    done: list[Any] = []

    async def work(error: Exception | None) -> str:
        await Sleep(1.0)
        await Sleep(1.0)
        if error:
            raise error
        return "result"

    host.spawn(work(None), lambda result, error: done.append((result, error)))
    wrong = ValueError("wrong")
    host.spawn(work(wrong), lambda result, error: done.append((result, error)))
    cancel = host.spawn(work(None), lambda result, error: done.append("cancelled ones do not tell"))
    host.advance(1.5)
    cancel()
    assert done == []
    host.advance(0.5)
    assert done == [("result", None), (None, wrong)]


def test_coroutine_fails_when_it_waits_for_anything_but_sleep() -> None:
    """A real asyncio wait is an error that says so, not a hang."""
    host = VirtualHost()
    done: list[Any] = []

    async def work() -> None:
        await asyncio.Event().wait()

    loop = asyncio.new_event_loop()
    asyncio.events._set_running_loop(loop)
    try:
        host.spawn(work(), lambda result, error: done.append(error))
        host.settle()
    finally:
        asyncio.events._set_running_loop(None)
        loop.close()
    assert isinstance(done[0], InternalError)
    assert "Sleep only" in str(done[0])


def test_endless_engine_is_reported_when_it_never_rests() -> None:
    """An endless source into a sink that always asks does not hang the test."""
    host = VirtualHost(seed=1)
    blueprint = Blueprint()

    def endless() -> Any:
        while True:
            yield 1

    blueprint.connect(blueprint.add(Iterate(endless(), chunk=1)), blueprint.add(Ignore()))
    engine = Engine(blueprint, host)
    host.attach(engine)
    engine.start()
    with pytest.raises(InternalError, match="no rest after"):
        host.settle()


def test_hosts_share_time_when_they_share_a_clock() -> None:
    """Two engines under one clock see one time."""
    clock = VirtualClock()
    first, second = VirtualHost(clock), VirtualHost(clock)
    first.advance(1.0)
    assert second.clock.monotonic() == 1.0
