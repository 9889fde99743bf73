"""The transport on paho-mqtt 2: the only module that imports paho.

paho keeps what it is good at: CONNECT, SUBSCRIBE, keepalive, outgoing messages and their identifiers. It runs on our event
loop by its socket hooks: no thread, no polling, one timer at the scale of the keepalive. Three things are ours, since they are
the cost or the promise (figures and reasons: README.md): the socket is dialled without blocking, what is received is read in
64 kB and cut into packets here, and a QoS 2 message is answered with PUBREC when it is durable instead of at once.

The private names of paho that this leans on are listed in `PAHO_SEAM`; a test checks them against the installed version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from adapters.mqtt.framing import Framer
from adapters.mqtt.lean import without
from adapters.mqtt.link import connect_link
from adapters.mqtt.pings import Pings
from adapters.mqtt.properties import write_varint
from adapters.mqtt.reader import Reader
from adapters.mqtt.reasons import connect_error, disconnect_error, v5_code
from adapters.mqtt.seam import Connect, Connected, Listener, Message, Subscription
from rt_edge.sdk import FatalAdapterError, RtEdgeError, TransientError

# paho looks there for a proxy when it dials; it never dials here (`PahoClient._create_socket`). With http and email: 1 MiB
with without("urllib.request"):
    from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client

PAHO_SEAM = (
    "_create_socket",
    "_sock_recv",
    "_packet_queue",
    "_packet_read",
    "_send_pingreq",
    "_handle_pingresp",
    "_handle_pubrel",
)
CLOSE_S = 1.0
_PUBACK, _PUBREC, _PUBCOMP = 0x40, 0x50, 0x70
_CONNACK, _DISCONNECT = 2, 14
_REFUSED = 5  # type of a PUBREC


class RawProperties(Properties):
    """Properties that are packed already.

    Args:
        raw: the bytes, without their length.
    """

    def __init__(self, raw: bytes) -> None:
        object.__setattr__(self, "raw", raw)  # nothing of the base class: its tables cost more than the message

    def pack(self) -> bytes:
        """With their length."""
        raw: bytes = object.__getattribute__(self, "raw")
        return write_varint(len(raw)) + raw


class PahoClient(Client):
    """paho's client, fed with whole packets and told of PINGs.

    Args:
        owner: the transport.
        **options: as for paho's Client.
    """

    def __init__(self, owner: PahoTransport, **options: Any) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, reconnect_on_failure=False, manual_ack=True, **options)
        self._owner = owner
        self.incoming = b""
        self.dialled: Any = None

    def _create_socket(self) -> Any:
        """The socket that is already there."""
        return self.dialled

    def _sock_recv(self, bufsize: int) -> bytes:
        """From the packet the transport has cut out."""
        if not self.incoming:
            raise BlockingIOError
        taken, self.incoming = self.incoming[:bufsize], self.incoming[bufsize:]
        return taken

    def forget_sent(self, mid: int) -> None:
        """The broker has refused a QoS 2 message: there is nothing more to say about it."""
        with self._out_message_mutex:
            if self._out_messages.pop(mid, None) is not None:
                self._inflight_messages = max(0, self._inflight_messages - 1)

    def _send_pingreq(self) -> MQTTErrorCode:
        self._owner.ping_sent()
        return super()._send_pingreq()

    def _handle_pingresp(self) -> MQTTErrorCode:
        rc = super()._handle_pingresp()
        self._owner.ping_answered()
        return rc

    def _handle_pubrel(self) -> MQTTErrorCode:
        """Second half of QoS 2: the message was handed on before its PUBREC, so nothing is left to do but to answer."""
        return self._packet_queue(_PUBCOMP, bytes((_PUBCOMP, 2)) + bytes(self._in_packet["packet"][:2]), 0, 1)


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
        options = self._options
        common = {"client_id": options.client_id, "protocol": MQTTProtocolVersion(options.version)}
        client = PahoClient(self, **common) if self._v5 else PahoClient(self, clean_session=options.clean, **common)
        if options.username is not None:
            client.username_pw_set(options.username, options.password)
        if options.will is not None:
            will = options.will
            about = RawProperties(will.properties) if self._v5 else None
            client.will_set(will.topic, will.payload, will.qos, will.retain, about)
        client.max_inflight_messages_set(0)  # the sink keeps to the broker's Receive Maximum itself
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
        clean_start: Any = options.clean if self._v5 else MQTT_CLEAN_START_FIRST_ONLY
        try:
            self._client.connect(
                options.host,
                options.port,
                options.keepalive,
                clean_start=clean_start,
                properties=self._connect_properties() if self._v5 else None,
            )
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

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = self._options.window
        properties.MaximumPacketSize = self._options.max_packet
        if self._options.session_expiry:
            properties.SessionExpiryInterval = self._options.session_expiry
        if self._options.topic_aliases:
            properties.TopicAliasMaximum = self._options.topic_aliases
        return properties

    async def subscribe(self, add: Sequence[Subscription], remove: Sequence[str]) -> list[int]:
        """See the seam."""
        if remove:
            await self._answer(self._client.unsubscribe(list(remove)), "UNSUBSCRIBE")
        # one packet a subscription identifier, as MQTT wants it; one for all that have none
        groups: dict[int, list[Subscription]] = {}
        for subscription in add:
            groups.setdefault(subscription.identifier, []).append(subscription)
        by_filter: dict[str, int] = {}
        for identifier, group in groups.items():
            entries: list[Any] = [(s.filter, self._subscribe_options(s)) for s in group]
            properties = None
            if identifier:
                properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
                properties.SubscriptionIdentifier = identifier
            said = await self._answer(self._client.subscribe(entries, properties=properties), "SUBSCRIBE")
            if len(said) != len(group):
                raise TransientError(f"{self._address} answered {len(group)} subscriptions with {len(said)} codes")
            by_filter.update({s.filter: code for s, code in zip(group, said, strict=True)})
        return [by_filter[s.filter] for s in add]

    def _subscribe_options(self, subscription: Subscription) -> Any:
        if not self._v5:
            return subscription.qos
        return SubscribeOptions(qos=subscription.qos, noLocal=subscription.no_local, retainHandling=subscription.retain_handling)

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
            packet = bytearray()
            for mid, qos in received:
                packet += bytes((_PUBACK if qos == 1 else _PUBREC, 2, mid >> 8, mid & 255))
            self._client._packet_queue(_PUBACK, bytes(packet), 0, 1)  # noqa: SLF001  # batch of acks: paho has one call a message
        if self._pings.acknowledged(through) and self._eager is None:
            self._eager = asyncio.get_running_loop().call_later(Pings.SPACING_S, self._ping)

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool, properties: bytes = b"") -> int:
        """See the seam; the caller keeps to the send quota."""
        if self._over:
            raise TransientError(f"{self._address} is not connected")
        about = RawProperties(properties) if properties and self._v5 else None
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
        self._closing = True
        if self._established and not self._over:
            self._client.disconnect()
            self._flush()
            if self._ended is not None and not self._over:
                await asyncio.wait([self._ended], timeout=CLOSE_S)
        self._end(TransientError("closed"))
        if self._sock is not None:
            self._client._sock_close()  # noqa: SLF001  # paho has no public way to close without a DISCONNECT
            self._sock.close()
            self._sock = None

    def take_messages(self, batch: list[Message]) -> bool:
        """From the reader: PUBLISH packets."""
        self._heard()
        return self._listener.on_messages(batch)

    def take_packet(self, packet: bytes) -> None:
        """From the reader: a packet for paho."""
        kind = packet[0] >> 4
        if kind == _CONNACK and len(packet) > 3 and packet[3]:
            self._refused = connect_error(v5_code(packet[3], self._options.version), self._address)
        elif kind == _DISCONNECT and self._v5:
            self._refused = disconnect_error(packet[2] if len(packet) > 2 else 0, self._address)
        elif kind == _REFUSED and self._v5 and len(packet) > 4 and packet[4] >= 0x80:
            # a PUBREC that refuses ends the exchange (MQTT 5, 4.3.3); paho would answer it with PUBREL
            self._client.forget_sent(mid := packet[2] << 8 | packet[3])
            answer = self._answers.get(mid)
            if answer is not None and not answer.done():
                answer.set_result([packet[4]])
            self._heard()
            return
        self._heard()
        self._client.incoming = packet
        self._client.loop_read()

    def take_end(self, error: RtEdgeError) -> None:
        """From the reader: the connection ended."""
        self._fail(error)

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
        if self._client.want_write() and not self._writing and not self._over and self._client.socket() is not None:
            self._writing = True
            asyncio.get_running_loop().add_writer(self._sock, self._flush)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._connack is None or self._connack.done() or reason.is_failure:
            return
        if getattr(properties, "ServerKeepAlive", None) == 0:
            client._keepalive = self._options.keepalive  # noqa: SLF001  # paho takes 0 for "every PINGREQ is overdue"
        connected = Connected(
            session_present=flags.session_present,
            send_quota=getattr(properties, "ReceiveMaximum", 65535),
            max_packet=getattr(properties, "MaximumPacketSize", 0),
            max_qos=getattr(properties, "MaximumQoS", 2),
            session_expiry=getattr(properties, "SessionExpiryInterval", None),
            topic_aliases=getattr(properties, "TopicAliasMaximum", 0),
            retain=bool(getattr(properties, "RetainAvailable", 1)),
            shared=bool(getattr(properties, "SharedSubscriptionAvailable", 1)),
        )
        self._established = True
        self._listener.on_connected(connected)
        self._connack.set_result(connected)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._closing:
            self._end(TransientError("closed"))  # our own DISCONNECT is on its way
            return
        self._fail(TransientError(f"{self._address}: {reason}"))

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
