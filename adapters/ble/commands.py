"""What is asked of one device at once: a point of it written or read. Jobs are done one after the other, on the device's link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from adapters.ble.codec import full_uuid
from adapters.ble.codec_value import ValueCodec
from adapters.ble.points import info_of
from rt_edge.sdk import CodecError, TransientError, Value, WriteResult

if TYPE_CHECKING:
    from adapters.ble.link import Link


class Point:
    """One characteristic, or a part of it."""

    __slots__ = ("codec", "info", "name", "notify", "response", "uuid", "verify", "writable")

    def __init__(self, name: str, settings: Any) -> None:
        self.name = name
        self.uuid = full_uuid(settings.characteristic)
        self.codec = ValueCodec(settings.type, settings.scale, settings.offset, settings.skip_bytes)
        self.info = info_of(settings)
        self.notify: bool = settings.notify
        self.writable: bool = settings.writable
        self.response: bool = settings.response
        self.verify: bool = settings.verify


class Job:
    """One of them.

    Args:
        point: of the device.

    Attributes:
        started: whether it may have reached the device.
        ended: whether it was answered.
        timer: cancelled when it is answered.
    """

    __slots__ = ("ended", "point", "started", "timer")

    def __init__(self, point: Point) -> None:
        self.point = point
        self.started = self.ended = False
        self.timer: asyncio.TimerHandle | None = None

    async def run(self, link: Link) -> bool:
        """Do it, and answer; never raises but CancelledError. Whether the device did it."""
        raise NotImplementedError

    def fail(self, reason: str, refused: bool = False) -> None:
        """It was not done; `refused`: it was not even tried."""
        raise NotImplementedError

    def _answers(self) -> bool:
        """Whether this is the first answer, which counts."""
        if self.ended:
            return False
        self.ended = True
        if self.timer is not None:
            self.timer.cancel()
        return True


class Write(Job):
    """Set a point.

    Args:
        point: of the device.
        value: what it is to hold.
        data: its bytes.
        done: told the result, and whether the device may have got it.
    """

    __slots__ = ("_done", "data", "value")

    def __init__(self, point: Point, value: Value, data: bytes, done: Callable[[WriteResult, bool], None]) -> None:
        super().__init__(point)
        self.value, self.data, self._done = value, data, done

    async def run(self, link: Link) -> bool:
        """See `Job`."""
        from adapters.ble.link import NoAnswerError

        point = self.point
        self.started = True
        try:
            await link.write(point.uuid, self.data, point.response)
            if point.verify:
                self._end(await self._looked(link), True)
            else:
                self._end(WriteResult("confirmed" if point.response else "sent"), True)
        except TransientError as error:
            maybe = not link.up or isinstance(error, NoAnswerError)  # it may have reached the device
            self._end(WriteResult("sent" if maybe else "failed", error.message), maybe)
            return False
        except asyncio.CancelledError:
            self._end(WriteResult("sent", "the adapter was closed before an answer came"), True)
            raise
        return True

    async def _looked(self, link: Link) -> WriteResult:
        try:
            now = self.point.codec.decode(await link.read(self.point.uuid))
        except (TransientError, CodecError) as error:
            return WriteResult("sent", f"it may have it, and cannot be read back: {error.message}")
        if self.point.info.same(now, self.value):
            return WriteResult("confirmed", "read back")
        return WriteResult("failed", f"it was written, and reads as {now!r}")

    def fail(self, reason: str, refused: bool = False) -> None:
        """See `Job`."""
        self._end(WriteResult("refused" if refused else "failed", reason), False)

    def _end(self, result: WriteResult, reached: bool) -> None:
        if self._answers():
            self._done(result, reached)


class Read(Job):
    """Ask for a point.

    Args:
        point: of the device.
        done: told the value, or why there is none.
    """

    __slots__ = ("_done",)

    def __init__(self, point: Point, done: Callable[[Value | None, str], None]) -> None:
        super().__init__(point)
        self._done = done

    async def run(self, link: Link) -> bool:
        """See `Job`."""
        self.started = True
        try:
            value = self.point.codec.decode(await link.read(self.point.uuid))
        except (TransientError, CodecError) as error:
            self._end(None, error.message)
            return False
        except asyncio.CancelledError:
            self._end(None, "the adapter was closed before an answer came")
            raise
        self._end(value, "")
        return True

    def fail(self, reason: str, refused: bool = False) -> None:
        """See `Job`."""
        self._end(None, reason)

    def _end(self, value: Value | None, reason: str) -> None:
        if self._answers():
            self._done(value, reason)
