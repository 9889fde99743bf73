"""Network addresses as people write them: `host:port`, `[::1]:1900`."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from rt_edge.data.errors import ConfigError

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\Z")


class Address(NamedTuple):
    """Host (a name or an IP address, without brackets) and port (0 to 65535; 0 where a free one is to be taken)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it can only be reached from this host; names other than `localhost` are taken not to be."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: object, default_port: int | None = None) -> Address:
    """`"up-a.example:1900"`, `"10.0.0.7:502"`, `"[::1]:1900"` as an Address.

    Args:
        text: what was written.
        default_port: taken when none is written.

    Raises:
        ConfigError: not a text, no host, no port (without a default), or a port above 65535.
    """
    hint = "write host:port, like up-a.example:1900, 10.0.0.7:1900 or [::1]:1900"
    if not isinstance(text, str):
        raise ConfigError(f"{text!r} is not an address", hint)
    host, bracket, rest = text[1:].partition("]") if text.startswith("[") else (text, "", "")
    port_text = rest.removeprefix(":") if bracket else ""
    if not bracket:
        host, _, port_text = text.partition(":")
    ok = _is_ipv6(host) and (not rest or rest.startswith(":")) if bracket else _HOST.match(host) is not None
    if not ok:
        raise ConfigError(f"{text!r} is not an address", hint)
    if not port_text and default_port is not None:
        return Address(host, default_port)
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and int(port_text) <= 65_535):
        raise ConfigError(f"{text!r} has no port from 0 to 65535", hint)
    return Address(host, int(port_text))


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
