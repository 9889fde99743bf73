"""Two small tables beside the records: what the intake knows (a log that is compacted) and the latest dead letters."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from rt_edge.spool.intake import Intake
from rt_edge.spool.pending import DETAIL, DeadLetter

LOG_BYTES = 512_000
"""The intake log is replaced by a snapshot when it is this much larger than twice the last snapshot."""

DEAD_LETTERS = 1000
"""Dead letters kept; the oldest go."""


class IntakeTable:
    """Rows of the intake, one a transaction; replayed at opening."""

    def __init__(self) -> None:
        self._log = 0
        self._snapshot = 0
        self._after: tuple[int, int] | None = None
        self.unreadable = 0

    def load(self, conn: sqlite3.Connection, intake: Intake) -> None:
        """Replay all rows into `intake`."""
        self._log = conn.execute("SELECT coalesce(sum(length(entries)), 0) FROM intake").fetchone()[0]
        self.unreadable = intake.load(bytes(row[0]) for row in conn.execute("SELECT entries FROM intake ORDER BY at"))

    def write(self, conn: sqlite3.Connection, intake: Intake) -> None:
        """Write what is staged, in the transaction of the caller; then `committed`."""
        row = intake.staged()
        self._after = (self._log, self._snapshot)
        if row is None:
            return
        if self._log + len(row) > LOG_BYTES + 2 * self._snapshot:
            row = intake.snapshot()
            conn.execute("DELETE FROM intake")
            self._after = (len(row), len(row))
        else:
            self._after = (self._log + len(row), self._snapshot)
        conn.execute("INSERT INTO intake (entries) VALUES (?)", (row,))

    def committed(self) -> None:
        """The transaction of the last `write` is on disk."""
        if self._after is not None:
            self._log, self._snapshot = self._after
            self._after = None


class DeadLetterTable:
    """The latest elements that could not become records.

    Attributes:
        count: dead letters in the table.
    """

    def __init__(self) -> None:
        self.count = 0

    def load(self, conn: sqlite3.Connection) -> None:
        """Count them."""
        self.count = conn.execute("SELECT count(*) FROM dead_letter").fetchone()[0]

    def write(self, conn: sqlite3.Connection, letters: Sequence[DeadLetter], now: int) -> int:
        """Add `letters`, in the transaction of the caller; returns how many there will be."""
        if not letters:
            return self.count
        conn.executemany(
            "INSERT INTO dead_letter (died_at, lane, reason, detail) VALUES (?, ?, ?, ?)",
            [(now, letter.lane, letter.reason, letter.detail[:DETAIL]) for letter in letters[-DEAD_LETTERS:]],
        )
        conn.execute("DELETE FROM dead_letter WHERE at <= (SELECT max(at) FROM dead_letter) - ?", (DEAD_LETTERS,))
        return min(self.count + len(letters), DEAD_LETTERS)
