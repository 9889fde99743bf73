"""From settings to what works on a line: a Listener, or a Poller."""

from __future__ import annotations

from functools import partial
from typing import Any

from adapters.serial.asks import Asks
from adapters.serial.codec import parser_of
from adapters.serial.frames import Cutter, frame_of
from adapters.serial.listen import Listener
from adapters.serial.poll import Poller
from adapters.serial.ring import Ring
from adapters.serial.template import Template
from adapters.serial.transport import CHUNK
from rt_edge.sdk import AdapterContext
from rt_edge.sdk.seen import Seen

NO_POLL_LATE_S = 2.0
"""As `late_limit` of `poll`, where nothing is polled."""


def make(settings: Any, context: AdapterContext, seen: Seen) -> Listener | Poller:
    """What the settings of an adapter say is done on its line.

    Args:
        settings: a `SerialSettings`, or an object with its attributes.
        context: of the adapter.
        seen: what was stored before this process.
    """
    cutter = Cutter(settings.framing, context.count)
    times = seen.load()
    return (
        _listener(settings, context, cutter, seen, times) if settings.listen else _poller(settings, context, cutter, seen, times)
    )


def _listener(settings: Any, context: AdapterContext, cutter: Cutter, seen: Seen, times: dict[str, int]) -> Listener:
    listen = settings.listen
    hold = settings.flow_control != "none"
    listener = Listener(
        context,
        f"{context.name}/{listen.device}",
        listen.tags,
        cutter,
        parser_of(listen.format),
        Ring(max(CHUNK, listen.ring_readings) if hold else listen.ring_readings, listen.overflow),
        hold,
        listen.silent_after,
        seen.emitted,
    )
    for wall in times.values():
        listener.remember(wall)
    return listener


def asks_of(settings: Any, prefix: str) -> list[Asks]:
    """Everything that is asked; sources begin with `prefix`."""
    poll = settings.poll
    return [
        Asks(
            name,
            f"{prefix}/{name}",
            dict(request.tags),
            Template(request.request, request.values),
            Template(request.reply_begins, request.values),
            partial(frame_of, settings.framing) if request.framed else bytes,
            request.every,
            request.timeout,
            parser_of(request.format),
        )
        for name, request in (poll.requests.items() if poll else ())
    ]


def byte_seconds(settings: Any) -> float:
    """How long a byte takes on the line: its bits with start, parity and stop."""
    bits = 1 + settings.data_bits + (settings.parity != "none") + settings.stop_bits
    return float(bits / settings.baud)


def _poller(settings: Any, context: AdapterContext, cutter: Cutter, seen: Seen, times: dict[str, int]) -> Poller:
    poll = settings.poll
    verified = settings.framing.crc is not None
    asks = asks_of(settings, context.name)
    late_limit, pause, local_echo = (poll.late_limit, poll.pause, poll.local_echo) if poll else (NO_POLL_LATE_S, 0.0, False)
    poller = Poller(context, asks, cutter, verified, late_limit, pause, local_echo, byte_seconds(settings), seen.emitted)
    for one in poller.polls.values():
        if one.asks.source in times:
            one.presence.remember(times[one.asks.source])
    return poller
