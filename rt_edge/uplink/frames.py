"""The frames of the delivery protocol: msgspec MessagePack arrays under short kind names, never pickle (design 8).

A frame on the link is (kind, number, data). `number` is the session's number; during the handshake it is the number of
the attempt, which the edge chooses. So a frame of an earlier connection can be told and dropped, whoever repeats it.
Layouts are append-only: a newer node may add fields at the end, an older one does not see them.

    edge                       ingress
    hello ------------------------>      who I am, which lanes, what I believe
         <------------------------ welcome | refuse
    open  ------------------------>      lanes that appeared later
         <------------------------ opened
    compare ---------------------->      "do you have these?", only after a contradiction
         <------------------------ compared
    batch ------------------------>      records of one lane, contiguous
         <------------------------ confirm   cumulative confirmation and cumulative demand
         <------------------------ resend    go back to this number
    ping  ------------------------>      answered by a full confirm
         <------------------------ probe     "do you live?", answered by alive
    alive ------------------------>
         <------------------------ notice    for people
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from rt_edge.data.errors import CodecError
from rt_edge.data.record import MAX_RECORD, Record, RecordKind

VERSION = 1
OLDEST_VERSION = 1

COMMANDS = "commands"
FEATURES = {COMMANDS: 1}
"""What an edge of this version does beyond the delivery, each with a version of its own: said in Hello, so that an older edge,
which says nothing, is not sent frames that it closes its link for."""

MAX_FRAME = MAX_RECORD + 16_000
"""Bytes of a frame's data: one record of the largest size, with room for its header."""
MAX_LANES = 256
MAX_BATCH = 1024
"""Records in one batch."""
MAX_PROOFS = 512
"""Records in one Compare."""
RECORD_OVERHEAD = 40
"""Bytes a record counts beyond its payload, so that empty ones are not free."""
MAX_NUMBER = 2**63 - 1

_Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)]
_Token = Annotated[int, msgspec.Meta(ge=0)]
_Checksum = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
_Index = Annotated[int, msgspec.Meta(ge=0, lt=MAX_LANES)]
_Name = Annotated[str, msgspec.Meta(max_length=128)]
_Text = Annotated[str, msgspec.Meta(max_length=2000)]
_Epoch = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
_Fingerprint = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class LaneHello(msgspec.Struct, frozen=True, array_like=True):
    """A lane as the edge sees it; `index` names it for the rest of the session."""

    index: _Index
    route: _Name
    lane: _Name
    epoch: _Epoch
    last: _Number
    confirmed: _Number
    checksum: _Checksum | None


class LaneWelcome(msgspec.Struct, frozen=True, array_like=True):
    """A lane as the store has it."""

    index: _Index
    position: _Number
    checksum: _Checksum | None


class LaneConfirm(msgspec.Struct, frozen=True, array_like=True):
    """Stored up to `confirmed` (running checksum there); received in order up to `received`, which promises nothing."""

    index: _Index
    confirmed: _Number
    checksum: _Checksum | None
    received: _Number


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """First frame of a connection.

    `instance` differs for each process that ever speaks for the node; `host` may be equal in two of them only if a lock on
    one machine makes sure that they never live at the same time (boot id and the lock file's device and inode, say).
    `store` is the store the node's confirmations came from, empty if there is none. `features`: see `FEATURES`.
    """

    version: _Number
    oldest: _Number
    node: _Name
    instance: _Name
    host: _Name
    store: _Name
    lanes: Annotated[list[LaneHello], msgspec.Meta(max_length=MAX_LANES)]
    features: Annotated[dict[_Name, _Number], msgspec.Meta(max_length=64)] = {}


class Welcome(msgspec.Struct, frozen=True, array_like=True):
    """The session is open; the first demand comes with it."""

    version: _Number
    node: _Name
    store: _Name
    session: _Token
    granted_bytes: _Number
    granted_records: _Number
    keepalive: _Seconds
    lanes: Annotated[list[LaneWelcome], msgspec.Meta(max_length=MAX_LANES)]


class Refuse(msgspec.Struct, frozen=True, array_like=True):
    """There will be no session; come back after `retry_after` seconds at the earliest."""

    code: _Name
    reason: _Text
    retry_after: _Seconds


class Open(msgspec.Struct, frozen=True, array_like=True):
    """More lanes."""

    lanes: Annotated[list[LaneHello], msgspec.Meta(min_length=1, max_length=MAX_LANES)]


class Opened(msgspec.Struct, frozen=True, array_like=True):
    """The answer to Open."""

    lanes: Annotated[list[LaneWelcome], msgspec.Meta(min_length=1, max_length=MAX_LANES)]


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Records of one lane, contiguous, in order."""

    index: _Index
    records: Annotated[list[Record], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


class Confirm(msgspec.Struct, frozen=True, array_like=True):
    """What is stored, and what may be sent: both cumulative since the session's start, so a later one replaces all earlier.

    A record may be sent if the sizes (`size_of`) of all records before it, over all lanes and counted once each however
    often they were sent, sum up to less than `granted_bytes`, and their number is less than `granted_records`.
    `echo` is the nonce of the ping it answers (0: none); then all open lanes are in it.
    """

    granted_bytes: _Number
    granted_records: _Number
    echo: _Token
    lanes: Annotated[list[LaneConfirm], msgspec.Meta(max_length=MAX_LANES)]


class Resend(msgspec.Struct, frozen=True, array_like=True):
    """A number is missing: go back to `number` and send everything from there again."""

    index: _Index
    number: _Number


class Ping(msgspec.Struct, frozen=True, array_like=True):
    """Keepalive, and the question where the receiver is."""

    nonce: _Token


class Probe(msgspec.Struct, frozen=True, array_like=True):
    """Prove that you live: another node calls itself by your name."""

    nonce: _Token


class Alive(msgspec.Struct, frozen=True, array_like=True):
    """The answer to Probe."""

    nonce: _Token


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """Something the other node's operator should read."""

    code: _Name
    reason: _Text


class Proof(msgspec.Struct, frozen=True, array_like=True):
    """A record by its numbers and its fingerprint."""

    first: _Number
    last: _Number
    fingerprint: _Fingerprint


class Compare(msgspec.Struct, frozen=True, array_like=True):
    """Which of these records do you have? Ascending, contiguous."""

    index: _Index
    proofs: Annotated[list[Proof], msgspec.Meta(min_length=1, max_length=MAX_PROOFS)]


class Compared(msgspec.Struct, frozen=True, array_like=True):
    """The ranges of numbers, ascending, within which every record asked for is stored as asked.

    `through` is the last number asked for; `known` is False when the store cannot tell.
    """

    index: _Index
    through: _Number
    stored: Annotated[list[tuple[_Number, _Number]], msgspec.Meta(max_length=MAX_PROOFS)]
    known: bool


Message: TypeAlias = (
    Hello | Welcome | Refuse | Open | Opened | Batch | Confirm | Resend | Ping | Probe | Alive | Notice | Compare | Compared
)

_TYPES: dict[str, type[Message]] = {
    f"dlv.{cls.__name__.lower()}": cls
    for cls in (Hello, Welcome, Refuse, Open, Opened, Batch, Confirm, Resend, Ping, Probe, Alive, Notice, Compare, Compared)
}
_KINDS = {cls: kind for kind, cls in _TYPES.items()}
_DECODERS = {kind: msgspec.msgpack.Decoder(cls) for kind, cls in _TYPES.items()}
_encoder = msgspec.msgpack.Encoder()

EDGE_KINDS = frozenset(_KINDS[cls] for cls in (Hello, Open, Compare, Batch, Ping, Alive))
"""Kinds that an edge sends."""
INGRESS_KINDS = frozenset(_TYPES) - EDGE_KINDS
"""Kinds that an ingress sends."""


def kind_of(cls: type[Message]) -> str:
    """The frame kind of a message class."""
    return _KINDS[cls]


def encode(message: Message) -> tuple[str, bytes]:
    """Kind and data of the frame for `message`."""
    return _KINDS[type(message)], _encoder.encode(message)


def decode(kind: str, data: bytes) -> Message:
    """The message of a frame.

    Raises:
        CodecError: an unknown kind, too many bytes, bytes that are not such a message, or values out of bounds.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise CodecError(f"frame kind {kind[:32]!r} is not known")
    if len(data) > MAX_FRAME:
        raise CodecError(f"{kind} frame of {len(data)} bytes is longer than {MAX_FRAME}")
    try:
        message = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise CodecError(f"{kind} frame of {len(data)} bytes does not decode: {error}") from error
    if isinstance(message, Batch):
        check_records(message.records)
    return message


def check_records(records: list[Record]) -> None:
    """Numbers ascend without gaps, ranges belong to tombstones only, sizes are in bounds.

    Raises:
        CodecError: naming the first record that is wrong, and why.
    """
    expected = records[0].first
    for record in records:
        first, last = record.first, record.last
        if first != expected or not 1 <= first <= last <= MAX_NUMBER:
            raise CodecError(f"batch: record {first}..{last} stands where {expected} should")
        if first != last and record.kind is not RecordKind.TOMBSTONE:
            raise CodecError(f"batch: record {first}..{last} covers a range and is no tombstone")
        if len(record.payload) > MAX_RECORD:
            raise CodecError(f"batch: record {first} has {len(record.payload)} bytes, more than {MAX_RECORD}")
        if not 0 <= record.count <= MAX_NUMBER:
            raise CodecError(f"batch: record {first} claims {record.count} readings")
        expected = last + 1


REASONS = frozenset(
    (
        "duplicate-node",
        "garbled",
        "hello-again",
        "position-conflict",
        "silent",
        "store-disagrees",
        "store-mismatch",
        "store-unavailable",
        "superseded",
        "too-many-lanes",
        "violation",
        "window-violation",
        "wrong-node",
        "wrong-role",
        "wrong-version",
    )
)
"""Codes of Refuse and Notice that are counted by their name; a peer cannot make new counters."""


def reason_of(code: str) -> str:
    """The code a peer gave, if it is one of `REASONS`."""
    return code if code in REASONS else "refused"


def shown(text: str, limit: int = 300) -> str:
    """What a peer wrote, fit for a log: no control characters, bounded."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:limit])


def size_of(record: Record) -> int:
    """What a record counts in windows and demand, in bytes."""
    return len(record.payload) + RECORD_OVERHEAD
