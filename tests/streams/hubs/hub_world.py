"""Several runs on one virtual clock, as the streams around a hub are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.stage import Stage
from rt_edge.testkit.probes import SinkProbe, SourceProbe
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost


class World:
    """Makes runs, each with an engine of its own, and lets all happen that can happen now."""

    def __init__(self, seed: int | None = None) -> None:
        self.clock = VirtualClock()
        self.seed = seed
        self.engines: list[Engine] = []

    def advance(self, seconds: float) -> None:
        VirtualHost(self.clock).advance(seconds)

    def settle(self) -> None:
        self.advance(0.0)

    def _run(self, build: Callable[[Blueprint], None]) -> Engine:
        host = VirtualHost(self.clock, self.seed)
        blueprint = Blueprint()
        build(blueprint)
        engine = Engine(blueprint, host)
        host.attach(engine)
        engine.start()
        self.engines.append(engine)
        self.settle()
        return engine

    def into(self, sink: Stage) -> SourceProbe:
        """A run of a source probe and `sink`."""
        probe = SourceProbe(self.settle)

        def build(blueprint: Blueprint) -> None:
            blueprint.add(probe.stage, "probe")
            blueprint.add(sink, "in")
            blueprint.connect("probe", "in", 0, 0)

        self._run(build)
        return probe

    def out_of(self, source: Stage, **kwargs: Any) -> SinkProbe:
        """A run of `source` and a sink probe."""
        probe = SinkProbe(self.settle, **kwargs)

        def build(blueprint: Blueprint) -> None:
            blueprint.add(source, "out")
            blueprint.add(probe.stage, "probe")
            blueprint.connect("out", "probe", 0, 0)

        self._run(build)
        return probe

    def stop(self, probe: SourceProbe | SinkProbe) -> None:
        """Stop the run of a probe."""
        probe.logic.seat.engine.stop()
        self.settle()
