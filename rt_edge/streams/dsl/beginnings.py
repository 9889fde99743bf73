"""Beginnings: the sources that a stream can begin with."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, Generic, Self

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.units import Duration
from rt_edge.protocol.roles import Publisher
from rt_edge.streams.dsl.operators import builds
from rt_edge.streams.dsl.operators.continuation import A
from rt_edge.streams.elementwise.inward import WINDOW, FromPublisher
from rt_edge.streams.hubs.from_hub import FromHub
from rt_edge.streams.hubs.hub import Hub
from rt_edge.streams.hubs.ports import SlowConsumer
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.from_topic import FromTopic
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.empty import Empty
from rt_edge.streams.stages.failed import Failed
from rt_edge.streams.stages.from_async_iterable import FromAsyncIterable
from rt_edge.streams.stages.iterate import Iterate
from rt_edge.streams.stages.lazy_source import LazySource
from rt_edge.streams.stages.never import Never
from rt_edge.streams.stages.restart_source import RestartSource
from rt_edge.streams.stages.single import Single
from rt_edge.streams.stages.tick import Tick


class Beginnings(Generic[A]):
    """Class methods of `Source`; parameters are those of the stages, whose docstrings say the rest."""

    def __init__(self, stage: Stage, name: str = "") -> None:
        raise NotImplementedError

    @classmethod
    @builds(Iterate, "Source")
    def from_iterable(cls, items: Iterable[A], chunk: int = CHUNK_ELEMENTS, name: str = "") -> Self:
        """The elements of an iterable; iterated anew in each run."""
        return cls(Iterate(items=items, chunk=chunk), name)

    @classmethod
    @builds(FromAsyncIterable, "Source")
    def from_async_iterable(cls, items: AsyncIterable[A], chunk: int = CHUNK_ELEMENTS, name: str = "") -> Self:
        """The elements of an asynchronous iterable; iterated anew in each run, as far as is asked for."""
        return cls(FromAsyncIterable(items=items, chunk=chunk), name)

    @classmethod
    @builds(FromPublisher, "Source")
    def from_publisher(cls, publisher: Publisher[A], window: int = WINDOW, name: str = "") -> Self:
        """The elements of a Reactive Streams publisher; each run subscribes once."""
        return cls(FromPublisher(publisher=publisher, window=window), name)

    @classmethod
    @builds(Single, "Source")
    def single(cls, element: A, name: str = "") -> Self:
        """One element."""
        return cls(Single(element=element), name)

    @classmethod
    @builds(Empty, "Source")
    def empty(cls, name: str = "") -> Self:
        """No element, and the end."""
        return cls(Empty(), name)

    @classmethod
    @builds(Failed, "Source")
    def failed(cls, error: BaseException, name: str = "") -> Self:
        """No element, and an error."""
        return cls(Failed(error=error), name)

    @classmethod
    @builds(Never, "Source")
    def never(cls, name: str = "") -> Self:
        """No element, and no end."""
        return cls(Never(), name)

    @classmethod
    @builds(Tick, "Source")
    def tick(
        cls, every: Duration | float, element: Any = "tick", initial: Duration | float | None = None, name: str = ""
    ) -> Self:
        """The same element every so many seconds, the first after `initial`; a tick that nobody asked for is left out."""
        return cls(Tick(every=every, element=element, initial=initial), name)

    @classmethod
    @builds(FromHub, "Source")
    def from_hub(cls, hub: Hub, slow: SlowConsumer | None = None, name: str = "") -> Self:
        """The elements of a hub; each run is a consumer of it."""
        return cls(FromHub(hub=hub, slow=slow), name)

    @classmethod
    @builds(FromTopic, "Source")
    def from_topic(cls, broker: Broker, topics: str, group: str = "", slow: SlowConsumer | None = None, name: str = "") -> Self:
        """What is published under topics, as messages; each run is a subscriber."""
        return cls(FromTopic(broker=broker, topics=topics, group=group, slow=slow), name)

    @classmethod
    @builds(LazySource, "Source")
    def lazy_source(cls, function: Callable[[], Any], name: str = "") -> Self:
        """The source that `function` makes when the first element is wanted."""
        return cls(LazySource(function=function), name)

    @classmethod
    @builds(RestartSource, "Source")
    def restart_source(
        cls,
        source: Any,
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
        """A source that is run again, after a wait, when it has ended."""
        stage = RestartSource(
            source=source,
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
