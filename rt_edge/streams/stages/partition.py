"""partition: each element to one branch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.streams.expression import compile_value
from rt_edge.streams.stage import IN, Hold, Inlet, Outlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import ReadingCode, discard, outlets, ports
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages._user_code import ElementLogic, attempt

CANCELLED = "branch_cancelled"
"""The reason of what was for a branch that nobody listens to any more."""


class Partition(ReadingCode, frozen=True):
    """Sends each element to the outlet whose index a function or an expression gives.

    Under an expression, false and a missing field (counted as `missing_field`) mean `out0`, true means `out1`; a result that
    is no index of an outlet fails its element. Under `stop` the stage fails at once then, and what waits fails with it.

    Emits when: an element arrives and its branch asks.
    Backpressures when: no branch asks, or an element waits for a branch that does not.
    Completes when: upstream completes and what waits has gone out.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has). Until then elements for a branch that has
        cancelled are settled as dropped, `branch_cancelled`.
    On restart: keeps no state between elements; what waits stays.

    Attributes:
        by: expression on a reading, or function of an element, that gives an index.
        count: outlets, named `out0`, `out1`, ...
        eager_cancel: cancel as soon as one branch cancels.
    """

    kind: ClassVar[str] = "partition"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "by"

    by: Any
    count: int = 2
    eager_cancel: bool = False

    def __post_init__(self) -> None:
        """Refuse what is neither an expression that compiles nor a function."""
        ports("count", self.count)
        if isinstance(self.by, str):
            compile_value(self.by)
        elif not callable(self.by):
            raise ConfigError(f"by is {self.by!r}, it has to be an expression", "like: temperature > 80")

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out0`, `out1`, ..."""
        return outlets(self.count)

    def holds(self) -> Hold:
        """What waits for its branch; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with what waits for each branch."""
        return _Logic(self)


class _Logic(ElementLogic):
    def __init__(self, stage: Partition) -> None:
        super().__init__(stage)
        self._ports = stage.outlets
        self._eager = stage.eager_cancel
        self._finished = False
        self._run = compile_value(stage.by).run if isinstance(stage.by, str) else _runner(stage.by, stage.supervision)

    def on_start(self) -> None:
        self._boxes = [Outbox(self, port) for port in self._ports]

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._boxes[outlet.index].flush()
        if not self.is_free(outlet):
            self.pull_again(outlet)
        self._ask()
        self._complete_if_empty()

    def _ask(self) -> None:
        """Ask as soon as nothing waits and somebody wants."""
        if any(self._boxes) or self._finished:
            return
        n = min(max(self.demand(port) for port in self._ports), CHUNK_ELEMENTS) - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        indices, missing, failures = self._run(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        failures = failures + self._wrong(indices, {place for place, _ in failures})
        rest: Chunk | None = chunk
        if failures:
            failures.sort(key=lambda failure: failure[0])
            rest, indices = self.survivors(chunk, indices, failures)
        if rest is not None:
            self._send(rest, indices)
        if self.stop_after(failures):
            return
        for port in self._ports:
            if not self.is_free(port):
                self.pull_again(port)
        self._ask()

    def _wrong(self, indices: list[Any], known: set[int]) -> list[tuple[int, Exception]]:
        n = len(self._ports)
        return [
            (place, ValueError(f"{index!r} is not the index of an outlet (0 to {n - 1})"))
            for place, index in enumerate(indices)
            if not (isinstance(index, int) and 0 <= index < n) and place not in known
        ]

    def _send(self, chunk: Chunk, indices: list[Any]) -> None:
        for port, box in zip(self._ports, self._boxes, strict=True):
            places = [place for place, index in enumerate(indices) if index == port.index]
            if not places:
                continue
            piece = chunk if len(places) == len(chunk) else chunk.take(places)
            if self.is_closed(port):
                discard(self, piece, CANCELLED)
            else:
                box.put(piece)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finished = True
        self._complete_if_empty()

    def _complete_if_empty(self) -> None:
        if self._finished and not any(self._boxes):
            self.complete_stage()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        self._boxes[outlet.index].discard(CANCELLED)
        if self._eager or all(self.is_closed(port) for port in self._ports):
            self.cancel_stage(cause)
        else:
            self._ask()
            self._complete_if_empty()

    def on_stop(self, error: BaseException | None) -> None:
        for box in self._boxes:
            box.settle_rest(error)

    def residue(self) -> list[Chunk]:
        """What waits for branches, branch by branch."""
        return [chunk for box in self._boxes for chunk in box.take_all()]


def _runner(
    function: Callable[[Any], int], policy: Supervision
) -> Callable[[Any], tuple[list[Any], int, list[tuple[int, Exception]]]]:
    def run(items: Any) -> tuple[list[Any], int, list[tuple[int, Exception]]]:
        results, failures = attempt(function, items, policy)
        return results, 0, failures

    return run
