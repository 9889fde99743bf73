"""route_where: elements to the branches whose conditions they meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.streams.expression import compile_predicate
from rt_edge.streams.stage import Hold, Inlet, Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._branches import BranchLogic
from rt_edge.streams.stages._common import ReadingCode, discard, outlets, ports
from rt_edge.streams.stages._judging import judge_of

UNMATCHED = "unmatched"
"""The reason of what met no condition."""


class RouteWhere(ReadingCode, frozen=True):
    """Sends each element to every branch whose condition it meets, or to the first of them (content-based routing).

    A reading in which a field of a condition is missing does not meet it (counted as `missing_field`); gap records meet every
    expression. What goes to several branches is settled when all of them have settled it.

    Emits when: an element arrives and its branches ask.
    Backpressures when: no branch asks, or an element waits for a branch that does not.
    Completes when: upstream completes and what waits has gone out.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has). Until then elements for a branch that has
        cancelled are settled as dropped, `branch_cancelled`.
    On restart: keeps no state between elements; what waits stays.

    Attributes:
        conditions: of `out0`, `out1`, ...: expressions on a reading like `temperature > 80`, or functions of an element.
        matching: all: to every branch whose condition is met. first: to the first of them.
        otherwise: one more outlet, the last, for what meets no condition; else that is settled as dropped, `unmatched`.
        eager_cancel: cancel as soon as one branch cancels; the others complete then, or fail with the error that it failed with.
    """

    kind: ClassVar[str] = "route_where"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.SPLIT
    shorthand: ClassVar[str] = "conditions"

    conditions: list[str | Callable[[Any], Any]]
    matching: Literal["first", "all"] = "all"
    otherwise: bool = False
    eager_cancel: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no condition."""
        ports("the number of conditions", len(self.conditions))
        ports("the number of outlets", len(self.outlets))
        for condition in self.conditions:
            if isinstance(condition, str):
                compile_predicate(condition)
            elif not callable(condition):
                raise ConfigError(f"{condition!r} is no condition", "like: temperature > 80")

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out0`, `out1`, ...; the last is for the others, if it is there."""
        return outlets(len(self.conditions) + self.otherwise)

    def holds(self) -> Hold:
        """What waits for its branches; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS * (len(self.outlets) if self.matching == "all" else 1), 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with what waits for each branch."""
        return _Logic(self)


class _Logic(BranchLogic):
    def __init__(self, stage: RouteWhere) -> None:
        super().__init__(stage, stage.eager_cancel)
        self._stage = stage
        self._exact = stage.matching == "first" or len(self.ports) == 1
        self._runs = [
            compile_predicate(condition).run if isinstance(condition, str) else judge_of(condition, stage.supervision)
            for condition in stage.conditions
        ]

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        masks, failures = self._masks(chunk.items)
        rest: Chunk | None = chunk
        if failures:
            rows: list[Any] = list(zip(*masks, strict=True))
            rest, rows = self.survivors(chunk, rows, failures)
            masks = [list(mask) for mask in zip(*rows, strict=True)] if rows else []
        else:
            self.note_success()
        if rest is not None:
            self._divide(rest, masks)
        if not self.stop_after(failures):
            self.proceed()

    def _masks(self, items: Sequence[Any]) -> tuple[list[list[Any]], list[tuple[int, Exception]]]:
        """For each outlet, which of the items are for it; and the first failure of each item for which a condition failed."""
        masks: list[list[Any]] = []
        failed: dict[int, Exception] = {}
        for run in self._runs:
            mask, missing, failures = run(items)
            if missing:
                self.ctx.count("missing_field", missing)
            for place, error in failures:
                failed.setdefault(place, error)
            mask += [False] * (len(items) - len(mask))  # under `stop` a run ends at its first failure
            masks.append(mask)
        if self._stage.matching == "first":
            taken = [False] * len(items)
            for index, mask in enumerate(masks):
                masks[index] = [wants and not was for wants, was in zip(mask, taken, strict=True)]
                taken = [bool(wants or was) for wants, was in zip(mask, taken, strict=True)]
        if self._stage.otherwise:
            masks.append([not any(row) for row in zip(*masks, strict=True)])
        return masks, sorted(failed.items())

    def _divide(self, chunk: Chunk, masks: list[list[Any]]) -> None:
        if not self._stage.otherwise and (lost := chunk.take(_nowhere(masks))):
            discard(self, lost, UNMATCHED)
        copies = [chunk] * len(masks) if self._exact else chunk.fork(len(masks))
        for port, mask, copy in zip(self.ports, masks, copies, strict=True):
            piece = _only(copy, mask) if self._exact else copy.select(mask, UNMATCHED)
            if piece is not None:
                self.send(port, piece)


def _nowhere(masks: list[list[Any]]) -> list[int]:
    return [place for place, row in enumerate(zip(*masks, strict=True)) if not any(row)]


def _only(chunk: Chunk, mask: list[Any]) -> Chunk | None:
    places = [place for place, wanted in enumerate(mask) if wanted]
    if len(places) == len(chunk):
        return chunk
    return chunk.take(places) if places else None
