"""From settings to how the broker is connected to: window, session, client id, TLS, last words."""

from __future__ import annotations

import ssl
from typing import Any

from adapters.mqtt.dial import tls_context
from adapters.mqtt.properties import CONTENT_TYPE, EXPIRY, WILL_DELAY, binary, four_bytes, user_property
from adapters.mqtt.seam import Connect, LastWords
from adapters.mqtt.session import SessionFile

WINDOW_V5 = 2000
WINDOW_V311 = 20
"""mosquitto's default `max_inflight_messages`."""


def window_of(settings: Any) -> int:
    """Most unacknowledged messages: as set, or by version."""
    return settings.window_messages or (WINDOW_V5 if settings.version == "5" else WINDOW_V311)


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
        tls=tls_of(settings) if settings.secure else None,
        will=None if settings.will is None else words(settings.will, settings.version == "5"),
        websocket=settings.websocket,
        topic_aliases=settings.topic_aliases if settings.version == "5" else 0,
    )


def tls_of(settings: Any) -> ssl.SSLContext:
    """The context for `tls:`, with the protocols to offer.

    Raises:
        FatalAdapterError: a file that cannot be used.
    """
    context = tls_context(settings.tls)
    if settings.tls.alpn:
        context.set_alpn_protocols(list(settings.tls.alpn))
    return context


def words(settings: Any, v5: bool) -> LastWords:
    """A message about ourselves, from its settings."""
    properties = b""
    if v5:
        delay = int(getattr(settings, "delay", 0))
        properties = four_bytes(WILL_DELAY, delay) if delay else b""
        properties += fixed_properties(settings)
        properties += b"".join(user_property(name, value) for name, value in settings.user_properties.items())
    return LastWords(settings.topic, settings.payload.encode(), settings.qos, settings.retain, properties)


def fixed_properties(settings: Any) -> bytes:
    """Properties that are the same for every message: expiry, content type."""
    properties = four_bytes(EXPIRY, int(settings.expiry)) if settings.expiry else b""
    return properties + (binary(CONTENT_TYPE, settings.content_type) if settings.content_type else b"")
