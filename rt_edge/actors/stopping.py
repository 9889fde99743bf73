"""NodeStop: the ordered shutdown of a node's islands; the mechanism is `rt_edge.streams.shutdown`.

    sources   ask their devices for nothing more, and wait until what they emitted is settled
    graphs    end
    spools    take nothing more; what has come is on the disk. Adapters that write, and local stores, close
    uplinks   deliver for a moment, then links and files are closed; the ingress, too

An island has a part in a phase if one of its members has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rt_edge.actors.layout import INGRESS
from rt_edge.actors.node_messages import PhaseDone, StopPhase
from rt_edge.streams.shutdown import NAMES, Begin, Phase, PhaseName, Shutdown

PHASES_OF: Mapping[str, tuple[PhaseName, ...]] = {
    "adapter": ("sources", "spools"),
    "graph": ("graphs",),
    "uplink": ("spools", "uplinks"),
    "store": ("spools",),
    INGRESS: ("uplinks",),
}
"""Kind of a member -> the phases in which it has something to do."""

MARGIN_S = 1.5
"""So much longer than an island may take is waited for its answer."""


def phases(seconds: float) -> tuple[Phase, ...]:
    """The phases of a node, with deadlines; to end a graph takes no I/O, so it has half the time."""
    return tuple(Phase(name, (seconds / 2 if name == "graphs" else seconds) + MARGIN_S) for name in NAMES)


def longest(seconds: float) -> float:
    """Seconds after which a stop is over, whatever its parts do."""
    return sum(phase.seconds for phase in phases(seconds))


class NodeStop:
    """One stop of a node; makes no decision of its own, but drives a `Shutdown` with the clock and the messages of an actor.

    Args:
        islands: those that run -> their members.
        seconds: for what an island does in a phase.
        tell: sends to an island.
        now: monotonic time.
        after: calls later; returns what cancels it.
        ended: told, once, one line a phase.
    """

    def __init__(
        self,
        islands: Mapping[str, Iterable[str]],
        seconds: float,
        tell: Callable[[str, StopPhase], object],
        now: Callable[[], float],
        after: Callable[[float, Callable[[], object]], Callable[[], object]],
        ended: Callable[[tuple[str, ...]], object],
    ) -> None:
        self._tell = tell
        self._now = now
        self._after = after
        self._ended = ended
        self._cancel: Callable[[], object] | None = None
        limits = phases(seconds)
        self._limits = {phase.name: phase.seconds - MARGIN_S for phase in limits}
        parts: dict[str, list[str]] = {name: [] for name in NAMES}
        for island, members in islands.items():
            for member in members:
                for phase in PHASES_OF[member.partition("/")[0]]:
                    parts[phase].append(island)
        self.shutdown = Shutdown(limits, parts)

    def begin(self) -> None:
        """Tell the islands of the first phase."""
        self._do(self.shutdown.begin(self._now()))

    def done(self, message: PhaseDone) -> None:
        """An island has ended its part of a phase."""
        if not self.shutdown.finished:
            self._do(self.shutdown.done(message.island, self._now(), message.left, message.phase))

    def gone(self, island: str) -> None:
        """An island has died: nobody waits for it."""
        if not self.shutdown.finished:
            self._do(self.shutdown.gone(island, self._now()))

    def _late(self) -> None:
        self._cancel = None
        self._do(self.shutdown.tick(self._now()))

    def _do(self, begins: Iterable[Begin]) -> None:
        for begin in begins:
            if self._cancel is not None:
                self._cancel()
            self._cancel = self._after(max(0.0, begin.deadline - self._now()), self._late)
            for island in begin.parts:
                self._tell(island, StopPhase(begin.phase, self._limits[begin.phase]))
        if self.shutdown.finished:
            if self._cancel is not None:
                self._cancel()
                self._cancel = None
            self._ended(tuple(str(report) for report in self.shutdown.reports))
        elif self._cancel is None:  # a timer that fired a moment too early
            deadline = self.shutdown.deadline
            self._cancel = self._after(max(0.001, (deadline or 0.0) - self._now()), self._late)
