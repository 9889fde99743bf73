"""The contract of adapters that write catches those on which a cancelled write or read leaves its mark."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rt_edge.data.reading import Value
from rt_edge.sdk import Capability, PointInfo, WriteResult
from rt_edge.sdk.answers import Answers
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.writable_contract import WritableBench, WritableContract
from tests.testkit.test_adapter_contract import Good


class Writer(Good):
    """One level, which its device tells when it is asked; each call takes a few turns of the loop."""

    def __init__(self, settings: Any, context: Any) -> None:
        super().__init__(settings, context)
        self.told: list[Value] = []
        self.level: Value = 0.0
        self._turn = asyncio.Lock()
        self._answers = Answers(context)

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        return Capability("polled", "native", writable=True)

    @classmethod
    def points(cls, settings: Any) -> Mapping[str, PointInfo]:
        return {"level": PointInfo(writable=True, max=100.0)}

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        if not self.is_open:
            return WriteResult("failed", "not connected")
        return await self._answers.once(key, lambda: self.tell(value))

    async def tell(self, value: Value) -> WriteResult:
        async with self._turn:
            await asyncio.sleep(0)
            self.told.append(value)
            self.level = value
            await asyncio.sleep(0)
        return WriteResult("confirmed")

    async def read(self, point: str) -> Value:
        async with self._turn:
            await asyncio.sleep(0)
            return self.level


class Locked(Writer):
    """Whoever goes in the middle takes the key along."""

    async def tell(self, value: Value) -> WriteResult:
        await self._turn.acquire()
        await asyncio.sleep(0)
        self.told.append(value)
        self.level = value
        self._turn.release()
        return WriteResult("confirmed")


class Late(Writer):
    """What nobody waits for any more is sent behind what came after it."""

    def __init__(self, settings: Any, context: Any) -> None:
        super().__init__(settings, context)
        self.forgotten: list[Value] = []

    async def tell(self, value: Value) -> WriteResult:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.forgotten.append(value)
            raise
        self.told.append(value)
        self.told += self.forgotten
        self.forgotten.clear()
        self.level = value
        return WriteResult("confirmed")


class Shifted(Writer):
    """A reply that nobody took is taken for the next one's."""

    def __init__(self, settings: Any, context: Any) -> None:
        super().__init__(settings, context)
        self._replies: list[Value] = []

    async def read(self, point: str) -> Value:
        self._replies.append(-1.0 if self._replies else self.level)
        await asyncio.sleep(0)
        return self._replies.pop()


class Leaving(Writer):
    """A task is left of each write that was given up."""

    async def tell(self, value: Value) -> WriteResult:
        waits = asyncio.create_task(asyncio.Event().wait(), name="left by a write")
        await asyncio.sleep(0)
        waits.cancel()
        return await super().tell(value)


class Bench(WritableBench):
    point = "level"
    values = (1.0, 2.0, 3.0)
    refused = 101.0

    def seen(self) -> list[Value]:
        adapter: Any = self.harness.adapter
        return adapter.told  # type: ignore[no-any-return]


class Suite(WritableContract):
    patience = 0.3
    gone_s = 0.1

    def __init__(self, kind: type[Writer]) -> None:
        self.kind = kind

    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[WritableBench]:
        return self._bench(tmp_path)

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[WritableBench]:
        yield Bench(AdapterHarness(self.kind, SimpleNamespace(), tmp_path))


TESTS = sorted(name for name in dir(WritableContract) if name.startswith("test_"))


@pytest.mark.parametrize("name", TESTS)
def test_contract_passes_when_the_adapter_keeps_it(name: str, tmp_path: Path) -> None:
    """An honest writer passes every test."""
    getattr(Suite(Writer), name)(tmp_path)


@pytest.mark.parametrize("kind", [Locked, Late, Shifted, Leaving])
def test_contract_fails_when_a_cancelled_call_leaves_its_mark(kind: type[Writer], tmp_path: Path) -> None:
    """Each in its own way."""
    with pytest.raises((AssertionError, TimeoutError)):
        Suite(kind).test_goes_on_when_writing_or_reading_is_cancelled_half_way(tmp_path)
