"""Goal: a member fails alone, waits longer each time, and says why. Method: members of the test's own on a real asyncio loop."""

from __future__ import annotations

import asyncio

import pytest

from rt_edge.actors.island.member import Member
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import ConfigError, FatalAdapterError
from rt_edge.streams.blueprint import Blueprint


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
