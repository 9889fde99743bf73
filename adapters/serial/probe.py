"""Trying a port: is the instrument there; and if what comes cannot be read, at which speed could it be?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from adapters.serial.asks import Asks
from adapters.serial.codec import FrameError, Parsed, parser_of
from adapters.serial.echo import Echo
from adapters.serial.frames import Cutter
from adapters.serial.make import asks_of
from adapters.serial.transport import SerialPort, open_port, wake
from rt_edge.sdk import ProbeResult, TransientError

SPEEDS = (9600, 19200, 38400, 57600, 115200, 4800, 2400, 1200)
"""Bits a second that instruments have, the usual ones first."""
HEARD_S = 1.0
"""So long an instrument that talks by itself is listened to."""
SHOWN = 24
"""Bytes that are shown of what could not be read."""

_TEXT = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\r\n\x02\x03\x06\x15")
"""Bytes of a text; noise, and what came at another speed, has others."""


async def probe(settings: Any) -> ProbeResult:
    """Listen, or ask everything once; if nothing can be read, try the usual speeds.

    Args:
        settings: a `SerialSettings`, or an object with its attributes.

    Raises:
        TransientError, FatalAdapterError: the port cannot be opened.
    """
    if settings.listen is None and settings.poll is None:
        await (await _opened(settings, _Ear(settings), settings.baud, first=True)).close()
        return ProbeResult(True, f"{settings.port} can be opened")
    tried = _listen if settings.listen is not None else _ask
    ear = await tried(settings, settings.baud, True)
    if ear.read:
        missing = [name for name, parsed in ear.read.items() if parsed is None]
        heard = "; ".join(f"{name}: {_shown(parsed)}" for name, parsed in ear.read.items() if parsed is not None)
        words = f"{settings.port}: {heard}" + (f"; no reply to {', '.join(missing)}" if missing and heard else "")
        if heard:
            return ProbeResult(not missing, words, {"baud": settings.baud})
    elif not ear.came:
        return ProbeResult(
            True, f"{settings.port} can be opened; nothing was heard within {HEARD_S:g} s", {"baud": settings.baud}
        )
    for baud in SPEEDS:
        if baud != settings.baud:
            other = await tried(settings, baud, False)
            found = next((parsed for parsed in other.read.values() if parsed is not None), None)
            if found is not None:
                words = f"at {settings.baud} Bd nothing can be read, at {baud} Bd it can: {_shown(found)}; write `baud: {baud}`"
                return ProbeResult(False, f"{settings.port}: {words}", {"baud": baud})
    if not ear.came:
        return ProbeResult(False, f"{settings.port} can be opened; no reply, at no usual speed", {"baud": settings.baud})
    what = f"{ear.came} bytes came, and no frame that can be read, at no usual speed; the first are hex:{ear.first.hex()}"
    return ProbeResult(False, f"{settings.port}: {what}", {"baud": settings.baud})


class _Ear:
    """Listens for one frame that can be read.

    Attributes:
        came: bytes that came; first: of them.
        read: what was listened to, or asked -> what came; None: nothing that can be read.
    """

    def __init__(self, settings: Any) -> None:
        self.came = 0
        self.first = b""
        self.read: dict[str, Parsed | None] = {}
        self.echo = Echo(settings.poll is not None and settings.poll.local_echo, lambda _: None)
        self._checked = settings.framing.crc is not None
        self._text = False
        self._parse: Callable[[bytes], Parsed | None] = lambda _: None
        self._cutter = Cutter(settings.framing, lambda _name, _n: None)
        self._found = asyncio.Event()
        self._what: Parsed | None = None

    def expect(self, kind: str, parse: Callable[[bytes], Parsed | None], whole: bool) -> None:
        """Frames of this kind of format from now on; `whole`: the next byte begins one."""
        self._parse = parse
        self._text = not self._checked and kind not in ("struct", "bytes")
        self._cutter.restart(whole)
        self._found.clear()
        self._what = None

    async def heard(self, within: float) -> Parsed | None:
        """What came, as soon as it is there."""
        try:
            async with asyncio.timeout(within):
                await self._found.wait()
        except TimeoutError:
            return None
        return self._what

    def on_data(self, data: bytes) -> None:
        """See `Receiver`."""
        data = self.echo.without(data)
        self.came += len(data)
        self.first = (self.first + data)[:SHOWN]
        for payload in self._cutter.feed(data):
            if self._text and not _TEXT.issuperset(payload):
                continue
            try:
                parsed = self._parse(payload)
            except FrameError:
                continue
            if parsed is not None and self._what is None:
                self._what = parsed
                self._found.set()

    def on_lost(self, error: Exception) -> None:
        """See `Receiver`: nothing more is heard."""


async def _opened(settings: Any, ear: _Ear, baud: int, first: bool) -> SerialPort:
    port = open_port(settings, ear, paused=True, baud=baud)
    try:
        if first:
            await wake(port, settings)
    except BaseException:
        await port.close()
        raise
    port.resume()
    return port


async def _listen(settings: Any, baud: int, first: bool) -> _Ear:
    ear, form = _Ear(settings), settings.listen.format
    ear.expect(form.kind, parser_of(form), whole=False)
    port = await _opened(settings, ear, baud, first)
    try:
        parsed = await ear.heard(HEARD_S)
    finally:
        await port.close()
    if parsed is not None:
        ear.read[settings.listen.device] = parsed
    return ear


async def _ask(settings: Any, baud: int, first: bool) -> _Ear:
    """Everything once at the speed of the settings, the first only at another one."""
    asks = asks_of(settings, "probe")
    ear = _Ear(settings)
    port = await _opened(settings, ear, baud, first)
    try:
        for number, one in enumerate(asks if first else asks[:1]):
            kind = settings.poll.requests[one.name].format.kind
            ear.read[one.name] = await _answer(port, ear, one, kind, number)
    finally:
        await port.close()
    return ear


async def _answer(port: SerialPort, ear: _Ear, one: Asks, kind: str, number: int) -> Parsed | None:
    begins = one.begins.render(number)
    frame = one.frame(one.request.render(number))

    def parse(payload: bytes) -> Parsed | None:
        return one.parser(payload) if payload.startswith(begins) else None

    ear.expect(kind, parse, whole=True)
    ear.echo.expect(frame)
    port.write(frame)
    try:
        await port.sent()
    except TransientError:
        return None
    return await ear.heard(one.timeout)


def _shown(parsed: Parsed) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in list(parsed.fields.items())[:4]) or "a frame without a value"
