"""AdapterHarness: runs one adapter without a node and lets a test play the runtime: ask, look, settle, cut, open again.

harness = AdapterHarness(MqttAdapter, settings, tmp_path)
await harness.open()
harness.demand(10)
await harness.received(10)
harness.settle()            # all that was emitted
await harness.close()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec

from rt_edge.data.clock import Clock, SystemClock
from rt_edge.data.reading import Reading
from rt_edge.sdk.adapter import AdapterContext, DeviceAdapter
from rt_edge.settings.frozen import freeze
from rt_edge.testkit.waiting import Bell


class Emitted(msgspec.Struct, frozen=True):
    """One Reading as the adapter handed it on.

    Attributes:
        number: 0 for the first Reading the adapter ever emitted.
        reading: the Reading.
        key: its redelivery key, empty where none was given.
        redelivered: whether the peer marked it as sent again.
        session: the peer's session it was emitted in, empty before the first.
    """

    number: int
    reading: Reading
    key: bytes
    redelivered: bool
    session: str


class LogLine(msgspec.Struct, frozen=True):
    """One call of `AdapterContext.log`."""

    level: str
    event: str
    fields: dict[str, Any]


class RecordingContext:
    """An `AdapterContext` that writes down what the adapter does and enforces the contract of `emit`.

    Args:
        data: directory of the adapter's own.
        name: the adapter's name.
        clock: time; the system's by default.
        random: randomness; seeded with 0 by default.

    Attributes:
        emitted: every Reading, in order.
        asked: Readings asked for so far, in total.
        losses: errors given to `lost`.
        sessions: tokens given to `session`.
        forgotten: the highest number given to `forget`.
        silences: source that gives nothing just now -> why.
        settled: as far as the harness has told the adapter.
        forward: told the same, if there is one (`rt_edge.testkit.adapter_played`).
        violations: what the adapter did against the contract; `AdapterHarness.check` raises them.
    """

    def __init__(self, data: Path, name: str = "under-test", clock: Clock | None = None, random: Random | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.random = random or Random(0)  # noqa: S311  # jitter in a test
        self.data = data
        self.name = name
        self.incarnation = "test"
        self.emitted: list[Emitted] = []
        self.asked = 0
        self.losses: list[Exception] = []
        self.sessions: list[str] = []
        self.forgotten = 0
        self.settled = 0
        self.forward: AdapterContext | None = None
        self.counts: dict[str, int] = {}
        self.gauges: dict[str, float] = {}
        self.silences: dict[str, str] = {}
        self.gaps: list[tuple[str, str, int, int]] = []
        self.logs: list[LogLine] = []
        self.violations: list[str] = []
        self.bell = Bell()

    def emit(self, readings: Sequence[Reading], keys: Sequence[bytes] = (), redelivered: Sequence[bool] = ()) -> None:
        """See `AdapterContext.emit`; what breaks its contract is kept in `violations`."""
        if not readings:
            self.violations.append("emit was called with no Readings")
        if keys and not len(keys) == len(redelivered) == len(readings):
            self.violations.append(f"{len(readings)} Readings, {len(keys)} keys, {len(redelivered)} flags")
        if any(len(key) < 3 for key in keys):
            self.violations.append("a key is shorter than an identifier and a digest")
        session = self.sessions[-1] if self.sessions else ""
        for index, reading in enumerate(readings):
            key = keys[index] if index < len(keys) else b""
            again = index < len(redelivered) and redelivered[index]
            self.emitted.append(Emitted(len(self.emitted), reading, key, again, session))
        if len(self.emitted) > self.asked:
            self.violations.append(f"{len(self.emitted)} Readings emitted where {self.asked} were asked for")
        if self.forward is not None:
            self.forward.emit(readings, keys, redelivered)
        self.bell.ring()

    def session(self, token: str) -> None:
        """See `AdapterContext.session`."""
        self.sessions.append(token)
        if self.forward is not None:
            self.forward.session(token)
        self.bell.ring()

    def forget(self, through: int) -> None:
        """See `AdapterContext.forget`."""
        if through > self.settled:
            self.violations.append(f"forget({through}) where only the first {self.settled} Readings are settled")
        if self.forward is not None:
            self.forward.forget(through)
        self.forgotten = max(self.forgotten, through)
        self.bell.ring()

    def lost(self, error: Exception) -> None:
        """See `AdapterContext.lost`."""
        self.losses.append(error)
        if self.forward is not None:
            self.forward.lost(error)
        self.bell.ring()

    def count(self, name: str, n: int = 1) -> None:
        """See `AdapterContext.count`."""
        self.counts[name] = self.counts.get(name, 0) + n
        if self.forward is not None:
            self.forward.count(name, n)
        self.bell.ring()

    def gauge(self, name: str, value: float) -> None:
        """See `AdapterContext.gauge`."""
        self.gauges[name] = value
        if self.forward is not None:
            self.forward.gauge(name, value)
        self.bell.ring()

    def silent(self, source: str, reason: str) -> None:
        """See `AdapterContext.silent`."""
        if reason:
            self.silences[source] = reason
        else:
            self.silences.pop(source, None)
        if self.forward is not None:
            self.forward.silent(source, reason)
        self.bell.ring()

    def gap(self, source: str, reason: str, start: int, end: int) -> None:
        """See `AdapterContext.gap`."""
        if end < start:
            self.violations.append(f"gap of {source} ends before it starts")
        self.gaps.append((source, reason, start, end))
        if self.forward is not None:
            self.forward.gap(source, reason, start, end)
        self.bell.ring()

    def log(self, level: Literal["debug", "info", "warning", "error"], event: str, **fields: object) -> None:
        """See `AdapterContext.log`."""
        self.logs.append(LogLine(level, event, dict(fields)))
        if self.forward is not None:
            self.forward.log(level, event, **fields)
        self.bell.ring()


class AdapterHarness:
    """One adapter and the runtime a test plays for it.

    Args:
        adapter: the class.
        settings: a settings model (turned into plain immutable attributes, as a node would) or any object with attributes.
        data: an existing directory for the adapter.
        name: the adapter's name.
        clock: time.
        random: randomness.
    """

    def __init__(
        self,
        adapter: type[DeviceAdapter],
        settings: Any,
        data: Path,
        name: str = "under-test",
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self.context = RecordingContext(data, name, clock, random)
        self.settings = plain(settings)
        self.adapter = adapter(self.settings, self.context)
        self.settled = 0

    @property
    def emitted(self) -> list[Emitted]:
        """Every Reading so far, in order."""
        return self.context.emitted

    @property
    def readings(self) -> list[Reading]:
        """The Readings of `emitted`."""
        return [e.reading for e in self.context.emitted]

    async def open(self) -> None:
        """Open the adapter."""
        await self.adapter.open()

    async def close(self) -> None:
        """Close the adapter and raise what it did against the contract."""
        await self.adapter.close()
        self.check()

    async def reopen(self) -> None:
        """What the runtime does after a loss: close, open (without its backoff)."""
        await self.adapter.close()
        await self.adapter.open()

    def demand(self, n: int) -> None:
        """Ask for `n` more Readings."""
        self.context.asked += n
        self.adapter.demand(n)
        self.context.bell.ring()

    def settle(self, through: int | None = None) -> None:
        """The first `through` Readings (default: all emitted) are settled."""
        through = len(self.emitted) if through is None else through
        self.settled = self.context.settled = max(self.settled, through)
        self.adapter.settled(through)

    async def received(self, n: int, within: float = 10.0) -> None:
        """Return when `n` Readings were emitted in total."""
        await self.until(lambda: len(self.emitted) >= n, within, f"{n} Readings (there are {len(self.emitted)})")

    async def until(self, condition: Callable[[], bool], within: float = 10.0, what: str = "the condition") -> None:
        """Return when `condition` holds; it is looked at after every call the adapter makes to its context."""
        await self.context.bell.until(condition, within, what)

    async def quiet(self, seconds: float = 0.2) -> int:
        """Return how many Readings were emitted within `seconds` of real time: for claims that something does not happen."""
        before = len(self.emitted)
        never = asyncio.get_running_loop().create_future()
        await asyncio.wait([never], timeout=seconds)
        return len(self.emitted) - before

    def check(self) -> None:
        """Raise what the adapter did against the contract of its context.

        Raises:
            AssertionError: with every violation.
        """
        if self.context.violations:
            raise AssertionError("; ".join(self.context.violations[:10]))


def plain(settings: Any) -> Any:
    """A settings model as the immutable object that an adapter gets in a node; anything else as it is."""
    if not hasattr(type(settings), "model_fields"):
        return settings
    from rt_edge.settings.validate import melt  # brings pydantic, which the model has brought already

    return freeze(melt(settings))
