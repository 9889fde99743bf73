"""One client's connection to the test broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rt_edge.testkit.mqtt_broker import packets as p

if TYPE_CHECKING:
    from rt_edge.testkit.mqtt_broker.broker import TestBroker
    from rt_edge.testkit.mqtt_broker.session import Session

WRITE_HIGH = 262_144
CONNECT_S = 10.0


class Connection:
    """Reads what the client sends, sends what its session has.

    Args:
        broker: routing, sessions, faults.
        reader: of the socket.
        writer: of the socket.
    """

    def __init__(self, broker: TestBroker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._broker = broker
        self._reader = reader
        self._writer = writer
        self._wake = asyncio.Event()
        self.session: Session | None = None
        self.v5 = True
        self._quota = 65_535
        self._will: p.Publish | None = None
        self.closed = False

    async def run(self) -> None:
        """From CONNECT to the end."""
        sender: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                kind, _, body = await p.read_packet(self._reader, self._broker.max_packet)
            if kind != p.CONNECT:
                return
            connect = p.decode_connect(body)
            if not self._accept(connect):
                return
            sender = asyncio.get_running_loop().create_task(self._send())
            limit = connect.keepalive * 1.5 or None
            while not self.closed:
                async with asyncio.timeout(limit):
                    kind, flags, body = await p.read_packet(self._reader, self._broker.max_packet)
                if not await self._handle(kind, flags, body):
                    return
        except (OSError, asyncio.IncompleteReadError, p.Malformed) as error:  # also TimeoutError
            self._broker.note(f"{self.session.client_id if self.session else '?'}: {error!r}")
        finally:
            if sender is not None:
                sender.cancel()
                await asyncio.wait([sender])
            self.cut()
            self._broker.left(self, self._will)

    def _accept(self, connect: p.Connect) -> bool:
        self.v5 = connect.version == 5
        code = self._broker.admit(connect)
        if code:
            self._writer.write(p.encode_connack(False, code, self.v5))
            return False
        session, present, assigned = self._broker.take_session(self, connect)
        self.session = session
        self._will = connect.will
        self._quota = connect.properties.get(p.RECEIVE_MAXIMUM, 65_535) if self.v5 else self._broker.inflight_v311
        said: p.Properties = dict(self._broker.faults.connack)
        if assigned:
            said[p.ASSIGNED_ID] = session.client_id.encode()
        self._writer.write(p.encode_connack(present, 0, self.v5, said))
        for again in session.to_resend():
            if isinstance(again, p.Publish):
                self._writer.write(p.encode_publish(again, self.v5))
            else:
                self._writer.write(p.encode_ack(p.PUBREL, again, v5=self.v5))
        self.wake()
        return True

    async def _handle(self, kind: int, flags: int, body: bytes) -> bool:
        """One packet from the client; False ends the connection."""
        session, broker = self.session, self._broker
        assert session is not None
        while broker.faults.deaf and not self.closed:
            await broker.bell.until(lambda: not broker.faults.deaf or self.closed, within=3600)
        if self.closed:
            return False  # cut meanwhile: what was swallowed stays so
        if kind == p.PUBLISH:
            self._published(p.decode_publish(flags, body, self.v5))
        elif kind in (p.PUBACK, p.PUBREC):
            return self._acknowledged(kind, p.decode_ack(body)[0])
        elif kind == p.PUBCOMP:
            session.completed(p.decode_ack(body)[0])
            self.wake()
        elif kind == p.PUBREL:
            mid = p.decode_ack(body)[0]
            session.incoming.discard(mid)
            self._writer.write(p.encode_ack(p.PUBCOMP, mid, v5=self.v5))
        elif kind == p.SUBSCRIBE:
            mid, wanted, identifier = p.decode_subscribe(body, self.v5)
            self._writer.write(p.encode_codes(p.SUBACK, mid, broker.subscribe(session, wanted, identifier), self.v5))
            self.wake()
        elif kind == p.UNSUBSCRIBE:
            mid, filters = p.decode_unsubscribe(body, self.v5)
            codes = [0 if session.subscriptions.pop(one, None) else 0x11 for one in filters]
            self._writer.write(p.encode_codes(p.UNSUBACK, mid, codes, self.v5))
        elif kind == p.PINGREQ:
            self._writer.write(p.frame(p.PINGRESP, b""))
        elif kind == p.DISCONNECT:
            self._will = self._will if body[:1] == b"\x04" else None
            return False
        else:
            raise p.Malformed(f"a packet of type {kind}")
        broker.bell.ring()
        return True

    def _published(self, publish: p.Publish) -> None:
        session, code = self.session, self._broker.faults.publish_code
        assert session is not None
        fresh = publish.qos < 2 or publish.mid not in session.incoming
        if fresh and not code:
            self._broker.route(publish)
        if publish.qos == 1:
            self._writer.write(p.encode_ack(p.PUBACK, publish.mid, code, self.v5))
        elif publish.qos == 2:
            session.incoming.add(publish.mid)
            self._writer.write(p.encode_ack(p.PUBREC, publish.mid, code, self.v5))

    def _acknowledged(self, kind: int, mid: int) -> bool:
        session, faults = self.session, self._broker.faults
        assert session is not None
        if faults.take("cut_before_ack"):
            return False
        session.received(mid)
        if kind == p.PUBREC:
            self._writer.write(p.encode_ack(p.PUBREL, mid, v5=self.v5))
        self._broker.bell.ring()
        if faults.take("cut_after_ack"):
            return False
        self.wake()
        return True

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def inject(self, publish: p.Publish) -> None:
        """Send exactly this, past session and quota."""
        self._writer.write(p.encode_publish(publish, self.v5))

    def cut(self, code: int | None = None) -> None:
        """End it: without a word, or at v5 with a DISCONNECT."""
        if self.closed:
            return
        self.closed = True
        if code is not None and self.v5:
            self._writer.write(p.frame(p.DISCONNECT, bytes((code, 0))))
            self._writer.close()
        elif self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def _send(self) -> None:
        session, broker = self.session, self._broker
        assert session is not None
        while True:
            await self._wake.wait()
            self._wake.clear()
            quota = 65_535 if broker.faults.ignore_receive_maximum else self._quota
            for publish in session.to_send(quota):
                if broker.faults.delay:
                    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=broker.faults.delay)
                data = p.encode_publish(publish, self.v5)
                if broker.faults.cut_mid_packet:
                    broker.faults.cut_mid_packet = False
                    self._writer.write(data[: len(data) // 2])
                    await self._writer.drain()
                    self._writer.close()
                    return
                self._writer.write(data)
                if self._writer.transport.get_write_buffer_size() > WRITE_HIGH:
                    await self._writer.drain()
            broker.bell.ring()
