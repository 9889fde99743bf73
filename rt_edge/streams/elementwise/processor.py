"""IslandProcessor and IslandSubscriber: one run of a blueprint with an open inlet, as Processor and as Subscriber."""

from __future__ import annotations

from threading import Lock
from typing import Any

from rt_edge.data.errors import RefusedError
from rt_edge.protocol.roles import Subscriber, Subscription
from rt_edge.protocol.rules import check_subscriber
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.elementwise.inward import WINDOW, FromPublisher, Inward
from rt_edge.streams.elementwise.outward import Outward, ToSubscriber
from rt_edge.streams.elementwise.running import RunnableHost, expect_open, start
from rt_edge.streams.engine import Engine


class _Receiving:
    """The subscriber's half; signals go to an `Inward`."""

    def __init__(self, window: int) -> None:
        self._inward = Inward(window)
        self.engine: Engine

    def on_subscribe(self, subscription: Subscription) -> None:
        """Rule 2.5: the first is kept. Raises TypeError for None."""
        self._inward.on_subscribe(subscription)

    def on_next(self, element: Any) -> None:
        """One element. Raises TypeError for None."""
        self._inward.on_next(element)

    def on_error(self, error: BaseException) -> None:
        """Upstream failed. Raises TypeError for None."""
        self._inward.on_error(error)

    def on_complete(self) -> None:
        """Upstream has ended."""
        self._inward.on_complete()

    def stop(self, error: BaseException | None = None) -> None:
        """End the run: upstream is cancelled, what is held is dropped, or failed with `error`. In the host's thread."""
        self.engine.stop(error)


class IslandSubscriber(_Receiving):
    """A `Subscriber`: a blueprint with one open inlet that runs from now on, once.

    Args:
        blueprint: one inlet is open, every other port is wired.
        host: made for this run; this is called in its thread.
        window: elements asked for and not taken into the island, at most.

    Raises:
        ConfigError: another number of ports is open.
    """

    def __init__(self, blueprint: Blueprint, host: RunnableHost, window: int = WINDOW) -> None:
        super().__init__(window)
        node, port = expect_open(blueprint, 1, 0, "a subscriber").inlets[0]
        whole = Blueprint()
        names = whole.absorb(blueprint)
        whole.connect(whole.add(FromPublisher(end=self._inward)), names[node], 0, port)
        self.engine = start(whole, host)


class IslandProcessor(_Receiving):
    """A `Processor`: a blueprint with one open inlet and one open outlet that runs from now on, once.

    It serves one subscriber (rule 1.11); a further one is refused. Elements wait until it comes, and so does the end.

    Args:
        blueprint: as said.
        host: made for this run; this is called in its thread.
        window: elements asked for and not taken into the island, at most.

    Raises:
        ConfigError: another number of ports is open.
    """

    def __init__(self, blueprint: Blueprint, host: RunnableHost, window: int = WINDOW) -> None:
        super().__init__(window)
        inlets, outlets = expect_open(blueprint, 1, 1, "a processor")
        self._outward = Outward()
        self._host = host
        self._lock = Lock()
        self._served: int | None = None
        whole = Blueprint()
        names = whole.absorb(blueprint)
        whole.connect(whole.add(FromPublisher(end=self._inward)), names[inlets[0][0]], 0, inlets[0][1])
        whole.connect(names[outlets[0][0]], whole.add(ToSubscriber(end=self._outward)), outlets[0][1])
        self.engine = start(whole, host)

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        """Serve `subscriber`; its on_subscribe comes from the island's thread. Any thread may call this.

        Raises:
            TypeError: None, or no subscriber (rule 1.9).
        """
        check_subscriber(subscriber)
        with self._lock:
            first = self._served is None
            again = self._served == id(subscriber) and not self._outward.is_over
            if first:
                self._served = id(subscriber)
        if first:
            self._host.threadsafe(lambda: self._outward.attach(subscriber))
        elif again:
            self._outward.refuse(RefusedError("rule 1.10: this subscriber has subscribed already"))
        else:
            self._host.threadsafe(lambda: _reject(subscriber))


def _reject(subscriber: Subscriber[Any]) -> None:
    refusal = Outward()
    refusal.attach(subscriber)
    refusal.end(RefusedError("this processor serves one subscriber, and has one (rule 1.11)"))
