"""FanIn: operators that bring several streams together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self

from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages.concat import Concat
from rt_edge.streams.stages.interleave import Interleave
from rt_edge.streams.stages.map import Map
from rt_edge.streams.stages.merge import Merge
from rt_edge.streams.stages.merge_latest import MergeLatest
from rt_edge.streams.stages.merge_prioritized import MergePrioritized
from rt_edge.streams.stages.merge_sequence import MergeSequence
from rt_edge.streams.stages.merge_sorted import MergeSorted
from rt_edge.streams.stages.zip import Zip
from rt_edge.streams.stages.zip_all import ZipAll

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Source


class FanIn(Continuation[A]):
    """Operators that bring several streams together."""

    @builds(Merge)
    def merge(self, *others: Source[A], eager_complete: bool = False) -> Self:
        """The elements of this and of `others`, as they come."""
        return self._join(Merge(count=1 + len(others), eager_complete=eager_complete), others)

    def merge_preferred(self, *others: Source[A], preferred: int = 0, eager_complete: bool = False) -> Self:
        """`merge`, but one of them goes first while it has elements: this (0) or one of `others` (from 1): made of
        `merge_prioritized`, strictly."""
        priorities = tuple(2 if index == preferred else 1 for index in range(1 + len(others)))
        stage = MergePrioritized(count=len(priorities), priorities=priorities, strict=True, eager_complete=eager_complete)
        return self._join(stage, others)

    @builds(MergeSorted)
    def merge_sorted(self, *others: Source[A], key: str | Callable[[A], Any] | None = None, on_error: OnError = "resume") -> Self:
        """The elements of this and of `others` by key, if each is in that order."""
        return self._join(MergeSorted(count=1 + len(others), key=key, on_error=on_error), others)

    @builds(MergeSequence)
    def merge_sequence(
        self,
        *others: Source[A],
        number: str | Callable[[A], int],
        start: int = 0,
        when_broken: Literal["fail", "skip"] = "fail",
        on_error: OnError = "resume",
    ) -> Self:
        """The elements of this and of `others` in the order of their numbers."""
        count = 1 + len(others)
        stage = MergeSequence(count=count, number=number, start=start, when_broken=when_broken, on_error=on_error)
        return self._join(stage, others)

    @builds(MergeLatest)
    def merge_latest(
        self, *others: Source[Any], eager_complete: bool = False, settle: Settle = "end"
    ) -> Continuation[tuple[Any, ...]]:
        """The latest of this and of each of `others`, whenever one of them has something new."""
        return self._joined(MergeLatest(count=1 + len(others), eager_complete=eager_complete, settle=settle), others)

    def zip_latest(
        self, *others: Source[Any], eager_complete: bool = True, settle: Settle = "end"
    ) -> Continuation[tuple[Any, ...]]:
        """`merge_latest` that completes with the first of them."""
        return self.merge_latest(*others, eager_complete=eager_complete, settle=settle)

    def zip_latest_with(
        self,
        function: Callable[..., B],
        *others: Source[Any],
        eager_complete: bool = True,
        settle: Settle = "end",
        on_error: OnError = "stop",
    ) -> Continuation[B]:
        """A function of the latest of this and of each of `others`: `zip_latest` and `map`."""
        rows: Any = self.zip_latest(*others, eager_complete=eager_complete, settle=settle)
        made: Continuation[B] = rows.via(Map(function=of_row(function), on_error=on_error))
        return made

    @builds(Concat)
    def concat(self, *others: Source[A], first: int = 0) -> Self:
        """All of this, then all of each of `others`; the next is asked when the one before has ended. `first`: who begins."""
        return self._join(Concat(count=1 + len(others), first=first), others)

    def prepend(self, *others: Source[A]) -> Self:
        """All of each of `others`, then all of this: `concat` from its second inlet on."""
        return self.concat(*others, first=1 if others else 0)

    @builds(Interleave)
    def interleave(self, *others: Source[A], segment: int = 1, eager_complete: bool = False) -> Self:
        """`segment` elements of this, as many of each of `others`, and so on round."""
        return self._join(Interleave(count=1 + len(others), segment=segment, eager_complete=eager_complete), others)

    @builds(Zip)
    def zip(self, *others: Source[Any], settle: Settle = "end") -> Continuation[tuple[Any, ...]]:
        """Tuples of one element of this and of each of `others`."""
        return self._joined(Zip(count=1 + len(others), settle=settle), others)

    def zip_with(
        self, function: Callable[..., B], *others: Source[Any], settle: Settle = "end", on_error: OnError = "stop"
    ) -> Continuation[B]:
        """A function of one element of this and of each of `others`: `zip` and `map`."""
        rows: Any = self.zip(*others, settle=settle)
        made: Continuation[B] = rows.via(Map(function=of_row(function), on_error=on_error))
        return made

    @builds(ZipAll)
    def zip_all(self, *others: Source[Any], fill: Any = None, settle: Settle = "end") -> Continuation[tuple[Any, ...]]:
        """`zip` to the end of the longest; `fill` stands for what is missing."""
        return self._joined(ZipAll(count=1 + len(others), fill=fill, settle=settle), others)


def of_row(function: Callable[..., B]) -> Callable[[tuple[Any, ...]], B]:
    """`function` of several arguments as one of a tuple."""
    return lambda row: function(*row)
