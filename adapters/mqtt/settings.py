"""Settings of the `mqtt` adapter; validated before a node runs, never imported by a running one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator

from adapters.mqtt.topics import check_filter, device_names, filter_of, overlapping, unshared, variables_of
from rt_edge.sdk.payload.json_rows import path, pointer
from rt_edge.sdk.settings import (
    DurationField,
    Field,
    InUnit,
    SecretField,
    SettingError,
    Settings,
    SizeField,
    computed_field,
    field_validator,
    model_validator,
)

_OPTIONS = {
    "json": {"at", "fields", "field", "time", "time_format"},
    "csv": {"columns", "delimiter", "fields", "time", "time_format"},
    "raw": {"field", "type"},
}


def _topic(text: str) -> str:
    if not text or "+" in text or "#" in text or "\0" in text or len(text.encode()) > 65_535:
        raise SettingError(f"{text!r} is not a topic to publish to", "1 to 65,535 bytes without +, # and NUL")
    return text


Topic = Annotated[str, AfterValidator(_topic)]


class Tls(Settings):
    """TLS; used when the url begins with mqtts://."""

    ca: Path | None = None
    """PEM file of the authorities the broker's certificate must come from; the system's without it."""
    certificate: Path | None = None
    """PEM file of our certificate (and key), where the broker asks for one."""
    key: Path | None = None
    """PEM file of its private key, not encrypted, when it is not in `certificate`."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    """Least version of TLS."""

    @model_validator(mode="after")
    def _key_needs_certificate(self) -> Tls:
        if self.key is not None and self.certificate is None:
            raise SettingError("a key without a certificate", "name the certificate too", ("key",))
        return self


class LastMessage(Settings):
    """A message about this gateway."""

    topic: Topic
    """Where it goes."""
    payload: str
    """What it says."""
    qos: Literal[0, 1] = 1
    """Its QoS."""
    retain: bool = True
    """Whether the broker keeps it for those who subscribe later."""


class Subscribe(Settings):
    """One subscription and how its payloads become Readings."""

    filter: str | None = None
    """Topic filter, with + and #, or $share/GROUP/FILTER; taken from `topic` when left out."""
    topic: str | None = None
    """Template of the topics, `plant/{line}/telemetry` or `plant/{path...}`: each name becomes a tag."""
    device: str | None = None
    """Device part of the Reading's source, which may use names of the template (`{line}-{cell}`); without it the level
    called {device}, else the whole topic."""
    qos: Literal[0, 1, 2] = 1
    """Highest QoS asked for; what was published at QoS 0 comes at QoS 0 whatever is asked."""
    retained: Literal["new", "always", "never"] = "new"
    """Retained messages: when the subscription is new to the broker, at every connect, or never."""
    codec: Literal["json", "csv", "raw"] = "json"
    """How payloads are written."""
    at: str = ""
    """json: pointer (`/data/readings`) to the object, or array of objects, that holds the values."""
    fields: list[str] | dict[str, str] | None = None
    """json, csv: names to keep, or field -> where it is (dotted name or pointer; column); all scalars without it."""
    field: str = "value"
    """raw: name of the one field; json: the same where the document is a bare value."""
    type: Literal["str", "bytes", "float", "int", "bool"] = "str"
    """raw: what the payload is."""
    columns: list[str] = []
    """csv: names of the columns; without them the first line of each payload names them. "" skips a column."""
    delimiter: str = ","
    """csv: one character between cells."""
    time: str | None = None
    """json, csv: where the source's own time is; without it the time of receipt counts."""
    time_format: Literal["auto", "iso8601", "s", "ms", "us", "ns"] = "auto"
    """How `time` is written: text in ISO 8601, or seconds (ms, us, ns) since 1970. auto: by type and size."""

    @model_validator(mode="before")
    @classmethod
    def _filter_from_topic(cls, data: Any) -> Any:
        """A template alone says the filter too."""
        if isinstance(data, dict) and data.get("filter") is None and isinstance(data.get("topic"), str):
            try:
                return {**data, "filter": filter_of(data["topic"])}
            except ValueError as error:
                raise SettingError(str(error), "", ("topic",)) from None
        return data

    @model_validator(mode="after")
    def _check(self) -> Subscribe:
        if self.filter is None:
            raise SettingError("neither filter nor topic", "name at least one")
        for name, check in (("filter", lambda: check_filter(self.filter or "")), ("topic", self._variables)):
            try:
                check()
            except ValueError as error:
                raise SettingError(str(error), "", (name,)) from None
        unknown = [name for name in device_names(self.device or "") if name not in self._variables()]
        if unknown:
            raise SettingError(f"device uses {unknown[0]!r}, which the topic template does not name", "", ("device",))
        self._check_codec()
        return self

    def _variables(self) -> dict[str, tuple[int, bool]]:
        return variables_of(self.topic, self.filter or "") if self.topic else {}

    def _check_codec(self) -> None:
        given = self.model_fields_set & set().union(*_OPTIONS.values())
        foreign = sorted(given - _OPTIONS[self.codec])
        if foreign:
            raise SettingError(f"codec {self.codec} has no {foreign[0]!r}", "", (foreign[0],))
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise SettingError("the delimiter is one character, not a quote or a line end", "", ("delimiter",))
        try:
            pointer(self.at)
            for where in (self.fields or {}).values() if isinstance(self.fields, dict) else ():
                path(where)
        except ValueError as error:
            raise SettingError(str(error), "", ("at",)) from None


class Publish(Settings):
    """How Readings are published when the adapter is used as a sink: JSON, one message each."""

    topic: str = Field(default="rt-edge/{source}", max_length=4096)
    """Topic, with {source}, {adapter}, {device}, {tags.NAME} or {fields.NAME}; what is missing becomes `unknown`."""
    qos: Literal[0, 1] = 1
    """1: delivered when the broker has acknowledged; 0: when it is written to the connection."""
    retain: bool = False
    """Whether the broker keeps the last one of each topic."""
    in_flight: Annotated[int, InUnit("messages")] = Field(default=100, ge=1, le=65_535)
    """Most messages without their PUBACK; the broker's Receive Maximum may be lower and counts then."""
    layout: Literal["nested", "flat"] = "nested"
    """nested: {source, ts, quality, tags, fields}; flat: the fields with `ts` beside them."""

    @field_validator("topic")
    @classmethod
    def _template(cls, text: str) -> str:
        rest = re.sub(r"\{(source|adapter|device|(tags|fields)\.[A-Za-z0-9_.-]+)\}", "x", text)
        if "{" in rest or "}" in rest:
            raise SettingError(
                f"{text!r}: unknown name in braces", "source, adapter, device, tags.NAME and fields.NAME are known"
            )
        _topic(rest)
        return text


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
    """mqtt://host[:port], or mqtts:// for TLS."""
    version: Literal["5", "3.1.1"] = "5"
    """MQTT version. 5 is better: with Receive Maximum the window is ours."""
    client: Literal["paho", "fast"] = "paho"
    """Who speaks MQTT: the library paho-mqtt, or our own client, which loads no library and costs less CPU a message."""
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
    window: Annotated[int | None, InUnit("messages")] = Field(default=None, ge=1, le=65_535)
    """Most unacknowledged messages. MQTT 5: sent as Receive Maximum (2000 by default). MQTT 3.1.1: the broker decides; say here
    what it allows (mosquitto: max_inflight_messages, 20 by default) so that `check` can reckon with it."""
    inbox: Inbox = Inbox()
    """Bounds of what waits here."""
    keepalive: DurationField = Field(default="30s", ge=5, le=18_000)  # type: ignore[assignment]
    """A dead connection is noticed after twice this."""
    timeout: DurationField = Field(default="10s", gt=0, le=300)  # type: ignore[assignment]
    """How long each step of connecting may take."""
    max_packet: SizeField = Field(default="1MB", ge=1024, le=268_435_455)  # type: ignore[assignment]
    """Largest message; a larger one is counted, dropped and acknowledged."""
    will: LastMessage | None = None
    """What the broker says when we are gone; also said by ourselves at an orderly close."""
    birth: LastMessage | None = None
    """What we say once connected."""

    @field_validator("url")
    @classmethod
    def _url(cls, text: str) -> str:
        hint = "write mqtt://host, mqtt://host:1883 or mqtts://host:8883"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise SettingError(f"{text!r} is not an address: {error}", hint) from None
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path not in ("", "/") or port == 0:
            raise SettingError(f"{text!r} is not the address of an MQTT broker", hint)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise SettingError("user and password do not belong into the url", "use `username` and `password`")
        return text

    @computed_field
    def host(self) -> str:
        """From the url."""
        return urlsplit(self.url).hostname or ""

    @computed_field
    def port(self) -> int:
        """From the url: 1883, or 8883 with TLS, by default."""
        return urlsplit(self.url).port or (8883 if self.url.startswith("mqtts") else 1883)

    @computed_field
    def overlap(self) -> bool:
        """Whether a topic may belong to two subscriptions."""
        return overlapping([s.filter or "" for s in self.subscribe])

    @model_validator(mode="after")
    def _check(self) -> MqttSettings:
        if self.password is not None and self.username is None:
            raise SettingError("a password without a user name", "set `username` too", ("password",))
        if not self.subscribe and self.publish is None:
            raise SettingError("neither subscribe nor publish: the adapter would do nothing", "add one of them")
        seen: set[str] = set()
        for index, entry in enumerate(self.subscribe):
            filter_ = entry.filter or ""
            if filter_ in seen:
                raise SettingError(f"the filter {filter_!r} stands twice", "remove one", ("subscribe", index, "filter"))
            if self.version == "3.1.1" and filter_ != unshared(filter_):
                raise SettingError("MQTT 3.1.1 has no shared subscriptions", "set version: '5'", ("subscribe", index, "filter"))
            seen.add(filter_)
        return self
