"""Endings: the sinks that a stream can end with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self

from rt_edge.data.units import Duration
from rt_edge.streams.dsl.operators import builds
from rt_edge.streams.dsl.operators.continuation import A, B
from rt_edge.streams.hubs.hub import Hub
from rt_edge.streams.hubs.to_hub import ToHub
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.to_topic import ToTopic
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages.collect import Collect
from rt_edge.streams.stages.fold_into import FoldInto
from rt_edge.streams.stages.for_each import ForEach
from rt_edge.streams.stages.ignore import Ignore
from rt_edge.streams.stages.lazy_sink import LazySink
from rt_edge.streams.stages.restart_sink import RestartSink
from rt_edge.streams.stages.settling import Settling


class Endings(Generic[A]):
    """Class methods of `Sink`; parameters are those of the stages, whose docstrings say the rest."""

    def __init__(self, stage: Stage, name: str = "") -> None:
        raise NotImplementedError

    @classmethod
    @builds(Collect, "Sink")
    def collect(cls, most: int = 1_000_000, name: str = "") -> Self:
        """Comes to the list of all elements, which are `most` at most."""
        return cls(Collect(most=most), name or "collect")

    @classmethod
    @builds(FoldInto, "Sink")
    def fold(cls, zero: B, function: Callable[[B, A], B], on_error: OnError = "stop", name: str = "") -> Self:
        """Comes to the last state of a fold."""
        return cls(FoldInto(zero=zero, function=function, on_error=on_error), name or "fold")

    @classmethod
    @builds(ForEach, "Sink")
    def foreach(cls, function: Callable[[A], Any], on_error: OnError = "stop", name: str = "") -> Self:
        """Calls a function with each element; comes to None."""
        return cls(ForEach(function=function, on_error=on_error), name or "foreach")

    @classmethod
    @builds(Ignore, "Sink")
    def ignore(cls, name: str = "") -> Self:
        """Throws all elements away, settled as dropped; comes to None."""
        return cls(Ignore(), name or "ignore")

    @classmethod
    @builds(Settling, "Sink")
    def settling(cls, name: str = "") -> Self:
        """Settles all elements as stored without storing them, for tests and benchmarks; comes to their number."""
        return cls(Settling(), name or "settling")

    @classmethod
    @builds(ToHub, "Sink")
    def to_hub(cls, hub: Hub, settle: Settle = "end", name: str = "") -> Self:
        """Gives all elements to a hub; each run is a producer of it."""
        return cls(ToHub(hub=hub, settle=settle), name)

    @classmethod
    @builds(ToTopic, "Sink")
    def to_topic(
        cls,
        broker: Broker,
        topic: str | Callable[[A], str] | None = None,
        retain: bool = False,
        on_error: OnError = "stop",
        settle: Settle = "end",
        name: str = "",
    ) -> Self:
        """Publishes all elements; each run is a publisher."""
        return cls(ToTopic(broker=broker, topic=topic, retain=retain, settle=settle, on_error=on_error), name)

    @classmethod
    @builds(LazySink, "Sink")
    def lazy_sink(cls, function: Callable[[], Any], name: str = "") -> Self:
        """The sink that `function` makes when the first element comes; comes to what that comes to."""
        return cls(LazySink(function=function), name or "lazy_sink")

    @classmethod
    @builds(RestartSink, "Sink")
    def restart_sink(
        cls,
        sink: Any,
        min_backoff: Duration | float = 1.0,
        max_backoff: Duration | float = 60.0,
        jitter: float = 1.0,
        seed: int | None = None,
        max_restarts: int = -1,
        within: Duration | float = 0.0,
        only_failures: bool = False,
        restart_on: Callable[[BaseException], Any] | None = None,
        name: str = "",
    ) -> Self:
        """A sink that is run again, after a wait, when it has ended."""
        stage = RestartSink(
            sink=sink,
            min_backoff=min_backoff,
            max_backoff=max_backoff,
            jitter=jitter,
            seed=seed,
            max_restarts=max_restarts,
            within=within,
            only_failures=only_failures,
            restart_on=restart_on,
        )
        return cls(stage, name)
