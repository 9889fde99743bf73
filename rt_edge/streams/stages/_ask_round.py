"""What a logic that asks knows of its elements: those that had to wait, and those that are asked about one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.routing.asking import Asking


class Question:
    """One element that is asked about, or elements that were answered at once; done with results, or without any chunk left."""

    __slots__ = ("asking", "cancels", "chunk", "done", "number")

    def __init__(self, number: int, chunk: Chunk, asking: Asking | None) -> None:
        self.number = number
        self.chunk: Chunk | None = chunk
        self.asking = asking
        self.cancels: dict[str, Callable[[], None]] = {}
        self.done = asking is None


class Round:
    """Elements about which the first function is asked, one after the other, as long as it does not make us wait.

    Attributes:
        items: the elements.
        names: for each, in which order the functions are asked.
        answers: of the first elements.
        question: what became of the element that had to wait, which is the last of the round.
        cancel: ends it.
    """

    __slots__ = ("answers", "cancel", "items", "names", "question")

    def __init__(self, items: Sequence[Any], names: Sequence[Sequence[str]]) -> None:
        self.items = items
        self.names = names
        self.answers: list[Any] = []
        self.question: Question | None = None
        self.cancel: Callable[[], None] = lambda: None
