"""Wire: an edge between two ports of a fused graph, with demand, one waiting chunk and counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import Inlet, Outlet

if TYPE_CHECKING:
    from rt_edge.streams.seat import Seat
    from rt_edge.streams.tap import Tap


class Wire:
    """State of one connection; only the engine writes it.

    Attributes:
        name: `node.port>node.port`.
        demand: elements asked for by the inlet and not yet delivered to it.
        announced: of these, how many the outlet was told of (`on_pull`) and has not pushed.
        slot: the chunk that waits for demand; at most one.
        out_closed: the outlet said its last word, or was told that it is cancelled.
        in_closed: the inlet said `cancel`, or heard the last word.
        finished: the outlet completed (or failed, with `error`), and the inlet is still to be told.
        cancelled: the inlet cancelled (with `cause`), and the outlet is still to be told.
        queued: it is in the engine's queue.
        passed: elements delivered so far.
        chunks: chunks delivered so far.
        taps: who looks at what passes.
    """

    __slots__ = (
        "announced",
        "cancelled",
        "cause",
        "chunks",
        "demand",
        "error",
        "finished",
        "in_closed",
        "inlet",
        "name",
        "out_closed",
        "outlet",
        "passed",
        "queued",
        "slot",
        "source",
        "taps",
        "target",
    )

    def __init__(self, name: str, source: Seat, outlet: Outlet, target: Seat, inlet: Inlet) -> None:
        self.name = name
        self.source = source
        self.outlet = outlet
        self.target = target
        self.inlet = inlet
        self.demand = 0
        self.announced = 0
        self.slot: Chunk | None = None
        self.out_closed = False
        self.in_closed = False
        self.finished = False
        self.error: BaseException | None = None
        self.cancelled = False
        self.cause: BaseException | None = None
        self.queued = False
        self.passed = 0
        self.chunks = 0
        self.taps: tuple[Tap, ...] = ()

    @property
    def buffered(self) -> int:
        """Elements that wait in the slot."""
        return 0 if self.slot is None else len(self.slot)

    def discard_slot(self, error: BaseException | None, reason: str = "cancelled") -> None:
        """Settle what waits in the slot: failed with `error`, or dropped for `reason`."""
        chunk, self.slot = self.slot, None
        if chunk is None:
            return
        if error is None:
            chunk.drop(reason)
        else:
            chunk.fail(error)
