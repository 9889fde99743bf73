"""Batching: what `batch` and `batch_weighted` share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.data.errors import ConfigError
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, Supervision
from rt_edge.streams.stages._common import (
    Combining,
    OnError,
    at_least,
    bare,
    fail_behind,
    intake,
    named,
    note_failures,
    settle_rest,
)
from rt_edge.streams.stages._user_code import ElementLogic, attempt, refuse_none


class Batching(Combining, frozen=True, kw_only=True):
    """Base of stages that make one element of what piles up.

    Attributes:
        count: elements of a batch, at most.
        seed: element -> batch; without it, a list of the element.
        aggregate: (batch, element) -> batch; without it, the element is added to the list.
        on_error: stop: what was good goes out before the error. resume: the element for which a function raised fails alone.
            restart: all of its batch fails.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int = CHUNK_ELEMENTS
    seed: Callable[[Any], Any] | None = None
    aggregate: Callable[[Any, Any], Any] | None = None
    on_error: OnError = "stop"

    def __post_init__(self) -> None:
        """Refuse empty batches, and functions that are none."""
        at_least(1, count=self.count)
        if not all(function is None or callable(function) for function in (self.seed, self.aggregate)):
            raise ConfigError("seed and aggregate have to be functions", "leave them out in a configuration")
        if self.seed is not None and self.aggregate is None:
            raise ConfigError("a seed needs an aggregate")

    @property
    def supervision(self) -> Supervision:
        """By `on_error`."""
        return Supervision(self.on_error)

    def holds(self) -> Hold:
        """A batch, and what was asked for to go out at once; it does not wait for further elements."""
        return Hold(0 if self.settle == "early" else self.count + CHUNK_ELEMENTS, 0.0)


class BatchLogic(ElementLogic):
    """Hands elements on one by one while they are wanted, and makes a batch of what comes while they are not.

    Args:
        stage: functions and bounds.
    """

    def __init__(self, stage: Batching) -> None:
        super().__init__(stage)
        self._stage = stage
        self._seed = stage.seed or (_list_of if stage.aggregate is None else _itself)
        self._aggregate = stage.aggregate or _appended
        self._count = stage.count
        self._pending: deque[Chunk] = deque(maxlen=stage.count + CHUNK_ELEMENTS)  # as many elements are asked for at most
        self._elements = 0  # pending
        self._batch: Any = None
        self._parts: list[Chunk] = []
        self._n = 0  # in the batch
        self._sum = 0.0  # what it weighs
        self._finished = False
        self._failure: BaseException | None = None

    # -- to override ---------------------------------------------------------------------------------------------------

    weight = inf

    def cost(self, item: Any) -> float:
        """How much it adds to the weight of a batch, which is `weight` at most; may raise."""
        return 0.0

    # -- handlers ------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Ask for a batch, wanted or not."""
        self._ask()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """The batch goes first."""
        self._ask()
        self._release()
        self._absorb()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Hand it on, or add it to the batch."""
        self._pending.append(intake(self._stage, chunk))
        self._elements += len(chunk)
        self._absorb()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when the last batch has gone out."""
        self._finished = True
        self._end_if_empty()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        settle_rest(self, [*self._parts, *self._pending], error)
        self._forget()
        self._pending.clear()

    def residue(self) -> list[Chunk]:
        """The batch, then the elements that fitted in no more, raw."""
        rest = [*([self._take_batch()] if self._n else []), *self._pending]
        self._pending.clear()
        self._elements = 0
        return rest

    # ------------------------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        if self._finished or self._failure is not None:
            return
        room = self._count + min(self.demand(OUT), CHUNK_ELEMENTS) - self._n - self._elements - self.requested(IN)
        if room > 0:
            self.request(IN, room)

    def _release(self) -> None:
        if self._n and self.is_free(OUT) and self.demand(OUT) > 0:
            self.push(OUT, self._take_batch())

    def _take_batch(self) -> Chunk:
        chunk = join([self._batch], self._parts)
        self._forget()
        return chunk

    def _forget(self) -> None:
        self._batch, self._parts, self._n = None, [], 0

    def _absorb(self) -> None:
        """Hand on what is pending, one by one or into the batch, as far as it goes."""
        while self._pending and self._failure is None:
            wanted = self.demand(OUT) if not self._n and self.is_free(OUT) else 0
            if wanted > 0:
                self._pass(self._pop(wanted))
            elif not self._add():
                break
        self._ask()
        if not self.is_free(OUT):
            self.pull_again(OUT)
        self._end_if_empty()

    def _pop(self, most: int) -> Chunk:
        chunk = self._pending.popleft()
        if len(chunk) > most:
            chunk, rest = chunk.cut(most)
            self._pending.appendleft(rest)
        self._elements -= len(chunk)
        return chunk

    def _pass(self, chunk: Chunk) -> None:
        """Each element is a batch of its own: it is wanted."""
        results, failures = attempt(self._seed, chunk.items, self._policy)
        refuse_none(results, failures)
        rest: Chunk | None = chunk
        if failures:
            rest, results = self.survivors(chunk, results, failures)
        else:
            self.note_success()
        if rest is not None:
            self.push(OUT, rest.replace(results))
        if failures and self._policy is Supervision.STOP:
            self._fail(failures[0][1])

    def _add(self) -> bool:
        """Add what fits of the first pending chunk to the batch; whether that was anything."""
        items = self._pending[0].items
        added = 0
        failure = None
        batch, n, weight = self._batch, self._n, self._sum
        for item in items:
            try:
                cost = self.cost(item)
                if n and (n >= self._count or weight + cost > self.weight):
                    break
                made = self._aggregate(batch, item) if n else self._seed(item)
                if made is None:
                    raise TypeError("None is not an element (rule 2.13)")
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                failure = error
                break
            batch, weight = made, cost + weight if n else cost
            added += 1
            n += 1
        self._batch, self._n, self._sum = batch, n, weight
        if added:
            piece = self._pop(added)
            if piece.receipt is not None:
                self._parts.append(bare(piece))
        if failure is not None:
            self._refuse(self._pop(1), failure)
        return bool(added) or failure is not None

    def _refuse(self, guilty: Chunk, error: Exception) -> None:
        note_failures(self, [(0, error)])
        guilty.fail(named(self, error))
        if self._policy is Supervision.RESTART:
            self.ctx.count("restarts")
            settle_rest(self, self._parts, error)
            self._forget()
        elif self._policy is Supervision.STOP:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """What is pending fails; the error follows what can still go out."""
        self._failure = error
        self.cancel(IN, error)
        settle_rest(self, list(self._pending), error)
        self._pending.clear()

    def _end_if_empty(self) -> None:
        if self._n or self._pending:
            return
        if self._failure is not None:
            fail_behind(self, self._failure)
        elif self._finished:
            self.complete_stage()


def _list_of(item: Any) -> list[Any]:
    return [item]


def _itself(item: Any) -> Any:
    return item


def _appended(batch: list[Any], item: Any) -> list[Any]:
    batch.append(item)
    return batch
