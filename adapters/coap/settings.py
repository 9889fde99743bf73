"""What a user writes for `kind: coap`; imported by `check` and the forms only, never by a running node."""

from __future__ import annotations

from adapters.coap.address import host_address, is_secure, split_path, variables
from adapters.coap.oscore_claims import used_as
from adapters.coap.resource_settings import Payload, Resource
from adapters.coap.security_settings import Oscore, Psk, without_dtls, without_oscore
from rt_edge.sdk import ConfigError
from rt_edge.sdk.settings import (
    Duration,
    DurationField,
    Field,
    HostPort,
    Name,
    SecretField,
    SettingError,
    SettingErrors,
    Settings,
    Size,
    SizeField,
    model_validator,
)


class Host(Settings):
    """One device, which is a CoAP server."""

    url: str
    """coap://host or coap://host:port; with DTLS coaps://host or coaps://host:port."""
    psk: Psk | None = None
    """The key of DTLS; with coaps:// and only with it."""
    oscore: Oscore | None = None
    """Protection of each message, with or without DTLS (RFC 8613)."""
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
        if is_secure(self.url) != (self.psk is not None):
            if self.psk is None:
                raise SettingError("coaps:// needs a key", "add `psk: {identity: ..., key: {file: ...}}`", ("url",))
            raise SettingError("a key of DTLS, and an address without it", "write coaps:// in the url", ("psk",))
        problem = without_dtls() if self.psk is not None else None
        if problem is not None:
            raise SettingError(str(problem.message), problem.hint, ("url",))
        problem = without_oscore() if self.oscore is not None else None
        if problem is not None:
            raise SettingError(str(problem.message), problem.hint, ("oscore",))
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
    """Address and UDP port: 127.0.0.1:5683 or [::1]:5683; an address that others reach only with `clients` or `oscore`."""
    clients: dict[str, SecretField] = Field(default={}, max_length=10_000)
    """DTLS, and nothing else, is spoken: identity -> pre-shared key (text, or `hex:` and hexadecimal digits)."""
    oscore: dict[Name, Oscore] = Field(default={}, max_length=10_000)
    """OSCORE is asked of every request: name -> security context. The name becomes the tag `identity` of what it pushes."""
    paths: list[Push] = Field(min_length=1, max_length=1000)
    """What is accepted; a request belongs to the first entry whose path fits."""
    window_readings: int = Field(default=1000, ge=1, le=16_384)
    """Most Readings taken in and not yet durable; beyond it a push is answered with 5.03."""
    retry_after: DurationField = Field(default=Duration(10.0), ge=1, le=86_400)
    """What a 5.03 says when to try again."""
    ack_after: DurationField = Field(default=Duration(1.0), ge=0, le=60)
    """When the empty acknowledgement goes out if the response has not; 0s: at once. Until then a device repeats by itself what
    was not taken, even if this process dies; see the adapter's README."""

    @model_validator(mode="after")
    def _stays_at_home(self) -> Listen:
        if not self.address.is_loopback and not self.clients and not self.oscore:
            raise SettingError(
                f"{self.address} can be reached from outside, and nobody has to show a key",
                "add `clients` (DTLS) or `oscore`, listen on 127.0.0.1 or [::1], or let the node ask the devices (`hosts:`)",
                ("address",),
            )
        if self.clients and self.address.host in ("0.0.0.0", "::"):  # noqa: S104  # named to be refused
            raise SettingError(
                f"DTLS cannot listen on all addresses ({self.address.host}): answers would leave from another one",
                "name one address of this host; an adapter each if it has several",
                ("address",),
            )
        problem = without_dtls() if self.clients else None
        if problem is not None:
            raise SettingError(str(problem.message), problem.hint, ("clients",))
        problem = without_oscore() if self.oscore else None
        if problem is not None:
            raise SettingError(str(problem.message), problem.hint, ("oscore",))
        for name in self.clients:
            if not 0 < len(name.encode()) <= 128:
                raise SettingError("an identity has 1 to 128 bytes", "shorten it", ("clients", name))
        _used_once({("oscore", name): keys for name, keys in self.oscore.items()})
        whom: dict[tuple[str, str | None], str] = {}
        for name, keys in self.oscore.items():
            other = whom.setdefault((keys.recipient_id, keys.id_context), name)
            if other != name:
                raise SettingError(
                    f"{other} has this ID already, in the same ID context",
                    "give each device its own",
                    ("oscore", name, "recipient_id"),
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
    in_flight_requests: int = Field(default=4, ge=1, le=64)
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
            if self.hosts:
                message = "both `hosts` and `listen`: an adapter asks, or it listens"
                raise SettingError(message, "make two adapters of it", ("listen",))
            message = "neither `hosts` nor `listen`: an adapter asks, or it listens"
            raise SettingError(message, "write `hosts:` for devices to ask, or `listen:` for devices that push")
        if self.listen is not None:
            foreign = {"in_flight_requests", "hold", "refresh", "keepalive", "timeout"}
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
        _used_once({("hosts", name, "oscore"): host.oscore for name, host in self.hosts.items() if host.oscore is not None})
        return self


def _used_once(contexts: dict[tuple[str, ...], Oscore]) -> None:
    seen: dict[str, tuple[str, ...]] = {}
    for at, keys in contexts.items():
        other = seen.setdefault(used_as(keys), at)
        if other != at:
            raise SettingError(
                f"the same secret and sender_id as {'.'.join(other)}: numbers would be used twice", "use another sender_id", at
            )
