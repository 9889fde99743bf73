"""Operators: one thin method for each stage, for what has an open outlet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from rt_edge.data.units import Duration
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages.balance import Balance
from rt_edge.streams.stages.broadcast import Broadcast
from rt_edge.streams.stages.buffer import Buffer, Overflow
from rt_edge.streams.stages.conflate import Conflate
from rt_edge.streams.stages.deadband import Deadband
from rt_edge.streams.stages.drop import Drop
from rt_edge.streams.stages.filter import Filter
from rt_edge.streams.stages.filter_expression import FilterExpression
from rt_edge.streams.stages.fold import Fold
from rt_edge.streams.stages.grouped import Grouped
from rt_edge.streams.stages.grouped_within import GroupedWithin
from rt_edge.streams.stages.map import Map
from rt_edge.streams.stages.map_concat import MapConcat
from rt_edge.streams.stages.merge import Merge
from rt_edge.streams.stages.partition import Partition
from rt_edge.streams.stages.scan import Scan
from rt_edge.streams.stages.set_fields import SetFields
from rt_edge.streams.stages.take import Take
from rt_edge.streams.stages.throttle import Throttle
from rt_edge.streams.stages.zip import Zip

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Flow, Sink, Source

F = TypeVar("F", bound=Callable[..., Any])
Divided = TypeVar("Divided")

METHODS: dict[type[Stage], str] = {}
"""Stage -> the DSL method that makes it, as `Class.method`; a test holds that none is missing."""


def builds(stage: type[Stage], owner: str = "Source, Flow") -> Callable[[F], F]:
    """Mark a DSL method as the one that makes `stage`."""

    def note(method: F) -> F:
        METHODS[stage] = f"{owner}.{method.__name__}"
        return method

    return note


class Operators(ABC):
    """The methods that `Source` and `Flow` share; parameters are those of the stages, whose docstrings say the rest."""

    @abstractmethod
    def via(self, step: Stage | Flow, name: str = "") -> Self:
        """Append a stage of one inlet and one outlet (as graph node `name`), or a flow."""

    @abstractmethod
    def _join(self, stage: Stage, others: tuple[Source, ...]) -> Self:
        """Append a fan-in: its first inlet is fed by this, the others by `others`."""

    @abstractmethod
    def _divide(self, stage: Stage, sinks: tuple[Sink, ...]) -> Any:
        """Append a fan-out with all outlets wired."""

    @abstractmethod
    def also_to(self, sink: Sink) -> Self:
        """Every element goes to `sink` too; the slower of the two sets the pace."""

    # -- one for one --------------------------------------------------------------------------------------------------

    @builds(Map)
    def map(self, function: Callable[[Any], Any], on_error: OnError = "stop", name: str = "") -> Self:
        """Each element replaced by a function of it."""
        return self.via(Map(function=function, on_error=on_error), name)

    @builds(Filter)
    def filter(self, predicate: Callable[[Any], Any], on_error: OnError = "stop", name: str = "") -> Self:
        """The elements for which `predicate` is true."""
        return self.via(Filter(predicate=predicate, on_error=on_error), name)

    @builds(FilterExpression)
    def where(self, expression: str, on_error: OnError = "resume", name: str = "") -> Self:
        """The readings for which an expression like `temperature > -40` is true."""
        return self.via(FilterExpression(where=expression, on_error=on_error), name)

    @builds(SetFields)
    def set_fields(self, fields: dict[str, str | int | float | bool], on_error: OnError = "resume", name: str = "") -> Self:
        """Fields of each reading set to the values of expressions like `pressure * 14.5038`."""
        return self.via(SetFields(fields=fields, on_error=on_error), name)

    @builds(MapConcat)
    def map_concat(self, function: Callable[[Any], Iterable[Any]], on_error: OnError = "stop", name: str = "") -> Self:
        """Each element replaced by the elements of an iterable."""
        return self.via(MapConcat(function=function, on_error=on_error), name)

    @builds(Take)
    def take(self, count: int, name: str = "") -> Self:
        """The first `count` elements, then the end."""
        return self.via(Take(count=count), name)

    @builds(Drop)
    def drop(self, count: int, name: str = "") -> Self:
        """All but the first `count` elements."""
        return self.via(Drop(count=count), name)

    @builds(Deadband)
    def deadband(
        self,
        field: str | list[str],
        absolute: float | None = None,
        percent: float | None = None,
        max_silence: Duration | float = 0.0,
        max_sources: int = 10_000,
        name: str = "",
    ) -> Self:
        """The readings whose `field` has moved."""
        stage = Deadband(field=field, absolute=absolute, percent=percent, max_silence=max_silence, max_sources=max_sources)
        return self.via(stage, name)

    # -- several into one ---------------------------------------------------------------------------------------------

    @builds(Grouped)
    def grouped(self, count: int, settle: Settle = "end", name: str = "") -> Self:
        """Lists of `count` elements; the last may be shorter."""
        return self.via(Grouped(count=count, settle=settle), name)

    @builds(GroupedWithin)
    def grouped_within(self, count: int, within: Duration | float, settle: Settle = "end", name: str = "") -> Self:
        """Lists of up to `count` elements that came within so many seconds."""
        return self.via(GroupedWithin(count=count, within=within, settle=settle), name)

    @builds(Scan)
    def scan(self, zero: Any, function: Callable[[Any, Any], Any], on_error: OnError = "stop", name: str = "") -> Self:
        """`zero`, then each intermediate result of a fold."""
        return self.via(Scan(zero=zero, function=function, on_error=on_error), name)

    @builds(Fold)
    def fold(
        self,
        zero: Any,
        function: Callable[[Any, Any], Any],
        on_error: OnError = "stop",
        settle: Settle = "end",
        name: str = "",
    ) -> Self:
        """The result of a fold over all elements, as one element."""
        return self.via(Fold(zero=zero, function=function, on_error=on_error, settle=settle), name)

    # -- rates --------------------------------------------------------------------------------------------------------

    @builds(Buffer)
    def buffer(self, size: int, overflow: Overflow = "backpressure", name: str = "") -> Self:
        """Up to `size` elements wait here; `overflow` says what happens to one too many."""
        return self.via(Buffer(size=size, overflow=overflow), name)

    @builds(Conflate)
    def conflate(
        self,
        per: Literal["source", "stream"] = "source",
        aggregate: Callable[[Any, Any], Any] | None = None,
        max_sources: int = 10_000,
        on_error: OnError = "stop",
        name: str = "",
    ) -> Self:
        """What comes while nobody asks becomes one element, or one a source."""
        return self.via(Conflate(per=per, aggregate=aggregate, max_sources=max_sources, on_error=on_error), name)

    @builds(Throttle)
    def throttle(
        self,
        elements: int,
        per: Duration | float = 1.0,
        burst: int = 0,
        mode: Literal["shaping", "enforcing"] = "shaping",
        name: str = "",
    ) -> Self:
        """At most `elements` in `per` seconds."""
        return self.via(Throttle(elements=elements, per=per, burst=burst, mode=mode), name)

    # -- fan-in -------------------------------------------------------------------------------------------------------

    @builds(Merge)
    def merge(self, *others: Source, eager_complete: bool = False) -> Self:
        """The elements of this and of `others`, as they come."""
        return self._join(Merge(count=1 + len(others), eager_complete=eager_complete), others)

    @builds(Zip)
    def zip(self, *others: Source, settle: Settle = "end") -> Self:
        """Tuples of one element of this and of each of `others`."""
        return self._join(Zip(count=1 + len(others), settle=settle), others)

    # -- fan-out ------------------------------------------------------------------------------------------------------

    @builds(Broadcast)
    def broadcast(self, *sinks: Sink, eager_cancel: bool = False) -> Any:
        """Every element to every one of `sinks`: a `Graph` of a source, a `Sink` of a flow."""
        return self._divide(Broadcast(count=len(sinks), eager_cancel=eager_cancel), sinks)

    @builds(Balance)
    def balance(self, *sinks: Sink, eager_cancel: bool = False) -> Any:
        """Each element to one of `sinks` that asks: a `Graph` of a source, a `Sink` of a flow."""
        return self._divide(Balance(count=len(sinks), eager_cancel=eager_cancel), sinks)

    @builds(Partition)
    def partition(
        self, by: str | Callable[[Any], int], *sinks: Sink, eager_cancel: bool = False, on_error: OnError = "resume"
    ) -> Any:
        """Each element to the one of `sinks` whose index `by` gives: a `Graph` of a source, a `Sink` of a flow."""
        return self._divide(Partition(by=by, count=len(sinks), eager_cancel=eager_cancel, on_error=on_error), sinks)
