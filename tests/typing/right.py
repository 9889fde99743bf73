"""What type checkers have to accept, and the types they have to find. Not run: `test_typing` gives it to mypy and to pyright."""

from __future__ import annotations

from typing import Any, assert_type

from rt_edge.streams.dsl import Flow, Graph, Sink, Source
from rt_edge.streams.stages.map import Map


def square(n: int) -> int:
    return n * n


numbers = Source.from_iterable([1, 2, 3])
assert_type(numbers, Source[int])
assert_type(numbers.map(str), Source[str])
assert_type(numbers.map(square).filter(lambda n: n > 3), Source[int])
assert_type(numbers.map(lambda n: n / 2), Source[float])
assert_type(numbers.map_concat(range), Source[int])
assert_type(numbers.map(str).map_concat(list), Source[str])
assert_type(numbers.grouped(2), Source[list[int]])
assert_type(numbers.grouped_within(2, 0.5).map(len), Source[int])
assert_type(numbers.scan("", lambda text, n: text + str(n)), Source[str])
assert_type(numbers.fold(0.0, lambda total, n: total + n), Source[float])
assert_type(numbers.take(1).drop(1).buffer(10).throttle(5), Source[int])
assert_type(numbers.merge(Source.from_iterable([4])), Source[int])
assert_type(Source.single("a"), Source[str])

words: Flow[int, int] = Flow()
as_text = words.map(str)
assert_type(as_text, Flow[int, str])
assert_type(as_text.grouped(2), Flow[int, list[str]])
assert_type(numbers.via(as_text), Source[str])
assert_type(words.via(as_text), Flow[int, str])
assert_type(numbers.via(Map(str)), Source[Any])


def show(text: str) -> None:
    print(text)


def anything(thing: object) -> None:
    print(thing)


shown = Sink.foreach(show)
assert_type(shown, Sink[str])
assert_type(numbers.map(str).to(shown), Graph)
assert_type(numbers.via(as_text).to(Sink.foreach(anything)), Graph)
assert_type(as_text.to(shown), Sink[int])
assert_type(numbers.to(as_text.to(shown)), Graph)
assert_type(numbers.map(str).also_to(shown), Source[str])
assert_type(numbers.map(str).broadcast(shown, Sink.ignore()), Graph)
assert_type(as_text.broadcast(shown, Sink.collect()), Sink[int])
numbers.to(Sink.collect())
numbers.to(Sink.fold("", lambda text, n: text + str(n)))


def pair(left: int, right: int) -> str:
    return f"{left}{right}"


def text_of(n: int) -> str:
    return str(n)


def pair_of_text(text: str, n: int) -> str:
    return f"{text}{n}"


assert_type(numbers.concat(Source.single(4)).prepend(numbers).interleave(numbers, segment=2), Source[int])
assert_type(numbers.merge_sorted(numbers, key=square).merge_preferred(numbers), Source[int])
assert_type(numbers.merge_latest(numbers), Source[tuple[Any, ...]])
assert_type(numbers.zip_with(pair, numbers), Source[str])
assert_type(words.zip_latest_with(pair, numbers), Flow[int, str])
assert_type(Source.merge_all(numbers, numbers), Source[int])
assert_type(Source.zip_with_n(pair, numbers, numbers), Source[str])
assert_type(numbers.delay(1.0).delay_with(float).idle_timeout(5.0).keep_alive(1.0, 0).take_within(9.0), Source[int])
assert_type(numbers.grouped_weighted_within(10, float, 1.0), Source[list[int]])
assert_type(numbers.conflate_with_seed(text_of, pair_of_text), Source[str])
assert_type(numbers.expand(range), Source[int])
assert_type(numbers.aggregate_with_boundary(list[int], lambda held, n: ([*held, n], n > 9), len), Source[int])


async def double(n: int) -> float:
    return 2.0 * n


assert_type(numbers.map_async(double), Source[float])
assert_type(numbers.circuit_breaker(double), Source[float])
assert_type(words.map_async_unordered(double, parallelism=8), Flow[int, float])
assert_type(numbers.map_blocking(str), Source[str])


async def iterate() -> None:
    async for n in numbers:
        assert_type(n, int)
    async with numbers.map(str).elements() as texts:
        async for text in texts:
            assert_type(text, str)
