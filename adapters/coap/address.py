"""Addresses of hosts, and paths, as people write them."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from rt_edge.sdk import ConfigError
from rt_edge.sdk.address import Address, parse_address

PORT = 5683
"""Registered port of CoAP without security (RFC 7252, 6.1)."""
SECURE_PORT = 5684
"""Registered port of CoAP over DTLS (RFC 7252, 6.2)."""
SEGMENT = 255
"""Bytes of a segment of a path, and of an item of a query (RFC 7252, 5.10)."""
_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}\Z")


def is_secure(url: str) -> bool:
    """Whether DTLS is asked for."""
    return url.startswith("coaps://")


def host_address(url: str) -> Address:
    """Host and port of `coap://host[:port]` or `coaps://host[:port]`.

    Raises:
        ConfigError: another scheme, or no such address.
    """
    scheme, mark, rest = url.partition("://")
    if mark and scheme in {"coap+tcp", "coaps+tcp", "coap+ws", "coaps+ws"}:
        raise ConfigError(f"{scheme}:// is not there in this version", "coap:// (UDP) and coaps:// (DTLS) are")
    if scheme not in ("coap", "coaps") or not mark:
        raise ConfigError(f"{url!r} is not the address of a CoAP host", "write coap://host or coap://host:5683")
    if "/" in rest.rstrip("/"):
        raise ConfigError("a path does not belong into the address of a host", "write it at the resource: `path:`")
    address = parse_address(rest.rstrip("/"), SECURE_PORT if scheme == "coaps" else PORT)
    if not address.port:
        raise ConfigError(f"{url!r} has port 0", "write coap://host or coap://host:5683")
    return address


def split_path(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Segments of the path and items of the query of `/sensors/temp?unit=C`; `%20` and the like are resolved.

    Raises:
        ConfigError: it does not begin with `/`, or a part is too long.
    """
    if not text.startswith("/") or "#" in text:
        raise ConfigError(f"{text!r} is not a path", "write /sensors/temperature, with ?key=value behind it if need be")
    parts = urlsplit("coap://x" + text)
    path = tuple(unquote(part) for part in parts.path[1:].split("/")) if parts.path != "/" else ()
    query = tuple(unquote(part) for part in parts.query.split("&")) if parts.query else ()
    if any(len(part.encode()) > SEGMENT for part in (*path, *query)):
        raise ConfigError(f"{text[:40]!r}: a part is longer than {SEGMENT} bytes", "RFC 7252, 5.10 does not allow it")
    return path, query


def variables(path: tuple[str, ...]) -> dict[int, str]:
    """Places and names of the segments `{name}` of a template.

    Raises:
        ConfigError: braces elsewhere, or a name that stands twice.
    """
    found: dict[int, str] = {}
    for index, segment in enumerate(path):
        match = _VARIABLE.match(segment)
        if match is None:
            if "{" in segment or "}" in segment:
                raise ConfigError(f"{segment!r}: a name in braces is a whole segment", "like /push/{device}/state")
            continue
        if match[1] in found.values():
            raise ConfigError(f"{{{match[1]}}} stands twice", "give the second one another name")
        found[index] = match[1]
    return found
