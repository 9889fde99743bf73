"""SerialAdapter: settings and life of one port; listen.py and poll.py do the work."""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from adapters.serial.asked import Asked
from rt_edge.sdk import (
    AdapterContext,
    Advice,
    Capability,
    ConfigError,
    DeviceAdapter,
    FatalAdapterError,
    PointInfo,
    ProbeResult,
    Reading,
    RefusedError,
    ScanReport,
    TransientError,
    Value,
    WriteResult,
)
from rt_edge.sdk.answers import Answer, Answers
from rt_edge.sdk.seen import Seen

if TYPE_CHECKING:
    from adapters.serial.listen import Listener
    from adapters.serial.poll import Poller
    from adapters.serial.send import Sender
    from adapters.serial.transport import SerialPort

_UNSTABLE = re.compile(r"/dev/tty(USB|ACM)[0-9]+\Z")


class SerialAdapter(DeviceAdapter):
    """An instrument on a serial port."""

    kind: ClassVar[str] = "serial"

    def __init__(self, settings: Any, context: AdapterContext) -> None:
        super().__init__(settings, context)
        self._port: SerialPort | None = None
        self._work: Listener | Poller | None = None
        self._seen = Seen(context)
        self._asked = Asked(context)
        self._begun = False  # a line was open in this life
        self._credits = 0
        self._answers = Answers(context)
        self._sender: Sender | None = None

    @classmethod
    def settings_model(cls) -> type[Any]:
        """See `DeviceAdapter`."""
        from adapters.serial.settings import SerialSettings

        return SerialSettings

    @classmethod
    def scan_model(cls) -> type[Any]:
        """See `DeviceAdapter`."""
        from adapters.serial.scan_settings import SerialScan

        return SerialScan

    @classmethod
    async def scan(cls, settings: Any, report: ScanReport) -> None:
        """See `DeviceAdapter`."""
        from adapters.serial.scan import scan_ports

        scan_ports(settings, report)

    @classmethod
    def claims(cls, settings: Any) -> dict[str, tuple[str | int, ...]]:
        """The device behind all symbolic links; in the words of other adapters that open serial ports."""
        return {f"the serial port {Path(settings.port).resolve()}": ("port",)}

    @classmethod
    def advice(cls, settings: Any) -> Sequence[Advice]:
        """Of names that change, and of bytes that may be a delimiter."""
        found = []
        if _UNSTABLE.match(settings.port):
            message = f"{settings.port} may be another device after a restart or when it was plugged in again"
            found.append(Advice(message, "write its name in /dev/serial/by-id", ("port",)))
        said = [("listen", settings.listen)] if settings.listen else []
        said += [("poll", request) for request in settings.poll.requests.values()] if settings.poll else []
        binary = [at for at, what in said if what.format.kind == "struct"]
        if binary and settings.framing.kind == "delimiter":
            message = "a binary frame ends wherever its values look like the delimiter"
            found.append(Advice(message, "use length_field, cobs or slip if the instrument can", ("framing",)))
        return found

    @classmethod
    def preload(cls, settings: Any) -> None:  # noqa: ARG003 - the same for all settings
        """See `DeviceAdapter`."""
        for name in ("commands", "layout", "make", "nmea", "transport"):
            importlib.import_module(f"adapters.serial.{name}")

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        """See `DeviceAdapter`."""
        writable = bool(settings.commands)
        if settings.listen is None:
            return Capability(delivery="polled", backpressure="native", writable=writable)
        held = settings.flow_control != "none"
        return Capability(delivery="volatile", backpressure="native" if held else "bounded_drop", writable=writable)

    @classmethod
    def points(cls, settings: Any) -> Mapping[str, PointInfo]:
        """The commands by name, and fields of replies as `REQUEST/FIELD`."""
        from adapters.serial.points import points_of

        return points_of(settings)

    def awaited(self) -> Path:
        """See `DeviceAdapter`."""
        return Path(self.settings.port)

    async def open(self) -> None:
        """See `DeviceAdapter`."""
        from adapters.serial.listen import Listener
        from adapters.serial.poll import Poller
        from adapters.serial.transport import open_port, wake

        if self._port is not None:
            return
        work = self._work
        if work is None:  # kept over reconnects: demand, what waits, and replies that are still to come
            work = self._work = self._made()
        paused = isinstance(work, Listener) and work.paused
        port = open_port(self.settings, self, paused=True)
        try:
            await wake(port, self.settings)
        except BaseException:
            await port.close()
            raise
        if not paused:
            port.resume()
        self._port = port
        if isinstance(work, Poller) and self._asked.begin() and not self._begun:
            work.owe()
        self._begun = True
        work.start(port, asyncio.get_running_loop())

    def _made(self) -> Listener | Poller:
        from adapters.serial.make import make

        work = make(self.settings, self.context, self._seen)
        if self._credits:
            work.demand(self._credits)
        return work

    def on_data(self, data: bytes) -> None:
        """See `adapters.serial.transport.Receiver`."""
        if self._work is not None and self._port is not None:
            self._work.on_data(data)

    def on_lost(self, error: Exception) -> None:
        """See `adapters.serial.transport.Receiver`."""
        if self._port is not None:
            self.context.lost(TransientError(f"{self.settings.port} is lost: {error}"))

    def demand(self, n: int) -> None:
        """See `DeviceAdapter`."""
        if self._work is None:
            self._credits += n
        else:
            self._work.demand(n)

    def settled(self, through: int) -> None:
        """See `DeviceAdapter`."""
        self._seen.settled(through)

    async def close(self) -> None:
        """See `DeviceAdapter`."""
        port, self._port = self._port, None
        self._seen.save()
        if port is None:
            return
        if self._work is not None:
            self._work.stop()
        await port.close()
        if self._work is None or not self._work.owed:
            self._asked.end()

    async def probe(self) -> ProbeResult:
        """Whether the instrument is heard, or answers; if not, at which speed it would."""
        from adapters.serial.probe import probe

        return await probe(self.settings)

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        """Send the command `point`, ahead of all requests.

        `confirmed`: the instrument said so, or it was read back; `sent`: it may have been done: no reply came, or none is
        waited for; `failed`: not sent, refused by the instrument, or read back as another value; `refused`: no such command, or
        not such a value. What the instrument may have got is remembered under `key`, unless it refused; all else may be tried
        again with the same key.
        """
        from adapters.serial.commands import Command
        from adapters.serial.jobs import Job

        known = self._answers.known(key)
        if known is not None:
            return await known.result()
        settings = self.settings.commands.get(point)
        if settings is None:
            return WriteResult("refused", f"there is no command {point!r}")
        command = Command(settings, self.settings.framing)
        try:
            frame = command.frame(value)
        except ConfigError as error:
            return WriteResult("refused", error.message)
        if self._port is None or self._work is None:
            return WriteResult("failed", "not connected")
        answer = self._answers.begin(key)
        expires = self.context.clock.monotonic() + self.settings.write_expiry
        done = partial(self._read_back, point, value, expires, answer) if settings.read_back else answer.settle
        if not self._work.submit(Job(frame, command.begins, command.refusals, command.timeout, expires, done)):
            answer.settle(WriteResult("refused", "too many commands wait already"))
        return await answer.result()

    def _read_back(self, point: str, value: Value, expires: float, answer: Answer, result: WriteResult) -> None:
        """A command has ended: ask what the instrument has now."""
        from adapters.serial.points import judged

        def read(found: Value | None, why: str) -> None:
            answer.settle(judged(self.points(self.settings)[point], value, found, why, result), reached=True)

        if result.status not in ("confirmed", "sent") or not self._ask(point, expires, read):
            answer.settle(result)

    async def read(self, point: str) -> Value:
        """Ask for `REQUEST/FIELD`, or for what a command with `read_back` has set, ahead of all polls; see `DeviceAdapter`."""
        answer: asyncio.Future[Value] = asyncio.get_running_loop().create_future()

        def read(found: Value | None, why: str) -> None:
            if answer.done():
                return
            if found is None:
                answer.set_exception(TransientError(why))
            else:
                answer.set_result(found)

        if not self._ask(point, self.context.clock.monotonic() + self.settings.write_expiry, read):
            raise TransientError("not connected, or too many commands wait")
        return await answer

    def _ask(self, point: str, expires: float, done: Callable[[Value | None, str], None]) -> bool:
        """Have a point read; False if it cannot be asked for now.

        Raises:
            RefusedError: nothing tells its value.
        """
        from adapters.serial.points import place_of
        from adapters.serial.poll import Poller

        place = place_of(self.settings, point)
        if place is None:
            raise RefusedError(f"{point!r} cannot be read", "a point is REQUEST/FIELD, or a command with `read_back`")
        request, field = place
        if self._port is None or not isinstance(self._work, Poller):
            return False
        return self._work.read(request, expires, lambda parsed, why: done(parsed.fields.get(field) if parsed else None, why))

    async def deliver(self, readings: Sequence[Reading]) -> None:
        """Send them, by `send`; see `DeviceAdapter`."""
        from adapters.serial.send import Sender

        if self.settings.send is None:
            raise FatalAdapterError(f"adapter {self.context.name} is not set up as a sink", "add `send:` to it")
        if self._port is None or self._work is None:
            raise TransientError("not connected")
        if self._sender is None:
            self._sender = Sender(self.settings, self.context)
        await self._sender.deliver(readings, self._work, self._port)
