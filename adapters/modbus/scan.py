"""Which units of a line answer: each is asked for one register; an exception is an answer too."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from adapters.modbus.address import tcp_address
from adapters.modbus.framing import Framing, make_framing
from adapters.modbus.pdu import ANY_LENGTH, EXCEPTION, EXCEPTIONS, IDENTIFY, UNREACHABLE, Request, data_of, read
from adapters.modbus.plan import wire_of
from adapters.modbus.transport import Transport, open_serial, open_tcp
from rt_edge.sdk import CodecError, Found, ScanReport, TransientError

LATE_S = 30.0
"""How long a late answer is still recognised as one."""
IDENTITY = Request(bytes((IDENTIFY, 14, 1, 0)), ANY_LENGTH)
"""Read Device Identification, the basic objects (MODBUS Application Protocol V1.1b3, 6.21)."""
MOST_IDENTITY = 253
"""Bytes that the reply to it may have."""
OBJECTS = ("vendor", "product", "revision")


class Asker:
    """One line, one question at a time; the receiver of its transport.

    Args:
        framing: of the line.
        report: has the clock.
    """

    def __init__(self, framing: Framing, report: ScanReport) -> None:
        self._framing = framing
        self._clock = report.clock
        self._answer: asyncio.Future[bytes] | None = None
        self._lost: Exception | None = None

    def on_data(self, data: bytes) -> None:
        """See `Receiver`."""
        try:
            pdu = self._framing.feed(data, self._clock.monotonic())
        except CodecError as error:
            self.on_lost(error)
            return
        if pdu is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(pdu)

    def on_lost(self, error: Exception) -> None:
        """See `Receiver`."""
        self._lost = error
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(TransientError(f"the line was lost: {error}"))

    async def ask(self, transport: Transport, unit: int, request: Request, within: float) -> bytes | None:
        """The PDU of the answer; None if none came `within` seconds.

        Raises:
            TransientError: the line was lost.
        """
        if self._lost is not None:
            raise TransientError(f"the line was lost: {self._lost}")
        self._answer = asyncio.get_running_loop().create_future()
        transport.write(self._framing.begin(unit, request, self._clock.monotonic()))
        try:
            async with asyncio.timeout(within):
                return await self._answer
        except TimeoutError:
            return self._framing.give_up(self._clock.monotonic())
        finally:
            self._answer = None


async def open_channel(channel: Any, asker: Asker) -> Transport:
    """Open the line of a channel for one who asks.

    Raises:
        TransientError: it cannot be opened.
    """
    if channel.serial is not None:
        return open_serial(channel, asker)
    return await open_tcp(*tcp_address(channel.tcp), channel.connect_timeout, asker)


async def scan_units(settings: Any, report: ScanReport) -> None:
    """Ask every unit, tell `report` who answers.

    Args:
        settings: a `ModbusScan`, or an object with its attributes.
        report: who is told.

    Raises:
        TransientError: the line cannot be opened, or was lost.
    """
    channel, counts = settings.channel, Counter[str]()
    asker = Asker(make_framing(channel, _adder(counts), LATE_S), report)
    transport = await open_channel(channel, asker)
    try:
        await _ask_all(settings, report, asker, transport)
    finally:
        await transport.close()
    if counts["late_frames"]:
        report.note(f"{counts['late_frames']} answers came too late to be told apart: try --set unit_timeout=1s")
    if counts["crc_errors"] + counts["noise_bytes"] > 0:
        report.note(
            f"{counts['noise_bytes']} bytes were no Modbus frame: are baud, parity and stop_bits right, is nobody else asking?"
        )


async def _ask_all(settings: Any, report: ScanReport, asker: Asker, transport: Transport) -> None:
    units = settings.numbers
    request = read(settings.table, settings.address, 1)
    wire = wire_of(settings.channel)
    within = settings.unit_timeout + wire.airtime(len(request.pdu)) + wire.airtime(request.reply)
    for done, unit in enumerate(units):
        report.progress(done, len(units), f"unit {unit}")
        reply = await asker.ask(transport, unit, request, within)
        if reply is None:
            continue
        details: dict[str, Any] = {"unit": unit, "table": settings.table, "address": settings.address}
        if reply[0] & EXCEPTION:
            code = reply[1] if len(reply) > 1 else 0
            if code in UNREACHABLE:
                continue  # the gateway answered, for a unit that is not there
            details["exception"] = code
            said = f"answers with exception {code} ({EXCEPTIONS.get(code, 'unknown')}) to {settings.table} {settings.address}"
        else:
            try:
                value = int.from_bytes(data_of(request, reply), "big")
            except CodecError as error:
                report.note(f"unit {unit}: {error}")
                continue
            details["value"] = value
            said = f"{settings.table} {settings.address} is {value}"
        await asyncio.sleep(wire.silence)
        names = identity(await asker.ask(transport, unit, IDENTITY, within + wire.airtime(MOST_IDENTITY)))
        details.update(names)
        said = ", ".join([*names.values(), said])
        report.found(Found(f"unit {unit}", said, details, {f"unit-{unit}": {"unit": unit, "points": {}}}))
        await asyncio.sleep(wire.silence)
    report.progress(len(units), len(units), "done")


def identity(reply: bytes | None) -> dict[str, str]:
    """Vendor, product and revision from the reply to IDENTITY; what is not in it, or not understood, is left out."""
    if reply is None or len(reply) < 7 or reply[:2] != IDENTITY.pdu[:2]:
        return {}
    names, at = {}, 7
    for _ in range(reply[6]):
        if at + 2 > len(reply) or at + 2 + reply[at + 1] > len(reply):
            break
        number, length = reply[at], reply[at + 1]
        text = reply[at + 2 : at + 2 + length].decode("utf-8", "replace").strip("\0 ")
        if number < len(OBJECTS) and text:
            names[OBJECTS[number]] = text
        at += 2 + length
    return names


def _adder(counts: Counter[str]) -> Any:
    def add(name: str, n: int) -> None:
        counts[name] += n

    return add
