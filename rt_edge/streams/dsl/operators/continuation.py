"""What every family of operators builds on: a stream with an open outlet that can be continued."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from rt_edge.streams.stage import Stage

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Flow, Sink, Source

F = TypeVar("F", bound=Callable[..., Any])
A = TypeVar("A")
"""What the stream carries here."""
B = TypeVar("B")
"""What it carries after the operator."""

METHODS: dict[type[Stage], str] = {}
"""Stage -> the DSL method that makes it, as `Class.method`; a test holds that none is missing."""


def builds(stage: type[Stage], owner: str = "Source, Flow") -> Callable[[F], F]:
    """Mark a DSL method as the one that makes `stage`."""

    def note(method: F) -> F:
        METHODS[stage] = f"{owner}.{method.__name__}"
        return method

    return note


class Continuation(ABC, Generic[A]):
    """A `Source` or a `Flow`, as far as operators need to know.

    An operator that keeps the type of elements returns `Self`, one that changes it a `Continuation` of the new one: the
    stubs in `rt_edge/streams/dsl/__init__.pyi` are made of these signatures, for both classes. Parameters of operators are
    those of the stages, whose docstrings say the rest.
    """

    @abstractmethod
    def via(self, step: Stage | Flow[Any, Any], name: str = "") -> Self:
        """Append a stage of one inlet and one outlet (as graph node `name`), or a flow."""

    def _becomes(self, step: Stage, name: str = "") -> Continuation[Any]:
        """`via`, for a stage that changes the type of the elements."""
        return self.via(step, name)

    @abstractmethod
    def _join(self, stage: Stage, others: tuple[Source[Any], ...]) -> Self:
        """Append a fan-in: its first inlet is fed by this, the others by `others`."""

    def _joined(self, stage: Stage, others: tuple[Source[Any], ...]) -> Continuation[Any]:
        """`_join`, for a fan-in that changes the type of the elements."""
        return self._join(stage, others)

    @abstractmethod
    def _divide(self, stage: Stage, sinks: tuple[Sink[Any], ...]) -> Any:
        """Append a fan-out with all outlets wired."""

    @abstractmethod
    def _branch(self, stage: Stage, sinks: tuple[Sink[Any], ...]) -> Self:
        """Append a fan-out: the stream goes on at its first outlet, the others are wired to `sinks`."""
