"""What the delivery state machines ask of their host: plain values, carried out in the order given.

The machines do no I/O and read no clock: each input returns a list of effects. `Sender` is the edge's side, `Receiver`
the ingress'. An effect that wants an answer names the method that takes it; the host may answer at once or later, from
the same thread.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

import msgspec

from rt_edge.data.record import LaneId, Record


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end of a link, as its certificate says."""

    node: str
    role: str


class LaneState(msgspec.Struct, frozen=True):
    """What the edge's spool durably knows of a lane.

    Attributes:
        lane: which.
        last: the last number that is durable; records that a crash could still take back must not be counted.
        confirmed: the highest number passed to `Confirm`, 0 at first.
        checksum: the running checksum at `confirmed` (`rt_edge.uplink.checksum`); None when the spool does not keep it.
    """

    lane: LaneId
    last: int
    confirmed: int
    checksum: int | None


class Report(msgspec.Struct, frozen=True):
    """Something an operator should see: log, counter, status.

    Attributes:
        code: stable, kebab-case; what is counted.
        message: one sentence for people.
        node: the other node.
        lane: the lane concerned, if one is.
    """

    code: str
    message: str
    node: str = ""
    lane: LaneId | None = None


class SetTimer(msgspec.Struct, frozen=True):
    """Call `tick` at `at` (seconds of the monotonic clock); replaces the timer set before. None: no timer."""

    at: float | None


# --- the edge's side


class Send(msgspec.Struct, frozen=True):
    """Put a frame on the link. If the link is gone, drop it: `link_down` will say so."""

    kind: str
    number: int
    data: bytes


class Close(msgspec.Struct, frozen=True):
    """Close the link and call `link_down`; do not dial again before `retry_after` seconds (0: the dialler's own backoff)."""

    code: str
    reason: str
    retry_after: float = 0.0


class WantRead(msgspec.Struct, frozen=True):
    """Read records of a lane that follow number `after`, in order, without gaps, durable ones only.

    At most `max_records`, and records until `max_bytes` of payload (one record may be larger). Answer:
    `read_done(lane, request, records)` (an empty list when there is none) or `read_failed(lane, request, error)`. From this
    moment on what was handed out may be on its way: it must not be dropped or replaced by a tombstone until `Confirm` covers
    it or a `SentThrough` says that it did not arrive.
    One read per lane and session is outstanding; `request` tells an answer that comes too late.
    """

    lane: LaneId
    request: int
    after: int
    max_bytes: int
    max_records: int


class Confirm(msgspec.Struct, frozen=True):
    """Upstream has stored everything up to `number`: keep number and checksum durably, settle, delete."""

    lane: LaneId
    number: int
    checksum: int | None


class SentThrough(msgspec.Struct, frozen=True):
    """What may be stored upstream ends at `number`: upstream said so at a handshake, and no read of the lane is out.

    Records up to it must not be dropped (design 7); what earlier reads had pinned beyond it may be dropped again. It is not
    said when the link is lost: from then until the next handshake nobody knows, and the pins stay.
    """

    lane: LaneId
    number: int


class StoreKnown(msgspec.Struct, frozen=True):
    """Keep durably, before the next `Confirm`, that this uplink's records are in this store."""

    store: str


class NewEpoch(msgspec.Struct, frozen=True):
    """The numbers of a lane contradict upstream's: renumber what is not confirmed, in one durable transaction.

    The spool must, all in one transaction:

    1. forget the records up to `confirmed`, and those whose numbers lie within `stored` (upstream has these). Where a stored
       range does not follow `confirmed` directly, one tombstone over it (0 records, 0 readings) does as well;
    2. make the lane (same node, route and lane name, epoch `epoch`) with confirmed 0 and checksum
       `rt_edge.uplink.checksum.EMPTY`, and route later appends of that lane name to it;
    3. move the remaining records to it in their order, numbered without gaps; a tombstone keeps the width of its range;
    4. give it as first or last record one of kind GAP, count 0, holding `rt_edge.uplink.reconcile.note(...)`, so that the
       store shows what happened;
    5. forget the old lane. The new lane's numbers cover 1..last.

    Answer: `renumbered(old, state of the new lane)`, or `renumber_failed(old, error)`. If the edge dies before the
    transaction is durable nothing has happened, and the next handshake asks again (with another epoch).
    """

    lane: LaneId
    epoch: bytes
    reason: str
    stored: tuple[tuple[int, int], ...]


SenderEffect: TypeAlias = Send | Close | WantRead | Confirm | SentThrough | StoreKnown | NewEpoch | Report | SetTimer


# --- the ingress' side


class SendTo(msgspec.Struct, frozen=True):
    """Put a frame on the link of a session. If that link is gone, drop it: `link_down` will say so."""

    address: Hashable
    kind: str
    number: int
    data: bytes


class CloseLink(msgspec.Struct, frozen=True):
    """Close a link, after what was sent on it; the machine has already forgotten it, `link_down` may follow or not."""

    address: Hashable
    code: str
    reason: str


class OpenSession(msgspec.Struct, frozen=True):
    """Call `Store.open_session(lane, session)`.

    Answer: `session_opened(address, lane, position, checksum)`, where checksum is the one given with the commit that
    reached this position (None if the store does not keep it, `EMPTY` at position 0), or `open_failed(address, lane, error)`.
    """

    address: Hashable
    lane: LaneId
    session: str


class Commit(msgspec.Struct, frozen=True):
    """Call `Store.commit(lane, session, first, batch)`, and keep `checksum` with the position in the same transaction.

    Answer: `committed(address, lane, position)` when it is durable (in every durable end, where there are several), or
    `commit_failed(address, lane, error)`. One per lane is outstanding.
    """

    address: Hashable
    lane: LaneId
    session: str
    first: int
    batch: list[Record]
    checksum: int | None


class ReadStored(msgspec.Struct, frozen=True):
    """Read the stored records of a lane that lie within first..last, in order, until `max_bytes` of payload (at least one).

    Answer: `stored_read(address, lane, records)`; an empty list says that there are no more, None that the store cannot tell.
    """

    address: Hashable
    lane: LaneId
    first: int
    last: int
    max_bytes: int


ReceiverEffect: TypeAlias = SendTo | CloseLink | OpenSession | Commit | ReadStored | Report | SetTimer
