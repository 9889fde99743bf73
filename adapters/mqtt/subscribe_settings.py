"""What a user writes under `subscribe:` of the `mqtt` adapter; never imported by a running node."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from adapters.mqtt.codec_protobuf import ProtobufCodec, load_schema
from adapters.mqtt.properties import PROPERTY_TAGS
from adapters.mqtt.topics import check_filter, device_names, filter_of, variables_of
from rt_edge.sdk import CodecError
from rt_edge.sdk.payload.json_rows import path, pointer
from rt_edge.sdk.settings import Field, SettingError, Settings, field_validator, model_validator

_OPTIONS = {
    "json": {"at", "fields", "field", "time", "time_format"},
    "msgpack": {"at", "fields", "field", "time", "time_format"},
    "protobuf": {"at", "fields", "time", "time_format", "descriptors", "message"},
    "sparkplug": {"rebirth"},
    "csv": {"columns", "delimiter", "fields", "time", "time_format"},
    "raw": {"field", "type"},
}


class Answer(Settings):
    """An answer to who published with a response topic, once what was published is stored."""

    topics: str
    """Filter of the response topics that may be answered to; anything else is not answered."""
    payload: str = Field(default='{"stored": true}', max_length=65_535)
    """What it says. It carries the correlation data of the question, and goes out at QoS 0."""

    @field_validator("topics")
    @classmethod
    def _filter(cls, text: str) -> str:
        try:
            return check_filter(text)
        except ValueError as error:
            raise SettingError(str(error)) from None


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
    retained: Literal["changed", "new", "always", "never"] = "changed"
    """Retained messages. changed: asked for at every connect, taken in where they are not what was taken in last of their topic.
    new: asked for only when the subscription is new to the broker (MQTT 5; 3.1.1 as `changed`): quick with very many topics, but
    what changed at QoS 0 while we were away is not seen. always: each at every connect. never: none."""
    codec: Literal["json", "msgpack", "protobuf", "csv", "raw", "sparkplug"] = "json"
    """How payloads are written; sparkplug: Sparkplug B, topics and all."""
    at: str = ""
    """json, msgpack, protobuf: pointer (`/data/readings`) to the object, or array of objects, that holds the values."""
    fields: list[str] | dict[str, str] | None = None
    """json, msgpack, protobuf, csv: names to keep, or field -> where it is (dotted name or pointer; column); without it all."""
    field: str = "value"
    """raw: name of the one field; json, msgpack: the same where the document is a bare value."""
    type: Literal["str", "bytes", "float", "int", "bool"] = "str"
    """raw: what the payload is."""
    columns: list[str] = []
    """csv: names of the columns; without them the first line of each payload names them. "" skips a column."""
    delimiter: str = ","
    """csv: one character between cells."""
    time: str | None = None
    """json, msgpack, protobuf, csv: where the source's own time is; without it the time of receipt counts."""
    time_format: Literal["auto", "iso8601", "s", "ms", "us", "ns"] = "auto"
    """How `time` is written: text in ISO 8601, or seconds (ms, us, ns) since 1970. auto: by type and size."""
    descriptors: Path | None = None
    """protobuf: file of message types, written by `protoc --include_imports --descriptor_set_out=FILE`."""
    message: str = ""
    """protobuf: full name of the payload's type, `acme.telemetry.Sample`."""
    rebirth: bool = True
    """sparkplug: ask an edge node for its births when something of it is not understood, at most every 30 s."""
    tags: dict[str, str] = {}
    """MQTT 5: tag -> property of the message that it is taken from: `user.NAME`, `content_type`, `response_topic`,
    `correlation` (in hex) or `expiry_s` (seconds left). What is not named here is not kept."""
    expired: Literal["stale", "keep", "drop"] = "stale"
    """MQTT 5: what becomes of a message whose expiry has passed while it waited here: quality stale, nothing, or dropped."""
    no_local: bool = False
    """MQTT 5: what this connection publishes does not come back by this subscription."""
    answer: Answer | None = None
    """MQTT 5: answers to messages that name a response topic."""

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
        self._check_properties()
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
        if self.codec == "sparkplug":
            if (self.filter or "").startswith("$share/"):
                what = "Sparkplug B cannot be shared: births and data have to come to the same place"
                raise SettingError(what, "subscribe without $share/", ("filter",))
            if not (self.filter or "").startswith("spBv1.0/"):
                raise SettingError(f"{self.filter!r} takes other topics than Sparkplug B's", "spBv1.0/GROUP/#", ("filter",))
            if self.topic is not None or self.device is not None:
                what = "topic" if self.topic is not None else "device"
                raise SettingError("Sparkplug B says itself what its topics mean", f"remove `{what}`", (what,))
        if self.codec == "protobuf":
            self._check_protobuf()

    def _check_protobuf(self) -> None:
        if self.descriptors is None or not self.message:
            missing = "descriptors" if self.descriptors is None else "message"
            raise SettingError("codec protobuf needs to know the type of the payload", f"set `{missing}`", ("codec",))
        if not self.descriptors.is_file():
            return  # it may be elsewhere that this is checked; the adapter says it when it opens
        try:
            ProtobufCodec(load_schema(self.descriptors), self.message, "", None, None, "auto")
        except CodecError as error:
            at = "message" if "not in the descriptor set" in error.message else "descriptors"
            hint = "protoc --include_imports --descriptor_set_out=FILE" if at == "descriptors" else ""
            raise SettingError(error.message, hint, (at,)) from None

    def _check_properties(self) -> None:
        for tag, source in self.tags.items():
            if source not in PROPERTY_TAGS and not (source.startswith("user.") and len(source) > 5):
                known = f"user.NAME, {', '.join(PROPERTY_TAGS)}"
                raise SettingError(f"no property is called {source!r}", f"there are {known}", ("tags", tag))
            if tag in self._variables():
                raise SettingError(f"the topic template names {tag!r} too", "call one of them differently", ("tags", tag))
        if self.no_local and (self.filter or "").startswith("$share/"):
            raise SettingError("a shared subscription cannot be without its own messages", "MQTT 5, 3.8.3.1", ("no_local",))
