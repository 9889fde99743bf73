"""Signals: what the two ends of a wire between islands say to each other (design 2, 5, 6).

A wire has a producing and a consuming end, each with an incarnation. Messages between actors are delivered at least once and in
any order, and either end may die and come again; so

- every signal names the wire and both incarnations; what is not of the current pair is dropped and counted;
- `OnNext` carries a number (1, 2, 3, ... per pair); the consumer reorders within its window and drops what it has had;
- `Request` is cumulative: the total of elements asked for, and the number up to which `OnNext` has been received; it is sent
  again until it is superseded;
- `Settled` carries every outcome that the producer has not confirmed to have seen (`Seen`), under a sequence number;
- the consumer dials: `Subscribe` is repeated until `OnSubscribe` answers.

On the wire between processes: MessagePack of a tagged array; never pickle.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rt_edge.data.errors import CodecError


class Signal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What all signals carry.

    Attributes:
        wire: name of the wire in the node's plan.
        producer: incarnation of the producing end; empty when the consumer does not know it yet.
        consumer: incarnation of the consuming end.
    """

    wire: str
    producer: str
    consumer: str


class Subscribe(Signal, frozen=True, array_like=True, tag=1):
    """Consumer to producer: I am here; from now on this incarnation of mine counts."""


class OnSubscribe(Signal, frozen=True, array_like=True, tag=2):
    """Producer to consumer: the answer; numbers start at 1 for this pair."""


class Request(Signal, frozen=True, array_like=True, tag=3):
    """Consumer to producer: cumulative demand and cumulative receipt."""

    total: int
    """Elements asked for so far, for this pair."""
    received: int
    """Every `OnNext` up to this number has arrived."""


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The elements of one origin among those of a chunk of several."""

    origin: str
    """Name of the origin; empty where the elements have none."""
    incarnation: str
    session: str
    floor: int
    marks: Any
    """As in `OnNext`."""
    keys: list[tuple[int, bytes]] = []
    redelivered: list[int] = []
    lap: int = 0
    again: list[int] = []


class OnNext(Signal, frozen=True, array_like=True, tag=4):
    """Producer to consumer: one chunk."""

    number: int
    payload: bytes
    """Encoded elements (`rt_edge.data.codec`)."""
    origin: str
    """Name of the origin; empty where the elements have none."""
    incarnation: str
    session: str
    floor: int
    marks: Any
    """[first, count], or a list of marks (a number, or [parent, index]); from 0 where the elements have none of their own; None
    where there are `parts`."""
    keys: list[tuple[int, bytes]] = []
    redelivered: list[int] = []
    lap: int = 0
    """How often the origin has gone back to emit again in order."""
    again: list[int] = []
    """Numbers among `marks` that this life of the origin has emitted before."""
    parts: list[Part] = []
    """Where the elements are of several origins: whose. Then they have no origin and no marks here."""
    order: bytes = b""
    """For each element, which of `parts` it is of; its mark is the next of that."""


class Settled(Signal, frozen=True, array_like=True, tag=5):
    """Consumer to producer: outcomes."""

    sequence: int
    """Number of the last of `outcomes`; they are numbered without gaps."""
    outcomes: list[tuple[int, int, str, Any]]
    """(number of the OnNext, 0 stored | 1 dropped | 2 failed | 3 its island died, reason, [first place, last place] or list of
    places)."""


class Seen(Signal, frozen=True, array_like=True, tag=6):
    """Producer to consumer: every outcome up to this sequence number has been applied."""

    sequence: int


class OnComplete(Signal, frozen=True, array_like=True, tag=7):
    """Producer to consumer: nothing follows after `number`; repeated until `Request` says that it was received."""

    number: int


class OnError(Signal, frozen=True, array_like=True, tag=8):
    """Producer to consumer: the stream failed after `number`."""

    number: int
    error: str


class Cancel(Signal, frozen=True, array_like=True, tag=9):
    """Consumer to producer: nothing more is wanted, ever."""


class Resubscribe(Signal, frozen=True, array_like=True, tag=10):
    """Producer to consumer: you speak of an earlier life of mine; dial again. Without a consumer: to whoever it is, a life of
    mine has begun; without a producer as well: an end's own post, the other end's island can be reached from now on."""


AnySignal = Resubscribe | Subscribe | OnSubscribe | Request | OnNext | Settled | Seen | OnComplete | OnError | Cancel

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[AnySignal]] = msgspec.msgpack.Decoder(list[AnySignal])


def encode_signals(signals: list[AnySignal]) -> bytes:
    """Signals for one peer as one message."""
    return _encoder.encode(signals)


def decode_signals(data: bytes) -> list[AnySignal]:
    """The signals of one message.

    Raises:
        CodecError: it is not one.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"a message between islands does not decode: {error}") from error
