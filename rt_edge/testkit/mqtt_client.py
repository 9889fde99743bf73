"""RawClient: an MQTT client that does nothing by itself, for tests of brokers and for feeding them.

It acknowledges only when told to, so that a test sees what a broker does meanwhile.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.waiting import Bell

MOST = 200_000


class RawClient:
    """One client, one connection.

    Args:
        port: of the broker.
        connect: what to say first.
        host: of the broker.
        tls: how its certificate is checked, and ours; None: no TLS.

    Attributes:
        present: session present, from the CONNACK.
        code: code of the CONNACK.
        messages: PUBLISH received, in order, the last 200,000.
        acks: identifier -> code of PUBACK, PUBCOMP, SUBACK and UNSUBACK received (codes of the last two as a list).
        pongs: PINGRESP received.
        ended: the broker closed the connection.
        goodbye: code of its DISCONNECT, or None.
    """

    def __init__(self, port: int, connect: p.Connect, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._connect = connect
        self._v5 = connect.version == 5
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._mid = 0
        self._bell = Bell()
        self.present = False
        self.code = -1
        self.connack: p.Properties = {}
        self.messages: deque[p.Publish] = deque(maxlen=MOST)
        self.acks: dict[int, int | list[int]] = {}
        self.pongs = 0
        self.ended = False
        self.goodbye: int | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect and wait for the CONNACK, whatever it says."""
        reader, self._writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        self._task = asyncio.get_running_loop().create_task(self._read(reader))
        self._writer.write(p.encode_connect(self._connect))
        await self.until(lambda: self.code >= 0 or self.ended, what="a CONNACK")

    async def close(self) -> None:
        """DISCONNECT; idempotent."""
        if self._writer is not None and not self.ended and not self._writer.is_closing():
            self._writer.write(p.frame(p.DISCONNECT, b""))
        await self._stop()

    async def vanish(self) -> None:
        """Close the connection without a DISCONNECT."""
        await self._stop()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if writer is not None:
            try:
                await writer.wait_closed()
            except OSError:
                self.ended = True

    async def until(self, condition: Callable[[], bool], within: float = 10.0, what: str = "the condition") -> None:
        """Return when `condition` holds; looked at after each packet."""
        await self._bell.until(condition, within, what)

    async def quiet(self, seconds: float = 0.2) -> None:
        """Let real time pass, for claims that something does not come."""
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=seconds)

    async def received(self, n: int, within: float = 10.0) -> list[p.Publish]:
        """Return the messages when there are `n`."""
        await self.until(lambda: len(self.messages) >= n, within, f"{n} messages")
        return list(self.messages)

    def send(self, data: bytes) -> None:
        """Any bytes."""
        assert self._writer is not None
        self._writer.write(data)

    def ack(self, *messages: p.Publish) -> None:
        """PUBACK, or PUBREC at QoS 2."""
        for message in messages:
            self.send(p.encode_ack(p.PUBACK if message.qos == 1 else p.PUBREC, message.mid, v5=self._v5))

    async def ping(self) -> None:
        """PINGREQ and wait: the broker has handled all that was sent before."""
        wanted = self.pongs + 1
        self.send(p.frame(p.PINGREQ, b""))
        await self.until(lambda: self.pongs >= wanted, what="a PINGRESP")

    async def subscribe(self, *wanted: p.Wanted, identifier: int = 0) -> list[int]:
        """SUBSCRIBE and wait; returns the codes."""
        mid = self._next()
        self.send(p.encode_subscribe(mid, list(wanted), self._v5, identifier))
        return await self._codes(mid)

    async def unsubscribe(self, *filters: str) -> list[int]:
        """UNSUBSCRIBE and wait; returns the codes (none at v3.1.1)."""
        mid = self._next()
        self.send(p.encode_unsubscribe(mid, list(filters), self._v5))
        return await self._codes(mid)

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, retain: bool = False, properties: p.Properties | None = None
    ) -> int:
        """PUBLISH and wait for PUBACK or PUBCOMP; returns its code."""
        mid = self._next() if qos else 0
        self.send(p.encode_publish(p.Publish(topic, payload, qos, retain, False, mid, properties or {}), self._v5))
        if not qos:
            return 0
        await self.until(lambda: mid in self.acks or self.ended, what=f"the acknowledgement of {mid}")
        code = self.acks.pop(mid)
        assert isinstance(code, int)
        return code

    async def publish_many(self, topic: str, payloads: Sequence[bytes], at_once: int = 100) -> None:
        """QoS 1, at most `at_once` unacknowledged; returns when all are acknowledged."""
        for start in range(0, len(payloads), at_once):
            part = payloads[start : start + at_once]
            mids = [self._next() for _ in part]
            self.send(
                b"".join(
                    p.encode_publish(p.Publish(topic, data, 1, mid=mid), self._v5) for mid, data in zip(mids, part, strict=True)
                )
            )
            await self.until(lambda mids=mids: all(m in self.acks for m in mids) or self.ended, 30.0, "PUBACKs")  # type: ignore[misc]
            for mid in mids:
                del self.acks[mid]

    async def _codes(self, mid: int) -> list[int]:
        await self.until(lambda: mid in self.acks or self.ended, what="SUBACK or UNSUBACK")
        codes = self.acks.pop(mid)
        assert isinstance(codes, list)
        return codes

    def _next(self) -> int:
        self._mid = self._mid % 65_535 + 1
        return self._mid

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                self._take(*await p.read_packet(reader, 268_435_455))
                self._bell.ring()
        except (OSError, asyncio.IncompleteReadError):
            self.ended = True
            self._bell.ring()

    def _take(self, kind: int, flags: int, body: bytes) -> None:
        if kind == p.PUBLISH:
            self.messages.append(p.decode_publish(flags, body, self._v5))
        elif kind == p.CONNACK:
            self.present, self.code = bool(body[0] & 1), body[1]
            self.connack = p.Cursor(body[2:]).properties() if self._v5 and len(body) > 2 else {}
        elif kind in (p.PUBACK, p.PUBCOMP):
            mid, code = p.decode_ack(body)
            self.acks[mid] = code
        elif kind == p.PUBREC:
            self.send(p.encode_ack(p.PUBREL, p.decode_ack(body)[0], v5=self._v5))
        elif kind == p.PUBREL:
            self.send(p.encode_ack(p.PUBCOMP, p.decode_ack(body)[0], v5=self._v5))
        elif kind in (p.SUBACK, p.UNSUBACK):
            mid, codes = p.decode_codes(body, self._v5)
            self.acks[mid] = codes
        elif kind == p.PINGRESP:
            self.pongs += 1
        elif kind == p.DISCONNECT:
            self.goodbye = body[0] if body else 0
