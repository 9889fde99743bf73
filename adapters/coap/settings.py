"""What a user writes for `kind: coap`; imported by `check` and the forms only, never by a running node."""

from __future__ import annotations

from typing import Annotated, Literal

from adapters.coap.address import host_address, split_path, variables
from rt_edge.sdk import ConfigError
from rt_edge.sdk.payload.json_rows import path as steps
from rt_edge.sdk.payload.json_rows import pointer
from rt_edge.sdk.settings import (
    Duration,
    DurationField,
    Field,
    HostPort,
    InUnit,
    Name,
    SettingError,
    SettingErrors,
    Settings,
    Size,
    SizeField,
    model_validator,
)

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
    """Number of the Content-Format asked for (50 JSON, 60 CBOR, 110 and 112 SenML); the host chooses without it."""

    @model_validator(mode="after")
    def _path_is_one(self) -> Resource:
        try:
            split_path(self.path)
        except ConfigError as error:
            raise SettingError(error.message, error.hint, ("path",)) from None
        return self


class Host(Settings):
    """One device, which is a CoAP server."""

    url: str
    """coap://host or coap://host:port."""
    resources: dict[Name, Resource] = Field(min_length=1, max_length=10_000)
    """What is read: name -> resource. The name becomes the tag `resource` of its Readings."""
    tags: dict[str, str] = {}
    """Tags of its Readings."""

    @model_validator(mode="after")
    def _url_is_one(self) -> Host:
        try:
            host_address(self.url)
        except ConfigError as error:
            raise SettingError(error.message, error.hint, ("url",)) from None
        return self


class Push(Payload):
    """What devices may push to, by PUT or POST."""

    path: str
    """Path; segments in braces, /push/{device}/{line}, become tags, and {device} decides the Reading's source."""
    device: Name | None = None
    """Device part of the Reading's source; without it the segment {device}, else the whole path."""

    @model_validator(mode="after")
    def _path_is_one(self) -> Push:
        try:
            path, query = split_path(self.path)
            variables(path)
        except ConfigError as error:
            raise SettingError(error.message, error.hint, ("path",)) from None
        if query:
            raise SettingError("a path for pushes has no query", "remove it: queries are not looked at", ("path",))
        if path[:1] == (".well-known",):
            raise SettingError("/.well-known is ours", "choose another path", ("path",))
        return self


class Listen(Settings):
    """A server that devices push to."""

    address: HostPort
    """Address and UDP port, on this host only: 127.0.0.1:5683 or [::1]:5683."""
    paths: list[Push] = Field(min_length=1, max_length=1000)
    """What is accepted; a request belongs to the first entry whose path fits."""
    window: Annotated[int, InUnit("readings")] = Field(default=1000, ge=1, le=16_384)
    """Most Readings taken in and not yet durable; beyond it a push is answered with 5.03."""
    retry_after: DurationField = Field(default=Duration(10.0), ge=1, le=86_400)
    """What a 5.03 says when to try again."""
    ack_after: DurationField = Field(default=Duration(0.0), ge=0, le=1.5)
    """When the empty acknowledgement goes out if the response has not; 0s: at once. With 1s most pushes are durable before it is
    due, and a device repeats by itself what was not, even if this process dies; see the adapter's README."""

    @model_validator(mode="after")
    def _stays_at_home(self) -> Listen:
        if not self.address.is_loopback:
            raise SettingError(
                f"{self.address} can be reached from outside, and this version authenticates nobody",
                "listen on 127.0.0.1 or [::1], behind a proxy that does DTLS, or let the node ask the devices (`hosts:`)",
                ("address",),
            )
        seen: set[str] = set()
        for index, entry in enumerate(self.paths):
            if entry.path in seen:
                raise SettingError(f"the path {entry.path!r} stands twice", "remove one", ("paths", index, "path"))
            seen.add(entry.path)
        return self


class CoapSettings(Settings):
    """CoAP: either hosts that are asked, or an address that devices push to."""

    hosts: dict[Name, Host] = Field(default={}, max_length=500)
    """Devices to ask: name -> host. Each has a socket of its own."""
    listen: Listen | None = None
    """The server that devices push to; an adapter of its own, since it promises something else."""
    ack_timeout: DurationField = Field(default=Duration(2.0), ge=0.05, le=60)
    """Time before a request, or the response to a push, is sent again (ACK_TIMEOUT, RFC 7252, 4.8); doubled each time."""
    retransmits: int = Field(default=4, ge=0, le=10)
    """How often it is sent again (MAX_RETRANSMIT)."""
    timeout: DurationField = Field(default=Duration(30.0), ge=0.1, le=300)
    """Longest time from the sending of a request to its whole response."""
    in_flight: Annotated[int, InUnit("requests")] = Field(default=4, ge=1, le=64)
    """Requests that may wait for the response of one host; one of them at a time for its acknowledgement (NSTART)."""
    hold: DurationField = Field(default=Duration(30.0), ge=0, le=86_400)
    """How long nothing may be asked for before observations are given up at the hosts."""
    refresh: DurationField = Field(default=Duration(300.0), ge=1, le=86_400)
    """Longest time between two registrations of an observation, whatever its Max-Age: a host that was restarted forgets them."""
    keepalive: DurationField = Field(default=Duration(60.0), ge=0, le=86_400)
    """How long a host may be silent before it is asked for a sign of life; 0s: never."""
    max_payload: SizeField = Field(default=Size(65_536), ge=64, le=1_000_000)
    """Largest payload, all blocks together."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> CoapSettings:
        if bool(self.hosts) == (self.listen is not None):
            what = "both `hosts` and `listen`" if self.hosts else "neither `hosts` nor `listen`"
            raise SettingError(
                f"{what}: an adapter asks, or it listens", "make two adapters of it", ("listen",) if self.hosts else ()
            )
        if self.listen is not None:
            foreign = {"in_flight", "hold", "refresh", "keepalive", "timeout"}
            wrong = sorted(foreign & self.model_fields_set)
            if wrong:
                raise SettingErrors(SettingError(f"a listener has no {name}", f"remove {name}", (name,)) for name in wrong)
        seen: dict[str, str] = {}
        for name, host in self.hosts.items():
            where = str(host_address(host.url)).lower()
            if where in seen:
                raise SettingError(
                    f"{where} is {seen[where]!r} already", "put all resources of a host into one entry", ("hosts", name, "url")
                )
            seen[where] = name
        return self
