"""Points of hosts for reads and commands: what each takes, and how a value is written."""

from __future__ import annotations

from typing import Any

import msgspec

from rt_edge.sdk import PointInfo, Value
from rt_edge.sdk.points import Kind

WRITTEN_AS = {"raw": "text", "text": "text", "json": "json", "cbor": "cbor"}
"""Codec -> how a value is written if the settings do not say."""
FORMATS = {"text": 0, "octets": 42, "json": 50, "cbor": 60}
"""How -> Content-Format (RFC 7252, 12.3)."""


def points_of(settings: Any) -> dict[str, PointInfo]:
    """Every resource of every host, as `HOST/RESOURCE`."""
    return {
        f"{host_name}/{name}": info_of(resource)
        for host_name, host in settings.hosts.items()
        for name, resource in host.resources.items()
    }


def info_of(settings: Any) -> PointInfo:
    """What a resource takes."""
    kind: Kind = settings.write_type or (settings.type if settings.codec == "raw" else "float")
    if not settings.writable:
        return PointInfo(kind=kind, unit=settings.unit)
    bounds: dict[str, Any] = {"min": settings.min, "max": settings.max, "allowed": tuple(settings.allowed)}
    return PointInfo(kind=kind, writable=True, unit=settings.unit, **bounds)


def written(settings: Any, value: Value) -> tuple[bytes, int]:
    """Payload and Content-Format that set a resource to `value`."""
    way = settings.write_as or ("octets" if isinstance(value, bytes) else WRITTEN_AS[settings.codec])
    if info_of(settings).kind == "bool" and isinstance(value, int):
        value = bool(value)
    if way in ("json", "cbor"):
        document = value if settings.write_field is None else {settings.write_field: value}
        if way == "json":
            return msgspec.json.encode(document), FORMATS[way]
        from adapters.coap.cbor import dump

        return dump(document), FORMATS[way]
    if isinstance(value, bytes):
        return value, FORMATS["octets"]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.encode(), FORMATS[way]
