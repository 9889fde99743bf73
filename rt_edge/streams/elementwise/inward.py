"""Inward: an open inlet of an island as a subscriber.

Signals may come from any thread, serially (rule 1.3). They are put down and the island is told, once for any number of them; all
work, and every call to the subscription, happens in the island's thread (rules 2.2, 2.3, 2.7, 2.11). What is asked for at once is
bounded by a window, so that an unbounded demand inside the island does not make an unbounded queue here.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import SpecViolation, StreamError
from rt_edge.protocol.roles import Publisher, Subscription
from rt_edge.protocol.rules import call_cancel, call_request, check_element, check_error, check_not_none, violation
from rt_edge.streams.elementwise.waker import Waker
from rt_edge.streams.stage import OUT, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least

log = logging.getLogger(__name__)

WINDOW = 256
"""Elements asked for and not taken into the island, at most."""


def _nothing() -> None:
    """Nobody is to be told."""


class Inward:
    """A `Subscriber` in front of an island; of one run.

    Attributes:
        window: most elements that are asked for or wait here.
        asked: elements requested so far.
    """

    __slots__ = ("__weakref__", "_came", "_end", "_items", "_lock", "_over", "_subscription", "_told", "_wake", "asked", "window")

    def __init__(self, window: int = WINDOW) -> None:
        at_least(1, window=window)
        self.window = window
        self.asked = 0
        self._came = 0
        self._items: deque[Any] = deque(maxlen=window)
        self._end: BaseException | Literal[True] | None = None  # the last signal; True: on_complete
        self._over = False
        self._told = False
        self._subscription: Subscription | None = None
        self._lock = Lock()
        self._wake: Callable[[], None] = _nothing

    # -- for the publisher ----------------------------------------------------------------------------------------------

    def on_subscribe(self, subscription: Subscription) -> None:
        """The first is kept; another one, or one that comes too late, is cancelled (rules 2.5, 2.6).

        Raises:
            TypeError: None (rule 2.13).
        """
        check_not_none(subscription, "the subscription", "2.13")
        with self._lock:
            fresh = self._subscription is None and not self._over and self._end is None
            if fresh:
                self._subscription = subscription
        if fresh:
            self._tell()
        else:
            _quietly(call_cancel, subscription)

    def on_next(self, element: Any) -> None:
        """One element; after a cancel it is let go (rule 2.8), beyond the demand it is the publisher's violation (rule 1.1).

        Raises:
            TypeError: None (rule 2.13).
        """
        check_element(element)
        with self._lock:
            if self._over or self._end is not None:
                return
            if self._came < self.asked:
                self._came += 1
                self._items.append(element)
            else:
                self._end = violation("1.1", f"a publisher signalled element {self._came + 1} where {self.asked} were asked for")
            if self._told:
                return
            self._told = True
        self._wake()

    def on_error(self, error: BaseException) -> None:
        """The stream failed.

        Raises:
            TypeError: None, or no exception (rule 2.13).
        """
        check_error(error)
        self._last(error)

    def on_complete(self) -> None:
        """The stream ended well."""
        self._last(True)

    # -- for the island -------------------------------------------------------------------------------------------------

    def connect(self, wake: Callable[[], None]) -> None:
        """The run starts; `wake` makes the island look."""
        self._wake = wake
        if self._told:
            wake()

    @property
    def waiting(self) -> int:
        """Elements that wait here."""
        return len(self._items)

    def take(self, n: int) -> list[Any]:
        """Up to `n` elements that wait."""
        items = self._items
        return [items.popleft() for _ in range(min(n, len(items)))]

    def look(self) -> BaseException | Literal[True] | None:
        """The last signal, if it has come: True for on_complete. From now on the island is told again."""
        with self._lock:
            self._told = False
            return self._end

    def request(self, wanted: int) -> SpecViolation | None:
        """Keep up to `wanted` elements under way, within the window; returns what the subscription did wrong."""
        if self._subscription is None or self._end is not None or self._over:
            return None
        held = self.asked - self._came + len(self._items)
        n = min(wanted, self.window) - held
        if n <= 0 or (wanted > self.window and held > self.window // 2):
            return None  # the window is refilled when half of it is used
        self.asked += n
        return _quietly(call_request, self._subscription, n)

    def close(self) -> None:
        """The run has ended: cancel, unless the publisher ended first (rules 2.4, 2.6)."""
        with self._lock:
            subscription, self._subscription = self._subscription, None
            ended, self._over = self._end, True
            self._items.clear()
        self._wake = _nothing
        if subscription is not None and (ended is None or isinstance(ended, SpecViolation)):
            _quietly(call_cancel, subscription)

    def _last(self, end: BaseException | Literal[True]) -> None:
        with self._lock:
            if self._over or self._end is not None:
                return
            self._end = end
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            if self._told:
                return
            self._told = True
        self._wake()


class FromPublisher(Stage, frozen=True, kw_only=True):
    """Elements of a publisher; what it makes is volatile, as nobody can be asked to send again.

    Emits when: an element comes.
    Backpressures when: downstream does: nothing is requested of the publisher beyond the demand and the window.
    Completes when: the publisher does.
    Cancels when: downstream cancels: the subscription is cancelled.

    Attributes:
        publisher: subscribed to once a run; None with `end`.
        end: an `Inward` that was handed out as a subscriber.
        window: elements asked for and not taken, at most.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.INTAKE

    publisher: Any = None
    end: Any = None
    window: int = WINDOW

    @property
    def label(self) -> str:
        """Its name in a graph."""
        return "publisher"

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic with its subscriber."""
        return _Logic(self.publisher, self.end or Inward(self.window))


class _Logic(StageLogic):
    def __init__(self, publisher: Publisher[Any] | None, end: Inward) -> None:
        self._publisher = publisher
        self._end = end

    def on_start(self) -> None:
        self._end.connect(Waker(self.ctx, self._look))
        if self._publisher is not None:
            self._publisher.subscribe(self._end)  # what it raises fails the stage

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._look()

    def _look(self) -> None:
        end = self._end.look()
        if isinstance(end, SpecViolation):
            self.fail_stage(end)
            return
        if not self.is_free(OUT):
            if end is not None:
                self.ctx.soon(self._look)  # the slot was filled within the demand: it is empty then; the end needs no demand
            else:
                self.pull_again(OUT)
            return
        wanted = self.demand(OUT)
        items = self._end.take(min(wanted, CHUNK_ELEMENTS)) if wanted else None
        broken = None
        if end is None:
            broken = self._end.request(wanted - len(items or ()))
        if broken is not None:
            self.fail_stage(StreamError(str(broken)))
        elif items:
            self.push(OUT, Chunk(items))
            if end is not None:
                self.ctx.soon(self._look)  # the end comes in a later turn, so that it does not overtake the elements
            elif self._end.waiting:
                self.pull_again(OUT)
        elif end is not None and not self._end.waiting:
            self._finish(end)

    def _finish(self, end: BaseException | Literal[True]) -> None:
        if isinstance(end, BaseException):
            self.fail_stage(end)
        else:
            self.complete_stage()

    def residue(self) -> list[Chunk]:
        """What the publisher has brought and nobody has taken."""
        items = self._end.take(self._end.window)
        return [Chunk(items)] if items else []

    def on_stop(self, error: BaseException | None) -> None:
        if self._end.waiting:
            self.ctx.count("dropped_cancelled", self._end.waiting)
        self._end.close()


def _quietly(call: Callable[..., None], *args: Any) -> SpecViolation | None:
    """Call foreign code; a violation is logged and returned."""
    try:
        call(*args)
    except SpecViolation as broken:
        log.error("a subscription broke %s", broken, exc_info=broken.__cause__)
        return broken
    return None
