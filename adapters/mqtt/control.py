"""Commands to devices behind the broker: published, and confirmed by a response (MQTT 5, 4.10) or by a state topic.

State topics and the response topic are subscribed at QoS 0: they take no part in the window, so that an answer comes although
nobody asks for Readings and the broker holds back what has to be acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.mqtt.point_payload import fill, info_of, inside, payload_of, value_of
from adapters.mqtt.properties import (
    CORRELATION,
    EXPIRY,
    RESPONSE_TOPIC,
    PropertyError,
    binary,
    four_bytes,
    subscription_identifiers,
    told_by,
)
from adapters.mqtt.seam import Message, Subscription, Transport
from adapters.mqtt.topics import matches
from rt_edge.sdk import CodecError, RefusedError, RtEdgeError, TransientError, Value, WriteResult

NOBODY = 0x10
"""PUBACK: no matching subscribers (MQTT 5, 3.4.2.1)."""
COMMANDS = 16
"""Commands, to different points, under way at a time."""


class Control:
    """The points of one connection.

    Args:
        points: name -> settings.
        response_topic: where answers go.
        identifier: subscription identifier, where overlapping subscriptions are told apart by them; else 0.
        v5: whether it is MQTT 5.
        sources: filters of what becomes Readings.
    """

    def __init__(self, points: Mapping[str, Any], response_topic: str, identifier: int, v5: bool, sources: Sequence[str]) -> None:
        self._points = points
        self._response_topic = response_topic if any(p.confirm == "response" for p in points.values()) else ""
        self._identifier = identifier
        self._v5 = v5
        self._states: dict[str, list[str]] = {}
        for name, point in points.items():
            if point.state:
                self._states.setdefault(point.state, []).append(name)
        ours = {*self._states, self._response_topic}
        self._alone = {topic for topic in ours if not any(matches(one, topic) for one in sources)}
        self._shown: dict[str, Value] = {}
        self._looking: dict[str, set[asyncio.Future[Value]]] = {}  # at most COMMANDS and the reads of one office
        self._asked: dict[bytes, asyncio.Future[bytes]] = {}  # at most COMMANDS
        self._transport: Transport | None = None

    def subscriptions(self) -> list[Subscription]:
        """What has to be subscribed beside the sources; at v3.1.1 nothing that these bring anyhow: the copies that a broker may
        send for each of two subscriptions could not be told apart."""
        topics = [*self._states, *([self._response_topic] if self._response_topic else [])]
        topics = topics if self._v5 else [topic for topic in topics if topic in self._alone]
        return [Subscription(topic, 0, 0, self._identifier) for topic in topics]

    def opened(self, transport: Transport) -> None:
        """The connection is there; what states showed before does not count any more."""
        self._transport = transport

    def closed(self) -> None:
        """The connection is gone: nobody answers any more."""
        self._transport = None
        self._shown.clear()
        waiting: list[asyncio.Future[Any]] = [*self._asked.values(), *(one for ones in self._looking.values() for one in ones)]
        for future in waiting:
            if not future.done():
                future.cancel()

    def takes(self, message: Message) -> bool:
        """Look at a message that came in; True when it is of no source of Readings: on a topic of ours alone, or the copy that
        was made for our subscription; never one that has to be acknowledged."""
        names = self._states.get(message.topic)
        if names is not None and message.payload is not None:
            for name in names:
                self._show(name, message.payload)
        elif message.topic == self._response_topic and self._response_topic:
            self._answered(message)
        else:
            return False
        if message.qos:
            return False
        made_for = subscription_identifiers(message.properties) if self._identifier else []
        return message.topic in self._alone or made_for == [self._identifier]

    def _show(self, name: str, payload: bytes) -> None:
        try:
            value = value_of(self._points[name], payload)
        except CodecError:
            self._shown.pop(name, None)
            return
        self._shown[name] = value
        for waiting in list(self._looking.get(name, ())):
            if not waiting.done():
                waiting.set_result(value)

    def _answered(self, message: Message) -> None:
        try:
            correlation = told_by(message.properties).correlation
        except PropertyError:
            return
        waiting = self._asked.get(correlation) if correlation is not None else None
        if waiting is not None and not waiting.done():
            waiting.set_result(message.payload or b"")

    async def read(self, name: str) -> Value:
        """What the state topic shows, waiting for its first message where none has come in this connection.

        Raises:
            TransientError: not connected, or it shows nothing.
            RefusedError: there is no such point, or it has no state.
        """
        point = self._points.get(name)
        if point is None or not point.state:
            raise RefusedError(f"there is no point {name!r} that can be read", "a point is read where its state shows")
        if self._transport is None:
            raise TransientError("not connected")
        if name in self._shown:
            return self._shown[name]
        found = await self._look(name, asyncio.get_running_loop().time() + point.timeout)
        if found is None:
            raise TransientError(f"{point.state} has shown no {point.type} within {point.timeout:g} s")
        return found

    async def _look(self, name: str, until: float) -> Value | None:
        """The next value that the state shows; None when the time is over or the connection gone."""
        waiting: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._looking.setdefault(name, set()).add(waiting)
        try:
            await asyncio.wait([waiting], timeout=max(0.0, until - asyncio.get_running_loop().time()))
            return waiting.result() if waiting.done() and not waiting.cancelled() else None
        finally:
            waiting.cancel()
            self._looking[name].discard(waiting)

    async def write(self, name: str, value: Value, key: str) -> WriteResult:
        """See `DeviceAdapter.write`."""
        point = self._points.get(name)
        if point is None:
            return WriteResult("refused", f"there is no point {name!r}")
        wrong = info_of(point).refusal(value)
        if wrong:
            return WriteResult("refused", f"{name} {wrong}")
        transport = self._transport
        if transport is None:
            return WriteResult("failed", "not connected")
        payload = payload_of(point, value, key)
        correlation = key.encode("utf-8", "replace")
        properties = four_bytes(EXPIRY, int(point.expiry)) if point.expiry and self._v5 else b""
        until = asyncio.get_running_loop().time() + point.timeout
        answer: asyncio.Future[bytes] | None = None
        if point.confirm == "response":
            properties += binary(RESPONSE_TOPIC, self._response_topic) + binary(CORRELATION, correlation)
            answer = self._asked[correlation] = asyncio.get_running_loop().create_future()
        try:
            refused = await self._publish(transport, point, payload, properties)
            if refused is not None:
                return refused
            if answer is not None:
                return await self._response(point, answer, until)
            if point.confirm == "state":
                return await self._state(name, point, value, until)
        finally:
            if answer is not None:
                answer.cancel()
                del self._asked[correlation]
        return WriteResult("sent", "the broker has it" if point.qos else "it was written to the connection")

    async def _publish(self, transport: Transport, point: Any, payload: bytes, properties: bytes) -> WriteResult | None:
        """None when the broker took it."""
        try:
            async with asyncio.timeout(point.timeout):
                code = await transport.publish(point.topic, payload, point.qos, point.retain, properties)
        except TimeoutError:
            return WriteResult("sent", f"the broker did not acknowledge it within {point.timeout:g} s")
        except RtEdgeError as error:
            return WriteResult("sent", f"the connection went before the broker acknowledged it: {error.message}")
        if code == NOBODY and not point.retain:
            return WriteResult("failed", f"nobody has subscribed to {point.topic}")
        if code >= 0x80:
            return WriteResult("failed", f"the broker refused it with code 0x{code:02x}")
        return None

    async def _response(self, point: Any, answer: asyncio.Future[bytes], until: float) -> WriteResult:
        await asyncio.wait([answer], timeout=max(0.0, until - asyncio.get_running_loop().time()))
        if not answer.done() or answer.cancelled():
            return WriteResult("sent", f"no response within {point.timeout:g} s")
        said = answer.result()
        if not point.response_at:
            return WriteResult("confirmed")
        shown = said[:100].decode("utf-8", "replace")
        try:
            found = inside(said, point.response_at)
        except CodecError as error:
            return WriteResult("sent", f"a response that is {error.message}: {shown}")
        wanted = point.response_ok
        if found is wanted if isinstance(wanted, bool) else str(found) == wanted:
            return WriteResult("confirmed")
        return WriteResult("failed", f"the device answered {shown}")

    async def _state(self, name: str, point: Any, value: Value, until: float) -> WriteResult:
        info = info_of(point)
        while (shown := await self._look(name, until)) is not None:
            if info.same(shown, value):
                return WriteResult("confirmed")
        last = self._shown.get(name)
        if last is not None and info.same(last, value):
            return WriteResult("confirmed", f"{point.state} has shown it before already")
        return WriteResult("sent", f"{point.state} did not show it within {point.timeout:g} s")


def response_topic(settings: Any, client_id: str) -> str:
    """Where answers to our commands go."""
    return settings.response_topic or fill("rt-edge/{key}/response", {"key": client_id.translate({43: 95, 35: 95})})
