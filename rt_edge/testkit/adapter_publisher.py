"""AdapterPublisherContract: an adapter as a publisher keeps the rules of Reactive Streams (`rt_edge.testkit.tck`).

A device has no end, so the stream takes as many Readings as a test wants, and ends: then the adapter is let go. An adapter serves
one stream at a time, so what the specification says of several subscribers is left out; and of publishers that fail, since a
source never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rt_edge.protocol.roles import Publisher, Subscriber
from rt_edge.sdk.source import AdapterSource
from rt_edge.streams.dsl import Source
from rt_edge.streams.host import AsyncioHost
from rt_edge.testkit.adapter_bench import AdapterBench, Benched
from rt_edge.testkit.adapter_played import PlayedLife
from rt_edge.testkit.tck import Environment, OnLoop, PublisherVerification

SIGNAL_S = 10.0
QUIET_S = 0.005


class _OnItsLoop:
    """A publisher that is called inside its loop, as an adapter's users are."""

    def __init__(self, loop: asyncio.AbstractEventLoop, publisher: Publisher[Any]) -> None:
        self.loop, self.publisher = loop, publisher

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        async def call() -> None:
            self.publisher.subscribe(subscriber)

        self.loop.run_until_complete(call())


class AdapterPublisherContract(Benched, PublisherVerification, abstract=True):
    """Give it a `bench`, as an `AdapterContract`; each test has one of its own for each publisher."""

    max_elements_from_publisher = 1000
    max_supported_subscribers = 1
    stochastic_runs = 3
    strict = True
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
        """A loop for each test."""
        self.loop = asyncio.new_event_loop()
        self._peers = AsyncExitStack()
        self._lives: list[PlayedLife] = []
        self._feeding: set[asyncio.Task[None]] = set()

    def teardown_method(self) -> None:
        """Streams end, then the devices."""
        self.loop.run_until_complete(self._end())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    async def _end(self) -> None:
        for task in self._feeding:
            task.cancel()
        for life in self._lives:
            await life.runner.stop()
            await life.runner.closed()
        await self._peers.aclose()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def create_environment(self) -> Environment:
        """The test's thread runs the loop while it waits."""
        return OnLoop(self.loop, SIGNAL_S, QUIET_S)

    def create_publisher(self, elements: int) -> Publisher[Any]:
        """A stream of so many Readings over an adapter of a new bench, whose device has them from the moment it is open."""
        bench = self.loop.run_until_complete(self._begin())
        harness = bench.harness
        life = PlayedLife(harness)
        self._lives.append(life)

        def feed(state: str) -> None:
            if state == "open":
                self._keep(bench.produce(elements))

        life.runner.on_state.append(feed)
        capability = type(harness.adapter).capability(harness.settings)
        source: Source[Any] = Source(AdapterSource(runner=life.runner, capability=capability))
        return _OnItsLoop(self.loop, source.take(elements).as_publisher(lambda: AsyncioHost(loop=self.loop)))

    async def _begin(self) -> AdapterBench:
        folder = self.folder / f"bench{len(self._lives)}"
        folder.mkdir()
        return await self._peers.enter_async_context(self.bench(folder))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._feeding.add(task)
        task.add_done_callback(self._feeding.discard)
