"""A stream as an asynchronous iterator: `async for element in source`."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.elementwise.running import start
from rt_edge.streams.engine import Engine
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, Stage, StageLogic

A = TypeVar("A")

WINDOW = 256
"""Elements asked for ahead of who iterates."""


class Elements(Generic[A]):
    """One run of a source, to iterate over; made by `Source.elements`.

    Demand follows the iteration: at most a window of elements is ahead of it. An element is settled when the next one is asked
    for; what was not asked for when the iteration ends is dropped, `cancelled`. Leaving the `async with`, or `aclose`, cancels
    the stream; nothing is left running.

    Args:
        blueprint: with one open outlet.
        outlet: which.
        window: elements asked for ahead, at most.
    """

    def __init__(self, blueprint: Blueprint, outlet: tuple[str, int], window: int) -> None:
        whole = Blueprint()
        names = whole.absorb(blueprint)
        self._ready: deque[Chunk] = deque(maxlen=window)
        self._place = 0
        self._taken: Chunk | None = None
        self._ended: list[BaseException | None] = []
        self._waiter: asyncio.Future[None] | None = None
        self._window = window
        node = whole.add(_Handing(self), "elements")
        whole.connect(names[outlet[0]], node, outlet[1], 0)
        self._blueprint = whole
        self._engine: Engine | None = None
        self._logic: StageLogic | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> A:
        if self._engine is None:
            if self._ended:
                raise StopAsyncIteration
            self._engine = start(self._blueprint, AsyncioHost())
        self._settle_taken()
        while not self._ready:
            if self._ended:
                await self.aclose()
                error = self._ended[0]
                self._ended[0] = None  # said once; further calls find the end
                if error is not None:
                    raise error
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunk = self._ready[0]
        item: A = chunk.items[self._place]
        if chunk.receipt is not None:
            self._taken = chunk.take([self._place])
        self._place += 1
        if self._place == len(chunk):
            self._ready.popleft()
            self._place = 0
            self._ask(len(chunk))
        return item

    async def aclose(self) -> None:
        """Cancel the stream; idempotent. The element that was taken last counts as processed, what nobody took is dropped."""
        engine, self._engine = self._engine, None
        if not self._ended:
            self._ended.append(None)
        if engine is not None:
            engine.stop(None)
        rest = list(self._ready)
        self._ready.clear()
        if rest and self._place:
            rest[0] = rest[0].cut(self._place)[1]
        for chunk in rest:
            chunk.drop("cancelled")
        self._settle_taken()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and self._taken is not None:
            self._taken.fail(StreamError(f"the iteration ended with {error!r}"))
            self._taken = None
        await self.aclose()

    # -- for the logic ---------------------------------------------------------------------------------------------------

    def begin(self, logic: StageLogic) -> None:
        """The run has started."""
        self._logic = logic
        logic.request(IN, self._window)

    def give(self, chunk: Chunk) -> None:
        """Elements have come."""
        self._ready.append(chunk)
        self._wake()

    def end(self, error: BaseException | None) -> None:
        """No more will come."""
        if not self._ended:
            self._ended.append(error)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _ask(self, n: int) -> None:
        logic = self._logic
        if logic is not None and not self._ended:
            logic.seat.engine.enter(logic.seat, lambda: logic.request(IN, n))

    def _settle_taken(self) -> None:
        taken, self._taken = self._taken, None
        if taken is not None:
            taken.settle()


class _Handing(Stage, frozen=True):
    receipts = ReceiptUse.END

    elements: Any

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        return ()

    def create_logic(self) -> StageLogic:
        return _Logic(self.elements)


class _Logic(StageLogic):
    def __init__(self, elements: Elements[Any]) -> None:
        self._elements = elements

    def on_start(self) -> None:
        self._elements.begin(self)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._elements.give(chunk)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._elements.end(None)
        self.complete_stage()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self._elements.end(error)
        self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        self._elements.end(error)
