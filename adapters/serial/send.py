"""The adapter as a sink: readings of a graph go out as text, one at a time, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any, Protocol

from adapters.serial.codec import FrameError, wire_bytes
from adapters.serial.complaints import Complaints
from adapters.serial.frames import frame_of
from adapters.serial.jobs import Job
from rt_edge.sdk import AdapterContext, ConfigError, Reading, TransientError, WriteResult

NAMES = "source, adapter, device, fields.NAME and tags.NAME"


class _Names(Formatter):
    """Formats with names that have dots in them, and never looks into a value."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return kwargs[field_name], field_name


class ReadingText:
    """Makes what is sent of a Reading.

    Args:
        template: text with `{source}`, `{fields.NAME:FORMAT}`, ... in it.

    Raises:
        ConfigError: braces that do not pair, or another name.
    """

    def __init__(self, template: str) -> None:
        self._template = template
        self._formatter = _Names()
        try:
            parts = list(self._formatter.parse(template))
        except ValueError as error:
            raise ConfigError(f"{template!r}: {error}", "write {{ and }} for braces that are sent") from None
        for fixed, name, form, conversion in parts:
            wire_bytes("" if fixed.startswith("hex:") else fixed)
            if name is None:
                continue
            kind, _, rest = name.partition(".")
            known = (kind in ("fields", "tags") and rest) or name in ("source", "adapter", "device")
            if not known or conversion or "{" in (form or ""):
                raise ConfigError(f"{template!r}: {{{name}}} is not known", f"there are {NAMES}")

    def __call__(self, reading: Reading) -> bytes:
        """What is sent for `reading`.

        Raises:
            FrameError: a field is not there, does not fit its format, or is a text that could be more than a value.
        """
        adapter, _, device = reading.source.partition("/")
        names: dict[str, Any] = {"source": reading.source, "adapter": adapter, "device": device}
        names.update((f"fields.{name}", value) for name, value in reading.fields.items())
        names.update((f"tags.{name}", value) for name, value in reading.tags.items())
        unsafe = [name for name, value in names.items() if isinstance(value, bytes | str) and not _is_plain(value)]
        try:
            text = self._formatter.vformat(self._template, (), {n: v for n, v in names.items() if n not in unsafe})
            return text.encode("latin-1")
        except KeyError as error:
            name = str(error.args[0])
            why = "is not plain text" if name in unsafe else "is not there"
            raise FrameError("unsendable", f"{name} of a reading of {reading.source} {why}") from None
        except (ValueError, TypeError, OverflowError) as error:
            raise FrameError("unsendable", f"a reading of {reading.source} does not fit the template: {error}") from None


def _is_plain(value: str | bytes) -> bool:
    """Text without control characters: a line end in a value would be a second command."""
    return isinstance(value, str) and value.isprintable()


class Work(Protocol):
    """What sends: a Listener or a Poller."""

    def submit(self, job: Job) -> bool:
        """Send it."""
        ...


class Port(Protocol):
    """Where it goes."""

    async def sent(self) -> None:
        """The kernel has taken it."""
        ...


class Sender:
    """Sends Readings, and remembers how far it came with those that are delivered again.

    Args:
        settings: a `SerialSettings`, or an object with its attributes.
        context: of the adapter.
    """

    def __init__(self, settings: Any, context: AdapterContext) -> None:
        self._send = settings.send
        self._framing = settings.framing
        self._expiry: float = settings.write_expiry
        self._context = context
        self._complaints = Complaints(context)
        self._text = ReadingText(self._send.template)
        self._begins = (wire_bytes(self._send.reply_begins),) if self._send.reply_begins else ()
        self._refusals = (wire_bytes(self._send.refusal_begins),) if self._send.refusal_begins else ()
        self._part: Sequence[Reading] = ()
        self._done = 0

    async def deliver(self, readings: Sequence[Reading], work: Work, port: Port) -> None:
        """Send all of them, but those that were sent when the same ones were delivered before.

        Raises:
            TransientError: one was not sent, or not confirmed where that is asked for.
        """
        if readings != self._part:
            self._part, self._done = readings, 0
        while self._done < len(readings):
            await self._one(readings[self._done], work, port)
            self._done += 1
        self._part = ()

    async def _one(self, reading: Reading, work: Work, port: Port) -> None:
        try:
            data = self._text(reading)
        except FrameError as error:
            self._complaints.frame(reading.source, error)
            return
        frame = frame_of(self._framing, data) if self._send.framed else data
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[WriteResult] = loop.create_future()

        def done(result: WriteResult) -> None:
            if not answer.done():
                answer.set_result(result)

        expires = self._context.clock.monotonic() + self._expiry
        if not work.submit(Job(frame, self._begins, self._refusals, self._send.timeout, expires, done, self._heard, True)):
            raise TransientError("too many commands wait already")
        result = await answer
        if result.status == "refused":
            self._context.count("sends_refused")
            self._complaints.frame(reading.source, FrameError("refused", result.message))
            return
        if result.status == "failed" or (self._begins and result.status != "confirmed"):
            raise TransientError(result.message)
        await port.sent()
        self._context.count("sends_ok")
        if self._send.pause:
            await asyncio.sleep(self._send.pause)

    def _heard(self, payload: bytes) -> WriteResult:
        refused = bool(self._refusals) and payload.startswith(self._refusals)
        return WriteResult("refused" if refused else "confirmed", f"the reply was {payload[:80]!r}")
