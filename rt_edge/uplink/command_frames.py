"""Frames of reads and commands between an upstream node and its edges: msgspec MessagePack arrays, append-only (see `frames`).

    ingress                    edge
    cmd.ask  ------------------------>   read this point, or carry out this command
             <------------------------   cmd.said: what became of it so far

The frame's number is the asker's. Both are idempotent: an ask comes again until its end was said (after each reconnection, and
every so often), and is known by its key; the last thing said counts.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from rt_edge.commands.command import MAX_KEY, Command, Outcome
from rt_edge.data.errors import CodecError

ASK = "cmd.ask"
SAID = "cmd.said"
MAX_FRAME = 100_000
"""Bytes of a frame's data."""


class CommandAsk(msgspec.Struct, frozen=True, array_like=True):
    """From upstream.

    Attributes:
        point: `plc/pump-1/setpoint`.
        key: of the command, or of the read.
        command: None: read the point. Its `expires_s` is what is left when this is sent; 0: only say what became of it.
        wait: say something when it has ended; else as soon as it is written down.
        again: it was asked before, on this link or an earlier one.
    """

    point: Annotated[str, msgspec.Meta(max_length=300)]
    key: Annotated[str, msgspec.Meta(max_length=MAX_KEY)]
    command: Command | None
    wait: bool
    again: bool = False


_T = TypeVar("_T")
_ASK = msgspec.msgpack.Decoder(CommandAsk)
_SAID = msgspec.msgpack.Decoder(Outcome)


def encode(message: CommandAsk | Outcome) -> bytes:
    """The data of the frame."""
    return msgspec.msgpack.encode(message)


def decode_ask(data: bytes) -> CommandAsk:
    """What upstream asks.

    Raises:
        CodecError: not such a frame.
    """
    return _decoded(_ASK, data)


def decode_said(data: bytes) -> Outcome:
    """What the edge says.

    Raises:
        CodecError: not such a frame.
    """
    return _decoded(_SAID, data)


def _decoded(decoder: msgspec.msgpack.Decoder[_T], data: bytes) -> _T:
    if len(data) > MAX_FRAME:
        raise CodecError(f"a command frame of {len(data)} bytes is longer than {MAX_FRAME}")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise CodecError(f"a command frame of {len(data)} bytes does not decode: {error}") from error
