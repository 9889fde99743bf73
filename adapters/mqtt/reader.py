"""Reading: from a readable socket to batches of messages and single control packets, within a bounded turn of the loop."""

from __future__ import annotations

import asyncio
import ssl
from itertools import islice
from typing import Any, Protocol

from adapters.mqtt.framing import Framer, FramingError
from adapters.mqtt.seam import BATCH, Message
from rt_edge.sdk import RtEdgeError, TransientError

RECEIVE = 65_536
"""Bytes of one read."""
TURN = 4
"""Most reads of one turn of the loop."""


class Taker(Protocol):
    """Who gets what was read."""

    def take_messages(self, batch: list[Message]) -> bool:
        """Messages, in order; False: stop reading."""
        ...

    def take_packet(self, packet: bytes) -> None:
        """A whole packet that is not a PUBLISH."""
        ...

    def take_end(self, error: RtEdgeError) -> None:
        """Nothing more will come."""
        ...


class Reader:
    """One connected, non-blocking socket.

    Args:
        sock: plain or TLS.
        framer: cuts packets.
        taker: who gets them.
        address: for messages.
    """

    def __init__(self, sock: Any, framer: Framer, taker: Taker, address: str) -> None:
        self._sock = sock
        self._framer = framer
        self._taker = taker
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._running = False
        self._closed = False
        self.paused = False

    def start(self) -> None:
        """Read whenever there is something."""
        self._loop.add_reader(self._sock, self._read)
        self._running = True

    def resume(self) -> None:
        """Read on after `take_messages` returned False."""
        if self.paused and not self._closed:
            self.paused = False
            self.start()
            self._loop.call_soon(self._read)

    def close(self) -> None:
        """Read no more; idempotent; the socket stays open."""
        self._closed = True
        self._stop()

    def _stop(self) -> None:
        if self._running:
            self._running = False
            self._loop.remove_reader(self._sock)

    def _read(self) -> None:
        for _ in range(TURN):
            if self._closed or self.paused or not self._hand_on():
                return
            try:
                data = self._sock.recv(RECEIVE)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._end(f"the connection broke: {error.strerror or error}")
                return
            if not data:
                self._end("the connection was closed by the broker")
                return
            self._framer.feed(data)
            if not self._hand_on() or (len(data) < RECEIVE and not self._pending()):
                return
        # TLS may hold decrypted bytes that no descriptor announces: come back by ourselves
        self._loop.call_soon(self._read)

    def _pending(self) -> bool:
        pending = getattr(self._sock, "pending", None)  # TLS and websockets have it
        return pending is not None and pending() > 0

    def _hand_on(self) -> bool:
        """Everything that is cut out already goes on; False: reading stops here."""
        packets = self._framer.packets()
        batch: list[Message] = []
        try:
            while not self._closed:
                cut = 0
                for packet in islice(packets, BATCH):
                    cut += 1
                    if isinstance(packet, Message):
                        batch.append(packet)
                        continue
                    going = self._deliver(batch)
                    batch = []
                    self._taker.take_packet(packet)  # it is cut out already: it goes on even when messages have to wait
                    if not going or self._closed:
                        return False
                if not cut:
                    return True
                if not self._deliver(batch):
                    return False
                batch = []
        except FramingError as error:
            self._end(f"what came is not MQTT as asked for: {error}")
        return False

    def _deliver(self, batch: list[Message]) -> bool:
        if batch and not self._taker.take_messages(batch) and not self._closed:
            self.paused = True
            self._stop()
        return not self.paused

    def _end(self, what: str) -> None:
        self.close()
        self._taker.take_end(TransientError(f"{self._address}: {what}"))
