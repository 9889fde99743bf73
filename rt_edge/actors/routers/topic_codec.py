"""Messages of topics as bytes: what a payload may be, between processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.pubsub.message import Message

PLAIN = (bool, int, float, str, bytes, list, tuple, dict)
"""Types of payloads beside Reading: what MessagePack has; a tuple arrives as a list."""

MESSAGE_BYTES = 8 << 20
"""A message that is larger fails: it would be sent again before it has arrived."""


class _Packed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    topic: str
    flags: int
    key: str
    payload: Any
    reading: Reading | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Packed])


def check_payload(payload: Any) -> None:
    """Refuse what cannot travel.

    Raises:
        ConfigError: it is neither plain data nor a Reading.
    """
    if not isinstance(payload, (Reading, *PLAIN)):
        raise ConfigError(f"a payload is plain data or a Reading, not {type(payload).__name__}")


class _Messages:
    """`rt_edge.streams.boundary.post.Codec` for `Message`s."""

    def encode(self, items: Sequence[Any]) -> bytes:
        packed = []
        for message in items:
            if not isinstance(message, Message):
                raise TypeError(f"{type(message).__name__} is no Message")
            payload = message.payload
            if not isinstance(payload, (Reading, *PLAIN)):
                raise TypeError(f"a payload is plain data or a Reading, not {type(payload).__name__}")
            flags = message.retain | message.retained << 1 | message.relayed << 2
            if isinstance(payload, Reading):
                packed.append(_Packed(message.topic, flags, message.key, None, payload))
            else:
                packed.append(_Packed(message.topic, flags, message.key, payload))
        data = _encoder.encode(packed)
        if len(packed) == 1 and len(data) > MESSAGE_BYTES:  # more of them are halved before they leave
            raise ValueError(f"a message of {len(data):,} bytes is too large: {MESSAGE_BYTES:,} at most")
        return data

    def decode(self, payload: bytes) -> list[Any]:
        try:
            packed = _decoder.decode(payload)
        except (msgspec.DecodeError, RecursionError) as error:
            raise CodecError(f"payload is not a list of messages: {error}") from error
        return [
            Message(
                p.topic,
                p.payload if p.reading is None else p.reading,
                bool(p.flags & 1),
                bool(p.flags & 2),
                bool(p.flags & 4),
                p.key,
            )
            for p in packed
        ]


MESSAGES = _Messages()
