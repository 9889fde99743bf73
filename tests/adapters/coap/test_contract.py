"""The CoAP adapter under the contract of all adapters: polled on libcoap, observed on aiocoap, and pushed to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiocoap
import pytest

from rt_edge.data.errors import TransientError
from rt_edge.data.reading import Reading
from rt_edge.testkit.adapter_contract import AdapterBench, AdapterContract
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.waiting import until
from tests.adapters.coap.peers import AiocoapServer, LibcoapServer, Value, client, harness, push


class PolledBench(AdapterBench):
    def __init__(self, harness: AdapterHarness, server: LibcoapServer) -> None:
        super().__init__(harness)
        self.server = server

    async def produce(self, n: int) -> None:
        """It is asked."""

    async def vanish(self) -> None:
        await self.server.kill()

    async def appear(self) -> None:
        await self.server.start()

    async def cut(self) -> None:
        """UDP has no connection: it is lost when nobody has answered for a while."""
        await self.vanish()
        await self.harness.until(lambda: bool(self.harness.context.losses), 10.0, "lost")
        await self.appear()


class PolledOnLibcoap:
    """GET every few milliseconds."""

    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[AdapterBench]:
        return self._bench(tmp_path)

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        async with LibcoapServer() as server:
            resources = {"time": {"path": "/time", "every": "10ms"}, "data": {"path": "/example_data", "every": "15ms"}}
            hosts = {"clock": {"url": f"coap://127.0.0.1:{server.port}", "resources": resources}}
            bench = PolledBench(harness(tmp_path / "data", hosts=hosts), server)
            yield bench
            await bench.harness.adapter.close()


class ObservedBench(AdapterBench):
    device_tasks = ("Rendering for ",)  # aiocoap's server: until it notices that who observed is gone

    def __init__(self, harness: AdapterHarness, server: AiocoapServer, value: Value) -> None:
        super().__init__(harness)
        self.server, self.value = server, value
        self.made = 0
        self._on = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._changes())

    def number(self, reading: Reading) -> int:
        return int(str(reading.fields["value"]))

    async def produce(self, n: int) -> None:
        """Changes for as long as they are asked for: what changes faster than it is taken is conflated."""
        self._on.set()

    async def _changes(self) -> None:
        while True:
            await self._on.wait()
            before = len(self.harness.emitted)
            self.made += 1
            self.value.set(b"%d" % self.made)
            if self.harness.context.asked > before:
                try:
                    await self.harness.context.bell.until(lambda before=before: len(self.harness.emitted) > before, 0.2)
                except TimeoutError:
                    continue
            else:
                await self.harness.context.bell.until(lambda: self.harness.context.asked > len(self.harness.emitted), 60)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def vanish(self) -> None:
        self._on.clear()
        await self.server.stop()

    async def appear(self) -> None:
        await self.server.start()

    async def cut(self) -> None:
        """As above."""
        await self.vanish()
        await self.harness.until(lambda: bool(self.harness.context.losses), 10.0, "lost")
        await self.appear()


class Observed:
    """Notifications of aiocoap's server."""

    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[AdapterBench]:
        return self._bench(tmp_path)

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        value = Value(b"0")
        async with AiocoapServer({"/level": value}) as server:
            resources = {"level": {"path": "/level", "observe": True, "every": "200ms"}}
            hosts = {"tank": {"url": f"coap://127.0.0.1:{server.port}", "resources": resources}}
            bench = ObservedBench(harness(tmp_path / "data", hosts=hosts), server, value)
            try:
                yield bench
            finally:
                await bench.stop()
                await bench.harness.adapter.close()


class PushedBench(AdapterBench):
    can_vanish = False
    device_tasks = ("Blockwise runner for ",)  # aiocoap's client: until it notices that nobody will answer

    def __init__(self, harness: AdapterHarness, context: Any) -> None:
        super().__init__(harness)
        self.context = context
        self.made = 0
        self._todo: asyncio.Queue[bytes] = asyncio.Queue(1000)
        self.devices = {asyncio.get_running_loop().create_task(self._device()) for _ in range(24)}  # each waits for its reply

    async def produce(self, n: int) -> None:
        for _ in range(n):
            self.made += 1
            self._todo.put_nowait(b"%d" % self.made)

    async def _device(self) -> None:
        while True:
            await self._push(await self._todo.get())

    async def _push(self, payload: bytes) -> None:
        """A device that comes again until it is taken."""
        while True:
            asked = self.harness.context.asked
            await until(lambda: self.harness.adapter.port, 60)
            try:
                answer = await push(self.context, self.harness.adapter.port, "/push/scale", payload)
            except aiocoap.error.Error:  # the adapter was closed meanwhile
                continue
            if str(answer.code) != "5.03 Service Unavailable":
                assert answer.code.is_successful(), answer.code
                return
            await self.harness.context.bell.until(lambda asked=asked: self.harness.context.asked > asked, 60)

    async def cut(self) -> None:
        """There is no connection: only the runtime can end it."""
        self.harness.context.lost(TransientError("cut by the test"))


class Pushed:
    """aiocoap's client pushes."""

    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[AdapterBench]:
        return self._bench(tmp_path)

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        async with client() as context:
            # All devices of this test push through one socket, where one confirmable message waits at a time (NSTART).
            listen = {"address": "127.0.0.1:0", "paths": [{"path": "/push/{device}"}], "ack_after": "0s"}
            bench = PushedBench(harness(tmp_path / "data", listen=listen), context)
            try:
                yield bench
            finally:
                for task in bench.devices:
                    task.cancel()
                await asyncio.wait(bench.devices)
                await bench.harness.adapter.close()


class TestPolledOnLibcoap(PolledOnLibcoap, AdapterContract):
    pass


class TestObserved(Observed, AdapterContract):
    pass


# aiocoap makes this coroutine before its task, which is cancelled before it runs where a request comes at its very end.
@pytest.mark.filterwarnings("ignore:coroutine 'Context._render_to_pipe' was never awaited")
class TestPushed(Pushed, AdapterContract):
    pass
