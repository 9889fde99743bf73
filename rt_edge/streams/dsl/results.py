"""Results: sinks that come to one value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self

from rt_edge.data.errors import ConfigError
from rt_edge.protocol.roles import Subscriber
from rt_edge.streams.dsl.operators import builds
from rt_edge.streams.dsl.operators.continuation import A, B
from rt_edge.streams.elementwise.outward import ToSubscriber
from rt_edge.streams.queues import PullQueue
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages._to_path import Content, Fsync
from rt_edge.streams.stages.broadcast import Broadcast
from rt_edge.streams.stages.cancelled import Cancelled
from rt_edge.streams.stages.count import Count
from rt_edge.streams.stages.fold_while_into import FoldWhileInto
from rt_edge.streams.stages.head import Head
from rt_edge.streams.stages.head_option import HeadOption
from rt_edge.streams.stages.ignore import Ignore
from rt_edge.streams.stages.last import Last
from rt_edge.streams.stages.last_into import LastInto
from rt_edge.streams.stages.last_option import LastOption
from rt_edge.streams.stages.map_async import MapAsync
from rt_edge.streams.stages.reduce_into import ReduceInto
from rt_edge.streams.stages.settling import Settling
from rt_edge.streams.stages.to_path import ToPath
from rt_edge.streams.stages.to_queue import ToQueue
from rt_edge.streams.stages.unwilling import Unwilling

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Sink


def broadcasting(count: int) -> Stage:
    """A `Broadcast` of so many outlets."""
    return Broadcast(count=count)


class Results(Generic[A]):
    """Class methods of `Sink`; parameters are those of the stages, whose docstrings say the rest."""

    def __init__(self, stage: Stage, name: str = "") -> None:
        raise NotImplementedError

    @classmethod
    def combine(cls, *sinks: Sink[A], into: Callable[[int], Stage] = broadcasting) -> Self:
        """`sinks` fed by a fan-out stage of so many outlets, made by `into`; default: a `broadcast`."""
        if not sinks:
            raise ConfigError("combine needs at least one sink")
        combined: Self = _divided(into(len(sinks)), sinks)
        return combined

    @classmethod
    @builds(Head, "Sink")
    def head(cls, name: str = "") -> Self:
        """Comes to the first element, and cancels; without an element it fails."""
        return cls(Head(), name or "head")

    @classmethod
    @builds(HeadOption, "Sink")
    def head_option(cls, name: str = "") -> Self:
        """Comes to the first element, and cancels; None without an element."""
        return cls(HeadOption(), name or "head")

    @classmethod
    @builds(Last, "Sink")
    def last(cls, name: str = "") -> Self:
        """Comes to the last element; without an element it fails."""
        return cls(Last(), name or "last")

    @classmethod
    @builds(LastOption, "Sink")
    def last_option(cls, name: str = "") -> Self:
        """Comes to the last element; None without an element."""
        return cls(LastOption(), name or "last")

    @classmethod
    @builds(LastInto, "Sink")
    def take_last(cls, count: int, name: str = "") -> Self:
        """Comes to the list of the last `count` elements."""
        return cls(LastInto(count=count), name or "take_last")

    @classmethod
    @builds(Count, "Sink")
    def count(cls, name: str = "") -> Self:
        """Comes to the number of elements."""
        return cls(Count(), name or "count")

    @classmethod
    @builds(ReduceInto, "Sink")
    def reduce(cls, function: Callable[[A, A], A], on_error: OnError = "stop", name: str = "") -> Self:
        """Comes to the last state of a fold that begins with the first element; without an element it fails."""
        return cls(ReduceInto(function=function, on_error=on_error), name or "reduce")

    @classmethod
    @builds(FoldWhileInto, "Sink")
    def fold_while(
        cls,
        zero: B,
        predicate: Callable[[B], Any],
        function: Callable[[B, A], B],
        on_error: OnError = "stop",
        name: str = "",
    ) -> Self:
        """Comes to the state of a fold when `predicate` is false of it, or the last; cancels then."""
        stage = FoldWhileInto(zero=zero, predicate=predicate, function=function, on_error=on_error)
        return cls(stage, name or "fold_while")

    @classmethod
    def exists(cls, predicate: Callable[[A], Any], on_error: OnError = "stop", name: str = "") -> Self:
        """Comes to whether `predicate` is true for one element, and cancels as soon as it is: a `fold_while`."""
        return cls(_searching(predicate, True, False, on_error), name or "exists")

    @classmethod
    def forall(cls, predicate: Callable[[A], Any], on_error: OnError = "stop", name: str = "") -> Self:
        """Comes to whether `predicate` is true for all elements, and cancels as soon as it is not: a `fold_while`."""
        return cls(_searching(predicate, False, True, on_error), name or "forall")

    @classmethod
    def none(cls, predicate: Callable[[A], Any], on_error: OnError = "stop", name: str = "") -> Self:
        """Comes to whether `predicate` is true for no element, and cancels as soon as it is: a `fold_while`."""
        return cls(_searching(predicate, True, True, on_error), name or "none")

    @classmethod
    def on_complete(cls, callback: Callable[[BaseException | None], Any], name: str = "") -> Self:
        """Throws all elements away (`ignore`) and calls `callback` at the end, with the error or None."""
        return cls(Ignore(done=lambda _, error: callback(error)), name or "on_complete")

    @classmethod
    def foreach_async(
        cls, function: Callable[[A], Awaitable[Any]], parallelism: int = 4, on_error: OnError = "stop", name: str = ""
    ) -> Self:
        """Calls a coroutine function with each element, so many at a time; an element is settled when its coroutine has ended.
        Comes to their number: `map_async` and `settling`."""
        calls = MapAsync(function=partial(_done, function), parallelism=parallelism, on_error=on_error)
        made: Self = _behind(calls, cls(Settling(), name or "foreach_async"))
        return made

    @classmethod
    @builds(ToSubscriber, "Sink")
    def from_subscriber(cls, subscriber: Subscriber[A], name: str = "") -> Self:
        """Gives all elements to a Reactive Streams subscriber, which each run subscribes; it has to bear that more than once."""
        return cls(ToSubscriber(subscriber=subscriber), name)

    @classmethod
    @builds(Cancelled, "Sink")
    def cancelled(cls, name: str = "") -> Self:
        """Cancels at once."""
        return cls(Cancelled(), name or "cancelled")

    @classmethod
    @builds(Unwilling, "Sink")
    def never(cls, name: str = "") -> Self:
        """Asks for nothing, and does not cancel."""
        return cls(Unwilling(), name or "never")

    @classmethod
    @builds(ToPath, "Sink")
    def to_path(
        cls, path: str | Path, append: bool = False, content: Content = "bytes", fsync: Fsync = "never", name: str = ""
    ) -> Self:
        """Writes bytes, or readings as lines of JSON, to a file, and comes to the number of bytes; elements are settled when they
        were written."""
        return cls(ToPath(path=Path(path), append=append, content=content, fsync=fsync), name or "to_path")

    @classmethod
    @builds(ToQueue, "Sink")
    def queue(cls, queue: PullQueue[A], name: str = "") -> Self:
        """Fills a queue, from which any thread may take."""
        return cls(ToQueue(queue=queue), name or "queue")


def _divided(stage: Stage, sinks: tuple[Any, ...]) -> Any:
    from rt_edge.streams.dsl.parts import Flow

    return Flow()._divide(stage, sinks)  # noqa: SLF001 - of one family


def _behind(stage: Stage, sink: Any) -> Any:
    from rt_edge.streams.dsl.parts import Flow

    return Flow(stage).to(sink)


async def _done(function: Callable[[Any], Awaitable[Any]], element: Any) -> bool:
    await function(element)
    return True


def _searching(predicate: Callable[[Any], Any], decides: bool, until_then: bool, on_error: OnError) -> FoldWhileInto:
    """Comes to `until_then`, or to its opposite once the predicate has given `decides`."""

    def look(answer: bool, element: Any) -> bool:
        return answer != (bool(predicate(element)) is decides)

    return FoldWhileInto(zero=until_then, predicate=lambda answer: answer is until_then, function=look, on_error=on_error)
