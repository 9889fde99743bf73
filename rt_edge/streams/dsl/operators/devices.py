"""Devices: operators for what devices say: readings, fields, frames."""

from __future__ import annotations

from typing import Self

from rt_edge.data.units import Duration
from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.stages.deadband import Deadband


class Devices(Continuation[A]):
    """Operators for what devices say: readings, fields, frames."""

    @builds(Deadband)
    def deadband(
        self,
        field: str | list[str],
        absolute: float | None = None,
        percent: float | None = None,
        max_silence: Duration | float = 0.0,
        max_sources: int = 10_000,
        name: str = "",
    ) -> Self:
        """The readings whose `field` has moved."""
        stage = Deadband(field=field, absolute=absolute, percent=percent, max_silence=max_silence, max_sources=max_sources)
        return self.via(stage, name)
