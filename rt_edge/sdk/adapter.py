"""DeviceAdapter: what the author of a device-protocol plugin writes (design 10).

Life of an adapter: `open` -> any number of `demand`/`settled`/`write` -> `close`; after a lost connection the runtime calls
`close` and `open` again, with full-jitter backoff: an adapter never retries by itself. All calls come from one event loop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from rt_edge.data.clock import Clock
from rt_edge.data.errors import FatalAdapterError, RefusedError
from rt_edge.data.reading import Reading, Value
from rt_edge.sdk.discovery import ScanReport, Tool
from rt_edge.sdk.points import PointInfo


class Capability(msgspec.Struct, frozen=True):
    """What an adapter can promise, truthfully.

    Attributes:
        delivery: `redelivering` (the peer sends again what was not acknowledged), `polled` (values are asked for) or `volatile`
            (what is lost is lost).
        backpressure: how demand reaches the device: `native` (it is not asked), `withhold_ack` (acknowledgements wait), or
            `bounded_drop` (a named strategy and a counter).
        writable: whether any point may be written with these settings.
        window: most Readings that may be unsettled at a time; None: no bound of the protocol's own.
        commands: how many commands, to different points, the adapter carries out at a time; the others wait where a more urgent
            one can still pass them.
    """

    delivery: Literal["redelivering", "polled", "volatile"]
    backpressure: Literal["native", "withhold_ack", "bounded_drop"]
    writable: bool = False
    window: int | None = None
    commands: int = 1


class Advice(msgspec.Struct, frozen=True):
    """Settings that work, and not as whoever wrote them may think: a warning of `check`.

    Attributes:
        message: what will happen.
        hint: what to do.
        at: keys and indices from the adapter's entry to the setting.
    """

    message: str
    hint: str = ""
    at: tuple[str | int, ...] = ()


class ProbeResult(msgspec.Struct, frozen=True):
    """What `probe` saw: one line for a person, and details for a program."""

    ok: bool
    message: str
    details: dict[str, Any] = {}


class WriteResult(msgspec.Struct, frozen=True):
    """What became of a write; never silently dropped.

    Attributes:
        status: `confirmed`: the device has the value; `sent`: it may have it, and will not say; `failed`: it has not; `refused`:
            nothing was tried.
        message: for a person.
    """

    status: Literal["confirmed", "sent", "failed", "refused"]
    message: str = ""


class AdapterContext(Protocol):
    """What the runtime gives an adapter.

    Attributes:
        clock: the only source of time.
        random: the only source of randomness (jitter), seeded in tests.
        data: a directory of this adapter's own, durable, private to it (mode 0700).
        name: the adapter's name in the configuration.
        incarnation: token of this life of the adapter.
    """

    clock: Clock
    random: Random
    data: Path
    name: str
    incarnation: str

    def emit(self, readings: Sequence[Reading], keys: Sequence[bytes] = (), redelivered: Sequence[bool] = ()) -> None:
        """Hand on Readings, in order; never more in total than `demand` asked for.

        Args:
            readings: not empty.
            keys: for sources whose peer sends again across our lives: one key a Reading, 2 bytes identifier (big endian), then a
                digest of what was received and the place of the Reading in it. Committed with the Reading by the durable end.
            redelivered: with `keys`: whether the peer marked it as sent again. A redelivered Reading whose key the durable end
                knows in the same session is not stored a second time, and counts as settled.
        """
        ...

    def session(self, token: str) -> None:
        """From now on keys belong to the peer's session `token`; a durable end forgets the keys of other sessions."""
        ...

    def forget(self, through: int) -> None:
        """The peer is known to have our acknowledgement of the first `through` Readings emitted: their keys may go."""
        ...

    def lost(self, error: Exception) -> None:
        """The connection is gone: the runtime will `close` and, unless the error is a FatalAdapterError, `open` again."""
        ...

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter of this adapter, shown by `status` and exported (`polls_ok`, `polls_late`, `dropped_<reason>`)."""
        ...

    def gauge(self, name: str, value: float) -> None:
        """Set a measured value of this adapter (`bus_utilisation`, `round_trip_p99_s`)."""
        ...

    def silent(self, source: str, reason: str) -> None:
        """Say that `source` gives nothing just now, and why; an empty reason: it gives something again. `status` shows it,
        nothing is recorded. May be said again and again; ends by itself with the connection. `Presence` calls it.
        """
        ...

    def gap(self, source: str, reason: str, start: int, end: int) -> None:
        """Say that `source` could not be read from `start` to `end` (wall ns): becomes a gap record in the stream."""
        ...

    def log(self, level: Literal["debug", "info", "warning", "error"], event: str, **fields: object) -> None:
        """One structured log line; never a secret. Log once on loss, once on return."""
        ...


class DeviceAdapter(ABC):
    """Base of all adapters.

    Args:
        settings: the validated settings, as an immutable object with the attributes of the adapter's settings model.
        context: the runtime.
    """

    kind: ClassVar[str]

    def __init__(self, settings: Any, context: AdapterContext) -> None:
        self.settings = settings
        self.context = context

    @classmethod
    @abstractmethod
    def settings_model(cls) -> type[Any]:
        """The pydantic model of the settings; imported only here, so that a running node need not load pydantic."""

    @classmethod
    @abstractmethod
    def capability(cls, settings: Any) -> Capability:
        """What an instance with these settings promises; pure, needs no connection and no protocol library."""

    @classmethod
    def claims(cls, settings: Any) -> dict[str, tuple[str | int, ...]]:  # noqa: ARG003 - for those who override it
        """What no other adapter of the node can have at the same time (a serial port, a client id at a broker), in words -> keys
        from the adapter's entry to the setting. Two adapters that claim the same are an error of `check`. Pure."""
        return {}

    @classmethod
    def advice(cls, settings: Any) -> Sequence[Advice]:  # noqa: ARG003 - for those who override it
        """Warnings of `check` about these settings. Pure, as `capability`."""
        return ()

    @classmethod
    def needs_extra(cls, settings: Any | None) -> bool:  # noqa: ARG003 - for those who override it
        """Whether these settings need what the extra of this kind brings (its library); `settings` None: whether all do. Pure."""
        return True

    @classmethod
    def preload(cls, settings: Any) -> None:  # noqa: ARG003 - for those who override it
        """Import what `open` will import with these settings (the protocol library). Called for each adapter of a node, before it
        starts the processes that they run in: these share what is imported here. It must start nothing: no thread, no loop, no
        file."""
        return  # optional: it only saves memory

    def awaited(self) -> Path | None:
        """Path in the file system that is there while its device is (a serial port): when it appears, the runtime tries again
        without waiting for the end of its backoff. None: nothing tells. Asked once; as pure as `claims`."""
        return None

    @abstractmethod
    async def open(self) -> None:
        """Connect. May be called again after `close`; leaks nothing when it raises.

        Raises:
            TransientError: not there now; the runtime tries again.
            FatalAdapterError: will not work with these settings.
        """

    @abstractmethod
    def demand(self, n: int) -> None:
        """`n` more Readings may be emitted, in total. Carries over a reconnect: what was asked for and not emitted still is.

        Of one that is closed, only what it received before may be emitted, within the call.
        """

    @abstractmethod
    async def close(self) -> None:
        """Disconnect; idempotent; returns when nothing is in flight."""

    def settled(self, through: int) -> None:  # noqa: B027  # optional: polled sources have nothing to acknowledge
        """The first `through` Readings this object ever emitted are settled: their peer may be acknowledged."""

    async def probe(self) -> ProbeResult:
        """Try the connection without changing anything; used by `check --live`, never while open."""
        try:
            await self.open()
        finally:
            await self.close()
        return ProbeResult(True, "opened and closed")

    @classmethod
    def scan_model(cls) -> type[Any] | None:
        """The pydantic model of what a scan can be told; None: this kind cannot scan. Fields that are called as in
        `settings_model` mean the same; `target` is what follows the kind on the command line, `duration` what `--for` says."""
        return None

    @classmethod
    async def scan(cls, settings: Any, report: ScanReport) -> None:  # noqa: ARG003 - for those who can
        """Look what is there, without changing anything, and tell `report` as it is seen; bounded in time by the settings.

        Args:
            settings: validated by `scan_model`, as an immutable object.
            report: who is told.

        Raises:
            TransientError: the bus or the broker is not there.
            FatalAdapterError: it cannot be scanned with these settings.
        """
        raise FatalAdapterError(f"adapter kind {cls.kind!r} cannot scan")

    @classmethod
    def tools(cls) -> Mapping[str, Tool]:
        """Programs of this kind beside the scan, by name; asked for by the command line only."""
        return {}

    @classmethod
    def points(cls, settings: Any) -> Mapping[str, PointInfo]:  # noqa: ARG003 - for those who can
        """Every point that `read` or `write` takes, by name (`DEVICE/POINT`), with what may be written to it. Pure, as
        `capability`; what is not in it cannot be asked for by anybody."""
        return {}

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        """Write one point of a device; `key` identifies the command, a repeated one is answered, not repeated.

        Called while open, for writable points of `points` with a value that they take, at most `Capability.commands` at a time
        and one for each point. Raises nothing: whatever happens is a result. It ends: what it waits for has a time limit.
        """
        raise FatalAdapterError(f"adapter kind {self.kind!r} cannot write")

    async def read(self, point: str) -> Value:
        """The value that a readable point of `points` has now, asked for at the device, ahead of all polls.

        Raises:
            TransientError: it could not be read now.
            RefusedError: it cannot be read.
        """
        raise RefusedError(f"adapter kind {self.kind!r} does not read single points", f"{point} comes with its readings")

    async def deliver(self, readings: Sequence[Reading]) -> None:
        """Used as a sink: hand Readings to the peer; returns when the peer has confirmed all of them.

        Raises:
            TransientError: not confirmed; the runtime delivers the same Readings again after the next `open`.
        """
        raise FatalAdapterError(f"adapter kind {self.kind!r} is not a sink")
