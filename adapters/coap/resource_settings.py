"""What a user writes about payloads, and about one resource of a host."""

from __future__ import annotations

from typing import Literal

from adapters.coap.address import split_path
from adapters.coap.points import WRITTEN_AS, info_of
from rt_edge.sdk import ConfigError
from rt_edge.sdk.payload.json_rows import path as steps
from rt_edge.sdk.payload.json_rows import pointer
from rt_edge.sdk.settings import Duration, DurationField, Field, SettingError, Settings, model_validator

_DOCUMENT = {"at", "fields", "field", "time", "time_format"}
_OPTIONS = {
    "auto": {*_DOCUMENT, "strip"},
    "raw": {"field", "type"},
    "text": {"field"},
    "json": _DOCUMENT,
    "cbor": _DOCUMENT,
    "senml-json": {"strip"},
    "senml-cbor": {"strip"},
}


class Payload(Settings):
    """How payloads become Readings."""

    codec: Literal["auto", "raw", "text", "json", "cbor", "senml-json", "senml-cbor"] = "auto"
    """auto: by the Content-Format of each message (none is text). text: what it looks like: a number, true, false, or text."""
    field: str = Field(default="value", min_length=1, max_length=64)
    """raw, text: name of the one field; json, cbor: the same where the document is a bare value."""
    type: Literal["str", "bytes", "float", "int", "bool"] = "str"
    """raw: what the payload is."""
    at: str = ""
    """json, cbor: pointer (`/data/readings`) to the object, or array of objects, that holds the values."""
    fields: list[str] | dict[str, str] | None = None
    """json, cbor: names to keep, or field -> where it is (dotted name or pointer); all scalars without it."""
    time: str | None = None
    """json, cbor: where the source's own time is; without it the time of receipt counts."""
    time_format: Literal["auto", "iso8601", "s", "ms", "us", "ns"] = "auto"
    """How `time` is written: text in ISO 8601, or seconds (ms, us, ns) since 1970. auto: by type and size."""
    strip: str = ""
    """senml: beginning of the names (often the base name) that is left out of the fields' names."""

    @model_validator(mode="after")
    def _codec_has_options(self) -> Payload:
        given = self.model_fields_set & set().union(*_OPTIONS.values())
        foreign = sorted(given - _OPTIONS[self.codec])
        if foreign:
            raise SettingError(f"codec {self.codec} has no {foreign[0]!r}", "remove it, or name another codec", (foreign[0],))
        places = {"at": [("at", self.at)], "fields": self.fields.items() if isinstance(self.fields, dict) else []}
        for key, texts in places.items():
            for name, text in texts:
                try:
                    pointer(text) if key == "at" else steps(text)
                except ValueError as error:
                    raise SettingError(str(error), "", (key,) if key == "at" else (key, name)) from None
        return self


class Resource(Payload):
    """One resource of a host."""

    path: str
    """Where it is: /sensors/temperature, with ?key=value behind it if need be."""
    observe: bool = False
    """Whether the host is asked to say each change by itself (RFC 7641). A resource that it does not observe is polled."""
    every: DurationField = Field(default=Duration(10.0), ge=0.01, le=86_400)
    """How often it is asked for; with `observe` only as long as the host refuses that."""
    accept: int | None = Field(default=None, ge=0, le=65_535)
    """Number of the Content-Format asked for (50 JSON, 60 CBOR, 110 and 112 SenML); without it that of the codec, and with
    `auto` the host chooses."""
    writable: bool = False
    """Whether `rt-edge write` and commands may set it."""
    write_method: Literal["put", "post"] = "put"
    """How it is set."""
    write_type: Literal["float", "int", "bool", "str", "bytes"] | None = None
    """What may be written; without it `type` where the codec is raw, else float."""
    write_as: Literal["text", "octets", "json", "cbor"] | None = None
    """How it is written; without it as it is read: text where the codec is raw or text, JSON or CBOR where it is that."""
    write_field: str | None = None
    """json, cbor: the value is written as an object with this one field; without it bare."""
    unit: str = Field(default="", max_length=32)
    """Unit of measure, for people; not sent with the readings."""
    min: float | None = None
    """Least value that a command may write."""
    max: float | None = None
    """Greatest value that a command may write."""
    allowed: tuple[bool | int | float | str, ...] = ()
    """The only values that a command may write, if any are given."""
    verify: bool = True
    """Whether what was written is read back: 2.04 alone is `sent` then, and the value as it was written `confirmed`."""

    @model_validator(mode="after")
    def _path_is_one(self) -> Resource:
        try:
            split_path(self.path)
        except ConfigError as error:
            raise SettingError(error.message, error.hint, ("path",)) from None
        return self

    @model_validator(mode="after")
    def _writes_are_right(self) -> Resource:
        given = sorted({"write_method", "write_type", "write_as", "write_field", "min", "max", "allowed"} & self.model_fields_set)
        if given and not self.writable:
            raise SettingError(
                f"{given[0]} says how commands write, and none may", "add `writable: true`, or remove it", (given[0],)
            )
        if not self.writable:
            return self
        info = info_of(self)
        way = self.write_as or ("octets" if info.kind == "bytes" else WRITTEN_AS.get(self.codec))
        if way is None:
            raise SettingError(f"what is read as {self.codec} can be written in more than one way", "add `write_as`", ("codec",))
        if (way == "octets") != (info.kind == "bytes"):
            raise SettingError(
                f"{info.kind} is not written as {way}", "bytes are written as octets, and nothing else is", ("write_as",)
            )
        if self.write_field is not None and way not in ("json", "cbor"):
            raise SettingError(f"{way} has no fields", "remove write_field", ("write_field",))
        if info.kind not in ("int", "float") and (self.min is not None or self.max is not None):
            key = "max" if self.min is None else "min"
            raise SettingError(f"{info.kind} has no {key}", "use `allowed`", (key,))
        if self.min is not None and self.max is not None and self.min > self.max:
            raise SettingError("no value is within min and max", "widen them", ("min",))
        wrong = [value for value in self.allowed if info.refusal(value)]
        if wrong:
            raise SettingError(f"allowed: the point {info.refusal(wrong[0])}", "remove it", ("allowed",))
        return self
