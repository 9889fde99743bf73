"""paho-mqtt's client as the transport uses it: fed with whole packets, its private names in one list.

The only module that imports paho.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from adapters.mqtt.lean import without
from adapters.mqtt.properties import write_varint
from adapters.mqtt.seam import Connect, Subscription

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
    "_handle_pubackcomp",
)
_PUBREL, _PUBCOMP = 0x60, 0x70


class Owner(Protocol):
    """Who is told of PINGs."""

    def ping_sent(self) -> None:
        """A PINGREQ goes out."""
        ...

    def ping_answered(self) -> None:
        """A PINGRESP came in."""
        ...


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

    def __init__(self, owner: Owner, **options: Any) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, reconnect_on_failure=False, manual_ack=True, **options)
        self._owner = owner
        self.incoming = b""
        self.dialled: Any = None
        self._freed = 0
        self._freeing: set[int] = set()  # at most one entry an identifier

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

    def publish_anew(self, topic: str, payload: bytes, retain: bool, properties: Any) -> Any:
        """Publish at QoS 2 in a session from before, which may hold the next identifier half done: the broker would take the
        message for its copy and drop it. A PUBREL frees it (MQTT 5, 4.3.3); its PUBCOMP is not that of the message."""
        mid = self._last_mid % 65_535 + 1
        if mid > self._freed:
            self._freed = mid
            self._freeing.add(mid)
            self._packet_queue(_PUBREL, bytes((_PUBREL | 2, 2, mid >> 8, mid & 255)), 0, 1)
        return self.publish(topic, payload, 2, retain, properties)

    def _handle_pubackcomp(self, cmd: Any) -> MQTTErrorCode:
        mid = int.from_bytes(self._in_packet["packet"][:2], "big")
        if cmd == "PUBCOMP" and mid in self._freeing:
            self._freeing.discard(mid)
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        sent = self._out_messages.get(mid)
        if sent is not None and sent.qos != (1 if cmd == "PUBACK" else 2):
            return MQTTErrorCode.MQTT_ERR_SUCCESS  # not the answer to this message: paho would take it for that
        return super()._handle_pubackcomp(cmd)

    def _handle_pubrel(self) -> MQTTErrorCode:
        """Second half of QoS 2: the message was handed on before its PUBREC, so nothing is left to do but to answer."""
        return self._packet_queue(_PUBCOMP, bytes((_PUBCOMP, 2)) + bytes(self._in_packet["packet"][:2]), 0, 1)


def make_client(options: Connect, owner: Owner) -> PahoClient:
    """A client that has not connected."""
    v5 = options.version == 5
    common = {"client_id": options.client_id, "protocol": MQTTProtocolVersion(options.version)}
    client = PahoClient(owner, **common) if v5 else PahoClient(owner, clean_session=options.clean, **common)
    if options.username is not None:
        client.username_pw_set(options.username, options.password)
    if options.will is not None:
        will = options.will
        client.will_set(will.topic, will.payload, will.qos, will.retain, RawProperties(will.properties) if v5 else None)
    client.max_inflight_messages_set(0)  # the sink keeps to the broker's Receive Maximum itself
    return client


def connect_arguments(options: Connect) -> dict[str, Any]:
    """What `Client.connect` wants to know beside address and keepalive."""
    if options.version != 5:
        return {"clean_start": MQTT_CLEAN_START_FIRST_ONLY}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = options.window
    properties.MaximumPacketSize = options.max_packet
    if options.session_expiry:
        properties.SessionExpiryInterval = options.session_expiry
    if options.topic_aliases:
        properties.TopicAliasMaximum = options.topic_aliases
    return {"clean_start": options.clean, "properties": properties}


def subscribe_arguments(group: Sequence[Subscription], identifier: int, v5: bool) -> tuple[list[Any], Properties | None]:
    """Filters with their options, and properties, as `Client.subscribe` wants them."""
    if not v5:
        return [(s.filter, s.qos) for s in group], None
    entries = [(s.filter, SubscribeOptions(qos=s.qos, noLocal=s.no_local, retainHandling=s.retain_handling)) for s in group]
    if not identifier:
        return entries, None
    properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
    properties.SubscriptionIdentifier = identifier
    return entries, properties
