"""Trying out a stage under a virtual clock: what comes out when it is asked for all at once, and for one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.streams.dsl import Flow, Sink, Source
from rt_edge.testkit.tck import RecordingSubscriber, RecordingSubscription
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost

MANY = 7


def settle(clock: VirtualClock, seconds: float) -> None:
    """Let happen what is under way, and so many seconds pass."""
    VirtualHost(clock).advance(seconds)


def collected(source: Source[Any], seconds: float, one_by_one: int = 0, seed: int | None = None) -> tuple[list[Any], str]:
    """The elements and the end of a source that is asked for everything, or `one_by_one` times for one."""
    clock, subscriber = VirtualClock(), RecordingSubscriber()
    source.as_publisher(lambda: VirtualHost(clock, seed)).subscribe(subscriber)
    settle(clock, seconds)
    for _ in range(one_by_one or 1):
        subscriber.subscription.request(1 if one_by_one else 100_000)
        settle(clock, seconds)
    found = subscriber.elements, subscriber.end
    if not subscriber.is_over:
        subscriber.subscription.cancel()
        settle(clock, seconds)
    return found


def gives_exactly(source: Source[Any], n: int, seconds: float) -> bool:
    """Whether a source has `n` elements and the end, however it is asked, and no element that nobody asked for."""
    if not all(
        (len(elements), end) == (n, "complete")
        for elements, end in (collected(source, seconds), collected(source, seconds, one_by_one=n + 1))
    ):
        return False
    return n < 2 or len(collected(source, seconds, one_by_one=1)[0]) == 1


def is_identity(make: Callable[[], Flow[Any, Any]], element: Callable[[int], Any], seconds: float) -> bool:
    """Whether a flow passes elements unchanged, each as it is asked for, and neither fewer nor more."""
    items = [element(index) for index in range(MANY)]
    for one_by_one in (0, MANY + 1):
        if collected(Source.from_iterable(items).via(make()), seconds, one_by_one, seed=3) != (items, "complete"):
            return False
    clock, subscriber = VirtualClock(), RecordingSubscriber()
    processor, upstream = make().as_processor(VirtualHost(clock)), RecordingSubscription()
    processor.on_subscribe(upstream)
    processor.subscribe(subscriber)
    settle(clock, seconds)
    for total in range(1, MANY + 1):
        subscriber.subscription.request(1)
        settle(clock, seconds)
        if not upstream.demand:
            return False
        upstream.demand.take()
        processor.on_next(items[total - 1])
        settle(clock, seconds)
        if subscriber.elements != items[:total]:
            return False
    subscriber.subscription.cancel()
    settle(clock, seconds)
    return upstream.cancels == 1


def takes(make: Callable[[], Sink[Any]], element: Callable[[int], Any], seconds: float) -> bool:
    """Whether a sink asks for elements and takes three."""
    clock, upstream = VirtualClock(), RecordingSubscription()
    subscriber = make().as_subscriber(VirtualHost(clock))
    subscriber.on_subscribe(upstream)
    for index in range(3):
        settle(clock, seconds)
        if not upstream.demand:
            return False
        upstream.demand.take()
        subscriber.on_next(element(index))
    settle(clock, seconds)
    taken = not upstream.cancels
    subscriber.stop()
    return taken


def passes_failures(failed: Callable[[], Source[Any]], seconds: float) -> bool:
    """Whether a source that fails still fails with the stage behind it, and without an element."""
    return collected(failed(), seconds) == ([], "error")
