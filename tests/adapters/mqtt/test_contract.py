"""The MQTT adapter under the contract of all adapters, on the broker of the testkit and on mosquitto, v5 and v3.1.1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import ClassVar

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
    def __init__(self, harness: AdapterHarness, broker: TestBroker | MosquittoProcess, feeder: RawClient, place: str) -> None:
        super().__init__(harness)
        self.broker = broker
        self.feeder = feeder
        self.place = place
        self.made = 0

    async def produce(self, n: int) -> None:
        for _ in range(n):
            self.made += 1
            await self.feeder.publish(f"{self.place}/a", b'{"n": %d}' % self.made)

    def number(self, reading: Reading) -> int:
        return int(str(reading.fields["n"]))

    def acknowledged(self) -> Sequence[int] | None:
        if isinstance(self.broker, TestBroker):
            return [mid for name, one in self.broker.sessions.items() if name != "feeder" for mid in one.acknowledged]
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

    def place(self) -> str:
        """Where the topics of the next bench begin."""
        return "dev"

    def broker(self, tmp_path: Path) -> TestBroker | MosquittoProcess:
        return TestBroker()

    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[AdapterBench]:
        return self._bench(tmp_path)

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        data = tmp_path / "data"
        data.mkdir()
        async with self.broker(tmp_path) as broker:
            url, place = f"mqtt://127.0.0.1:{broker.port}", self.place()
            subscribe = [{"topic": f"{place}/{{device}}"}]
            settings = MqttSettings.model_validate(
                {"url": url, "version": self.version, "client": self.client, "subscribe": subscribe}
            )
            feeder = RawClient(broker.port, p.Connect("feeder" if place == "dev" else f"feeder of {place}"))
            await feeder.open()
            bench = Bench(AdapterHarness(MqttAdapter, settings, data), broker, feeder, place)
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


class _Running(MosquittoProcess):
    """A broker that somebody else has started, and stops."""

    def __init__(self, port: int) -> None:
        super().__init__(Path(), Path())
        self.port = port

    async def start(self) -> None:
        """It runs."""


class OnSharedMosquitto(OnTestkit):
    """A real broker for all tests of a class, each with topics of its own; it is never taken away."""

    port: ClassVar[int]
    places: ClassVar[Iterator[int]]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _one(cls, mosquitto_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        with asyncio.Runner() as runner:
            broker = MosquittoProcess(mosquitto_path, tmp_path_factory.mktemp("mosquitto"))
            runner.run(broker.start())
            cls.port, cls.places = broker.port, count()
            yield
            runner.run(broker.stop())

    def place(self) -> str:
        return f"dev{next(self.places)}"

    def broker(self, tmp_path: Path) -> TestBroker | MosquittoProcess:
        return _Running(self.port)


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


class TestV311OnMosquitto(OnMosquitto, AdapterContract):
    version = "3.1.1"


class TestFastV311OnMosquitto(OnMosquitto, AdapterContract):
    client = "fast"
    version = "3.1.1"
