"""What the beginnings of a stream share: they have no inlet."""

from __future__ import annotations

from rt_edge.streams.stage import Inlet, Stage


class SourceStage(Stage, frozen=True):
    """Base of sources."""

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()
