"""One open channel: carries the bus's transactions over a transport, with one timer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from adapters.modbus.bus import Bus
from adapters.modbus.framing import Framing
from adapters.modbus.timing import Wire
from adapters.modbus.transaction import Transaction
from adapters.modbus.transport import Transport
from rt_edge.sdk import AdapterContext, CodecError


class Handle(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


class Timers(Protocol):
    """What a link needs of an event loop; tests have one under time wound by hand."""

    def call_soon(self, callback: Callable[[], None], /) -> object:
        """Call it after this turn."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Handle:
        """Call it in `delay` seconds."""
        ...


class Alarm(Protocol):
    """One call to come, on time to some ten microseconds."""

    def start(self, callback: Callable[[], None]) -> None:
        """Whom to call."""
        ...

    def set(self, delay: float) -> None:
        """Call in `delay` seconds, and not when it was set to before."""
        ...

    def close(self) -> None:
        """No call any more. Idempotent."""
        ...


class Link:
    """Drives one transaction after the other.

    Args:
        bus: decides what to ask.
        framing: of this connection.
        wire: timing of the channel.
        context: clock and counters.
        lost: called once when the connection is gone.
        loop: timers.
    """

    def __init__(
        self,
        bus: Bus,
        framing: Framing,
        wire: Wire,
        context: AdapterContext,
        lost: Callable[[Exception], None],
        loop: Timers,
    ) -> None:
        self._bus = bus
        self._framing = framing
        self._wire = wire
        self._clock = context.clock
        self._on_lost = lost
        self._loop = loop
        self._fine: Alarm | None = None
        self._transport: Transport | None = None
        self._tx: Transaction | None = None
        self._deadline = 0.0
        self._quiet_until = 0.0
        self._cut: int | None = None
        """The unit whose reply to a request of the connection before is waited for: until then the line is not ours."""
        self._timer: Handle | None = None
        self._timer_at = 0.0
        self._inside = False
        self._kicked = False
        self._gone = False

    def start(self, transport: Transport, after: float, fine: Alarm | None = None) -> None:
        """The transport is open; the first request goes out `after` seconds from now at the earliest.

        `fine` is a more precise timer for the silence between frames; it is closed with the link.
        """
        self._fine = fine
        if fine is not None:
            fine.start(self._pump)
        now = self._clock.monotonic()
        self._transport = transport
        self._quiet_until = now + after
        cut, self._bus.cut = self._bus.cut, None
        if cut is not None and cut[1] > self._quiet_until:
            self._cut, self._quiet_until = cut
        self._bus.start(self._framing, now)
        self.kick()

    async def close(self, reason: str) -> None:
        """Stop, give up what is under way."""
        transport, self._transport = self._transport, None
        if self._tx is not None:
            now, unit = self._clock.monotonic(), self._tx.unit.id
            self._framing.give_up(now)  # its reply may still come, also on the next connection
            if self._framing.late(unit, now):
                self._bus.cut = unit, self._deadline
            self._tx = None
        self._stop_timers()
        if transport is not None:
            self._bus.stop(self._clock.monotonic(), reason)
            await transport.close()

    def _stop_timers(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        fine, self._fine = self._fine, None
        if fine is not None:
            fine.close()

    def kick(self) -> None:
        """There may be something to ask: demand or a command came."""
        if not self._inside and not self._kicked and self._tx is None and self._transport is not None:
            self._kicked = True
            self._loop.call_soon(self._pump)

    # -- from the transport ------------------------------------------------------------------------------------------

    def on_data(self, data: bytes) -> None:
        """See `Receiver`."""
        if self._transport is None or self._gone:
            return
        now = self._clock.monotonic()
        try:
            pdu = self._framing.feed(data, now)
        except CodecError as error:
            self.on_lost(error)
            return
        if pdu is not None and self._tx is not None:
            self._end(pdu, now)
        elif self._cut is not None and not self._framing.late(self._cut, now):
            self._cut, self._quiet_until = None, now + self._wire.silence
            self.kick()
        else:
            self._quiet_until = max(self._quiet_until, now + self._wire.silence)

    def on_lost(self, error: Exception) -> None:
        """See `Receiver`."""
        if self._gone:
            return
        self._gone = True
        self._stop_timers()
        if self._transport is not None:
            self._on_lost(error)

    # -- one transaction after the other -----------------------------------------------------------------------------

    def _pump(self) -> None:
        self._kicked = False
        if self._tx is None:
            self._ask(self._clock.monotonic())

    def _ask(self, now: float) -> None:
        """Send the next request, or wait until that may be done; nothing is on the wire."""
        if self._transport is None or self._gone:
            return
        if now < self._quiet_until:
            wake = self._bus.wake(now)
            if wake is None:
                return
            if self._fine is not None and wake <= self._quiet_until:
                self._fine.set(self._quiet_until - now)
            else:
                self._arm(max(wake, self._quiet_until), now)
            return
        self._inside = True
        try:
            tx = self._bus.next(now)
        finally:
            self._inside = False
        if tx is None:
            wake = self._bus.wake(now)
            if wake is not None:
                self._arm(wake, now)
            return
        self._tx = tx
        request = tx.request
        self._deadline = now + tx.unit.timeout
        if self._wire.char:
            self._deadline += self._wire.airtime(len(request.pdu)) + self._wire.airtime(request.reply)
        if self._timer is None or self._timer_at > self._deadline:
            self._arm(self._deadline, now)
        self._transport.write(self._framing.begin(tx.unit.id, request, now))

    def _end(self, pdu: bytes | None, now: float) -> None:
        tx, self._tx = self._tx, None
        assert tx is not None
        self._quiet_until = now + self._wire.silence + self._wire.pause
        self._inside = True
        try:
            if pdu is None:
                self._bus.unanswered(tx, now)
            else:
                self._bus.answered(tx, pdu, now)
        finally:
            self._inside = False
        self._ask(now)
        if self._bus.settle() and self._tx is None:
            self._ask(now)

    def _arm(self, at: float, now: float) -> None:
        """Be called at `at` or earlier; a timer that fires earlier looks again (most replies come long before their time-out)."""
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(0.0, at - now), self._fired)

    def _fired(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        if self._tx is None:
            self._pump()
        elif now >= self._deadline:
            self._end(self._framing.give_up(now), now)
        else:
            self._arm(self._deadline, now)
