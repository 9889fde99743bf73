"""What the url of a broker says. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
"""Scheme -> the port that it stands for."""


def port_of(url: str) -> int:
    """The port, or that of the scheme."""
    parts = urlsplit(url)
    return parts.port or PORTS.get(parts.scheme, 0)


def is_secure(url: str) -> bool:
    """Whether it is TLS."""
    return urlsplit(url).scheme in ("mqtts", "wss")


def websocket_of(url: str) -> str | None:
    """Path and query of a websocket, `/mqtt` where there is no path; None where it is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss"):
        return None
    return (parts.path if parts.path not in ("", "/") else "/mqtt") + (f"?{parts.query}" if parts.query else "")
