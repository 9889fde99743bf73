"""`probe`: whether the broker accepts a connection, without touching the session of the running node."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from adapters.mqtt.seam import Connect, Connected, Listener, Message, Transport
from rt_edge.sdk import ProbeResult


async def probe_broker(options: Connect, make_transport: Callable[[Connect, Listener], Transport]) -> ProbeResult:
    """Connect under another client id with an empty session, and leave.

    Raises:
        TransientError, FatalAdapterError: as of `Transport.connect`.
    """
    options = replace(options, client_id=f"{options.client_id}-probe", clean=True, session_expiry=0, will=None)
    transport = make_transport(options, _Deaf())
    try:
        connected = await transport.connect()
    finally:
        await transport.close()
    details = {
        "send_quota": connected.send_quota,
        "max_qos": connected.max_qos,
        "max_packet": connected.max_packet,
        "topic_aliases": connected.topic_aliases,
        "retain": connected.retain,
        "shared": connected.shared,
    }
    return ProbeResult(True, f"{options.host}:{options.port} accepted the connection", details)


class _Deaf:
    """Listener of a probe."""

    def on_connected(self, connected: Connected) -> None:
        """`connect` says it."""

    def on_messages(self, messages: list[Message]) -> bool:
        """Nothing is subscribed."""
        return True

    def on_acknowledged(self, through: int) -> None:
        """Nothing is acknowledged."""

    def on_lost(self, error: Exception) -> None:
        """`connect` and `close` say it themselves."""
