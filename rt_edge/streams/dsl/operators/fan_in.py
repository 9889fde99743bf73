"""FanIn: operators that bring several streams together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.stages._common import Settle
from rt_edge.streams.stages.merge import Merge
from rt_edge.streams.stages.zip import Zip

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Source


class FanIn(Continuation[A]):
    """Operators that bring several streams together."""

    @builds(Merge)
    def merge(self, *others: Source[A], eager_complete: bool = False) -> Self:
        """The elements of this and of `others`, as they come."""
        return self._join(Merge(count=1 + len(others), eager_complete=eager_complete), others)

    @builds(Zip)
    def zip(self, *others: Source[Any], settle: Settle = "end") -> Continuation[tuple[Any, ...]]:
        """Tuples of one element of this and of each of `others`."""
        return self._joined(Zip(count=1 + len(others), settle=settle), others)
