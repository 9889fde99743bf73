"""Combinations: sources made of any number of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Self

from rt_edge.streams.dsl.operators.continuation import A, B, Continuation
from rt_edge.streams.dsl.operators.fan_in import of_row
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages.concat import Concat
from rt_edge.streams.stages.empty import Empty
from rt_edge.streams.stages.interleave import Interleave
from rt_edge.streams.stages.map import Map
from rt_edge.streams.stages.merge import Merge
from rt_edge.streams.stages.zip import Zip

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Source


class Combinations(Generic[A]):
    """Class methods of `Source` that take any number of sources; none at all makes the empty source."""

    def __init__(self, stage: Stage, name: str = "") -> None:
        raise NotImplementedError

    @classmethod
    def merge_all(cls, *sources: Source[A], eager_complete: bool = False) -> Self:
        """The elements of all `sources`, as they come."""
        made: Self = cls._combined(Merge(count=len(sources) or 1, eager_complete=eager_complete), sources)
        return made

    @classmethod
    def concat_n(cls, *sources: Source[A]) -> Self:
        """One of `sources` after the other; each is asked when the one before has ended."""
        made: Self = cls._combined(Concat(count=len(sources) or 1), sources)
        return made

    @classmethod
    def interleave_n(cls, *sources: Source[A], segment: int = 1, eager_complete: bool = False) -> Self:
        """`segment` elements of each of `sources` in turn."""
        stage = Interleave(count=len(sources) or 1, segment=segment, eager_complete=eager_complete)
        made: Self = cls._combined(stage, sources)
        return made

    @classmethod
    def zip_n(cls, *sources: Source[Any], settle: Settle = "end") -> Continuation[tuple[Any, ...]]:
        """Tuples of one element of each of `sources`."""
        made: Continuation[tuple[Any, ...]] = cls._combined(Zip(count=len(sources) or 1, settle=settle), sources)
        return made

    @classmethod
    def zip_with_n(
        cls, function: Callable[..., B], *sources: Source[Any], settle: Settle = "end", on_error: OnError = "stop"
    ) -> Continuation[B]:
        """A function of one element of each of `sources`: `zip_n` and `map`."""
        rows: Any = cls.zip_n(*sources, settle=settle)
        made: Continuation[B] = rows.via(Map(function=of_row(function), on_error=on_error))
        return made

    @classmethod
    def _combined(cls, stage: Stage, sources: tuple[Any, ...]) -> Any:
        return sources[0]._join(stage, sources[1:]) if sources else cls(Empty())  # noqa: SLF001 - another of this class
