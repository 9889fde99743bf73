"""One lane at the edge: what was read, sent and confirmed in this session."""

from __future__ import annotations

import enum
from collections import deque
from typing import NamedTuple

from rt_edge.data.errors import CodecError
from rt_edge.data.record import LaneId, Record
from rt_edge.uplink import frames
from rt_edge.uplink.checksum import EMPTY, chain
from rt_edge.uplink.effects import LaneState
from rt_edge.uplink.parameters import SenderParameters
from rt_edge.uplink.reconcile import Reconciler


class Phase(enum.Enum):
    """Where a lane is between its first mention and its last record."""

    OPENING = "waits for upstream's position"
    READING = "reads the spool to compare"
    COMPARING = "waits for upstream's comparison"
    RENUMBERING = "waits for the spool's new epoch"
    ACTIVE = "sends"
    ENDED = "has been replaced, or cannot be read"


class Sent(NamedTuple):
    """A record on its way: the state of the lane after it."""

    last: int
    offset: int
    records: int
    checksum: int | None


class OutLane:
    """Cursor, read-ahead buffer and unconfirmed tail of one lane.

    Numbers: confirmed <= sent <= read <= last. `high` is the highest number ever sent in this session: after going back,
    sent is below it, and what lies between costs no demand a second time. Offsets count bytes (`size_of`) and records from
    the session's start, each record once.

    Args:
        index: names it in frames.
        state: from the spool.
        parameters: windows.
        before: an older lane of the same route and name (another epoch): it is drained first, so that order is kept.
    """

    __slots__ = (
        "base",
        "before",
        "buffer",
        "buffered",
        "checksum",
        "confirmed",
        "credit",
        "high",
        "high_offset",
        "high_records",
        "index",
        "lane",
        "last",
        "phase",
        "ping_mark",
        "read",
        "reconciler",
        "request",
        "tail",
        "waiting_since",
    )

    def __init__(self, index: int, state: LaneState, parameters: SenderParameters, before: OutLane | None = None) -> None:
        self.index = index
        self.lane: LaneId = state.lane
        self.last = state.last
        self.confirmed = state.confirmed
        self.checksum = state.checksum if state.confirmed or state.checksum is not None else EMPTY
        self.phase = Phase.OPENING
        self.before = before
        self.base = Sent(state.confirmed, 0, 0, self.checksum)
        """The confirmed position, with its offset."""
        self.tail: deque[Sent] = deque(maxlen=parameters.window_records + frames.MAX_BATCH)
        """Sent and not confirmed, ascending; bounded by the window in records."""
        self.buffer: deque[Record] = deque(maxlen=frames.MAX_BATCH)
        """Read and not sent; a read asks for no more than fits."""
        self.buffered = 0
        self.read = state.confirmed
        self.high = state.confirmed
        self.high_offset = self.high_records = 0
        self.credit = 0
        self.request = 0
        """Number of the outstanding read, 0 for none."""
        self.ping_mark: int | None = None
        self.reconciler: Reconciler | None = None
        self.waiting_since: float | None = None

    @property
    def sent(self) -> int:
        """The last number sent; the next batch starts after it."""
        return self.at.last

    @property
    def at(self) -> Sent:
        """The state after the last record sent."""
        return self.tail[-1] if self.tail else self.base

    def is_held(self) -> bool:
        """Whether an older lane of the same name has to be drained first."""
        before = self.before
        return before is not None and before.phase is not Phase.ENDED and (before.confirmed < before.last or before.is_held())

    def behind(self) -> tuple[int, int]:
        """Bytes and records between where we went back to and the highest ever sent."""
        at = self.at
        return self.high_offset - at.offset, self.high_records - at.records

    def state(self) -> LaneState:
        """As the spool would say it."""
        return LaneState(self.lane, self.last, self.confirmed, self.checksum)

    def hello(self) -> frames.LaneHello:
        """As the handshake says it."""
        lane = self.lane
        return frames.LaneHello(self.index, lane.route, lane.lane, lane.epoch, self.last, self.confirmed, self.checksum)

    def start(self, position: int, checksum: int | None) -> None:
        """Both sides agree: everything up to `position` is stored."""
        self.confirmed = self.read = self.high = position
        self.checksum = checksum
        self.base = Sent(position, 0, 0, checksum)
        self.phase = Phase.ACTIVE
        self.reconciler = None
        self.waiting_since = None

    def wants_read(self, parameters: SenderParameters) -> int:
        """Records to ask of the spool now; 0 for none."""
        if self.phase is not Phase.ACTIVE or self.request or self.read >= self.last or self.is_held():
            return 0
        if self.buffered >= parameters.batch_bytes:
            return 0
        return frames.MAX_BATCH - len(self.buffer)

    def fill(self, records: list[Record]) -> None:
        """Take records that follow `read`.

        Raises:
            CodecError: they do not follow, or are not well formed: the spool is at fault.
        """
        if not records:
            self.last = self.read  # the spool has less than it said; `offer` will say more
            return
        frames.check_records(records)
        if records[0].first != self.read + 1 or len(records) + len(self.buffer) > frames.MAX_BATCH:
            raise CodecError(f"the spool gave records from {records[0].first} on, {self.read + 1} was asked for")
        self.buffer.extend(records)
        self.buffered += sum(map(frames.size_of, records))
        self.read = records[-1].last
        self.last = max(self.last, self.read)

    def take(self, batch_bytes: int, bytes_left: int, records_left: int) -> tuple[list[Record], int]:
        """The next batch and its size: at least one record, then as long as the batch, the window and the frame have room."""
        batch: list[Record] = []
        size = 0
        offset, count, checksum = self.at[1:]
        while self.buffer and len(batch) < records_left and size < bytes_left:
            record = self.buffer[0]
            bytes_of = frames.size_of(record)
            if batch and size + bytes_of > batch_bytes:
                break
            self.buffer.popleft()
            batch.append(record)
            size += bytes_of
            offset, count = offset + bytes_of, count + 1
            checksum = None if checksum is None else chain(checksum, record)
            self.tail.append(Sent(record.last, offset, count, checksum))
        self.buffered -= size
        self.high = max(self.high, self.sent)
        self.high_offset, self.high_records = max(self.high_offset, offset), max(self.high_records, count)
        return batch, size

    def confirm(self, number: int, checksum: int | None) -> bool:
        """Forget what is stored; True if that was news.

        Raises:
            CodecError: a number that was never sent, that is no record's last, or whose running checksum differs.
        """
        if number <= self.confirmed or (number > self.sent and number <= self.high):
            return False  # old; or ahead of where we went back to, and it will be said again
        if number > self.high:
            raise CodecError(f"{self.lane}: upstream confirms {number}, only {self.high} was sent")
        while self.tail and self.tail[0].last <= number:
            self.base = self.tail.popleft()
        if self.base.last != number:
            raise CodecError(f"{self.lane}: upstream confirms {number}, where no record ends")
        if checksum is not None and self.base.checksum is not None and checksum != self.base.checksum:
            raise CodecError(f"{self.lane}: the running checksum at {number} is {checksum:#x}, ours {self.base.checksum:#x}")
        self.confirmed = number
        self.checksum = self.base.checksum
        return True

    def go_back(self, received: int) -> bool:
        """Send again what follows `received`; True if there is anything.

        Raises:
            CodecError: a number that no record ends with.
        """
        if not self.confirmed <= received < self.sent:
            return False
        while self.tail and self.tail[-1].last > received:
            self.tail.pop()
        if self.sent != received:
            raise CodecError(f"{self.lane}: upstream wants {received + 1} again, where no record starts")
        self.buffer.clear()
        self.buffered = 0
        self.read = received
        self.request = 0  # its answer is not wanted any more
        return True
