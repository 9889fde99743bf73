"""The adapter as a sink: each Reading becomes a message; delivered when the broker has acknowledged all of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.mqtt.aliases import OutgoingAliases
from adapters.mqtt.options import fixed_properties
from adapters.mqtt.properties import user_property
from adapters.mqtt.reasons import publish_error
from adapters.mqtt.seam import Connected, Transport
from rt_edge.sdk import AdapterContext, Reading

_NAME = re.compile(r"\{([^{}]+)\}")
_UNSAFE = re.compile("[+#\0]")
_MSGPACK = msgspec.msgpack.Encoder()
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class MqttSink:
    """Publishes over one connection.

    Args:
        settings: a `Publish`.
        transport: connected.
        connected: the broker's limits.
        context: for counters.
        v5: whether it is MQTT 5.
    """

    def __init__(
        self, settings: Any, transport: Transport, connected: Connected, context: AdapterContext, v5: bool = True
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._context = context
        self._max_packet = connected.max_packet
        self._free = asyncio.Semaphore(min(settings.in_flight_messages, connected.send_quota))
        self._aliases = OutgoingAliases(min(settings.topic_aliases, connected.topic_aliases) if v5 else 0)
        self._fixed = fixed_properties(settings) if v5 else b""
        self._user = tuple(settings.user_properties.items()) if v5 else ()

    async def deliver(self, readings: Sequence[Reading]) -> None:
        """Publish all and wait for all PUBACKs; the first refusal is raised after the others have come back.

        Raises:
            TransientError: not confirmed.
            FatalAdapterError: the broker will never take it.
        """
        tasks: set[asyncio.Task[None]] = set()
        failed: list[BaseException] = []
        loop = asyncio.get_running_loop()

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            self._free.release()
            if not task.cancelled() and (error := task.exception()) is not None:
                failed.append(error)

        try:
            for reading in readings:
                await self._free.acquire()
                if failed:
                    self._free.release()
                    break
                task = loop.create_task(self._publish(reading))
                tasks.add(task)
                task.add_done_callback(ended)
            if tasks:
                await asyncio.wait(list(tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            raise
        if failed:
            raise failed[0]

    async def _publish(self, reading: Reading) -> None:
        settings = self._settings
        topic = topic_for(settings.topic, reading)
        payload = payload_for(settings.layout, reading, settings.codec)
        properties = self._fixed
        for name, template in self._user:
            properties += user_property(name, filled(template, reading))
        if self._max_packet and len(payload) + len(topic.encode()) + len(properties) + 24 > self._max_packet:
            self._context.count("dropped_too_large_for_broker")
            self._context.log("error", "message is larger than the broker takes", topic=topic, size=len(payload))
            return
        short, alias = self._aliases.use(topic)
        code = await self._transport.publish(short, payload, settings.qos, settings.retain, properties + alias)
        if code >= 0x80:
            raise publish_error(code, topic)
        self._context.count("published")


def topic_for(template: str, reading: Reading) -> str:
    """The topic of one Reading; wildcards and NUL in values become `_`, what is missing becomes `unknown`."""
    return filled(template, reading, _UNSAFE)


def filled(template: str, reading: Reading, unsafe: re.Pattern[str] | None = None) -> str:
    """A template with the names of one Reading; what is missing becomes `unknown`.

    Args:
        template: with {source}, {adapter}, {device}, {tags.NAME}, {fields.NAME}.
        reading: says what they are.
        unsafe: characters of values that become `_`.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        adapter, _, device = reading.source.partition("/")
        if name.startswith("tags."):
            text = reading.tags.get(name[5:], "unknown")
        elif name.startswith("fields."):
            text = str(reading.fields.get(name[7:], "unknown"))
        else:
            text = {"source": reading.source, "adapter": adapter, "device": device}.get(name, "unknown")
        return (text if unsafe is None else unsafe.sub("_", text)) or "unknown"

    return _NAME.sub(value, template)


def payload_for(layout: str, reading: Reading, codec: str = "json") -> bytes:
    """JSON, where bytes are written as base64, or MessagePack."""
    encode = _ENCODER.encode if codec == "json" else _MSGPACK.encode
    if layout == "flat":
        return encode({"ts": reading.ts, **reading.fields})
    shown: dict[str, Any] = {"source": reading.source, "ts": reading.ts, "quality": reading.quality}
    return encode({**shown, "tags": reading.tags, "fields": reading.fields})
