"""Cutting: lists of consecutive elements whose ends depend on the elements (`grouped_weighted`, `grouped_adjacent_by`)."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, Supervision
from rt_edge.streams.stages._common import Combining, OnError, at_least, named, settle_rest
from rt_edge.streams.stages._judging import Failed
from rt_edge.streams.stages._user_code import ElementLogic
from rt_edge.streams.stages.grouped import GroupLogic


class Cutting(Combining, frozen=True, kw_only=True):
    """Base of stages that make lists whose ends depend on the elements.

    Attributes:
        most: elements of a list, at most.
        on_error: resume (the default): an element that cannot be judged fails alone. stop, restart: as of `UserCode`.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    most: int = CHUNK_ELEMENTS
    on_error: OnError = "resume"

    def __post_init__(self) -> None:
        """Refuse empty lists."""
        at_least(1, most=self.most)

    @property
    def supervision(self) -> Supervision:
        """By `on_error`."""
        return Supervision(self.on_error)

    def holds(self) -> Hold:
        """Up to one list of the greatest length, for as long as it takes to fill it."""
        return Hold(0 if self.settle == "early" else self.most)


class CutLogic(GroupLogic, ElementLogic):
    """Fills a list until `judge` says that it is full; holds `most` elements at most, ready or not."""

    def __init__(self, stage: Cutting) -> None:
        ElementLogic.__init__(self, stage)
        GroupLogic.__init__(self, stage, stage.most)

    def ask(self) -> None:
        """What fits one list, if none is ready."""
        n = self.count - self.n - self.requested(IN)
        if n > 0 and not self.out and self.demand(OUT) > 0:
            self.request(IN, n)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask again when all lists that were ready have gone out."""
        super().on_pull(outlet, n)
        if not self.finished and not self.out:
            self.proceed()

    def judge(self, items: Any) -> tuple[list[Any], int, Failed]:
        """What decides about each element; see `_judging`."""
        raise NotImplementedError

    def begins(self, said: Any) -> bool:
        """Whether a list has to be closed in front of an element; there is one."""
        raise NotImplementedError

    def is_full(self, said: Any) -> bool:
        """Note an element that was added; whether the list has to be closed behind it."""
        raise NotImplementedError

    def forget(self) -> None:
        """A list was closed: what was noted of its elements is over."""
        raise NotImplementedError

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Cut it into lists."""
        said, missing, failures = self.judge(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        rest: Chunk | None = chunk
        if failures:
            rest, said = self.survivors(chunk, said, failures)
            if self._policy is Supervision.RESTART:
                rest, said = self._restart(rest, said, failures)
        else:
            self.note_success()
        if rest is not None:
            self._add(rest, said)
        if not self.stop_after(failures):
            self.proceed()

    def _restart(self, rest: Chunk | None, said: list[Any], failures: Failed) -> tuple[Chunk | None, list[Any]]:
        """Fail what is held, and what came in front of the last failure; what is left."""
        last, error = failures[-1]
        settle_rest(self, self.held, error)
        self.held, self.n = [], 0
        self.forget()
        before = last + 1 - len(failures)
        if rest is None or not before:
            return rest, said
        front, rest = rest.cut(before) if before < len(rest) else (rest, None)
        front.fail(named(self, error))
        return rest, said[before:]

    def _add(self, chunk: Chunk, said: list[Any]) -> None:
        if self.stage.settle == "early":
            chunk.settle()
            chunk = Chunk(chunk.items)
        cuts = []  # how many elements each list has that is closed now
        n = self.n
        for one in said:
            if n and self.begins(one):
                cuts.append(n)
                n = 0
                self.forget()
            n += 1
            if self.is_full(one) or n == self.count:
                cuts.append(n)
                n = 0
                self.forget()
        self.held.append(chunk)
        self.n += len(chunk)
        for cut in cuts:
            self.emit(cut)
