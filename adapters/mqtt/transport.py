"""The transport on paho-mqtt 2, which `paho_client.py` alone imports.

paho keeps what it is good at: CONNECT, SUBSCRIBE, keepalive, outgoing messages and their identifiers. It runs on our event
loop by its socket hooks: no thread, no polling, one timer at the scale of the keepalive. Three things are ours, since they are
the cost or the promise (figures and reasons: README.md): the socket is dialled without blocking, what is received is read in
64 kB and cut into packets here, and a QoS 2 message is answered with PUBREC when it is durable instead of at once.

The private names of paho that this leans on are listed in `paho_client.PAHO_SEAM`; a test checks
them against the installed version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from adapters.mqtt.dial import drained
from adapters.mqtt.framing import Framer, FramingError
from adapters.mqtt.link import connect_link
from adapters.mqtt.paho_client import PahoClient, RawProperties, connect_arguments, make_client, subscribe_arguments
from adapters.mqtt.pings import Pings
from adapters.mqtt.reader import Reader
from adapters.mqtt.reasons import connect_error, disconnect_error, unanswered_error, v5_code
from adapters.mqtt.seam import Connect, Connected, Listener, Message, Subscription
from adapters.mqtt.subscribing import subscribe_all
from adapters.mqtt.wire import DISCONNECT, GOODBYE, NAMES, PUBREC, Ack, Bare, Connack, connected_of, decode, encode_acks
from rt_edge.sdk import FatalAdapterError, RtEdgeError, TransientError

CLOSE_S = 1.0
_PUBACK = 0x40


class PahoTransport:
    """See `adapters.mqtt.seam.Transport`.

    Args:
        options: how to connect.
        listener: who is told.
    """

    def __init__(self, options: Connect, listener: Listener) -> None:
        self._options = options
        self._listener = listener
        self._v5 = options.version == 5
        self._address = f"{options.host}:{options.port}"
        self._pings = Pings()
        self._sock: Any = None
        self._writing = False
        self._reader: Reader | None = None
        self._over = False
        self._established = False
        self._said = Connack(False, 0, {})
        self._resumed = False
        self._closing = False
        self._flush_due = False
        self._misc: asyncio.TimerHandle | None = None
        self._eager: asyncio.TimerHandle | None = None
        self._connack: asyncio.Future[Connected] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._answers: dict[int, asyncio.Future[list[int]]] = {}
        self._refused: RtEdgeError | None = None
        self._client = self._make_client()

    def _make_client(self) -> PahoClient:
        client = make_client(self._options, self)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_answer
        client.on_unsubscribe = self._on_answer
        client.on_publish = self._on_published
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_written
        client.on_socket_close = self._on_socket_close
        return client

    async def connect(self) -> Connected:
        """See the seam."""
        options, loop = self._options, asyncio.get_running_loop()
        self._sock = self._client.dialled = await connect_link(options)
        self._connack = loop.create_future()
        self._ended = loop.create_future()
        try:
            self._client.connect(options.host, options.port, options.keepalive, **connect_arguments(options))
            self._reader = Reader(self._sock, Framer(self._v5, options.max_packet, options.topic_aliases), self, self._address)
            self._reader.start()
            async with asyncio.timeout(options.timeout):
                connected = await self._connack
        except TimeoutError:
            await self.close()
            raise TransientError(f"{self._address} did not answer the CONNECT within {options.timeout:g} s") from None
        except BaseException:
            await self.close()
            raise
        if self._over:
            raise self._refused or TransientError(f"{self._address} closed the connection after accepting it")
        self._watch()
        return connected

    async def subscribe(self, add: Sequence[Subscription], remove: Sequence[str]) -> list[int]:
        """See the seam."""
        if remove:
            await self._answer(self._client.unsubscribe(list(remove)), "UNSUBSCRIBE")
        return await subscribe_all(add, self._subscribe, self._address)

    async def _subscribe(self, group: list[Subscription], identifier: int) -> list[int]:
        entries, properties = subscribe_arguments(group, identifier, self._v5)
        return await self._answer(self._client.subscribe(entries, properties=properties), "SUBSCRIBE")

    async def _answer(self, sent: tuple[Any, int | None], what: str) -> list[int]:
        _, mid = sent
        if mid is None or self._over:
            raise self._refused or TransientError(f"{self._address} closed the connection")
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._answers[mid] = answer
        try:
            async with asyncio.timeout(self._options.timeout):
                return await answer
        except TimeoutError:
            raise TransientError(f"{self._address} did not answer the {what} within {self._options.timeout:g} s") from None
        finally:
            self._answers.pop(mid, None)

    def acknowledge(self, received: Sequence[tuple[int, int]], through: int) -> None:
        """See the seam; one write for all of them."""
        if self._over:
            return
        if received:
            self._client._packet_queue(_PUBACK, encode_acks(received), 0, 1)  # noqa: SLF001  # batch of acks: paho has one call a message
        if self._pings.acknowledged(through) and self._eager is None:
            self._eager = asyncio.get_running_loop().call_later(Pings.SPACING_S, self._ping)

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool, properties: bytes = b"") -> int:
        """See the seam; the caller keeps to the send quota."""
        if self._over:
            raise TransientError(f"{self._address} is not connected")
        about = RawProperties(properties) if properties and self._v5 else None
        if qos == 2 and self._resumed:
            info = self._client.publish_anew(topic, payload, retain, about)
        else:
            info = self._client.publish(topic, payload, qos, retain, about)
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._answers[info.mid] = answer
        try:
            return (await answer)[0]
        finally:
            self._answers.pop(info.mid, None)

    def resume(self) -> None:
        """See the seam."""
        if self._reader is not None and not self._over:
            self._client._ping_t = 0.0  # noqa: SLF001  # answers were not read while it paused
            self._reader.resume()

    async def close(self) -> None:
        """See the seam."""
        if self._closing:
            return
        self._closing = True
        try:
            if self._established and not self._over:
                await self._leave()
        finally:
            self._end(TransientError("closed"))
            if self._sock is not None:
                self._client._sock_close()  # noqa: SLF001  # paho has no public way to close without a DISCONNECT
                self._sock.close()
                self._sock = None

    async def _leave(self) -> None:
        """What is queued and DISCONNECT go out, and the broker closes its side, if it does so in time."""
        # paho would close the socket as soon as its DISCONNECT is written, whatever lies unread in it (see `drained`)
        self._client._packet_queue(_PUBACK, GOODBYE, 0, 1)  # noqa: SLF001
        self._flush()
        try:
            async with asyncio.timeout(CLOSE_S):
                if self._client.want_write() and self._ended is not None:
                    await self._ended
                if not self._over and self._reader is not None:
                    self._reader.close()
                    await drained(self._sock)
        except TimeoutError:
            return  # it takes nothing more: what it has is all it will get

    def take_messages(self, batch: list[Message]) -> bool:
        """From the reader: PUBLISH packets."""
        if not self._established:
            self._malformed("a PUBLISH before the CONNACK")
            return False
        self._heard()
        return self._listener.on_messages(batch)

    def take_packet(self, packet: bytes) -> None:
        """From the reader: a packet for paho."""
        try:
            said = decode(packet, self._v5)
        except FramingError as error:
            self._malformed(str(error))
            return
        if isinstance(said, Connack):
            if self._established:
                self._malformed("a second CONNACK")
                return
            self._said = said
            if said.code:
                self._refused = connect_error(v5_code(said.code, self._options.version), self._address)
        elif isinstance(said, Bare) and said.kind == DISCONNECT:
            self._refused = disconnect_error(said.code, self._address)
        elif not self._established:
            self._malformed(f"a {NAMES[said.kind]} before the CONNACK")
            return
        elif isinstance(said, Ack) and said.kind == PUBREC and said.codes[0] >= 0x80:
            # a PUBREC that refuses ends the exchange (MQTT 5, 4.3.3); paho would answer it with PUBREL
            self._client.forget_sent(said.mid)
            answer = self._answers.get(said.mid)
            if answer is not None and not answer.done():
                answer.set_result(said.codes)
            self._heard()
            return
        self._heard()
        self._client.incoming = packet
        try:
            self._client.loop_read()
        except Exception as error:  # noqa: BLE001  # paho's decoder, on bytes from outside: whatever it raises ends this connection only
            self._malformed(repr(error))

    def _malformed(self, what: str) -> None:
        self._fail(TransientError(f"{self._address}: what came is not MQTT as asked for: {what}"))

    def take_end(self, error: RtEdgeError) -> None:
        """From the reader: the connection ended."""
        self._fail(self._ended_with(error))

    def _ended_with(self, error: RtEdgeError) -> RtEdgeError:
        secure = self._options.tls is not None
        return error if self._established else unanswered_error(error, self._address, secure)

    def _heard(self) -> None:
        self._client._last_bytes_received = asyncio.get_running_loop().time()  # noqa: SLF001  # else paho's keepalive gives up

    def _on_want_write(self, client: Any, userdata: Any, sock: Any) -> None:
        """paho has something to send: once a turn, all of it."""
        if not self._flush_due and not self._writing:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _on_written(self, client: Any, userdata: Any, sock: Any) -> None:
        if self._writing:
            self._writing = False
            asyncio.get_running_loop().remove_writer(sock)

    def _on_socket_close(self, client: Any, userdata: Any, sock: Any) -> None:
        """paho closes the socket by itself after an error: its descriptor must leave the loop first."""
        if self._reader is not None:
            self._reader.close()

    def _flush(self) -> None:
        self._flush_due = False
        if self._over:
            return
        self._client.loop_write()
        if self._closing and not self._client.want_write() and self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        if self._client.want_write() and not self._writing and not self._over and self._client.socket() is not None:
            self._writing = True
            asyncio.get_running_loop().add_writer(self._sock, self._flush)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._connack is None or self._connack.done() or reason.is_failure:
            return
        if getattr(properties, "ServerKeepAlive", None) == 0:
            client._keepalive = self._options.keepalive  # noqa: SLF001  # paho takes 0 for "every PINGREQ is overdue"
        connected = connected_of(self._said)
        self._established = True
        self._resumed = connected.session_present
        self._listener.on_connected(connected)
        self._connack.set_result(connected)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._fail(self._ended_with(TransientError(f"{self._address}: {reason}")))

    def _on_answer(self, client: Any, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result([reason.value for reason in reasons])

    def _on_published(self, client: Any, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        self._on_answer(client, userdata, mid, [reason], properties)

    def _watch(self) -> None:
        """Look again in a quarter of the keepalive, which is the broker's where it named one."""
        self._misc = asyncio.get_running_loop().call_later(self._client.keepalive / 4, self._on_misc)

    def _on_misc(self) -> None:
        if self._over:
            return
        self._watch()
        if self._reader is not None and self._reader.paused:
            self._ping()  # nothing is read, so no answer can be missed: only keep the broker from giving us up
            self._client._ping_t = 0.0  # noqa: SLF001
        else:
            self._client.loop_misc()

    def _ping(self) -> None:
        self._eager = None
        if not self._over and self._pings.room:
            self._client._send_pingreq()  # noqa: SLF001  # paho pings only when idle

    def ping_sent(self) -> None:
        """A PINGREQ goes out."""
        self._pings.sent()

    def ping_answered(self) -> None:
        """A PINGRESP came in: the broker has every acknowledgement sent before its PINGREQ."""
        through = self._pings.answered()
        if through is not None and not self._over:
            self._listener.on_acknowledged(through)

    def _fail(self, error: RtEdgeError) -> None:
        established = self._established and not self._closing
        if self._refused is not None and not isinstance(error, FatalAdapterError):
            error = self._refused
        if self._end(error) and established:
            self._listener.on_lost(error)

    def _end(self, error: RtEdgeError) -> bool:
        """Nothing is read, written or timed any more; False: it was over already."""
        if self._over:
            return False
        self._over = True
        self._established = False
        for timer in (self._misc, self._eager):
            if timer is not None:
                timer.cancel()
        if self._reader is not None:
            self._reader.close()
        if self._writing:
            self._writing = False
            asyncio.get_running_loop().remove_writer(self._sock)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        waiting: list[asyncio.Future[Any]] = [*self._answers.values()]
        if self._connack is not None:
            waiting.append(self._connack)
        for future in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen: who waits gets it, who gave up does not need it
        return True
