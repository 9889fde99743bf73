"""The fast transport: our own client on the event loop. Sockets, timers and futures; what MQTT says is in `exchange.py`.

It loads no library. Reading is the same as in the transport on paho (`reader.py`, `framing.py`); what goes out is put together
once a turn of the loop. Like it, an object is one connection: made, connected, closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from adapters.mqtt.dial import drained
from adapters.mqtt.exchange import Exchange, Pong
from adapters.mqtt.framing import Framer, FramingError
from adapters.mqtt.keepalive import Keepalive
from adapters.mqtt.link import connect_link
from adapters.mqtt.outflow import Outflow
from adapters.mqtt.pings import Pings
from adapters.mqtt.reader import Reader
from adapters.mqtt.reasons import unanswered_error
from adapters.mqtt.seam import Connect, Connected, Listener, Message, Subscription
from adapters.mqtt.subscribing import subscribe_all
from adapters.mqtt.wire import GOODBYE, SERVER_KEEPALIVE, Ack, Connack, connected_of
from adapters.mqtt.writer import Writer
from rt_edge.sdk import RtEdgeError, TransientError

CLOSE_S = 1.0
"""How long closing waits for what is queued to be written, and again for the broker to close its side."""
QOS_NOT_SUPPORTED, PACKET_TOO_LARGE, TOPIC_NAME_INVALID = 0x9B, 0x95, 0x90


class FastTransport:
    """See `adapters.mqtt.seam.Transport`.

    Args:
        options: how to connect.
        listener: who is told.
    """

    def __init__(self, options: Connect, listener: Listener) -> None:
        self._options = options
        self._listener = listener
        self._address = f"{options.host}:{options.port}"
        self._exchange = Exchange(options, self._address)
        self._sock: Any = None
        self._reader: Reader | None = None
        self._writer: Writer | None = None
        self._keepalive: Keepalive | None = None
        self._limits = Connected(False)
        self._connack: asyncio.Future[Connected] | None = None
        self._answers: dict[int, asyncio.Future[list[int]]] = {}
        self._outflow = Outflow()
        self._timer: asyncio.TimerHandle | None = None
        self._eager: asyncio.TimerHandle | None = None
        self._established = False
        self._closing = False
        self._over: RtEdgeError | None = None

    async def connect(self) -> Connected:
        """See the seam."""
        options, loop = self._options, asyncio.get_running_loop()
        self._sock = await connect_link(options)
        self._connack = loop.create_future()
        try:
            self._writer = Writer(self._sock, self._broke)
            framer = Framer(options.version == 5, options.max_packet, options.topic_aliases)
            self._reader = Reader(self._sock, framer, self, self._address)
            self._reader.start()
            self._exchange.connect()
            self._send()
            async with asyncio.timeout(options.timeout):
                connected = await self._connack
        except TimeoutError:
            await self.close()
            raise TransientError(f"{self._address} did not answer the CONNECT within {options.timeout:g} s") from None
        except BaseException:
            await self.close()
            raise
        if self._over is not None:
            raise self._over
        return connected

    async def subscribe(self, add: Sequence[Subscription], remove: Sequence[str]) -> list[int]:
        """See the seam."""
        self._check()
        if remove:
            await self._answer(self._exchange.unsubscribe(remove), "UNSUBSCRIBE")
        return await subscribe_all(add, self._subscribe, self._address)

    async def _subscribe(self, group: list[Subscription], identifier: int) -> list[int]:
        self._check()
        return await self._answer(self._exchange.subscribe(group, identifier), "SUBSCRIBE")

    async def _answer(self, mid: int, what: str) -> list[int]:
        """The codes for a packet that is in `exchange.out`."""
        answer = self._expect(mid)
        self._send()
        try:
            async with asyncio.timeout(self._options.timeout):
                return await answer
        except TimeoutError:
            raise TransientError(f"{self._address} did not answer the {what} within {self._options.timeout:g} s") from None
        finally:
            self._answers.pop(mid, None)

    def _expect(self, mid: int) -> asyncio.Future[list[int]]:
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._answers[mid] = answer
        return answer

    def acknowledge(self, received: Sequence[tuple[int, int]], through: int) -> None:
        """See the seam; one write for all of a turn."""
        if self._over is not None:
            return
        if self._exchange.acknowledge(received, through) and self._eager is None:
            self._eager = asyncio.get_running_loop().call_later(Pings.SPACING_S, self._ping)
        self._send()

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool, properties: bytes = b"") -> int:
        """See the seam; holds to the broker's Receive Maximum, largest packet and highest QoS by itself."""
        self._check()
        exchange, limits = self._exchange, self._limits
        if qos > limits.max_qos:
            return QOS_NOT_SUPPORTED
        name = len(topic.encode())
        if name > 65_535:
            return TOPIC_NAME_INVALID
        if limits.max_packet and name + len(payload) + len(properties) + 14 > limits.max_packet:
            return PACKET_TOO_LARGE
        before = len(exchange.out)
        mid = exchange.publish(topic, payload, qos, retain, properties)
        held = self._outflow.sending(mid, exchange.out, before)
        self._send()
        if not mid:
            return await self._written(held)
        answer = self._expect(mid)
        try:
            return (await answer)[0]
        finally:
            self._answers.pop(mid, None)

    async def _written(self, held: asyncio.Future[None] | None) -> int:
        """A message of QoS 0 is with the system.

        Raises:
            TransientError: the connection went before.
        """
        if held is not None:
            await held
        if self._writer is not None:
            await self._writer.written()
        self._check()
        return 0

    def _check(self) -> None:
        if self._over is not None or not self._established:
            raise self._over or TransientError(f"{self._address} is not connected")

    def resume(self) -> None:
        """See the seam."""
        if self._reader is not None and self._over is None:
            self._reader.resume()

    async def close(self) -> None:
        """See the seam."""
        if self._closing:
            return
        self._closing = True
        try:
            if self._writer is not None and self._established and self._over is None:
                await self._leave(self._writer)
        finally:
            self._end(TransientError("closed"))
            if self._sock is not None:
                self._sock.close()
                self._sock = None

    async def _leave(self, writer: Writer) -> None:
        """What is queued and DISCONNECT go out, and the broker closes its side, if it does so in time."""
        writer.write(GOODBYE)
        writer.flush()
        try:
            async with asyncio.timeout(CLOSE_S):
                await writer.written()
                if self._over is None and self._reader is not None:
                    self._reader.close()
                    await drained(self._sock)
        except TimeoutError:
            return  # it takes nothing more: what it has is all it will get

    # -- from the reader and the writer ------------------------------------------------------------------------------------

    def take_messages(self, batch: list[Message]) -> bool:
        """PUBLISH packets."""
        if not self._established:
            self._fail(self._malformed(FramingError("a PUBLISH before the CONNACK")))
            return False
        self._heard()
        return self._listener.on_messages(batch)

    def take_packet(self, packet: bytes) -> None:
        """A packet that is not a PUBLISH."""
        self._heard()
        try:
            event = self._exchange.receive(packet)
        except FramingError as error:
            self._fail(self._malformed(error))
            return
        except RtEdgeError as error:
            self._fail(error)
            return
        if isinstance(event, Ack):
            self._answered(event)
        elif isinstance(event, Pong):
            self._listener.on_acknowledged(event.through)
        elif isinstance(event, Connack):
            self._accepted(event)
        self._send()

    def take_end(self, error: RtEdgeError) -> None:
        """Nothing more will come."""
        self._fail(error if self._established else unanswered_error(error, self._address, self._options.tls is not None))

    def _malformed(self, error: FramingError) -> RtEdgeError:
        return TransientError(f"{self._address}: what came is not MQTT as asked for: {error}")

    def _broke(self, error: OSError) -> None:
        self.take_end(TransientError(f"{self._address}: the connection broke: {error.strerror or error}"))

    def _accepted(self, connack: Connack) -> None:
        loop = asyncio.get_running_loop()
        self._limits = connected_of(connack)
        self._outflow.most = self._limits.send_quota
        self._established = True
        self._keepalive = Keepalive(connack.numbers.get(SERVER_KEEPALIVE) or self._options.keepalive, loop.time())
        self._timer = loop.call_later(self._keepalive.interval, self._look)
        self._listener.on_connected(self._limits)
        if self._connack is not None and not self._connack.done():
            self._connack.set_result(self._limits)

    def _answered(self, ack: Ack) -> None:
        answer = self._answers.get(ack.mid)
        if answer is not None and not answer.done():
            answer.set_result(ack.codes)
        self._outflow.answered(ack.mid, self._exchange.out)

    # -- time ----------------------------------------------------------------------------------------------------------------

    def _heard(self) -> None:
        if self._keepalive is not None:
            self._keepalive.heard(asyncio.get_running_loop().time())

    def _look(self) -> None:
        """Each quarter of the keepalive, which is the broker's where it named one."""
        keepalive, loop = self._keepalive, asyncio.get_running_loop()
        if self._over is not None or keepalive is None:
            return
        self._timer = loop.call_later(keepalive.interval, self._look)
        verdict = keepalive.look(loop.time(), self._reader is not None and self._reader.paused)
        if verdict == "gone":
            self._fail(TransientError(f"{self._address} has said nothing for {keepalive.seconds:g} s: keep alive timeout"))
        elif verdict == "ping":
            self._ping()

    def _ping(self) -> None:
        if self._eager is not None:
            self._eager.cancel()
            self._eager = None
        if self._over is None and self._exchange.ping():
            assert self._keepalive is not None
            self._keepalive.asked(asyncio.get_running_loop().time())
            self._send()

    def _send(self) -> None:
        """Everything the exchange has to say goes to the writer."""
        exchange, writer = self._exchange, self._writer
        if not exchange.out:
            return
        if writer is not None and self._over is None:
            writer.write(exchange.out)
            if self._keepalive is not None:
                self._keepalive.sent(asyncio.get_running_loop().time())
        exchange.out.clear()

    # -- the end -------------------------------------------------------------------------------------------------------------

    def _fail(self, error: RtEdgeError) -> None:
        established = self._established and not self._closing
        if self._end(error) and established:
            self._listener.on_lost(error)

    def _end(self, error: RtEdgeError) -> bool:
        """Nothing is read, written or timed any more; False: it was over already."""
        if self._over is not None:
            return False
        self._over = error
        for timer in (self._timer, self._eager):
            if timer is not None:
                timer.cancel()
        for part in (self._reader, self._writer):
            if part is not None:
                part.close()
        self._outflow.end()
        waiting: list[asyncio.Future[Any]] = [*self._answers.values()]
        if self._connack is not None:
            waiting.append(self._connack)
        for future in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen: who waits gets it, who gave up does not need it
        return True
