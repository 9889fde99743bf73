"""Settings of the `mqtt` adapter; validated before a node runs, never imported by a running one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from adapters.mqtt.point_settings import Point, PointName
from adapters.mqtt.publish_settings import LastMessage, Publish, Will, topic
from adapters.mqtt.subscribe_settings import Subscribe
from adapters.mqtt.topics import overlapping
from adapters.mqtt.url import PORTS, is_secure, port_of, websocket_of
from rt_edge.sdk.settings import (
    DurationField,
    Field,
    SecretField,
    SettingError,
    Settings,
    SizeField,
    computed_field,
    field_validator,
    model_validator,
)

__all__ = ["Inbox", "LastMessage", "MqttSettings", "Point", "Publish", "Subscribe", "Tls", "Will"]


class Tls(Settings):
    """TLS; used when the url begins with mqtts:// or wss://."""

    ca: Path | None = None
    """PEM file of the authorities the broker's certificate must come from; the system's without it."""
    certificate: Path | None = None
    """PEM file of our certificate (and key), where the broker asks for one."""
    key: Path | None = None
    """PEM file of its private key, not encrypted, when it is not in `certificate`."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    """Least version of TLS."""
    alpn: list[str] = []
    """Protocols offered in the handshake (ALPN), for brokers that share a port with others: `mqtt`, `x-amzn-mqtt-ca`."""

    @model_validator(mode="after")
    def _key_needs_certificate(self) -> Tls:
        if self.key is not None and self.certificate is None:
            raise SettingError("a key without a certificate", "name the certificate too", ("key",))
        for index, name in enumerate(self.alpn):
            if not 1 <= len(name.encode()) <= 255 or not name.isascii():
                raise SettingError(f"{name!r} is no name of a protocol", "1 to 255 ASCII characters", ("alpn", index))
        return self


class Inbox(Settings):
    """What has arrived and is not asked for yet."""

    messages: int = Field(default=2000, ge=1, le=65_535)
    """Most messages."""
    bytes: SizeField = Field(default="8MB", ge=65_536)  # type: ignore[assignment]  # parsed like what a user writes
    """Most bytes."""
    qos0: Literal["drop_oldest", "drop_newest"] = "drop_oldest"
    """Which QoS 0 message goes when it is full. Others are never dropped: the broker is held back."""


class MqttSettings(Settings):
    """A connection to an MQTT broker."""

    url: str
    """mqtt://host[:port], mqtts:// for TLS; ws://host[:port][/path] and wss:// for websockets."""
    version: Literal["5", "3.1.1"] = "5"
    """MQTT version. 5 is better: with Receive Maximum the window is ours."""
    client: Literal["paho", "fast"] = "paho"
    """Who speaks MQTT: the library paho-mqtt, or our own client: no library, a quarter of the CPU for what is published."""
    client_id: str | None = Field(default=None, min_length=1, max_length=256)
    """Client id, unique at the broker; without it a random one, made once and kept in the data directory."""
    username: str | None = None
    """User name."""
    password: SecretField | None = None
    """Password."""
    tls: Tls = Tls()
    """Certificates."""
    subscribe: list[Subscribe] = []
    """What is received; a message belongs to the first entry whose filter matches."""
    publish: Publish | None = None
    """How Readings are published; needed to use the adapter as a sink."""
    session: Literal["persistent", "clean"] = "persistent"
    """persistent: the broker keeps what arrives while we are away, and sends again what we did not acknowledge."""
    session_expiry: DurationField = Field(default="7d", ge=1, le=4_000_000_000)  # type: ignore[assignment]
    """MQTT 5: how long it keeps it."""
    window_messages: int | None = Field(default=None, ge=1, le=65_535)
    """Most unacknowledged messages. MQTT 5: sent as Receive Maximum (2000 by default). MQTT 3.1.1: the broker decides; say here
    what it allows (mosquitto: max_inflight_messages, 20 by default) so that `check` can reckon with it."""
    inbox: Inbox = Inbox()
    """Bounds of what waits here."""
    retained_topics: int = Field(default=50_000, ge=1, le=1_000_000)
    """Topics whose last state is remembered for `retained: changed` and `new`; the least recently used go first, and their
    retained message comes once more. Each takes about 200 bytes of memory and 16 to 50 on disk."""
    keepalive: DurationField = Field(default="30s", ge=5, le=18_000)  # type: ignore[assignment]
    """A dead connection is noticed after twice this."""
    timeout: DurationField = Field(default="10s", gt=0, le=300)  # type: ignore[assignment]
    """How long each step of connecting may take."""
    max_packet: SizeField = Field(default="1MB", ge=1024, le=268_435_455)  # type: ignore[assignment]
    """Largest message; a larger one is counted, dropped and acknowledged."""
    topic_aliases: int = Field(default=64, ge=0, le=65_535)
    """MQTT 5: topics that the broker may replace by a number (mosquitto 2.0 does not)."""
    will: Will | None = None
    """What the broker says when we are gone without a word."""
    birth: LastMessage | None = None
    """What we say once connected."""
    close: LastMessage | None = None
    """What we say before an orderly end; the will without it."""
    points: dict[PointName, Point] = {}
    """Points that can be written or read one by one, by name (DEVICE/POINT)."""
    response_topic: str | None = None
    """MQTT 5: where answers to commands are sent to; rt-edge/CLIENT_ID/response without it."""

    @field_validator("response_topic")
    @classmethod
    def _response(cls, text: str | None) -> str | None:
        return text if text is None else topic(text)

    @field_validator("url")
    @classmethod
    def _url(cls, text: str) -> str:
        hint = "write mqtt://host, mqtt://host:1883, mqtts://host:8883, ws://host/mqtt or wss://host:8084/mqtt"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise SettingError(f"{text!r} is not an address: {error}", hint) from None
        if parts.scheme not in PORTS or not parts.hostname or port == 0:
            raise SettingError(f"{text!r} is not the address of an MQTT broker", hint)
        if parts.username or parts.password or parts.fragment:
            raise SettingError("user and password do not belong into the url", "use `username` and `password`")
        resource = parts.path + parts.query
        if parts.scheme in ("mqtt", "mqtts") and resource not in ("", "/"):
            raise SettingError(f"{parts.scheme}:// has no path and no query", "websockets have: write ws:// or wss://")
        if not resource.isascii() or any(c <= " " for c in resource):
            raise SettingError("a path with characters that a request cannot have", "percent-encode them")
        return text

    @computed_field
    def host(self) -> str:
        """From the url."""
        return urlsplit(self.url).hostname or ""

    @computed_field
    def port(self) -> int:
        """From the url: by default 1883, 8883 with TLS, 80 for websockets, 443 with TLS."""
        return port_of(self.url)

    @computed_field
    def secure(self) -> bool:
        """From the url: whether it is TLS."""
        return is_secure(self.url)

    @computed_field
    def websocket(self) -> str | None:
        """From the url: path and query of the websocket, `/mqtt` by default; None where it is none."""
        return websocket_of(self.url)

    @computed_field
    def overlap(self) -> bool:
        """Whether a topic may belong to two subscriptions."""
        ours = {point.state for point in self.points.values() if point.state}
        if any(point.confirm == "response" for point in self.points.values()):
            ours.add(self.response_topic or "rt-edge/+/response")
        return overlapping([*(s.filter or "" for s in self.subscribe), *ours])

    @model_validator(mode="after")
    def _check(self) -> MqttSettings:
        if self.password is not None and self.username is None:
            raise SettingError("a password without a user name", "set `username` too", ("password",))
        if not self.subscribe and self.publish is None and not self.points:
            raise SettingError("neither subscribe nor publish nor points: the adapter would do nothing", "add one of them")
        seen: set[str] = set()
        for index, entry in enumerate(self.subscribe):
            filter_ = entry.filter or ""
            if filter_ in seen:
                raise SettingError(f"the filter {filter_!r} stands twice", "remove one", ("subscribe", index, "filter"))
            seen.add(filter_)
        if self.version == "3.1.1":
            newer = next(self._newer(), None)
            if newer is not None:
                raise SettingError(f"MQTT 3.1.1 has no {newer[0]}", "set version: '5', or remove it", newer[1])
        return self

    def _newer(self) -> Iterator[tuple[str, tuple[str | int, ...]]]:
        """What is set and only MQTT 5 has, and where."""
        for index, entry in enumerate(self.subscribe):
            if (entry.filter or "").startswith("$share/"):
                yield "shared subscriptions", ("subscribe", index, "filter")
            for name in sorted(entry.model_fields_set & {"tags", "expired", "no_local", "answer"}):
                yield "properties of messages", ("subscribe", index, name)
        for where in ("publish", "will", "birth", "close"):
            part = getattr(self, where)
            names = {"expiry", "content_type", "user_properties", "topic_aliases", "delay"}
            for name in sorted(part.model_fields_set & names) if part is not None else ():
                yield "properties of messages", (where, name)
        for name, point in self.points.items():
            if point.confirm == "response" or point.expiry is not None:
                at = "confirm" if point.confirm == "response" else "expiry"
                yield "properties of messages", ("points", name, at)
        for name in sorted(self.model_fields_set & {"topic_aliases", "response_topic"}):
            yield "properties of messages", (name,)
