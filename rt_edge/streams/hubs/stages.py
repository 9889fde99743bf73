"""The two sides of a hub as stages: a sink that leads into it, a source that comes out of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.streams.elementwise.waker import Waker
from rt_edge.streams.hubs.hub import Hub, stopped
from rt_edge.streams.hubs.ports import Port, SlowConsumer
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import settle_rest

RESIDUE_CHUNKS = 16
"""Chunks that are taken along when a consumer is taken out of its graph, besides those of a queue of its own."""


class ToHub(Stage, frozen=True, kw_only=True):
    """Elements into a hub; each run is a producer of it. An element is settled as stored when the hub has taken it.

    Emits when: -
    Backpressures when: the hub has no room.
    Completes when: upstream completes and the hub has taken everything.
    Cancels when: the hub has ended.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        hub: a `MergeHub`, `BroadcastHub` or `PartitionHub`.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.INTAKE

    hub: Any

    def __post_init__(self) -> None:
        """Refuse what is no hub."""
        _is_hub(self.hub)

    @property
    def label(self) -> str:
        """Its name in a graph."""
        return "to_hub"

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A producer."""
        return ToHubLogic(self.hub)


class ToHubLogic(StageLogic):
    """A producer of a hub.

    Args:
        hub: that.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._port: Port | None = None
        self._held: deque[Chunk] = deque(maxlen=CHUNK_ELEMENTS)
        self._finished = False

    def on_start(self) -> None:
        """Come."""
        self._port = self.enter(Waker(self.ctx, self._look))
        self._look()

    def enter(self, wake: Callable[[], None]) -> Port:
        """The port of this run."""
        return self._hub.enter(wake, self.ctx.name)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Hand it over, now or when there is room."""
        self._held.append(chunk)
        self._look()

    def on_timer(self, key: object) -> None:
        """Somebody may have been slow for too long."""
        self._look()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when all is handed over."""
        self._finished = True
        self._look()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        """The hub hears of it."""
        if self._port is not None:
            self._hub.exit(self._port, error)
        self.fail_stage(error)

    def _look(self) -> None:
        port, hub = self._port, self._hub
        if port is None:
            return
        now = self.ctx.clock.monotonic()
        hub.expire(now)
        while self._held:
            chunk = self._held[0]
            taken = hub.offer(port, chunk.items, now)
            if taken < len(chunk):
                if taken:
                    first, self._held[0] = chunk.cut(taken)
                    first.settle()
                break
            self._held.popleft().settle()
        if port.ended:
            self.cancel_stage(port.error)
        elif self._finished and not self._held:
            hub.exit(port)
            self.complete_stage()
        elif not self._held and not self._finished:
            n = min(hub.room(port), CHUNK_ELEMENTS) - self.requested(IN)
            if n > 0:
                self.request(IN, n)
        due = hub.expire(now)
        if due is not None and not port.ended:
            self.ctx.after(max(0.0, due - now), "slow")

    def on_stop(self, error: BaseException | None) -> None:
        """Go."""
        if self._port is not None:
            self._hub.exit(self._port, None if self._port.ended else stopped(error))
        settle_rest(self, list(self._held), error)
        self._held.clear()

    def residue(self) -> list[Chunk]:
        """What the hub had no room for."""
        held = list(self._held)
        self._held.clear()
        return held


class FromHub(Stage, frozen=True, kw_only=True):
    """Elements out of a hub; each run is a consumer of it. What comes out is volatile.

    Emits when: the hub has an element for this consumer.
    Backpressures when: downstream does; what that means for the others is said by `slow`.
    Completes when: the hub does, after what waits for this consumer.
    Cancels when: downstream cancels: this consumer leaves the hub.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        hub: a `MergeHub`, `BroadcastHub` or `PartitionHub`.
        slow: what happens when this consumer is slow; None: as the hub says.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.INTAKE

    hub: Any
    slow: SlowConsumer | None = None

    def __post_init__(self) -> None:
        """Refuse what is no hub."""
        _is_hub(self.hub)

    @property
    def label(self) -> str:
        """Its name in a graph."""
        return "from_hub"

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A consumer."""
        return FromHubLogic(self.hub, lambda wake, name: self.hub.join(wake, self.slow, name))


class FromHubLogic(StageLogic):
    """A consumer of a hub.

    Args:
        hub: that.
        join: makes the port, of what wakes it and its name.
    """

    def __init__(self, hub: Hub, join: Callable[[Callable[[], None], str], Port]) -> None:
        self._hub = hub
        self._join = join
        self._port: Port | None = None

    def on_start(self) -> None:
        """Come."""
        self._port = self._join(Waker(self.ctx, self._look), self.ctx.name)
        self._look()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Take what is there."""
        self._look()

    def _look(self) -> None:
        port, hub = self._port, self._hub
        if port is None:
            return
        if not self.is_free(OUT):
            self.pull_again(OUT)
            if port.error is not None:
                self.fail_stage(port.error)
            return
        items = hub.take(port, min(self.demand(OUT), CHUNK_ELEMENTS))
        if items:
            self.push(OUT, Chunk(items))
            self.pull_again(OUT)
        if hub.is_over(port):
            if port.error is not None:
                self.fail_stage(port.error)
            else:
                self.complete_stage()

    def residue(self) -> list[Chunk]:
        """What waits in the hub for this consumer."""
        port, hub = self._port, self._hub
        chunks: list[Chunk] = []
        if port is not None:
            for _ in range(RESIDUE_CHUNKS + hub.buffer // CHUNK_ELEMENTS):  # others may bring more meanwhile
                items = hub.take(port, CHUNK_ELEMENTS)
                if not items:
                    break
                chunks.append(Chunk(items))
        return chunks

    def on_stop(self, error: BaseException | None) -> None:
        """Go."""
        if self._port is not None:
            self._hub.leave(self._port)


def _is_hub(hub: object) -> None:
    if not isinstance(hub, Hub):
        raise ConfigError(f"{hub!r} is no hub", "MergeHub, BroadcastHub or PartitionHub")
