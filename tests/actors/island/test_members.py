"""Goal: a member fails alone, waits longer each time, and says why. Method: members of the test's own on a real asyncio loop."""

from __future__ import annotations

import asyncio

import pytest

from rt_edge.actors.island.member import Member
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import ConfigError, FatalAdapterError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.dsl import Sink, Source


class High:
    """Randomness that always takes the upper bound."""

    def uniform(self, _low, high):
        return high


class Trouble(Member):
    """Cannot be built, for the reasons given, then runs."""

    def __init__(self, *reasons):
        super().__init__("graph/x", SystemClock(), High())
        self.reasons = list(reasons)
        self.waits: list[float] = []
        self._backoff._first_s = 0.01
        self.running = asyncio.Event()

    def build(self):
        if self.reasons:
            raise self.reasons.pop(0)
        self.running.set()
        return Blueprint()


def test_a_member_that_cannot_be_built_is_tried_again_later_each_time_and_then_runs():
    """The reason is in its status meanwhile; each wait is twice the last."""

    async def run():
        member = Trouble(*[OSError(f"no disk {n}") for n in range(5)])
        began = asyncio.get_running_loop().time()
        member.start()
        assert member.status().state == "waiting"
        assert member.status().error == "no disk 0"
        async with asyncio.timeout(5):
            await member.running.wait()
        waited = asyncio.get_running_loop().time() - began
        assert waited >= 0.01 + 0.02 + 0.04 + 0.08 + 0.16  # without backoff it would be 0.05
        assert member.restarts == 5
        assert (member.state, member.error) == ("running", "")
        member.stop()

    asyncio.run(run())


@pytest.mark.parametrize("error", [ConfigError("no such port"), FatalAdapterError("wrong model")])
def test_a_member_that_will_never_work_stays_off_with_its_reason(error):
    """What only a person can change is not tried again."""

    async def run():
        member = Trouble(error)
        member.start()
        assert (member.state, member.error) == ("failed", str(error))
        assert member.restarts == 0

    asyncio.run(run())


def test_a_stopped_member_does_not_come_again_when_it_was_waiting():
    """A stop takes back the next try."""

    async def run():
        member = Trouble(OSError("no disk"))
        member.start()
        member.stop()
        await asyncio.wait([asyncio.create_task(member.running.wait())], timeout=0.1)
        assert not member.running.is_set()
        assert member.state == "stopped"

    asyncio.run(run())


class Asking(Member):
    """Elements go through a coroutine that never comes back."""

    def __init__(self, clock, asks):
        super().__init__("graph/x", clock, High())
        self.asks = asks

    def build(self):
        async def never(_):
            await asyncio.Event().wait()

        source = Source.from_iterable([1, 2, 3]) if self.asks else Source.never()
        return source.map_async(never, name="ask").to(Sink.ignore(name="end")).blueprint


@pytest.mark.parametrize(("asks", "node", "waits_for"), [(True, "ask", "work"), (False, "never", "element")])
def test_status_names_who_waits_when_nothing_moves(monkeypatch, asks, node, waits_for):
    """It says for what, and since when; it says nothing of a member that has just begun, nor of one that was stopped."""
    monkeypatch.setattr("rt_edge.actors.island.member.STILL_S", 0.02)

    async def run():
        member = Asking(SystemClock(), asks)
        member.start()
        assert member.status().waits == []
        async with asyncio.timeout(10):
            while not member.status().waits:  # noqa: ASYNC110 - nothing rings when a timer of the loop has fired
                await asyncio.sleep(0)
        status = member.status()
        member.stop()
        return status, member.status()

    status, after = asyncio.run(run())
    assert [(wait.node, wait.waits_for, wait.idle) for wait in status.waits] == [(node, waits_for, not asks)]
    assert status.still_s >= 0.02
    assert after.waits == []
