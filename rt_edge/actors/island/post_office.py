"""PostOffice: carries signals between the members of an island, and to other islands in batches.

To another island at most one batch is under way; what is said meanwhile goes with the next. So the busier a wire is the larger
its batches, and an idle one answers at once. A batch that the way to the other island took at once is not under way. Nothing
here is reliable: what is dropped is said again by the ends of the wire.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from rt_edge.actors.layout import WirePlan
from rt_edge.data.errors import BufferOverflow, CodecError
from rt_edge.protocol.signals import (
    AnySignal,
    Cancel,
    OnNext,
    Request,
    Resubscribe,
    Settled,
    Subscribe,
    decode_signals,
    encode_signals,
)

Receiver = Callable[[AnySignal], None]

WAITING = 4096
"""Signals that may wait for one island; the oldest are dropped beyond it, and said again by their wire."""

BATCH_BYTES = 512_000
"""Payload in one batch, about."""

_TO_PRODUCER = (Subscribe, Request, Settled, Cancel)


class PostOffice:
    """The post of one island; all calls on the island's loop.

    Args:
        island: its name.
        wires: the wires with an end in it.
        soon: schedules a call on the loop.
        dispatch: hands on a batch for another island; True: it has gone, else `sent(island)` must be called when it has.
    """

    def __init__(
        self,
        island: str,
        wires: tuple[WirePlan, ...],
        soon: Callable[[Callable[[], None]], None],
        dispatch: Callable[[str, bytes], bool],
    ) -> None:
        self._island = island
        self._wires = {wire.name: wire for wire in wires}
        self._soon = soon
        self._dispatch = dispatch
        self._receivers: dict[tuple[str, bool], Receiver] = {}
        self._queues: dict[str, deque[AnySignal]] = {}
        self._busy: set[str] = set()
        self._flushing = False
        self.counters = {"batches_out": 0, "batches_in": 0, "signals_out": 0, "dropped_queue_full": 0, "undecodable": 0}

    def end(self, wire: str, producing: bool) -> WireEnd:
        """The post as one end of `wire` sees it."""
        return WireEnd(self, wire, producing)

    def join(self, *wires: WirePlan) -> None:
        """These have an end here from now on."""
        self._wires.update((wire.name, wire) for wire in wires)

    def leave(self, *wires: str) -> None:
        """These have none any more; what still comes for them is nobody's."""
        for wire in wires:
            self._wires.pop(wire, None)
            for producing in (True, False):
                self._receivers.pop((wire, producing), None)

    def register(self, wire: str, producing: bool, receive: Receiver) -> None:
        """`receive` is this end from now on."""
        self._receivers[wire, producing] = receive

    def send(self, signal: AnySignal) -> None:
        """To the other end, wherever it is."""
        wire = self._wires.get(signal.wire)
        if wire is None:
            return  # it has left: a last word of an end of it
        island = wire.producer_island if isinstance(signal, _TO_PRODUCER) else wire.consumer_island
        if island == self._island:
            self._soon(partial(self._hand_over, signal))
            return
        queue = self._queues.get(island)
        if queue is None:
            queue = self._queues[island] = deque(maxlen=WAITING)
        if len(queue) == WAITING:
            self.counters["dropped_queue_full"] += 1
        queue.append(signal)
        if not self._flushing:
            self._flushing = True
            self._soon(self._flush)

    def receive(self, data: bytes, nobodys: Callable[[AnySignal], object] | None = None) -> None:
        """A batch from another island; `nobodys` is given what is for an end that is not here."""
        self.counters["batches_in"] += 1
        try:
            signals = decode_signals(data)
        except CodecError:
            self.counters["undecodable"] += 1
            return
        for signal in signals:
            if not self._deliver(signal) and nobodys is not None:
                nobodys(signal)

    def sent(self, island: str) -> None:
        """The batch that was under way to `island` has arrived, or is lost."""
        self._busy.discard(island)
        if self._queues.get(island):
            self._pump(island)

    def forget(self, island: str) -> None:
        """No wire leads to `island` any more."""
        self._queues.pop(island, None)
        self._busy.discard(island)

    def reachable(self, island: str, wires: Iterable[str] | None = None) -> None:
        """`island` can be reached from now on, or is another process: what was said to it before may be lost, so every end of a
        wire to it (`wires`, for who knows them) says again what it has to say."""
        known = [self._wires[name] for name in wires if name in self._wires] if wires is not None else self._wires.values()
        for wire in list(known):
            if island in (wire.producer_island, wire.consumer_island):
                for producing in (True, False):
                    receive = self._receivers.get((wire.name, producing))
                    if receive is not None:
                        receive(Resubscribe(wire.name, "", ""))

    def _deliver(self, signal: AnySignal) -> bool:
        receive = self._receivers.get((signal.wire, isinstance(signal, _TO_PRODUCER)))
        if receive is None:
            return False
        receive(signal)
        return True

    def _hand_over(self, signal: AnySignal) -> None:
        self._deliver(signal)

    def _flush(self) -> None:
        self._flushing = False
        for island, queue in list(self._queues.items()):  # what is sent may fail at once, and the island be forgotten
            if queue and island not in self._busy and island in self._queues:
                self._pump(island)

    def _pump(self, island: str) -> None:
        queue = self._queues[island]
        while queue and island not in self._busy:
            self._post(island, queue)

    def _post(self, island: str, queue: deque[AnySignal]) -> None:
        batch: list[AnySignal] = []
        size = 0
        while queue and size < BATCH_BYTES:
            signal = queue.popleft()
            batch.append(signal)
            if isinstance(signal, OnNext):
                size += len(signal.payload)
        self._busy.add(island)
        self.counters["batches_out"] += 1
        self.counters["signals_out"] += len(batch)
        try:
            if self._dispatch(island, encode_signals(batch)):
                self._busy.discard(island)
        except BufferOverflow:
            self._busy.discard(island)  # nobody will say that it was sent; the ends of the wires say it again
            self.counters["dropped_queue_full"] += len(batch)


class WireEnd:
    """`rt_edge.streams.boundary.post.Post` for one end of one wire."""

    def __init__(self, office: PostOffice, wire: str, producing: bool) -> None:
        self._office = office
        self._wire = wire
        self._producing = producing

    def send(self, signal: AnySignal) -> None:
        """To the other end."""
        self._office.send(signal)

    def register(self, wire: str, receive: Receiver) -> None:
        """This end has a new life."""
        self._office.register(wire, self._producing, receive)
