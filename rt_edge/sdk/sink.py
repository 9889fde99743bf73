"""AdapterSink: the stage through which Readings leave to an adapter's peer; settled when the peer has confirmed."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import IslandDied, TransientError
from rt_edge.sdk.runner import AdapterRunner, State
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, Stage, StageLogic

WINDOW = 1024
"""Readings under way to the peer, at most."""


class AdapterSink(Stage, frozen=True, kw_only=True):
    """Readings to one adapter's peer, in order, one chunk at a time; a chunk that was not confirmed is delivered again.

    Emits when: -
    Backpressures when: a window of Readings is not confirmed, or the adapter is not connected.
    Completes when: upstream completes and all is confirmed.
    Cancels when: never by itself.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.END

    runner: Any

    @property
    def label(self) -> str:
        """The adapter's name."""
        return f"{self.runner.name}-out"

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """One life of the sink."""
        return _Logic(self.runner)


class _Logic(StageLogic):
    def __init__(self, runner: AdapterRunner) -> None:
        self._runner = runner
        self._chunks: deque[Chunk] = deque(maxlen=WINDOW)
        self._busy = False
        self._pausing = False
        self._finishing = False

    def on_start(self) -> None:
        self._runner.on_state.append(self._state)
        self._runner.start()
        self.request(IN, WINDOW)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._deliver()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finishing = True
        self._finish()

    def on_stop(self, error: BaseException | None) -> None:
        self._runner.on_state.remove(self._state)
        for chunk in self._chunks:  # never dropped: their source would take them for delivered
            chunk.fail(error or IslandDied(f"{self.ctx.name} stopped before this was confirmed"))
        self._chunks.clear()
        self.seat.engine.host.spawn(self._runner.stop(), lambda _result, _error: None)

    def _state(self, state: State) -> None:
        if state == "open":
            self._pausing = False
            self.ctx.soon(self._deliver)

    def _deliver(self) -> None:
        if not self._busy and not self._pausing and self._chunks and self._runner.state == "open":
            self._busy = True
            self.ctx.spawn(self._runner.adapter.deliver(self._chunks[0].items), self._delivered)

    def _delivered(self, _result: Any, error: BaseException | None) -> None:
        self._busy = False
        if isinstance(error, TransientError):
            self.ctx.count("delivered_again")
            if self._runner.state == "open":
                self._pausing = True  # what arrives meanwhile must not press a peer that has just refused
                self.ctx.after(1.0, "again")
            return
        chunk = self._chunks.popleft()
        if error is None:
            chunk.settle()
        else:
            self.ctx.count("errors")
            chunk.fail(error)
        self.request(IN, len(chunk))
        self._deliver()
        self._finish()

    def on_timer(self, key: object) -> None:
        self._pausing = False
        self._deliver()

    def _finish(self) -> None:
        if self._finishing and not self._chunks:
            self.complete_stage()
