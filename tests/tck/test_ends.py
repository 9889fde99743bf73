"""Ends that have to be closed behind them keep the rules as subscribers: the spool, files, an adapter's peer, commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rt_edge.commands import sink as command_sink
from rt_edge.commands.command import Command, Outcome
from rt_edge.commands.sink import CommandSink, CommandTarget
from rt_edge.data.clock import SystemClock
from rt_edge.data.reading import Reading
from rt_edge.protocol.roles import Subscriber
from rt_edge.sdk import sink
from rt_edge.sdk.adapter import Capability, DeviceAdapter
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.sdk.sink import AdapterSink
from rt_edge.spool.sink import SpoolSink
from rt_edge.spool.worker import SpoolWorker
from rt_edge.streams.dsl import Sink, SinkSubscriber
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.to_path import ToPath
from rt_edge.testkit.spool_bench import open_spool
from rt_edge.testkit.tck import Environment, OnLoop, SubscriberBlackboxVerification
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost

WINDOW = 1
"""Elements that an end asks for at a time, so that it has to ask again."""


class AsSubscriber(SubscriberBlackboxVerification, abstract=True):
    """An end that takes Readings."""

    strict = True

    def create_element(self, index: int) -> Reading:
        return Reading("plc/pump", index, {"setpoint": index})

    def stop(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, SinkSubscriber)
        subscriber.stop()


class OnARealLoop(AsSubscriber, abstract=True):
    """For what works with tasks or threads of its own."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def setup_method(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.made: list[tuple[SinkSubscriber, Callable[[], Any]]] = []

    def teardown_method(self) -> None:
        self.loop.run_until_complete(self._end())
        self.loop.close()

    async def _end(self) -> None:
        for subscriber, close in self.made:
            subscriber.stop()
            await close()

    def create_environment(self) -> Environment:
        return OnLoop(self.loop, 5.0, 0.01)

    def create_subscriber(self) -> Subscriber[Any]:
        async def begin() -> SinkSubscriber:
            stage, close = self.end()
            subscriber: SinkSubscriber = Sink(stage).as_subscriber(AsyncioHost(), WINDOW)
            self.made.append((subscriber, close))
            return subscriber

        return self.loop.run_until_complete(begin())

    def end(self) -> tuple[Stage, Callable[[], Any]]:
        """The end, and what closes what it uses."""
        raise NotImplementedError


class TestSpool(OnARealLoop):
    """What becomes durable on the way to an uplink."""

    def end(self) -> tuple[Stage, Callable[[], Any]]:
        worker = SpoolWorker(open_spool(self.folder / f"{len(self.made)}.db"))
        return SpoolSink(worker=worker, window=WINDOW), lambda: self.loop.run_in_executor(None, worker.close)


class TestFile(OnARealLoop):
    """What is written to a file."""

    def create_element(self, index: int) -> Any:
        return b"%d" % index

    def end(self) -> tuple[Stage, Callable[[], Any]]:
        async def closed() -> None:
            """Its own thread closes it."""

        return ToPath(path=self.folder / str(len(self.made)), demand=WINDOW), closed


class Printer(DeviceAdapter):
    """A peer that confirms in the next turn."""

    kind = "printer"

    @classmethod
    def settings_model(cls) -> Any:
        raise NotImplementedError

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        return Capability("volatile", "bounded_drop")

    async def open(self) -> None:
        """At once."""

    def demand(self, n: int) -> None:
        """It has nothing to say."""

    async def close(self) -> None:
        """At once."""

    async def deliver(self, readings: Sequence[Reading]) -> None:
        await asyncio.sleep(0)


class TestAdapter(OnARealLoop):
    """What leaves to an adapter's peer."""

    @pytest.fixture(autouse=True)
    def _narrow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sink, "WINDOW", WINDOW)

    def end(self) -> tuple[Stage, Callable[[], Any]]:
        folder = self.folder / str(len(self.made))
        folder.mkdir()
        runner = AdapterRunner("plc", lambda context: Printer(None, context), SystemClock(), Random(1), folder)
        return AdapterSink(runner=runner), runner.closed


class Door:
    """Confirms each command at once."""

    def write(self, point: str, command: Command, tell: Any) -> None:
        tell(Outcome(command.key, "accepted", False))
        tell(Outcome(command.key, "confirmed", True))


class TestCommands(AsSubscriber):
    """What is written to a device."""

    @pytest.fixture(autouse=True)
    def _narrow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command_sink, "WINDOW", WINDOW)

    def setup_method(self) -> None:
        self.clock = VirtualClock()

    def settle(self) -> None:
        VirtualHost(self.clock).advance(0.0)

    def step(self) -> bool:
        return self.clock.step()

    def create_subscriber(self) -> Subscriber[Any]:
        target = CommandTarget("pump-1/setpoint", "setpoint", 10.0, False, "control")
        return Sink(CommandSink(door=Door(), target=target)).as_subscriber(VirtualHost(self.clock, seed=7), WINDOW)
