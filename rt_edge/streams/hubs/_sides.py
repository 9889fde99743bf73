"""What a producer and a consumer of a hub do, whatever the stage is called that they are the logic of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.streams.elementwise.waker import Waker
from rt_edge.streams.hubs.deliveries import Post
from rt_edge.streams.hubs.hub import Hub, stopped
from rt_edge.streams.hubs.ports import Port
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, StageLogic
from rt_edge.streams.stages._common import Settle, settle_rest


def check_hub(hub: object) -> None:
    """Refuse what is no hub."""
    if not isinstance(hub, Hub):
        raise ConfigError(f"{hub!r} is no hub", "MergeHub, BroadcastHub or PartitionHub")


def into_hub(hub: Hub, settle: Settle) -> Hold:
    """What a stage keeps unsettled that leads into a hub."""
    return Hold(CHUNK_ELEMENTS + (0 if settle == "early" else hub.unsettled), 0.0)


class ToHubLogic(StageLogic):
    """A producer of a hub.

    Args:
        hub: that.
        settle: end: outcomes come from the hub's consumers. early: what the hub has taken is stored.
    """

    def __init__(self, hub: Hub, settle: Settle = "end") -> None:
        self._hub = hub
        self._early = settle == "early"
        self._port: Port | None = None
        self._post: Post | None = None
        self._held: deque[Chunk] = deque(maxlen=CHUNK_ELEMENTS)
        self._finished = False
        self._removed = False
        self._error: BaseException | None = None

    def on_start(self) -> None:
        """Come."""
        self._port = self.enter(Waker(self.ctx, self._look))
        self._post = self._hub.mail(self._port, self.seat.engine.host, self._has_come_back)
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
        """The hub hears of it; what it has taken still has its outcome before this stage fails."""
        self._error = error
        if self._port is not None and self._post is not None:
            self._hub.exit(self._port, error)
            self._end(self._port, self._post)

    def _has_come_back(self) -> None:
        """Outcomes were reported; in this stage's thread, outside of a turn."""
        if self._finished and self._post is not None and self._post.is_empty:
            self.seat.engine.enter(self.seat, self._look)

    def _look(self) -> None:
        port, post, hub = self._port, self._post, self._hub
        if port is None or post is None:
            return
        now = self.ctx.clock.monotonic()
        hub.expire(now)
        while self._held:
            chunk = self._held[0]
            tracked = chunk if chunk.receipt is not None and not self._early else None
            taken = hub.offer(port, chunk.items, now, tracked)
            if taken < len(chunk):
                if taken:
                    first, self._held[0] = chunk.cut(taken)
                    if self._early:
                        first.settle()
                break
            self._held.popleft()
            if self._early:
                chunk.settle()
        if port.ended:
            self._end(port, post)
        elif self._finished and not self._held:
            hub.exit(port)
            self._end(port, post)
        elif not self._held and not self._finished:
            n = min(hub.room(port), CHUNK_ELEMENTS) - self.requested(IN)
            if n > 0:
                self.request(IN, n)
        due = hub.expire(now)
        if due is not None and not port.ended:
            self.ctx.after(max(0.0, due - now), "slow")

    def _end(self, port: Port, post: Post) -> None:
        """Take no more; stop as soon as all has its outcome."""
        self._finished = True
        error = self._error or port.error
        self.cancel(IN, error)
        self._settle_held(error)
        if not post.is_empty:
            return
        if self._error is not None:
            self.fail_stage(self._error)
        elif port.error is None:
            self.complete_stage()
        else:
            self.cancel_stage(port.error)

    def _settle_held(self, error: BaseException | None) -> None:
        settle_rest(self, list(self._held), error)
        self._held.clear()

    def on_stop(self, error: BaseException | None) -> None:
        """Go."""
        if self._port is not None:
            self._hub.exit(self._port, None if self._port.ended else stopped(error))
        self._settle_held(error)
        if self._post is not None and not self._removed:
            self._post.abandon(stopped(error))

    def residue(self) -> list[Chunk]:
        """What the hub had no room for. What it has taken has its outcome later."""
        self._removed = True
        held = list(self._held)
        self._held.clear()
        return held


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
        chunk = hub.collect(port, min(self.demand(OUT), CHUNK_ELEMENTS))
        if chunk is not None:
            self.push(OUT, chunk)
            self.pull_again(OUT)
        if hub.is_over(port):
            if port.error is not None:
                self.fail_stage(port.error)
            else:
                self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        """Go."""
        if self._port is not None:
            self._hub.leave(self._port, error)

    def residue(self) -> list[Chunk]:
        """What waits for this consumer, and for no other."""
        return [] if self._port is None else self._hub.residue(self._port)
