"""The simulated adapter keeps the contract of adapters; it is the model for their authors."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from pydantic import ValidationError

from adapters.simulated import SimulatedAdapter
from adapters.simulated.settings import SimulatedSettings
from rt_edge.data.errors import TransientError
from rt_edge.testkit.adapter_contract import AdapterBench, AdapterContract
from rt_edge.testkit.adapter_harness import AdapterHarness


def harness(tmp_path, **settings):
    return AdapterHarness(SimulatedAdapter, SimulatedSettings(**settings), tmp_path)


class Bench(AdapterBench):
    can_vanish = False

    def number(self, reading):
        return reading.fields["count"]

    async def produce(self, n):
        """It makes readings by itself."""

    async def cut(self):
        """There is no connection: only the runtime can end it."""
        self.harness.context.lost(TransientError("cut by the test"))


class Paced:
    """Devices read every few milliseconds."""

    @asynccontextmanager
    async def bench(self, tmp_path):
        yield Bench(harness(tmp_path, devices=3, every="5ms"))


class AsFastAsAsked:
    """Devices read whenever there is demand."""

    @asynccontextmanager
    async def bench(self, tmp_path):
        yield Bench(harness(tmp_path, devices=2, every="0s"))


class TestPaced(Paced, AdapterContract):
    pass


class TestAsFastAsAsked(AsFastAsAsked, AdapterContract):
    pass


def test_slot_is_skipped_and_counted_when_nothing_is_asked_for(tmp_path):
    """A missed slot coalesces: it is not made up for later."""

    async def run():
        bench = harness(tmp_path, devices=2, every="5ms")
        await bench.adapter.open()
        await bench.until(lambda: bench.context.counts.get("polls_skipped", 0) >= 4, 5)
        assert not bench.emitted
        await bench.adapter.close()

    asyncio.run(run())


@pytest.mark.parametrize("wrong", [{"devices": 0}, {"every": "-1s"}, {"period": "0s"}, {"speed": 3}])
def test_settings_are_refused_when_they_make_no_sense(wrong):
    """Bounds and unknown keys are errors of the settings."""
    with pytest.raises(ValidationError):
        SimulatedSettings(**wrong)
