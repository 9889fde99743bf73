"""Taking a stage out of a running engine by what a live edit may know of it: its `residue` (design 5)."""

from __future__ import annotations

import logging
from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.engine import Engine
from rt_edge.streams.seat import Seat
from rt_edge.streams.stage import IN, OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._outbox import OutboxLogic

log = logging.getLogger(__name__)


class Evicted(Exception):
    """The reason for which a stage that was taken out ends."""


class Relay(Stage, frozen=True):
    """What is there instead: the residue, then what comes."""

    residue: list[Chunk]

    def create_logic(self) -> StageLogic:
        """A logic that has the residue."""
        return _RelayLogic(self.residue)


class _RelayLogic(OutboxLogic):
    bound: ClassVar[int] = 1_000_000

    def __init__(self, residue: list[Chunk]) -> None:
        self._residue = residue

    def on_start(self) -> None:
        super().on_start()
        self.finished = self.is_closed(IN)
        for chunk in self._residue:
            self.out.put(chunk)
        self._residue.clear()
        if self.finished and not self.out:
            self.complete_stage()

    def ask(self) -> None:
        missing = self.demand(OUT) - self.requested(IN) - self.out.elements
        if missing > 0:
            self.request(IN, missing)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.out.put(chunk)


def take_out(engine: Engine, seat: Seat) -> None:
    """Put a `Relay` in the place of a stage of one inlet and one outlet; between two turns."""
    logic = seat.logic
    residue: list[Chunk] = []
    engine.enter(seat, lambda: residue.extend(logic.residue()))
    try:
        logic.on_stop(Evicted("taken out"))
    except Exception:
        log.exception("%s raised while it was taken out", seat.name)
    seat.context.clear()
    seat.stage = Relay(residue)
    seat.seat_logic()
    engine.enter(seat, seat.logic.on_start)
    for wire in seat.outs:
        engine.announce_again(wire)
