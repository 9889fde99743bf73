"""The adapter contract catches adapters that break it; the harness and the bell do what they say."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rt_edge.sdk import Capability, DeviceAdapter, Reading, TransientError
from rt_edge.testkit.adapter_contract import AdapterBench, AdapterContract
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.waiting import Bell

FOREVER: list[asyncio.Task[Any]] = []
HELD: list[Any] = []


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    """What leaking adapters held ends with the test."""
    yield
    while HELD:
        one = HELD.pop()
        if isinstance(one, socket.socket):
            one.close()
        elif one is not None:
            one.set()


class Good(DeviceAdapter):
    """Emits on demand what its bench has made, numbered, and acknowledges what is settled."""

    kind = "good"

    def __init__(self, settings: Any, context: Any) -> None:
        super().__init__(settings, context)
        self.stock = 0
        self.asked = 0
        self.is_open = False
        self.there = True
        self.made = 0
        self.acks: list[int] = []

    @classmethod
    def settings_model(cls) -> type[Any]:
        return SimpleNamespace

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        return Capability("volatile", "native")

    async def open(self) -> None:
        if not self.there:
            raise TransientError("it is not there")
        self.is_open = True
        self.flow()

    def demand(self, n: int) -> None:
        self.asked += n
        self.flow()

    def flow(self) -> None:
        n = min(self.asked, self.stock)
        if n and self.is_open:
            self.asked -= n
            self.stock -= n
            self.context.emit(self.readings(n))

    def readings(self, n: int) -> list[Reading]:
        self.made += n
        return [Reading("x/y", 0, {"n": self.made - n + i}) for i in range(n)]

    def settled(self, through: int) -> None:
        self.acks += range(len(self.acks), through)

    async def close(self) -> None:
        self.is_open = False

    def cut(self) -> None:
        self.is_open = False
        self.context.lost(TransientError("cut"))


class Greedy(Good):
    def flow(self) -> None:
        if self.is_open and self.stock:
            n, self.stock = self.stock, 0
            self.context.emit(self.readings(n))


class Forgetful(Good):
    async def close(self) -> None:
        await super().close()
        self.asked = 0

    async def open(self) -> None:
        self.asked = 0
        await super().open()


class Chatty(Good):
    def cut(self) -> None:
        super().cut()
        self.context.lost(TransientError("cut again"))


class Leaky(Good):
    async def open(self) -> None:
        await super().open()
        FOREVER.append(asyncio.get_running_loop().create_task(asyncio.Event().wait()))


class Silent(Good):
    def cut(self) -> None:
        self.is_open = False


class Crowded(Good):
    async def open(self) -> None:
        await super().open()
        stop = threading.Event()
        HELD.append(stop)
        threading.Thread(target=stop.wait, daemon=True).start()


class Holding(Good):
    async def open(self) -> None:
        await super().open()
        HELD.append(socket.socket())


class Twice(Good):
    async def open(self) -> None:
        await super().open()
        HELD.append(socket.socket() if self.opened else None)
        self.opened = True

    opened = False

    async def close(self) -> None:
        await super().close()
        self.opened = False


class Hasty(Good):
    """Has something half-open when it is cancelled."""

    async def open(self) -> None:
        half = socket.socket()
        HELD.append(half)
        await asyncio.sleep(0)
        half.close()
        await super().open()


class Once(Good):
    said = 0

    def settled(self, through: int) -> None:
        if through <= self.said:
            raise AssertionError("said twice")
        self.said = through


class Early(Good):
    def flow(self) -> None:
        super().flow()
        self.context.forget(len(self.context.emitted))


class Talkative(Good):
    def cut(self) -> None:
        self.context.log("warning", "it is gone")
        super().cut()


class Boastful(Good):
    @classmethod
    def capability(cls, settings: Any) -> Capability:
        return Capability("volatile", "native", writable=True)


class Deaf(Good):
    """Cannot be opened the first time, whatever the device."""

    tries = 0

    async def open(self) -> None:
        self.tries += 1
        if self.tries == 1:
            raise TransientError("not yet")
        await super().open()


class Timid(Good):
    """Says that it is open, whatever the device."""

    async def open(self) -> None:
        self.is_open = True


class Bench(AdapterBench):
    can_vanish = True

    async def vanish(self) -> None:
        adapter: Any = self.harness.adapter
        adapter.there = False
        if adapter.is_open:
            adapter.cut()

    async def appear(self) -> None:
        adapter: Any = self.harness.adapter
        adapter.there = True

    def number(self, reading: Reading) -> int | None:
        number = reading.fields.get("n")
        return number if isinstance(number, int) else None

    def acknowledged(self) -> list[int]:
        adapter: Any = self.harness.adapter
        return list(adapter.acks)

    async def produce(self, n: int) -> None:
        adapter: Any = self.harness.adapter
        adapter.stock += n
        adapter.flow()

    async def cut(self) -> None:
        adapter: Any = self.harness.adapter
        adapter.cut()


class Suite(AdapterContract):
    patience = 0.3
    gone_s = 0.2

    def __init__(self, kind: type[DeviceAdapter]) -> None:
        self.kind = kind

    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[AdapterBench]:
        return self._bench(tmp_path)

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        yield Bench(AdapterHarness(self.kind, SimpleNamespace(), tmp_path))


TESTS = sorted(name for name in dir(AdapterContract) if name.startswith("test_"))


def failing(kind: type[DeviceAdapter], tmp_path: Path, names: list[str]) -> set[str]:
    found = set()
    for name in names:
        try:
            getattr(Suite(kind), name)(tmp_path)
        except (AssertionError, TimeoutError):
            found.add(name)
    return found


def test_contract_passes_when_the_adapter_keeps_it(tmp_path: Path) -> None:
    """Twenty honest lines pass every test."""
    assert failing(Good, tmp_path, TESTS) == set()


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (Greedy, "test_emits_nothing_when_nothing_is_asked_for"),
        (Greedy, "test_emits_one_when_one_is_asked_for"),
        (Greedy, "test_stays_within_the_demand_when_much_is_asked_in_steps"),
        (Forgetful, "test_keeps_demand_when_it_is_opened_again"),
        (Chatty, "test_says_so_once_when_the_connection_is_cut_and_goes_on_when_opened_again"),
        (Silent, "test_says_so_once_when_the_connection_is_cut_and_goes_on_when_opened_again"),
        (Leaky, "test_leaves_nothing_behind_when_it_is_closed"),
        (Crowded, "test_leaves_nothing_behind_when_it_is_closed"),
        (Holding, "test_leaves_nothing_behind_when_it_is_closed"),
        (Holding, "test_answers_a_probe_when_it_is_not_open"),
        (Twice, "test_is_open_once_when_it_is_opened_twice"),
        (Hasty, "test_leaves_nothing_behind_when_opening_is_cancelled_half_way"),
        (Once, "test_takes_receipts_in_steps_again_and_late"),
        (Early, "test_takes_receipts_in_steps_again_and_late"),
        (Talkative, "test_says_unavailable_once_and_once_when_it_is_back"),
        (Boastful, "test_says_what_it_can_when_asked_without_a_connection"),
        (Deaf, "test_opens_whatever_its_startup_policy_when_the_device_is_there"),
        (Timid, "test_follows_its_startup_policy_when_the_device_is_not_there"),
    ],
)
def test_contract_fails_when_the_adapter_breaks_it(tmp_path: Path, kind: type[DeviceAdapter], caught: str) -> None:
    """Each way to break it is caught by the test that names it."""
    assert failing(kind, tmp_path, [caught]) == {caught}


def test_harness_reports_a_violation_when_it_is_closed(tmp_path: Path) -> None:
    """What an adapter did against its context is raised, with what it was."""

    async def main() -> None:
        harness = AdapterHarness(Good, SimpleNamespace(), tmp_path)
        harness.context.emit([Reading("x/y", 0, {})], keys=[b"k"], redelivered=[])
        with pytest.raises(AssertionError, match=r"1 keys, 0 flags; a key is shorter.*where 0 were asked"):
            await harness.close()

    asyncio.run(main())


def test_bell_names_what_it_waited_for_when_the_time_is_over() -> None:
    """A missed deadline says which condition; a met one returns at the ring that met it."""

    async def main() -> None:
        bell, seen = Bell(), 0
        with pytest.raises(TimeoutError, match=r"waited 0\.05 s for rain"):
            await bell.until(lambda: False, 0.05, "rain")

        def ring() -> None:
            nonlocal seen
            seen += 1
            bell.ring()

        for delay in (0.01, 0.02, 0.03):
            asyncio.get_running_loop().call_later(delay, ring)
        await bell.until(lambda: seen == 3, 5)

    asyncio.run(main())
