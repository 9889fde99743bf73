"""New elements made of others, several to one and one to several: whose receipts have the outcome of whose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Dropped, Failed, Marks, Outcome, Receipt


def join_each(items: Sequence[Any], parts: Sequence[Sequence[Chunk]]) -> Chunk:
    """One chunk of new elements, each made of parts of its own: the outcome of an element goes to its parts.

    The result has no origin: what is made of several elements cannot be recognised when it comes again (design 5).
    """
    if not any(part.receipt is not None for own in parts for part in own):
        return Chunk(list(items))
    return Chunk(list(items), Receipt(range(len(items)), _Each(parts)))


class _Each:
    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Sequence[Chunk]]) -> None:
        self._parts = parts

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        for mark in marks:
            for part in self._parts[mark]:  # type: ignore[index]  # a place, as it was made above
                part.outcome(outcome)


class Share:
    """An element of which several others are made, not known how many: it has its outcome when all of them have theirs.

    The worst outcome wins: failed before stored before dropped. What nothing is made of is dropped.

    Args:
        piece: the element's receipt.
        reason: why it is dropped if nothing was made of it.
    """

    __slots__ = ("_closed", "_open", "_piece", "_reason", "_worst")

    def __init__(self, piece: Chunk, reason: str) -> None:
        self._piece = piece
        self._reason = reason
        self._open = 0
        self._closed = False
        self._worst: Outcome | None = None

    @property
    def piece(self) -> Chunk:
        """The element's receipt."""
        return self._piece

    def use(self) -> None:
        """One more is made of it."""
        self._open += 1

    def vote(self, outcome: Outcome) -> None:
        """One of those has its outcome."""
        self._open -= 1
        worst = self._worst
        if worst is None or isinstance(outcome, Failed) or (isinstance(worst, Dropped) and not isinstance(outcome, Dropped)):
            self._worst = outcome
        self._settle()

    def close(self, error: BaseException | None = None, reason: str = "") -> None:
        """No more will be made of it; with an error it fails, whatever becomes of what was made of it."""
        self._closed = True
        self._reason = reason or self._reason
        if error is not None:
            self._worst = Failed(error)
        self._settle()

    @property
    def is_unused(self) -> bool:
        """Whether nothing was made of it."""
        return not self._open and self._worst is None

    def _settle(self) -> None:
        if self._closed and not self._open:
            self._piece.outcome(self._worst if self._worst is not None else Dropped(self._reason))


def share_each(items: Sequence[Any], shares: Sequence[Sequence[Share]]) -> Chunk:
    """One chunk of new elements, each made of shares of others, whose `use` was called for it."""
    if not any(share.piece.receipt is not None for own in shares for share in own):
        return Chunk(list(items))
    return Chunk(list(items), Receipt(range(len(items)), _EachShare(shares)))


class _EachShare:
    __slots__ = ("_shares",)

    def __init__(self, shares: Sequence[Sequence[Share]]) -> None:
        self._shares = shares

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        for mark in marks:
            for share in self._shares[mark]:  # type: ignore[index]  # a place, as it was made above
                share.vote(outcome)
