"""Cutting what was received into MQTT packets, and decoding PUBLISH. No I/O.

paho reads byte by byte and builds four objects a message; this reads 64 kB at a time and builds one (figures: README.md).
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.mqtt.aliases import AliasError, IncomingAliases
from adapters.mqtt.properties import PropertyError, read_varint
from adapters.mqtt.seam import Message

MAX_HEADER = 5
MAX_CONTROL = 65_536
"""Largest packet that is not a PUBLISH."""
MAX_HEAD = 2 + 65_535 + 2
"""Topic and packet identifier: what is kept of a PUBLISH that is too large."""


class FramingError(ValueError):
    """The peer does not speak MQTT."""


class Framer:
    """Bytes in, packets out.

    Args:
        v5: whether PUBLISH carries properties.
        max_packet: largest PUBLISH accepted; of a larger one only topic and identifier are kept.
        aliases: v5: topic aliases that the broker may use.
    """

    def __init__(self, v5: bool, max_packet: int, aliases: int = 0) -> None:
        self._v5 = v5
        self._aliases = IncomingAliases(aliases) if aliases else None
        self._max = max_packet
        self._data = b""
        self._at = 0
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 0
        self._skip = 0

    def feed(self, data: bytes) -> None:
        """Take bytes in; `packets` must have been run to its end since the last call."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self._parts.append(data)
        self._have += len(data)
        if self._have >= self._need:
            self._data = b"".join(self._parts) if len(self._parts) > 1 else data
            self._at = 0
            self._parts.clear()

    def packets(self) -> Iterator[Message | bytes]:
        """Every whole packet that is there: PUBLISH decoded, others as bytes. May be left and taken up again.

        Raises:
            FramingError: malformed.
        """
        while self._data:
            data, start = self._data, self._at
            usual = self._usual(data, start)
            if usual is not None:
                if self._at == len(data):
                    self._data = b""
                    self._have = self._need = 0
                yield usual
                continue
            length, body = self._header(data, start)
            if body < 0:
                self._keep(start, MAX_HEADER if len(data) - start >= MAX_HEADER else len(data) - start + 1)
                return
            end = body + length
            publish = data[start] >> 4 == 3
            if publish and length > self._max:
                message = self._oversized(data, start, body, length)
                if message is None:
                    return
                yield message
                continue
            if not publish and length > MAX_CONTROL:
                raise FramingError(f"a packet of type {data[start] >> 4} with {length} bytes")
            if end > len(data):
                self._keep(start, end - start)
                return
            self._at = end
            if end == len(data):
                self._data = b""
                self._have = self._need = 0
            yield self._publish(data, start, body, end) if publish else data[start:end]

    def _usual(self, data: bytes, start: int) -> Message | None:
        """A PUBLISH as nearly all are: whole, its length in at most two bytes, without properties; twice as fast as the general
        way. None: anything else, to be looked at again."""
        size = len(data)
        if size - start < 8 or (first := data[start]) & 0xF0 != 0x30:
            return None
        length, body = data[start + 1], start + 2
        if length > 127:
            if data[body] > 127:
                return None
            length, body = length + (data[body] << 7) - 128, body + 1
        end, name = body + length, body + 2
        if end > size or length > self._max:
            return None
        at = tail = name + (data[body] << 8 | data[body + 1])
        mid, qos = 0, first >> 1 & 3
        if qos:
            tail += 2
            if qos == 3 or tail > end or not (mid := data[at] << 8 | data[at + 1]):
                return None
        if self._v5:
            if tail >= end or data[tail]:
                return None
            tail += 1
        if tail > end or at == name:
            return None
        self._at = end
        return Message(data[name:at].decode("utf-8", "replace"), data[tail:end], qos, bool(first & 1), bool(first & 8), mid)

    def _header(self, data: bytes, start: int) -> tuple[int, int]:
        """Remaining length and where the body begins; -1 where the header is cut off."""
        try:
            byte = data[start + 1]
            if byte < 128:
                return byte, start + 2
            return read_varint(data, start + 1)
        except IndexError:
            return 0, -1
        except PropertyError as error:
            raise FramingError(str(error)) from None

    def _keep(self, start: int, need: int) -> None:
        rest = self._data[start:]
        self._parts = [rest]
        self._have, self._need = len(rest), need
        self._data = b""

    def _oversized(self, data: bytes, start: int, body: int, length: int) -> Message | None:
        head = min(MAX_HEAD if self._aliases is None else MAX_HEAD + 4, length)
        if len(data) - body < head:
            self._keep(start, body - start + head)
            return None
        flags, topic, at = self._topic(data, start, body, body + length)
        qos = flags >> 1 & 3
        mid = int.from_bytes(data[at : at + 2], "big") if qos else 0
        if self._aliases is not None:
            # it may give an alias its topic, and what comes later would be taken for another's
            try:
                size, first = read_varint(data, at + 2 if qos else at)
            except (IndexError, PropertyError):
                size, first = MAX_HEAD + 1, at
            if size > MAX_HEAD or first + size > body + length:
                raise FramingError("a PUBLISH that is too large, with properties that do not fit")
            if first + size > len(data):
                self._keep(start, first + size - start)
                return None
            topic = self._resolved(topic, data[first : first + size])
        there = len(data) - body
        self._skip = max(0, length - there)
        self._at = body + min(length, there)
        if self._at >= len(data):
            self._data = b""
            self._have = self._need = 0
        return Message(topic, None, qos, bool(flags & 1), bool(flags & 8), mid)

    def _topic(self, data: bytes, start: int, body: int, end: int) -> tuple[int, str, int]:
        flags = data[start] & 15
        if end - body < 2:
            raise FramingError("a PUBLISH without a topic")
        at = body + 2 + (data[body] << 8 | data[body + 1])
        if at > end or flags & 6 == 6:
            raise FramingError("a PUBLISH whose topic or QoS is malformed")
        return flags, data[body + 2 : at].decode("utf-8", "replace"), at

    def _publish(self, data: bytes, start: int, body: int, end: int) -> Message:
        flags, topic, at = self._topic(data, start, body, end)
        mid = 0
        properties = b""
        qos = flags >> 1 & 3
        try:
            if qos:
                mid = data[at] << 8 | data[at + 1]
                at += 2
            if self._v5:
                length = data[at]
                at += 1
                if length:
                    length, at = read_varint(data, at - 1)
                    properties = data[at : at + length]
                    at += length
        except (IndexError, PropertyError):
            raise FramingError("a PUBLISH that is cut off") from None
        if self._aliases is not None and properties:
            topic = self._resolved(topic, properties)
        if at > end or not topic or (qos and not mid):
            raise FramingError("a PUBLISH that is malformed: its parts do not fit, or it has no topic or identifier")
        return Message(topic, data[at:end], qos, bool(flags & 1), bool(flags & 8), mid, properties)

    def _resolved(self, topic: str, properties: bytes) -> str:
        assert self._aliases is not None
        try:
            return self._aliases.resolve(topic, properties)
        except (AliasError, PropertyError) as error:
            raise FramingError(str(error)) from None
