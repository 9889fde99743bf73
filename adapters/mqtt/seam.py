"""The seam between the adapter and the MQTT client library: what is asked of it, and nothing more.

Only `transport.py` knows paho; another library, or a fake of twenty lines in a test, takes its place by having these six methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Message(msgspec.Struct, gc=False):
    """One PUBLISH that came in.

    Attributes:
        topic: as received, a Topic Alias resolved; invalid UTF-8 is replaced (and matches no subscription then).
        payload: the bytes, or None when the packet exceeded the largest size and its payload was skipped.
        qos: 0, 1 or 2.
        retain: the RETAIN flag.
        dup: the DUP flag.
        mid: packet identifier, 0 at QoS 0.
        properties: the raw v5 properties without their length; empty at v3.1.1.
    """

    topic: str
    payload: bytes | None
    qos: int
    retain: bool
    dup: bool
    mid: int
    properties: bytes = b""


class Subscription(msgspec.Struct, frozen=True):
    """One entry of a SUBSCRIBE.

    Attributes:
        filter: topic filter, with `$share/group/` where it is shared.
        qos: the highest QoS asked for.
        retain_handling: v5: 0 retained messages at each subscribe, 1 only when the subscription is new, 2 never.
        identifier: v5 subscription identifier, 0 for none.
        no_local: v5: what this client publishes does not come back to it.
    """

    filter: str
    qos: int
    retain_handling: int = 0
    identifier: int = 0
    no_local: bool = False


class LastWords(msgspec.Struct, frozen=True):
    """A message about ourselves: will, birth, close.

    Attributes:
        topic: where it goes.
        payload: what it says.
        qos: 0, 1 or 2.
        retain: the RETAIN flag.
        properties: raw v5 properties without their length (of a will: Will Properties, MQTT 5, 3.1.3.2).
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: bytes = b""


class Connect(msgspec.Struct, frozen=True):
    """How to connect.

    Attributes:
        host: name or address.
        port: TCP port.
        version: 5 or 4 (v3.1.1).
        client_id: not empty.
        clean: begin with an empty session.
        session_expiry: v5: seconds the broker keeps the session after a loss.
        window: v5: Receive Maximum.
        keepalive: whole seconds, at least 5.
        max_packet: largest packet accepted, bytes.
        timeout: seconds for each of: name lookup and TCP, TLS, CONNACK, SUBACK.
        username: user name, or None.
        password: its password, or None.
        tls: an `ssl.SSLContext` (ALPN protocols are set in it), or None for plain TCP.
        will: what the broker says when we are gone.
        websocket: resource of the websocket (`/mqtt`), or None for MQTT on the bare connection (MQTT 5, 6).
        topic_aliases: v5: Topic Alias Maximum: aliases the broker may use towards us; 0: none.
    """

    host: str
    port: int
    version: int
    client_id: str
    clean: bool
    session_expiry: int
    window: int
    keepalive: int
    max_packet: int
    timeout: float
    username: str | None = None
    password: str | None = None
    tls: object = None
    will: LastWords | None = None
    websocket: str | None = None
    topic_aliases: int = 0


class Connected(msgspec.Struct, frozen=True):
    """What the broker said in its CONNACK.

    Attributes:
        session_present: it still had our session.
        send_quota: most unacknowledged QoS 1 and 2 messages we may send (its Receive Maximum).
        max_packet: largest packet it takes, bytes; 0: it did not say.
        max_qos: highest QoS it takes.
        session_expiry: seconds it will keep the session where it changed what we asked for, else None.
        topic_aliases: its Topic Alias Maximum: aliases we may use towards it.
        retain: whether it keeps retained messages.
        shared: whether it has shared subscriptions.
    """

    session_present: bool
    send_quota: int = 65535
    max_packet: int = 0
    max_qos: int = 2
    session_expiry: int | None = None
    topic_aliases: int = 0
    retain: bool = True
    shared: bool = True


class Listener(Protocol):
    """Who is told what the transport sees; all calls come from the event loop."""

    def on_connected(self, connected: Connected) -> None:
        """The CONNACK came; before any message, since the broker sends again at once what was not acknowledged."""
        ...

    def on_messages(self, messages: list[Message]) -> bool:
        """Messages in order of arrival, at most `BATCH`; True: read on, False: stop reading until `resume`."""
        ...

    def on_acknowledged(self, through: int) -> None:
        """The broker is known to have all acknowledgements up to the call `acknowledge(..., through)`."""
        ...

    def on_lost(self, error: Exception) -> None:
        """The connection is gone, not by `close`; called once."""
        ...


class Transport(Protocol):
    """One connection, used once: made, connected, closed."""

    async def connect(self) -> Connected:
        """Connect and wait for the CONNACK.

        Raises:
            TransientError: not there, not now, or refused for a reason the broker's side may mend.
            FatalAdapterError: it will not work with these settings.
        """
        ...

    async def subscribe(self, add: Sequence[Subscription], remove: Sequence[str]) -> list[int]:
        """SUBSCRIBE `add`, UNSUBSCRIBE `remove`; returns the SUBACK's reason codes (granted QoS, or >= 0x80)."""
        ...

    def acknowledge(self, received: Sequence[tuple[int, int]], through: int) -> None:
        """Send PUBACK (QoS 1) or PUBREC (QoS 2) for (mid, qos), in this order.

        `through` comes back in `on_acknowledged` once the broker is known to have them.
        """
        ...

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool, properties: bytes = b"") -> int:
        """Publish and wait: for the write at QoS 0, for the PUBACK at QoS 1, for the PUBCOMP (or a PUBREC that refuses) at
        QoS 2; returns its reason code. The packet is queued before the first await: calls go out in the order of their start.

        Args:
            topic: empty where `properties` have a Topic Alias that is known to the broker.
            payload: the bytes.
            qos: 0, 1 or 2.
            retain: the RETAIN flag.
            properties: raw v5 properties without their length; not used at v3.1.1.

        Raises:
            TransientError: the connection went before the answer came.
        """
        ...

    def resume(self) -> None:
        """Read on after `on_messages` returned False."""
        ...

    async def close(self) -> None:
        """Send what is queued and DISCONNECT, within a second; idempotent; nothing is called after it."""
        ...


BATCH = 256
"""Most messages of one `on_messages`."""
