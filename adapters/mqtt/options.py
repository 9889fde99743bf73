"""From settings to how the broker is connected to: window, session, client id, TLS, last words."""

from __future__ import annotations

from typing import Any

from adapters.mqtt.dial import tls_context
from adapters.mqtt.seam import Connect, LastWords
from adapters.mqtt.session import SessionFile

WINDOW_V5 = 2000
WINDOW_V311 = 20
"""mosquitto's default `max_inflight_messages`."""


def window_of(settings: Any) -> int:
    """Most unacknowledged messages: as set, or by version."""
    return settings.window or (WINDOW_V5 if settings.version == "5" else WINDOW_V311)


def keyed(settings: Any) -> bool:
    """Whether Readings carry redelivery keys: the broker may send some of them again across our lives."""
    return settings.session == "persistent" and any(entry.qos >= 1 for entry in settings.subscribe)


def connect_options(settings: Any, memory: SessionFile, name: str) -> Connect:
    """How to connect.

    Args:
        settings: an `MqttSettings`, or an object with its attributes.
        memory: has the client id where the settings name none.
        name: of the adapter, the beginning of a client id that is made.

    Raises:
        FatalAdapterError: a file of `tls:` that cannot be used.
    """
    password = settings.password
    return Connect(
        host=settings.host,
        port=settings.port,
        version=5 if settings.version == "5" else 4,
        client_id=settings.client_id or memory.client_id(name),
        clean=settings.session == "clean",
        session_expiry=int(settings.session_expiry) if settings.session == "persistent" else 0,
        window=window_of(settings),
        keepalive=int(settings.keepalive),
        max_packet=settings.max_packet,
        timeout=settings.timeout,
        username=settings.username,
        password=password.reveal() if hasattr(password, "reveal") else password,
        tls=tls_context(settings.tls) if settings.url.startswith("mqtts") else None,
        will=None
        if settings.will is None
        else LastWords(settings.will.topic, settings.will.payload.encode(), settings.will.qos, settings.will.retain),
    )
