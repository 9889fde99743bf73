"""Outward: an open outlet of an island as the publisher's side of one subscription.

All signals are made in the island's thread, from handlers of the engine: so they are serial (rule 1.3), and `request` never
calls `on_next` (rules 3.3, 3.10): it adds to the demand and leaves word with the island, once for any number of calls. `request`
and `cancel` may be called from any thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import SpecViolation, StreamError
from rt_edge.protocol.demand import add_demand, check_demand
from rt_edge.protocol.roles import Subscriber
from rt_edge.protocol.rules import signal_complete, signal_error, signal_subscribe, violation
from rt_edge.streams.elementwise.waker import Waker
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, Stage, StageLogic

log = logging.getLogger(__name__)


def _nothing() -> None:
    """Nobody is to be told."""


class Outward:
    """A `Subscription`, and all that the island knows of its subscriber.

    The subscriber may come after the run has started (`attach`), even after it has ended: it then gets the end at once.
    After the last signal, or a cancel, no reference to it is left (rules 1.6, 3.13).

    Args:
        on_over: called once when the subscription has ended in any way.
    """

    __slots__ = ("__weakref__", "_demand", "_end", "_lock", "_on_over", "_over", "_refused", "_subscriber", "_told", "_wake")

    def __init__(self, on_over: Callable[[], None] = _nothing) -> None:
        self._lock = Lock()
        self._subscriber: Subscriber[Any] | None = None
        self._demand = 0  # asked for, and the island does not know
        self._refused: BaseException | None = None  # the stream has to end with this error
        self._end: BaseException | Literal[True] | None = None  # how the run ended before there was a subscriber; True: well
        self._over = False
        self._told = False  # the island is going to look
        self._wake: Callable[[], None] = _nothing
        self._on_over = on_over

    @property
    def is_over(self) -> bool:
        """Whether it was cancelled or has ended."""
        return self._over

    # -- for the subscriber ---------------------------------------------------------------------------------------------

    def request(self, n: int) -> None:
        """Rules 3.6, 3.8, 3.9, 3.17; any thread."""
        with self._lock:
            if self._over:
                return
            try:
                self._demand = add_demand(self._demand, check_demand(n))
            except ValueError as error:
                # Its traceback would hold the frame of whoever called, and with it the subscriber (rule 1.6).
                self._refused = self._refused or error.with_traceback(None)
        self._tell()

    def cancel(self) -> None:
        """Rules 3.5, 3.7, 3.12, 3.13, 3.15; any thread."""
        if self._close():
            self._tell()

    # -- for the publisher ----------------------------------------------------------------------------------------------

    def attach(self, subscriber: Subscriber[Any]) -> None:
        """`subscriber` is the one; in the island's thread. It gets `on_subscribe`, and the end if that was already."""
        self._subscriber = subscriber
        try:
            signal_subscribe(subscriber, self)
        except SpecViolation as broken:
            self._blame(broken)
            self.cancel()
            return
        if self._end is not None:
            self.end(None if self._end is True else self._end)

    def refuse(self, error: BaseException) -> None:
        """End the stream with `error`, as soon as the island looks; any thread."""
        with self._lock:
            self._refused = self._refused or error
        self._tell()

    # -- for the island -------------------------------------------------------------------------------------------------

    def connect(self, wake: Callable[[], None]) -> None:
        """The run starts: `wake` makes the island `collect`."""
        self._wake = wake
        with self._lock:
            self._told = bool(self._demand or self._refused or self._over)
            told = self._told
        if told:
            wake()

    def collect(self) -> tuple[int, BaseException | None]:
        """New demand, and the error that the stream has to end with."""
        with self._lock:
            demand, self._demand = self._demand, 0
            self._told = False
            return demand, self._refused

    def deliver(self, items: Any) -> tuple[int, SpecViolation | None]:
        """Signal elements until the subscriber cancels or breaks.

        Returns how many were taken, and the violation of rule 2.13. Requests made meanwhile wait for `collect`, which has to
        follow.
        """
        subscriber = self._subscriber
        with self._lock:
            self._told = True
        done = 0
        if subscriber is None:
            return 0, None
        on_next = subscriber.on_next
        try:
            for item in items:
                if self._over:
                    break
                on_next(item)
                done += 1
        except Exception as error:  # noqa: BLE001  # rule 2.13: whatever it raises is its violation
            broken = violation("2.13", f"on_next raised {type(error).__name__}: {error}")
            self._blame(broken)
            self._close()
            return done, broken
        return done, None

    def end(self, error: BaseException | None) -> None:
        """The last signal; the first call counts."""
        subscriber = self._subscriber
        if subscriber is None:
            if self._end is None:
                self._end = True if error is None else error
            return
        if not self._close():
            return
        try:
            if error is None:
                signal_complete(subscriber)
            else:
                signal_error(subscriber, error)
        except SpecViolation as broken:
            self._blame(broken)

    def disconnect(self) -> None:
        """The run has ended: nobody looks any more."""
        self._wake = _nothing

    def _tell(self) -> None:
        with self._lock:
            if self._told:
                return
            self._told = True
        self._wake()

    def _close(self) -> bool:
        with self._lock:
            if self._over:
                return False
            self._over = True
            self._demand = 0
            self._subscriber = self._refused = None
        on_over, self._on_over = self._on_over, _nothing
        on_over()
        return True

    def _blame(self, broken: SpecViolation) -> None:
        log.error("a subscriber broke %s; its subscription is cancelled", broken, exc_info=broken.__cause__)


class ToSubscriber(Stage, frozen=True, kw_only=True):
    """The sink behind an `Outward`. An element is settled as stored when the subscriber's `on_next` has returned.

    Emits when: -
    Backpressures when: the subscriber has not requested.
    Completes when: upstream completes: the subscriber gets on_complete.
    Cancels when: the subscriber cancels, requests what is no number (rule 3.9), or raises (rule 2.13).

    Attributes:
        subscriber: subscribed in each run; None with `end`.
        end: an `Outward` that has, or will have, its subscriber.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.END

    subscriber: Any = None
    end: Any = None

    @property
    def label(self) -> str:
        """Its name in a graph."""
        return "subscriber"

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic with an `Outward`, which is of one run."""
        return _Logic(self.end or Outward(), self.subscriber)


class _Logic(StageLogic):
    def __init__(self, end: Outward, subscriber: Subscriber[Any] | None) -> None:
        self._end = end
        self._subscriber = subscriber

    def on_start(self) -> None:
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None:
            self._end.attach(subscriber)
            if self._end.is_over:
                self.cancel_stage(None)
                return
        self._end.connect(Waker(self.ctx, self._look))

    def _look(self) -> None:
        demand, refused = self._end.collect()
        if self._end.is_over:
            self.cancel_stage(None)
        elif refused is not None:
            self._end.end(refused)
            self.cancel_stage(refused)
        elif demand:
            self.request(IN, demand)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        n = len(chunk)
        done, broken = self._end.deliver(chunk.items)
        if done == n:
            chunk.settle()
        else:
            rest = chunk
            if done:
                first, rest = chunk.cut(done)
                first.settle()
            if broken is None:
                rest.drop("cancelled")
            else:
                rest.fail(StreamError(str(broken)))
        if broken is not None:
            self.ctx.count("errors")
            self.cancel_stage(StreamError(str(broken)))
        else:
            self._look()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._end.end(None)
        self.complete_stage()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self._end.end(error)
        self.fail_stage(error)

    def on_stop(self, error: BaseException | None) -> None:
        self._end.end(error or StreamError("the stream was stopped"))  # does nothing after another last signal
        self._end.disconnect()
