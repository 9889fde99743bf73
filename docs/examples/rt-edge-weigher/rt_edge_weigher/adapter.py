"""WeigherAdapter: asks for the weight on demand, and sets the zero point."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rt_edge.sdk import (
    AdapterContext,
    Capability,
    CodecError,
    DeviceAdapter,
    PointInfo,
    ProbeResult,
    Reading,
    RefusedError,
    TransientError,
    Value,
    WriteResult,
)
from rt_edge.sdk.answers import Answers
from rt_edge.sdk.closing import Closing
from rt_edge.sdk.presence import Presence
from rt_edge.sdk.seen import Seen
from rt_edge_weigher.codec import WEIGHT, ZERO, kilograms, set_zero

if TYPE_CHECKING:
    from rt_edge_weigher.transport import Connection


class WeigherAdapter(DeviceAdapter):
    """A weigher on TCP."""

    kind: ClassVar[str] = "weigher"

    def __init__(self, settings: Any, context: AdapterContext) -> None:
        super().__init__(settings, context)
        self._wanted = 0
        self._hungry = asyncio.Event()
        self._connection: Connection | None = None
        self._polling: asyncio.Task[None] | None = None
        self._presence = Presence(context, f"{context.name}/weight")
        self._seen = Seen(context)
        for wall in self._seen.load().values():  # what this process missed while it was not there becomes a gap record
            self._presence.remember(wall)
        self._answers = Answers(context)
        self._closing = Closing(f"weigher {context.name} closes")

    # -- what needs no connection: `check`, forms and the planner ask these ----------------------------------------------

    @classmethod
    def settings_model(cls) -> type[Any]:
        """See `DeviceAdapter`."""
        from rt_edge_weigher.settings import WeigherSettings

        return WeigherSettings

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        """Polled: without demand it is not asked."""
        return Capability(delivery="polled", backpressure="native", writable=True)

    @classmethod
    def points(cls, settings: Any) -> Mapping[str, PointInfo]:
        """The zero point, in kilograms."""
        return {"zero": PointInfo(kind="float", writable=True, min=0.0, max=10.0, step=0.001, unit="kg")}

    @classmethod
    def claims(cls, settings: Any) -> dict[str, tuple[str | int, ...]]:
        """It takes one connection."""
        return {f"the weigher at {settings.address}": ("address",)}

    @classmethod
    def preload(cls, settings: Any) -> None:
        """See `DeviceAdapter`."""
        importlib.import_module("rt_edge_weigher.transport")

    # -- life: the runtime opens, closes and tries again ------------------------------------------------------------------

    async def open(self) -> None:
        """See `DeviceAdapter`."""
        from rt_edge_weigher.transport import Connection

        await self._closing.ended()
        if self._connection is None:
            address = self.settings.address
            self._connection = await Connection.open(address.host, address.port, self.settings.timeout, self.context.lost)
            self._polling = asyncio.create_task(self._poll(self._connection), name=f"weigher {self.context.name}")

    async def close(self) -> None:
        """See `DeviceAdapter`; it may be cancelled half-way, and is done to its end nevertheless."""
        await self._closing.run(self._close)

    async def _close(self) -> None:
        polling, self._polling = self._polling, None
        connection, self._connection = self._connection, None
        if polling is not None:
            polling.cancel()
            await asyncio.wait([polling])
        if connection is not None:
            await connection.close()
            self._presence.away("disconnected")
        self._seen.save()

    async def probe(self) -> ProbeResult:
        """Ask for the weight."""
        from rt_edge_weigher.transport import Connection

        address = self.settings.address
        connection = await Connection.open(address.host, address.port, self.settings.timeout, lambda _error: None)
        try:
            return ProbeResult(True, f"weighs {kilograms(await connection.ask(WEIGHT)):g} kg")
        finally:
            await connection.close()

    # -- demand: nobody asks, nothing is asked ----------------------------------------------------------------------------

    def demand(self, n: int) -> None:
        """See `DeviceAdapter`."""
        self._wanted += n
        self._hungry.set()

    def settled(self, through: int) -> None:
        """See `DeviceAdapter`."""
        self._seen.settled(through)

    async def _poll(self, connection: Connection) -> None:
        clock, every = self.context.clock, self.settings.every
        due = clock.monotonic()
        while True:
            if not self._wanted:
                self._hungry.clear()
                await self._hungry.wait()
            self._presence.wanted(clock.wall_ns())
            now = clock.monotonic()
            await asyncio.sleep(due - now)
            due = max(due, now) + every  # slots that passed without demand are not made up for
            try:
                line = await connection.ask(WEIGHT)
            except TransientError:
                return  # the connection has said it
            self._weighed(line)

    def _weighed(self, line: bytes) -> None:
        wall = self.context.clock.wall_ns()
        try:
            weight = kilograms(line)
        except CodecError as error:
            self.context.count("dropped_bad_payload")
            if self._presence.silent("unreadable", self.context.clock.monotonic(), wall):
                self.context.log("warning", "the weight cannot be read", why=error.message)
            return
        self._presence.spoke(wall)
        self._wanted -= 1
        self._seen.emitted(self._presence.source, wall)
        self.context.count("polls_ok")
        self.context.emit([Reading(self._presence.source, wall, {"kg": weight}, received=wall)])

    # -- the way back ------------------------------------------------------------------------------------------------------

    async def read(self, point: str) -> Value:
        """See `DeviceAdapter`."""
        if point != "zero":
            raise RefusedError(f"there is no point {point!r}", "zero is the only one")
        if self._connection is None:
            raise TransientError("not connected")
        return kilograms(await self._connection.ask(ZERO))

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        """See `DeviceAdapter`."""
        return await self._answers.once(key, lambda: self._set_zero(point, value))  # a repeated command is not repeated

    async def _set_zero(self, point: str, value: Value) -> WriteResult:
        if point != "zero" or not isinstance(value, (int, float)):
            return WriteResult("refused", f"{point} takes no {value!r}")
        connection, kg = self._connection, float(value)
        if connection is None:
            return WriteResult("failed", "not connected")
        try:
            await connection.ask(set_zero(kg))
            now = kilograms(await connection.ask(ZERO))
        except (TransientError, CodecError) as error:
            return WriteResult("sent", f"it may have it: {error}")
        if not self.points(self.settings)["zero"].same(now, kg):
            return WriteResult("failed", f"it has {now:g} kg")
        return WriteResult("confirmed", "read back")
