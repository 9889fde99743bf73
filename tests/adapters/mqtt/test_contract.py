"""The MQTT adapter under the contract of all adapters, on the broker of the testkit and on mosquitto, v5 and v3.1.1."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from adapters.mqtt import MqttAdapter
from adapters.mqtt.settings import MqttSettings
from rt_edge.data.reading import Reading
from rt_edge.testkit.adapter_contract import AdapterBench, AdapterContract
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import TestBroker
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient


class Bench(AdapterBench):
    def __init__(self, harness: AdapterHarness, broker: TestBroker | MosquittoProcess, feeder: RawClient) -> None:
        super().__init__(harness)
        self.broker = broker
        self.feeder = feeder
        self.made = 0

    async def produce(self, n: int) -> None:
        for _ in range(n):
            self.made += 1
            await self.feeder.publish("dev/a", b'{"n": %d}' % self.made)

    def number(self, reading: Reading) -> int:
        return int(str(reading.fields["n"]))

    def acknowledged(self) -> Sequence[int] | None:
        if isinstance(self.broker, TestBroker):
            (session,) = [one for name, one in self.broker.sessions.items() if name != "feeder"]
            return tuple(session.acknowledged)
        return None  # mosquitto shows none

    async def vanish(self) -> None:
        await self.feeder.close()
        await self.broker.stop()

    async def appear(self) -> None:
        await self.broker.start()
        self.feeder = RawClient(self.broker.port, p.Connect("feeder"))
        await self.feeder.open()

    async def cut(self) -> None:
        if isinstance(self.broker, TestBroker):
            next(c for name, c in self.broker.connections.items() if name != "feeder").cut()
            return
        await super().cut()


class OnTestkit:
    """A broker of the testkit."""

    version = "5"
    client = "paho"

    def broker(self, tmp_path: Path) -> TestBroker | MosquittoProcess:
        return TestBroker()

    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[AdapterBench]:
        return self._bench(tmp_path)

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        data = tmp_path / "data"
        data.mkdir()
        async with self.broker(tmp_path) as broker:
            url = f"mqtt://127.0.0.1:{broker.port}"
            subscribe = [{"topic": "dev/{device}"}]
            settings = MqttSettings.model_validate(
                {"url": url, "version": self.version, "client": self.client, "subscribe": subscribe}
            )
            feeder = RawClient(broker.port, p.Connect("feeder"))
            await feeder.open()
            bench = Bench(AdapterHarness(MqttAdapter, settings, data), broker, feeder)
            try:
                yield bench
            finally:
                await bench.harness.close()
                await bench.feeder.close()


class OnMosquitto(OnTestkit):
    """A real broker."""

    @pytest.fixture(autouse=True)
    def _program(self, mosquitto_path: Path) -> None:
        self.program = mosquitto_path

    def broker(self, tmp_path: Path) -> TestBroker | MosquittoProcess:
        return MosquittoProcess(self.program, tmp_path / "mosquitto")


class TestV5OnTestkit(OnTestkit, AdapterContract):
    pass


class TestV311OnTestkit(OnTestkit, AdapterContract):
    version = "3.1.1"


class TestFastV5OnTestkit(OnTestkit, AdapterContract):
    client = "fast"


class TestFastV311OnTestkit(OnTestkit, AdapterContract):
    client = "fast"
    version = "3.1.1"


class TestV5OnMosquitto(OnMosquitto, AdapterContract):
    pass


class TestFastOnMosquitto(OnMosquitto, AdapterContract):
    client = "fast"
