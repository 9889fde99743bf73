"""A transport that does to local messages what Thespian's may do: reorder, repeat, delay (design 6).

    with start_node(transport=faulty(seed=7)) as node: ...

Only messages between actors are touched, not Thespian's own and not frames of links. Nothing is ever lost: Thespian delivers at
least once while both processes live. The same seed gives each process the same decisions in the same order of its messages.
"""

from __future__ import annotations

import heapq
import os
import random
from typing import Any, ClassVar

import msgspec

from rt_edge.actors.transport.entry import LoopEntry
from rt_edge.actors.transport.node_transport import NodeTransport


class Faults(msgspec.Struct, frozen=True):
    """What happens to a received message.

    Attributes:
        seed: of the decisions.
        repeat: probability that it comes a second time, later.
        delay: probability that it is held back, so that later ones overtake it.
        longest: seconds that it is held at most.
        spare: class names of messages that are left alone.
    """

    seed: int
    repeat: float = 0.2
    delay: float = 0.3
    longest: float = 0.02
    spare: frozenset[str] = frozenset()


class _Held(LoopEntry):
    """Envelopes that are held back; an entry in the transport's loop for the sake of its deadline."""

    def __init__(self, transport: FaultyTransport) -> None:
        self._transport = transport
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._heap: list[tuple[float, int, Any]] = []
        self._count = 0

    def fileno(self) -> int:
        return self._fd

    def ready(self) -> None:
        """Never."""

    def hold(self, envelope: Any, seconds: float) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self._transport.clock.monotonic() + seconds, self._count, envelope))

    def tick(self) -> None:
        now = self._transport.clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            self._transport.release_held(heapq.heappop(self._heap)[2])

    def deadline_in(self) -> float | None:
        return max(0.0, self._heap[0][0] - self._transport.clock.monotonic()) if self._heap else None

    def release(self) -> None:
        self._heap.clear()
        os.close(self._fd)


class FaultyTransport(NodeTransport):
    """See the module; made by `faulty`.

    Attributes:
        faults: what to do.
        counters: `repeated` and `held`, beside those of `NodeTransport`.
    """

    faults: ClassVar[Faults] = Faults(0)
    direct: ClassVar[bool] = False

    def __init__(self, init_type: Any, *args: Any) -> None:
        super().__init__(init_type, *args)
        instance = getattr(init_type, "addrInst", "outside")
        self._random = random.Random(f"{self.faults.seed}:{instance}")  # noqa: S311 - decisions of a test
        self._held = _Held(self)
        self.add_entry(self._held)

    def _processReceivedEnvelope(self, envelope: Any, has_exclusive_flag: bool = False) -> None:  # noqa: N802
        kind = type(envelope.message)
        if kind.__module__.partition(".")[0] in ("thespian", "logging") or kind.__name__ in self.faults.spare:
            super()._processReceivedEnvelope(envelope, has_exclusive_flag)
            return
        if self._random.random() < self.faults.repeat:
            self.counters["repeated"] += 1
            self._held.hold(envelope, self._random.random() * self.faults.longest)
        if self._random.random() < self.faults.delay:
            self.counters["held"] += 1
            self._held.hold(envelope, self._random.random() * self.faults.longest)
        else:
            super()._processReceivedEnvelope(envelope, has_exclusive_flag)

    def release_held(self, envelope: Any) -> None:
        """Deliver a held envelope now."""
        super()._processReceivedEnvelope(envelope)


def faulty(seed: int, **faults: Any) -> type[FaultyTransport]:
    """The class for `start_node(transport=...)`.

    Args:
        seed: of the decisions.
        faults: fields of `Faults`.
    """
    return type("FaultyTransport", (FaultyTransport,), {"faults": Faults(seed, **faults)})
