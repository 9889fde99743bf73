"""What a durable end has already: elements that come a second time are recognised and not stored again (design 5 and 7).

Two ways in which an element comes again:

- Its origin, still alive, emits it again because an island between died: same origin, incarnation and mark.
- Its peer sends it again to a later life of the origin (MQTT, DUP): another incarnation, another mark, but the same redelivery
  key (2 bytes identifier, then a digest) in the same session, and marked as redelivered. The identifier alone proves nothing: a
  broker uses it again for a new message.

`Intake` is a state machine without I/O: `admit` answers and stages what it learned; `staged` gives that as one row to be
committed in the transaction of the data; then `commit`, or `rollback` when the transaction failed. `load` replays rows;
`snapshot` is the whole state as one row that replaces all others.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rt_edge.data.errors import CodecError
from rt_edge.data.receipt import Mark, Marks, Origin
from rt_edge.spool.origin_state import IDENTIFIER, Arrived, FlatMark, OriginState

MAX_ORIGINS = 4096
"""Origins remembered; beyond it the one that was silent longest is forgotten."""

MAX_DEPTH = 32
"""Nested expansions a mark may have."""

_decoder = msgspec.msgpack.Decoder(list[Arrived])
_encoder = msgspec.msgpack.Encoder()


def flat(mark: Mark) -> FlatMark:
    """`((n, i), j)` as `(n, i, j)`; a plain number stays as it is.

    Raises:
        CodecError: more than `MAX_DEPTH` expansions.
    """
    if isinstance(mark, int):
        return mark
    path: list[int] = []
    while isinstance(mark, tuple):
        path.append(mark[1])
        mark = mark[0]
        if len(path) > MAX_DEPTH:
            raise CodecError(f"a mark has more than {MAX_DEPTH} expansions")
    return (mark, *reversed(path))


def arrival(origin: Origin, marks: Marks) -> Arrived:
    """What a durable end has to know of a chunk, copied, so that another thread may read it."""
    flats: list[FlatMark] = list(marks) if isinstance(marks, range) else [flat(mark) for mark in marks]
    keys: list[bytes] = []
    again: list[bool] = []
    if origin.keys:
        numbers = [mark if isinstance(mark, int) else mark[0] for mark in flats]
        keys = [_key(origin.keys.get(number, b"")) for number in numbers]
        again = [number in origin.redelivered for number in numbers]
    return Arrived(origin.name, origin.incarnation, origin.session, origin.floor, flats, keys, again)


def _key(key: bytes) -> bytes:
    """`key`, or none where its identifier is 0: the peer gave the element no identifier and will not send it again."""
    return b"" if key[:IDENTIFIER] == bytes(IDENTIFIER) else key


class Intake:
    """The memory of one durable end.

    Attributes:
        repeated: elements recognised so far.
        forgotten: marks and keys that had to be forgotten because of a bound, before it was safe.
    """

    def __init__(self) -> None:
        self._origins: dict[str, OriginState] = {}
        self._staged: list[Arrived] = []
        self._touched: dict[str, OriginState] = {}
        self._new: set[str] = set()
        self.repeated = 0
        self._forgotten = 0

    @property
    def forgotten(self) -> int:
        """Entries lost to a bound."""
        return self._forgotten + sum(state.forgotten for state in self._origins.values())

    def admit(self, origin: Origin | Arrived, marks: Marks = ()) -> list[bool]:
        """For each mark whether it is new here. All of them are staged as stored with the coming transaction."""
        coming = origin if isinstance(origin, Arrived) else arrival(origin, marks)
        state = self._origins.pop(coming.name, None)
        if state is None:
            state = OriginState(coming.name)
            self._new.add(coming.name)
        self._origins[coming.name] = state  # now the one heard of last
        self._touched[coming.name] = state
        mask = state.admit(coming)
        self.repeated += len(mask) - sum(mask)
        state.apply(coming)
        self._staged.append(coming)
        return mask

    def staged(self) -> bytes | None:
        """The row for the transaction; None when nothing has an origin."""
        merged: list[Arrived] = []
        last: dict[str, Arrived] = {}  # of each origin: what is in order is the entries of one, whatever came between
        for entry in self._staged:
            before = last.get(entry.name)
            if before is None or not before.extend(entry):
                last[entry.name] = own = entry.copied()
                merged.append(own)
        return _encoder.encode([entry.packed() for entry in merged]) if merged else None

    def commit(self) -> None:
        """What was staged is on disk."""
        for state in self._touched.values():
            state.settle()
        self._done()
        while len(self._origins) > MAX_ORIGINS:
            self._forgotten += self._origins.pop(next(iter(self._origins))).size

    def rollback(self) -> None:
        """What was staged is not on disk."""
        for name, state in self._touched.items():
            state.undo()
            if name in self._new:
                del self._origins[name]
        self._done()

    def _done(self) -> None:
        self._staged.clear()
        self._touched.clear()
        self._new.clear()

    def load(self, rows: Iterable[bytes]) -> int:
        """Replay rows in order; returns how many could not be read."""
        bad = 0
        for row in rows:
            try:
                entries = _decoder.decode(row)
            except msgspec.MsgspecError:
                bad += 1
                continue
            for entry in entries:
                state = self._origins.setdefault(entry.name, OriginState(entry.name))
                state.apply(entry.unpacked())
                state.settle()
        return bad

    def snapshot(self) -> bytes:
        """The state as one row, equal to all rows replayed."""
        return _encoder.encode([entry.packed() for state in self._origins.values() for entry in state.entries()])

    @property
    def size(self) -> int:
        """Marks and keys remembered."""
        return sum(state.size for state in self._origins.values())
