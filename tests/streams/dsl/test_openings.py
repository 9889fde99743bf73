"""Sources and sinks that are made of other stages: what comes out of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.protocol.roles import Subscription
from rt_edge.streams.dsl import Flow, Sink, Source


class Broken(Exception):
    """Raised by user code."""


def collected(source: Source[Any]) -> Any:
    return asyncio.run(source.to(Sink.collect()).run_async())


def stepped(n: int) -> tuple[int, int] | None:
    return (n + 1, n * n) if n < 4 else None


async def stepped_async(n: int) -> tuple[int, int] | None:
    await asyncio.sleep(0)
    return stepped(n)


async def given(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


@pytest.mark.parametrize(
    ("source", "elements"),
    [
        (Source.range(2, 10, 3), [2, 5, 8]),
        (Source.items("a", "b"), ["a", "b"]),
        (Source.items(), []),
        (Source.from_option(0), [0]),
        (Source.from_option(None), []),
        (Source.repeat("x").take(3), ["x"] * 3),
        (Source.cycle([1, 2]).take(5), [1, 2, 1, 2, 1]),
        (Source.iterate(1, lambda n: n * 2).take(5), [1, 2, 4, 8, 16]),
        (Source.unfold(0, stepped), [0, 1, 4, 9]),
        (Source.unfold_async(0, stepped_async), [0, 1, 4, 9]),
        (Source.lazy_single(lambda: 7), [7]),
        (Source.future(lambda: given(7)), [7]),
        (Source.range(0, 9).filter_not(lambda n: n % 3), [0, 3, 6]),
        (Source.items(1, "a", 2).collect_type(int), [1, 2]),
        (Source.items((1,), (), [2]).flatten_optional(), [1, 2]),
        (Source.range(0, 9).choose({3: "c", 5: "e"}.get), ["c", "e"]),
        (Source.range(0, 9).collect_first({3: "c", 5: "e"}.get), ["c"]),
        (Source.items(3, 5, 1, 5).collect_while({3: "c", 5: "e"}.get), ["c", "e"]),
        (Source.range(0, 4).detach(), [0, 1, 2, 3]),
        (Source.range(0, 3).map_with_resource(lambda: [10], lambda r, n: r[0] + n, lambda r: "closed"), [10, 11, 12, "closed"]),
    ],
)
def test_elements_come_out_when_a_source_is_made_of_others(source: Source[Any], elements: list[Any]) -> None:
    """In each run the same: a source is a description."""
    assert collected(source) == elements
    assert collected(source) == elements


def test_error_is_named_when_there_is_nothing_to_repeat() -> None:
    """An empty cycle would be searched for ever."""
    with pytest.raises(ConfigError, match="no element to repeat"):
        collected(Source.cycle([]))


def test_stream_fails_when_its_function_does() -> None:
    """What it gave before has come out."""

    def broken(n: int) -> Any:
        if n == 2:
            raise Broken
        return n + 1, n

    seen: list[int] = []
    with pytest.raises(Broken):
        asyncio.run(Source.unfold(0, broken).to(Sink.foreach(seen.append)).run_async())
    with pytest.raises(TypeError, match=r"2\.13"):
        collected(Source.lazy_single(lambda: None))


@pytest.mark.parametrize("end", ["complete", "cancel", "fail"])
def test_resource_is_closed_once_when_coroutines_read_it(end: str) -> None:
    """However the stream ends."""
    events: list[str] = []
    numbers = iter(range(5))

    async def create() -> Any:
        events.append("open")
        return numbers

    async def read(resource: Any) -> int | None:
        element: int | None = next(resource, None)
        if end == "fail" and element == 2:
            raise Broken
        return element

    async def close(resource: Any) -> None:
        await asyncio.sleep(0)
        events.append("close")

    source: Source[Any] = Source.unfold_resource_async(create, read, close)
    if end == "fail":
        with pytest.raises(Broken):
            collected(source)
    else:
        assert collected(source.take(2) if end == "cancel" else source) == ([0, 1] if end == "cancel" else [0, 1, 2, 3, 4])
    assert events == ["open", "close"]


def test_coroutines_run_side_by_side_when_a_sink_calls_them() -> None:
    """foreach_async: all elements, at most so many at a time; comes to their number."""
    under_way, most, seen = 0, 0, set[int]()

    async def call(n: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(3):
            await asyncio.sleep(0)
        seen.add(n)
        under_way -= 1

    assert asyncio.run(Source.range(0, 50).to(Sink.foreach_async(call, parallelism=5)).run_async()) == 50
    assert seen == set(range(50))
    assert 1 < most <= 5


class Recorder:
    """A subscriber that asks for two at a time."""

    def __init__(self, most: int = 1000) -> None:
        self.signals: list[Any] = []
        self.most = most

    def on_subscribe(self, subscription: Subscription) -> None:
        self.subscription = subscription
        subscription.request(2)

    def on_next(self, element: Any) -> None:
        self.signals.append(element)
        if len(self.signals) == self.most:
            self.subscription.cancel()
        elif len(self.signals) % 2 == 0:
            self.subscription.request(2)

    def on_error(self, error: BaseException) -> None:
        self.signals.append(error)

    def on_complete(self) -> None:
        self.signals.append("complete")


def test_subscriber_gets_all_signals_when_it_is_a_sink() -> None:
    """from_subscriber: elements as it asks, completion, errors; its cancel goes upstream. Each run subscribes."""
    recorder = Recorder()
    sink = Sink.from_subscriber(recorder)
    for _ in range(2):
        asyncio.run(Source.range(0, 5).to(sink).run_async())
        assert recorder.signals == [0, 1, 2, 3, 4, "complete"]
        recorder.signals.clear()
    error = Broken()
    with pytest.raises(Broken):
        asyncio.run(Source.failed(error).to(sink).run_async())
    assert recorder.signals == [error]
    early = Recorder(3)
    asyncio.run(Source.repeat("x").to(Sink.from_subscriber(early)).run_async())
    assert early.signals == ["x"] * 3


def test_names_are_those_that_were_given_when_parts_are_made() -> None:
    """The graph node of a composition is named as any other."""
    behind: Sink[str] = Flow().take(1, name="one").to(Sink.head(name="h"))
    graph = Source.range(0, 3, name="numbers").map_option(str, name="words").to(behind)
    assert set(graph.blueprint.nodes) == {"numbers", "words", "one", "h"}
