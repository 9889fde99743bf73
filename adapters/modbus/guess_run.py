"""`rt-edge modbus guess`: read some registers a few times and say in which ways they make sense."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from adapters.modbus.framing import make_framing
from adapters.modbus.guess import Candidate, candidates, parse_expected
from adapters.modbus.pdu import data_of, read
from adapters.modbus.plan import wire_of
from adapters.modbus.scan import LATE_S, Asker, open_channel
from rt_edge.sdk import Found, ScanReport, TransientError, Value

MOST_SHOWN = 20
"""Candidates that are reported; the others are counted."""


async def guess(settings: Any, report: ScanReport) -> None:
    """Read, rank, report; names begin with the rank.

    Args:
        settings: a `ModbusGuess`, or an object with its attributes.
        report: who is told.

    Raises:
        TransientError: the line cannot be opened, or was lost; the unit does not answer.
        CodecError: the unit refuses to be read there.
    """
    table = "holding" if settings.holding is not None else "input"
    address = settings.holding if settings.holding is not None else settings.input
    reads = await _read(settings, report, table, address)
    expected = parse_expected(settings.expect) if settings.expect else None
    found = candidates(reads, settings.types, expected)
    for rank, candidate in enumerate(found[:MOST_SHOWN], 1):
        report.found(_found(rank, candidate, table, address))
    if len(found) > MOST_SHOWN:
        report.note(f"{len(found) - MOST_SHOWN} less plausible ways are not shown")
    if not found:
        shown = " ".join(reads[-1][i : i + 2].hex() for i in range(0, len(reads[-1]), 2))
        report.note(f"the registers hold {shown}: no type and order makes that {settings.expect or 'a value'}")
    elif expected is None:
        report.note("a known value decides: --expect 21.5, or --expect 20..25")


async def _read(settings: Any, report: ScanReport, table: str, address: int) -> list[bytes]:
    counts = Counter[str]()
    framing = make_framing(settings.channel, lambda name, n: counts.update({name: n}), LATE_S)
    asker = Asker(framing, report)
    wire = wire_of(settings.channel)
    request = read(table, address, settings.registers)
    within = settings.unit_timeout + wire.airtime(len(request.pdu)) + wire.airtime(request.reply)
    transport = await open_channel(settings.channel, asker)
    found: list[bytes] = []
    try:
        for done in range(settings.reads):
            report.progress(done, settings.reads, f"read {done + 1} of {settings.reads}")
            if done:
                await asyncio.sleep(max(settings.every, wire.silence))
            reply = await asker.ask(transport, settings.unit, request, within)
            if reply is not None:
                found.append(data_of(request, reply))
            elif not found:
                raise TransientError(f"unit {settings.unit} does not answer", "rt-edge scan modbus shows who does")
    finally:
        await transport.close()
    if len(found) < settings.reads:
        report.note(f"{settings.reads - len(found)} of {settings.reads} reads were not answered")
    return found


def _found(rank: int, candidate: Candidate, table: str, address: int) -> Found:
    at = address + candidate.at
    point: dict[str, Any] = {table: at, "type": candidate.kind}
    plain = candidate.orders[0] in ("AB", "ABCD", "ABCDEFGH")
    if not plain:
        point["order"] = candidate.orders[0]
    if candidate.scale != 1:
        point["scale"] = candidate.scale
    if candidate.kind == "string":
        point["length_registers"] = max(1, len(str(candidate.values[0]).encode()) + 1 >> 1)
    scaled = f" x {candidate.scale:g}" if candidate.scale != 1 else ""
    name = f"{rank} {table} {at} {candidate.kind} {'/'.join(candidate.orders)}{scaled}"
    what = f"{_shown(candidate.values)}  ({candidate.score:.2f}: {', '.join(candidate.why)})"
    details = {
        "rank": rank,
        "table": table,
        "address": at,
        "type": candidate.kind,
        "orders": list(candidate.orders),
        "scale": candidate.scale,
        "values": list(candidate.values),
        "score": round(candidate.score, 3),
        "why": list(candidate.why),
    }
    return Found(name, what, details, {"value": point})


def _shown(values: tuple[Value, ...]) -> str:
    """The value, or from which to which."""
    if any(isinstance(value, str) for value in values):
        return repr(values[-1])
    numbers = sorted(value for value in values if isinstance(value, (int, float)))
    low, high = (f"{n:,d}" if isinstance(n, int) else f"{n:.7g}" for n in (numbers[0], numbers[-1]))
    return low if low == high else f"{low} to {high}"
