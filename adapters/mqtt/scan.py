"""Which topics a broker carries, how often something comes, and what the payloads look like."""

from __future__ import annotations

import asyncio
import json
from importlib.util import find_spec
from typing import Any

from adapters.mqtt.options import tls_of
from adapters.mqtt.seam import Connect, Connected, Message, Subscription
from rt_edge.sdk import FatalAdapterError, Found, ScanReport

PREVIEW = 60
"""Characters of a payload that are shown."""
KEEPALIVE_S = 30
WINDOW = 100


async def scan_topics(settings: Any, report: ScanReport) -> None:
    """Listen for `duration` seconds and tell `report` each topic.

    Args:
        settings: an `MqttScan`, or an object with its attributes.
        report: who is told.

    Raises:
        TransientError: the broker is not there, refuses, or went away.
        FatalAdapterError: it does not let us subscribe.
    """
    from adapters.mqtt.adapter import CLIENTS

    topics = Topics(settings.max_topics, report)
    transport = CLIENTS[client_of(settings)](_connect(settings, report), topics)
    try:
        await transport.connect()
        (granted,) = await transport.subscribe([Subscription(settings.filter, 0)], [])
        if granted >= 0x80:
            raise FatalAdapterError(
                f"the broker refuses {settings.filter!r} (0x{granted:02x})", "name a filter that you may read"
            )
        begun = report.clock.monotonic()
        while (spent := report.clock.monotonic() - begun) < settings.duration:
            report.progress(spent, settings.duration, f"{len(topics)} topics")
            await topics.ended(min(1.0, settings.duration - spent))
        report.progress(settings.duration, settings.duration, "done")
    finally:
        await transport.close()
        topics.tell()
    if topics.left_out:
        report.note(f"more than {settings.max_topics} topics: {topics.left_out} messages of others are not listed")


def client_of(settings: Any) -> str:
    """Who speaks MQTT: as the settings say, else paho where it is installed.

    Raises:
        FatalAdapterError: paho is asked for, and is not installed.
    """
    there = find_spec("paho") is not None
    client: str = settings.client or ("paho" if there else "fast")
    if client == "paho" and not there:
        raise FatalAdapterError("paho-mqtt is not installed here", "pip install 'rt-edge[mqtt]', or take `client: fast`")
    return client


def _connect(settings: Any, report: ScanReport) -> Connect:
    password = settings.password
    return Connect(
        host=settings.host,
        port=settings.port,
        version=5 if settings.version == "5" else 4,
        client_id=f"rt-edge-scan-{report.random.getrandbits(64):016x}",
        clean=True,
        session_expiry=0,
        window=WINDOW,
        keepalive=KEEPALIVE_S,
        max_packet=settings.max_packet,
        timeout=settings.timeout,
        username=settings.username,
        password=password.reveal() if hasattr(password, "reveal") else password,
        tls=tls_of(settings) if settings.secure else None,
        websocket=settings.websocket,
    )


class Topics:
    """What was seen of each topic; the listener of the transport.

    Args:
        most: topics that are remembered.
        report: who is told.

    Attributes:
        left_out: messages of topics beyond these.
    """

    def __init__(self, most: int, report: ScanReport) -> None:
        self._most, self._report = most, report
        self._seen: dict[str, dict[str, Any]] = {}
        self._last: dict[str, bytes | None] = {}
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._seen)

    def on_connected(self, connected: Connected) -> None:
        """See `Listener`."""

    def on_acknowledged(self, through: int) -> None:
        """See `Listener`."""

    def on_lost(self, error: Exception) -> None:
        """See `Listener`."""
        if not self._over.done():
            self._over.set_exception(error)

    def on_messages(self, messages: list[Message]) -> bool:
        """See `Listener`."""
        for message in messages:
            seen = self._seen.get(message.topic)
            if seen is None:
                if len(self._seen) >= self._most:
                    self.left_out += 1
                    continue
                seen = self._seen[message.topic] = {"topic": message.topic, "messages": 0, "bytes": 0, "retained": False}
            seen["messages"] += 1
            seen["bytes"] += len(message.payload or b"")
            seen["retained"] = seen["retained"] or message.retain
            self._last[message.topic] = message.payload
        return True

    async def ended(self, within: float) -> None:
        """Wait so long.

        Raises:
            TransientError: the connection went.
        """
        await asyncio.wait((self._over,), timeout=within)
        if self._over.done():
            self._over.result()

    def tell(self) -> None:
        """Report each topic as it is known now."""
        if self._over.done():
            self._over.exception()
        for topic, seen in sorted(self._seen.items()):
            payload = self._last[topic]
            codec, looks = looks_like(payload)
            kept = ", retained" if seen["retained"] else ""
            times = "1 message" if seen["messages"] == 1 else f"{seen['messages']} messages"
            details = {**seen, "codec": codec, "payload": looks}
            self._report.found(Found(topic, f"{times}{kept}, {codec}: {looks}", details, {"filter": topic, "codec": codec}))


def looks_like(payload: bytes | None) -> tuple[str, str]:
    """The codec that would read a payload, and its beginning."""
    if payload is None:
        return "raw", "larger than max_packet"
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return "raw", _cut(payload[:PREVIEW].hex(), len(payload) * 2)
    shown = _cut("".join(c if c.isprintable() else " " for c in text[:PREVIEW]), len(text))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "raw", shown
    return ("json" if isinstance(value, (dict, list)) else "raw"), shown


def _cut(text: str, length: int) -> str:
    return text[:PREVIEW] + ("..." if length > PREVIEW else "")
