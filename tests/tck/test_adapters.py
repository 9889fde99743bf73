"""Adapters as publishers keep the rules: simulated devices, a broker, a slave, an instrument; on a real loop, sockets and ptys.

A device has no end, and an adapter serves one stream at a time; what the specification says of completion is left out by that.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import entry_points
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest

from adapters.modbus import ModbusAdapter
from adapters.modbus.settings import ModbusSettings
from adapters.mqtt import MqttAdapter
from adapters.mqtt.settings import MqttSettings
from adapters.serial import SerialAdapter
from adapters.serial.settings import SerialSettings
from adapters.simulated import SimulatedAdapter
from adapters.simulated.settings import SimulatedSettings
from rt_edge.data.clock import SystemClock
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.protocol.roles import Publisher, Subscriber
from rt_edge.sdk.adapter import DeviceAdapter
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.sdk.source import AdapterSource
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.streams.dsl import Source
from rt_edge.streams.host import AsyncioHost
from rt_edge.testkit.modbus_slave import SlaveBank, SlaveUnit, TcpSlave
from rt_edge.testkit.mqtt_broker import TestBroker as Broker
from rt_edge.testkit.serial_instrument import Instrument
from rt_edge.testkit.tck import Environment, OnLoop, PublisherVerification

SIGNAL_S = 10.0
QUIET_S = 0.005


NOT_YET = {"ble", "coap"}
"""Adapters that only the adapter contract (`rt_edge.testkit.adapter_contract`) tries out so far, not this kit."""


def test_every_adapter_is_here_when_entry_points_are_read() -> None:
    """An adapter that rt-edge brings along has its verification in this file, or is named as one that has none."""
    brought = {found.name for found in entry_points(group="rt_edge.adapters") if found.value.startswith("adapters.")}
    verified = {cls.adapter.kind for cls in (TestSimulated, TestMqtt, TestModbus, TestSerial)}
    assert brought - NOT_YET == verified
    assert not verified & NOT_YET


class OnItsLoop:
    """A publisher that is called inside its loop, as an adapter's users are."""

    def __init__(self, loop: asyncio.AbstractEventLoop, publisher: Publisher[Any]) -> None:
        self.loop, self.publisher = loop, publisher

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        async def call() -> None:
            self.publisher.subscribe(subscriber)

        self.loop.run_until_complete(call())


class AdapterPublisher(PublisherVerification):
    __test__ = False
    max_elements_from_publisher = UNBOUNDED
    max_supported_subscribers = 1
    strict = True
    adapter: type[DeviceAdapter]
    declined: ClassVar[dict[str, str]] = {
        "test_required_spec303_long_stream_does_not_deepen_the_stack": "1,200 polls one after the other take seconds",
        "test_untested_spec314_cancel_may_cause_the_publisher_to_shutdown_if_no_other_subscription_exists": (
            "a stream over an adapter owns it: another one begins with an adapter of its own"
        ),
    }

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def setup_method(self) -> None:
        self.loop = asyncio.new_event_loop()

    def teardown_method(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()

        async def end() -> None:
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.stop_peer()

        self.loop.run_until_complete(end())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def create_environment(self) -> Environment:
        return OnLoop(self.loop, SIGNAL_S, QUIET_S)

    def create_publisher(self, elements: int) -> Publisher[Any]:
        settings = self.loop.run_until_complete(self.start_peer(elements))
        frozen = freeze(melt(settings))
        runner = AdapterRunner("plc", lambda context: self.adapter(frozen, context), SystemClock(), Random(1), self.folder)
        source = Source(AdapterSource(runner=runner, capability=self.adapter.capability(frozen)))
        return OnItsLoop(self.loop, source.as_publisher(lambda: AsyncioHost(loop=self.loop)))

    async def start_peer(self, elements: int) -> Any:
        """Start what the adapter reads, with so many elements at least; its settings."""
        raise NotImplementedError

    async def stop_peer(self) -> None:
        """Nothing was started."""


class TestSimulated(AdapterPublisher):
    __test__ = True
    adapter = SimulatedAdapter

    async def start_peer(self, elements: int) -> Any:
        return SimulatedSettings.model_validate({"every": "0s"})


class TestMqtt(AdapterPublisher):
    """Elements wait at the broker as retained messages."""

    __test__ = True
    adapter = MqttAdapter

    async def start_peer(self, elements: int) -> Any:
        self.brokers = [*getattr(self, "brokers", []), Broker()]
        broker = self.brokers[-1]
        await broker.start()
        for n in range(elements):
            broker.publish(f"t/{n}", b"%d" % n, qos=1, retain=True)
        subscribe = [{"filter": "t/#", "codec": "raw", "type": "str"}]
        return MqttSettings.model_validate({"url": f"mqtt://127.0.0.1:{broker.port}", "subscribe": subscribe})

    async def stop_peer(self) -> None:
        for broker in getattr(self, "brokers", []):
            await broker.stop()


class TestModbus(AdapterPublisher):
    """A slave that is polled as fast as it is asked."""

    __test__ = True
    adapter = ModbusAdapter

    async def start_peer(self, elements: int) -> Any:
        self.slaves = [*getattr(self, "slaves", []), TcpSlave(SlaveBank({1: SlaveUnit(holding=list(range(10)))}))]
        slave = self.slaves[-1]
        await slave.start()
        points = {"pressure": {"holding": 0}}
        units = {"pump": {"unit": 1, "every": "10ms", "points": points}}
        return ModbusSettings.model_validate({"channel": {"tcp": f"{slave.host}:{slave.port}"}, "units": units})

    async def stop_peer(self) -> None:
        for slave in getattr(self, "slaves", []):
            await slave.stop()


class TestSerial(AdapterPublisher):
    """An instrument on a pty that is asked as fast as anybody asks."""

    __test__ = True
    adapter = SerialAdapter

    async def start_peer(self, elements: int) -> Any:
        self.instruments = getattr(self, "instruments", [])
        instrument = Instrument(self.folder / f"tty{len(self.instruments)}", lambda line: [(0.0, b"%d\r" % len(instrument.got))])
        self.instruments.append(instrument)
        instrument.plug()
        poll = {"requests": {"pressure": {"request": "P?\r", "every": "10ms"}}}
        return SerialSettings.model_validate(
            {"port": str(instrument.path), "framing": {"kind": "delimiter", "delimiter": "\r"}, "poll": poll}
        )

    async def stop_peer(self) -> None:
        for instrument in getattr(self, "instruments", []):
            instrument.unplug()
