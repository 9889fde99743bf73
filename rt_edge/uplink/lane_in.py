"""One lane at the ingress: what was received in order, what is with the store, what is stored."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple

from rt_edge.data.errors import CodecError
from rt_edge.data.record import LaneId, Record
from rt_edge.uplink import frames
from rt_edge.uplink.checksum import EMPTY, chain, fingerprint


class Queued(NamedTuple):
    """A record that waits for the store: the state of the lane after it."""

    record: Record
    offset: int
    checksum: int | None


class Comparison:
    """Proofs of an edge against the records of the store, fed piece by piece."""

    __slots__ = ("_proofs", "cursor", "known", "stored", "through")

    def __init__(self, proofs: list[frames.Proof]) -> None:
        expected = proofs[0].first
        for proof in proofs:
            if proof.first != expected or proof.last < proof.first:
                raise CodecError(f"compare: {proof.first}..{proof.last} stands where {expected} should")
            expected = proof.last + 1
        self._proofs = {proof.first: proof for proof in proofs}
        self.cursor = proofs[0].first
        self.through = proofs[-1].last
        self.stored: list[tuple[int, int]] = []
        self.known = True
        """False: the store cannot say what it has."""

    def feed(self, records: list[Record] | None) -> bool:
        """Take stored records from the cursor on; True when all is compared. An empty list ends it, and so does None."""
        if records is None:
            self.known = False
            return True
        for record in records:
            proof = self._proofs.get(record.first)
            if proof is not None and proof.last == record.last and proof.fingerprint == fingerprint(record):
                if self.stored and self.stored[-1][1] + 1 == record.first:
                    self.stored[-1] = (self.stored[-1][0], record.last)
                else:
                    self.stored.append((record.first, record.last))
        before, self.cursor = self.cursor, records[-1].last + 1 if records else self.through + 1
        return self.cursor > self.through or self.cursor <= before


class InLane:
    """Numbers: position (stored) <= received. Offsets count bytes (`size_of`) from the session's start, each record once."""

    __slots__ = (
        "committed_offset",
        "committed_records",
        "committing",
        "comparison",
        "dirty",
        "failed",
        "index",
        "lane",
        "missing",
        "offset",
        "open",
        "position",
        "position_checksum",
        "queue",
        "received",
        "received_checksum",
        "records",
        "resend_after",
        "resend_at",
        "retry_after",
        "retry_at",
    )

    def __init__(self, index: int, lane: LaneId, max_records: int) -> None:
        self.index = index
        self.lane = lane
        self.open = False
        self.position = self.received = 0
        self.position_checksum: int | None = EMPTY
        self.received_checksum: int | None = EMPTY
        self.offset = self.committed_offset = 0
        self.records = self.committed_records = 0
        self.queue: deque[Queued] = deque(maxlen=max_records + 1)
        """Received and not stored; the window in records bounds it (`take` refuses what is beyond)."""
        self.committing = 0
        """Records at the queue's head that are with the store."""
        self.failed = False
        self.retry_at: float | None = None
        self.retry_after = 0.0
        self.missing: int | None = None
        self.resend_at: float | None = None
        self.resend_after = 0.0
        self.comparison: Comparison | None = None
        self.dirty = False

    def opened(self, position: int, checksum: int | None) -> None:
        """The store said where it is."""
        self.open = True
        self.position = self.received = position
        self.position_checksum = self.received_checksum = EMPTY if position == 0 else checksum

    def welcome(self) -> frames.LaneWelcome:
        """As the handshake says it."""
        return frames.LaneWelcome(self.index, self.position, self.position_checksum)

    def confirmation(self) -> frames.LaneConfirm:
        """As Confirm says it."""
        return frames.LaneConfirm(self.index, self.position, self.position_checksum, self.received)

    def append(self, record: Record) -> int:
        """Take the next record; returns what it counts."""
        size = frames.size_of(record)
        self.offset += size
        self.records += 1
        self.received = record.last
        if self.received_checksum is not None:
            self.received_checksum = chain(self.received_checksum, record)
        self.queue.append(Queued(record, self.offset, self.received_checksum))
        return size

    def next_commit(self, max_bytes: int) -> list[Record]:
        """The records to hand to the store now (at least one if any waits), which stay queued until it has them."""
        if self.committing or self.retry_at is not None or not self.queue:
            return []
        size = count = 0
        for queued in self.queue:
            if count and size + frames.size_of(queued.record) > max_bytes:
                break
            size += frames.size_of(queued.record)
            count += 1
        self.committing = count
        return [queued.record for queued in islice(self.queue, count)]

    def commit_checksum(self) -> int | None:
        """The running checksum after the records that are with the store."""
        return self.queue[self.committing - 1].checksum

    def commit_last(self) -> int:
        """The last number that is with the store; 0 when nothing is."""
        return self.queue[self.committing - 1].record.last if self.committing else 0

    def committed(self) -> int:
        """The store has what it was given; returns how many bytes that counted."""
        before = self.committed_offset
        queued = self.queue[self.committing - 1]
        self.position, self.position_checksum = queued.record.last, queued.checksum
        self.committed_offset = queued.offset
        self.committed_records += self.committing
        for _ in range(self.committing):
            self.queue.popleft()
        self.committing = 0
        self.dirty = True
        return self.committed_offset - before
