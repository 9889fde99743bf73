"""Openings: sources that count, repeat, unfold, read files, and take what others offer."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, Self, TextIO, TypeVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.streams.dsl.operators import builds
from rt_edge.streams.dsl.operators.continuation import A
from rt_edge.streams.queues import OfferQueue, Promise
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.empty import Empty
from rt_edge.streams.stages.from_async_iterable import FromAsyncIterable
from rt_edge.streams.stages.from_queue import FromQueue
from rt_edge.streams.stages.iterate import Iterate
from rt_edge.streams.stages.merge import Merge
from rt_edge.streams.stages.single import Single
from rt_edge.streams.stages.unfold_resource import UnfoldResource

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Source

S = TypeVar("S")
"""What an unfolding remembers."""
R = TypeVar("R")
"""Something that is opened and closed."""

BLOCK = 65_536
"""Bytes of an element of a file."""
LONGEST_LINE = 1_048_576
"""Characters of a line, at most."""


class Anew(Generic[A]):
    """An iterable that is made anew for each run.

    Args:
        make: -> iterator.
    """

    def __init__(self, make: Callable[[], Iterator[A]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[A]:
        return self._make()


class AsyncAnew(Generic[A]):
    """An asynchronous iterable that is made anew for each run.

    Args:
        make: -> asynchronous iterator.
    """

    def __init__(self, make: Callable[[], AsyncIterator[A]]) -> None:
        self._make = make

    def __aiter__(self) -> AsyncIterator[A]:
        return self._make()


def merging(count: int) -> Stage:
    """A `Merge` of so many inlets."""
    return Merge(count=count)


class Openings(Generic[A]):
    """Class methods of `Source`; parameters are those of the stages, whose docstrings say the rest."""

    def __init__(self, stage: Stage, name: str = "") -> None:
        raise NotImplementedError

    @classmethod
    def combine(cls, *sources: Source[A], into: Callable[[int], Stage] = merging) -> Self:
        """`sources` brought together by a fan-in stage of so many inlets, made by `into`; default: a `merge`."""
        if not sources:
            raise ConfigError("combine needs at least one source")
        first: Any = sources[0]
        combined: Self = first._join(into(len(sources)), sources[1:])  # noqa: SLF001 - another of this class
        return combined

    @classmethod
    def range(cls, start: int, stop: int, step: int = 1, name: str = "") -> Self:
        """The whole numbers from `start` to `stop`, that one not: `from_iterable` of a range."""
        return cls(Iterate(items=builtins.range(start, stop, step)), name or "range")

    @classmethod
    def items(cls, *elements: A, name: str = "") -> Self:
        """These elements: `from_iterable` of a tuple."""
        return cls(Iterate(items=elements), name or "items")

    @classmethod
    def from_option(cls, element: A | None, name: str = "") -> Self:
        """One element, or none if it is None: `single` or `empty`."""
        return cls(Empty() if element is None else Single(element=element), name)

    @classmethod
    def repeat(cls, element: A, name: str = "") -> Self:
        """The same element without end, as fast as it is wanted."""
        return cls(Iterate(items=repeat(element)), name or "repeat")

    @classmethod
    def cycle(cls, elements: Iterable[A], name: str = "") -> Self:
        """The elements of an iterable again and again; it is iterated anew each time. An empty one is an error."""
        return cls(Iterate(items=Anew(partial(_again, elements))), name or "cycle")

    @classmethod
    def iterate(cls, seed: A, function: Callable[[A], A], name: str = "") -> Self:
        """`seed`, then a function of each element before, without end. What the function raises fails the source."""
        return cls(Iterate(items=Anew(partial(_iterated, seed, function))), name or "iterate")

    @classmethod
    def unfold(cls, state: S, function: Callable[[S], tuple[S, A] | None], name: str = "") -> Self:
        """A function of a state gives the next state and an element, or None at the end. What it raises fails the source."""
        return cls(Iterate(items=Anew(partial(_unfolded, state, function))), name or "unfold")

    @classmethod
    def lazy_single(cls, function: Callable[[], A], name: str = "") -> Self:
        """What a function returns, which is called when the element is wanted: `from_iterable` of one."""
        return cls(Iterate(items=Anew(partial(_called, function))), name or "lazy_single")

    @classmethod
    def future(cls, function: Callable[[], Awaitable[A]], name: str = "") -> Self:
        """What a coroutine function gives, which each run calls when the element is wanted: a `from_async_iterable` of one."""
        return cls(FromAsyncIterable(items=AsyncAnew(partial(_awaited, function))), name or "future")

    @classmethod
    def unfold_async(cls, state: S, function: Callable[[S], Awaitable[tuple[S, A] | None]], name: str = "") -> Self:
        """`unfold` with a coroutine function: a `from_async_iterable`."""
        return cls(FromAsyncIterable(items=AsyncAnew(partial(_unfolded_async, state, function))), name or "unfold_async")

    @classmethod
    def unfold_resource_async(
        cls,
        create: Callable[[], Awaitable[R]],
        read: Callable[[R], Awaitable[A | None]],
        close: Callable[[R], Awaitable[Any]],
        name: str = "",
    ) -> Self:
        """`unfold_resource` with coroutine functions: a `from_async_iterable`, which is closed however the stream ends."""
        items = AsyncAnew(partial(_read_async, create, read, close))
        return cls(FromAsyncIterable(items=items), name or "unfold_resource_async")

    @classmethod
    @builds(UnfoldResource, "Source")
    def unfold_resource(
        cls,
        create: Callable[[], R],
        read: Callable[[R], A | None],
        close: Callable[[R], Any],
        chunk: int = CHUNK_ELEMENTS,
        on_thread: bool = True,
        name: str = "",
    ) -> Self:
        """What is read from something that is opened and closed; all three may block."""
        stage = UnfoldResource(create=create, read=read, close=close, chunk=chunk, on_thread=on_thread)
        return cls(stage, name or "unfold_resource")

    @classmethod
    def from_path(cls, path: str | Path, block: int = BLOCK, name: str = "") -> Self:
        """The bytes of a file, in blocks of so many, read as they are wanted, two at a time: an `unfold_resource`."""
        if block < 1:
            raise ConfigError(f"block is {block}, it has to be at least 1")
        stage = UnfoldResource(create=partial(_open_bytes, Path(path)), read=partial(_read, block), close=_close, chunk=2)
        return cls(stage, name or "from_path")

    @classmethod
    def lines(cls, path: str | Path, encoding: str = "utf-8", longest: int = LONGEST_LINE, name: str = "") -> Self:
        """The lines of a text file without their ends, up to 256 at a time: an `unfold_resource`. A line of more than `longest`
        characters is an error."""
        create, read = partial(_open_text, Path(path), encoding), partial(_read_line, longest)
        return cls(UnfoldResource(create=create, read=read, close=_close, chunk=256), name or "lines")

    @classmethod
    @builds(FromQueue, "Source")
    def queue(cls, queue: OfferQueue[A], name: str = "") -> Self:
        """What is offered to a queue, from any thread."""
        return cls(FromQueue(queue=queue), name or "queue")

    @classmethod
    def maybe(cls, promise: Promise[A], name: str = "") -> Self:
        """One element that comes later, or none: a `queue` for one."""
        return cls(FromQueue(queue=promise), name or "maybe")


def _again(elements: Iterable[A]) -> Iterator[A]:
    while True:
        empty = True
        for element in elements:
            empty = False
            yield element
        if empty:
            raise ConfigError("cycle: there is no element to repeat")


def _iterated(seed: A, function: Callable[[A], A]) -> Iterator[A]:
    element = seed
    while True:
        yield element
        element = function(element)


def _unfolded(state: S, function: Callable[[S], tuple[S, A] | None]) -> Iterator[A]:
    while (step := function(state)) is not None:
        state, element = step
        yield element


def _called(function: Callable[[], A]) -> Iterator[A]:
    yield function()


async def _awaited(function: Callable[[], Awaitable[A]]) -> AsyncIterator[A]:
    yield await function()


async def _unfolded_async(state: S, function: Callable[[S], Awaitable[tuple[S, A] | None]]) -> AsyncIterator[A]:
    while (step := await function(state)) is not None:
        state, element = step
        yield element


async def _read_async(
    create: Callable[[], Awaitable[R]], read: Callable[[R], Awaitable[A | None]], close: Callable[[R], Awaitable[Any]]
) -> AsyncIterator[A]:
    resource = await create()
    try:
        while (element := await read(resource)) is not None:
            yield element
    finally:
        await close(resource)


def _open_bytes(path: Path) -> BinaryIO:
    return path.open("rb", buffering=0)


def _open_text(path: Path, encoding: str) -> TextIO:
    return path.open(encoding=encoding)


def _read(block: int, file: BinaryIO) -> bytes | None:
    return file.read(block) or None


def _read_line(longest: int, file: TextIO) -> str | None:
    line = file.readline(longest + 1)
    if len(line) > longest and not line.endswith("\n"):
        raise CodecError(f"a line has more than {longest} characters", "cut the file otherwise, or raise `longest`")
    return line.removesuffix("\n") if line else None


def _close(file: BinaryIO | TextIO) -> None:
    file.close()
