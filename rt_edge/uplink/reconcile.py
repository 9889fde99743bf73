"""What the edge makes of the position that upstream names at the handshake (design 7).

Four cases, by the position p that the store has and what the spool knows (confirmed c, last l):

- p == c, checksums equal or unknown: go on at c + 1;
- c < p <= l: confirmations were lost on the way. The edge reads its records c+1..p and compares running checksums: equal
  means that they are stored, so they count as confirmed;
- p < c: upstream lost what it had confirmed (a store restored from a backup);
- p > l: the edge lost what it had sent (a card that lied, a restored image), or somebody else wrote (a cloned card).

The last two, and a checksum that differs, are contradictions: the numbers can no longer be trusted to name the same
records on both sides, so what is not confirmed gets a new epoch. Before that the edge asks, record by record, which of the
unconfirmed ones upstream has already (a restored image sends its backlog a second time): these are not carried over, so
nothing is doubled; all others are, so nothing is lost.
"""

from __future__ import annotations

import enum

from rt_edge.data.record import Gap, Record
from rt_edge.uplink import frames
from rt_edge.uplink.checksum import chain, fingerprint
from rt_edge.uplink.effects import LaneState

MAX_RANGES = 1024
"""Ranges of stored records remembered while comparing; what lies beyond is renumbered although it may be stored."""


class Step(enum.Enum):
    """What to do next about a lane."""

    GO = "go on after the position"
    READ = "read on after the cursor"
    ASK = "send the proofs"
    RENUMBER = "new epoch"


class Reconciler:
    """Decides about one lane, fed with reads of the spool and answers of the ingress.

    Args:
        state: the lane in the spool.
        position: last number the store has.
        checksum: running checksum there, None if the store does not know it.
    """

    __slots__ = ("_asking", "_chain", "_proofs", "_unknown", "checksum", "cursor", "position", "reason", "state", "stored")

    def __init__(self, state: LaneState, position: int, checksum: int | None) -> None:
        self.state = state
        self.position = position
        self.checksum = checksum
        self.cursor = state.confirmed
        """Records after this number are to be read next."""
        self.stored: list[tuple[int, int]] = []
        """Ranges of unconfirmed records that upstream has."""
        self.reason = ""
        self._chain = state.checksum
        self._asking = False
        self._unknown = False
        self._proofs: list[frames.Proof] = []

    def begin(self) -> Step:
        """The first step."""
        state, position = self.state, self.position
        if position < state.confirmed:
            return self._contradiction(
                f"upstream has lost records: it had confirmed {state.confirmed} and now has {position}", ask=False
            )
        if position > state.last:
            return self._contradiction(
                f"upstream has records up to {position}, this node knows only {state.last}", ask=state.last > state.confirmed
            )
        if position == state.confirmed:
            if self._differs(state.checksum):
                return self._contradiction(f"the checksums at {position} differ", ask=False)
            return Step.GO
        if state.checksum is None or self.checksum is None:
            self._asking = True
        return Step.READ

    def read(self, records: list[Record]) -> Step:
        """Take records that follow the cursor; an empty list means that the spool has no more."""
        if self._asking:
            return self._collect(records)
        for record in records:
            if record.last > self.position:
                break
            self.cursor = record.last
            self._chain = None if self._chain is None else chain(self._chain, record)
            if self.cursor == self.position:
                if not self._differs(self._chain):
                    return Step.GO
                break
        else:
            if records:
                return Step.READ
        return self._contradiction(f"the checksums at {self.position} differ", ask=True)

    def compared(self, answer: frames.Compared) -> Step | None:
        """Take the answer to the proofs; None if it does not belong to them."""
        if not self._proofs or answer.through != self._proofs[-1].last:
            return None
        first, through = self._proofs[0].first, self._proofs[-1].last
        previous = first - 1
        for low, high in answer.stored:
            if not previous < low <= high <= through:
                return None
            previous = high
            self._note_stored(low, high)
        self._proofs = []
        self.cursor = through
        self._unknown = self._unknown or not answer.known
        return self._finish() if through >= min(self.position, self.state.last) else Step.READ

    def proofs(self) -> list[frames.Proof]:
        """What to ask the ingress now."""
        return self._proofs

    @property
    def agreed(self) -> int | None:
        """The running checksum at the position, once the step is GO: ours, else the store's."""
        return self.checksum if self._chain is None else self._chain

    def _differs(self, ours: int | None) -> bool:
        return ours is not None and self.checksum is not None and ours != self.checksum

    def _contradiction(self, reason: str, ask: bool) -> Step:
        self.reason = reason
        if not ask:
            return Step.RENUMBER
        self._asking = True
        self.cursor = self.state.confirmed
        self._chain = self.state.checksum
        return Step.READ

    def _collect(self, records: list[Record]) -> Step:
        self._proofs = []
        for record in records[: frames.MAX_PROOFS]:
            if record.first > self.position:
                break
            self._proofs.append(frames.Proof(record.first, record.last, fingerprint(record)))
            self._chain = None if self._chain is None else chain(self._chain, record)
        return Step.ASK if self._proofs else self._finish()

    def _note_stored(self, low: int, high: int) -> None:
        if self.stored and self.stored[-1][1] + 1 == low:
            self.stored[-1] = (self.stored[-1][0], high)
        elif len(self.stored) < MAX_RANGES:
            self.stored.append((low, high))

    def _finish(self) -> Step:
        if self.reason:
            if self._unknown:
                self.reason += "; the store cannot say what it has, so records may be stored twice"
            return Step.RENUMBER
        if self._unknown and self.cursor == self.position:
            return Step.GO  # nothing speaks against the position
        if self.stored == [(self.state.confirmed + 1, self.position)] and not self._differs(self._chain):
            return Step.GO
        self.reason = f"the records up to {self.position} are not the ones that upstream has"
        return Step.RENUMBER


def note(old: str, reason: str, at: int) -> Gap:
    """What the GAP record of a lane's new epoch says.

    Args:
        old: the lane before, as `str(LaneId)`.
        reason: from the `NewEpoch` effect.
        at: wall time, nanoseconds since 1970 UTC.
    """
    return Gap(source=old, reason=f"new epoch: {reason}", start=at, end=at)
