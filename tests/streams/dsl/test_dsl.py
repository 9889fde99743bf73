"""The DSL: what is written runs, is reusable, and is complete over the stages."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

import rt_edge.streams.stages
from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.data.reading import Reading
from rt_edge.streams import dsl
from rt_edge.streams.dsl import METHODS, Flow, Graph, Sink, Source
from rt_edge.streams.dsl.pages import logics, page, page_name, pages
from rt_edge.streams.stage import ReceiptUse, Stage
from rt_edge.streams.stages.balance import Balance
from rt_edge.streams.stages.buffer import Buffer
from rt_edge.streams.stages.map import Map
from rt_edge.streams.stages.merge import Merge
from rt_edge.testkit.virtual_clock import VirtualHost

LINES = ("Emits when:", "Backpressures when:", "Completes when:", "Cancels when:")
NOT_IN_THE_DSL: dict[str, str] = {"Coupled": "made by Flow.from_sink_and_source_coupled, which takes parts, not parameters"}
"""Stage -> why the DSL does not offer it."""


def stage_types() -> list[type[Stage]]:
    """Every public stage of rt_edge.streams.stages: it makes a logic or has a kind."""
    found = []
    for module in pkgutil.iter_modules(rt_edge.streams.stages.__path__):
        names = vars(importlib.import_module(f"rt_edge.streams.stages.{module.name}"))
        classes = [value for value in names.values() if isinstance(value, type) and issubclass(value, Stage)]
        own = [value for value in classes if value.__module__ == names["__name__"] and not value.__name__.startswith("_")]
        found += [value for value in own if {"create_logic", "kind"} & set(vars(value))]
    return found


def run(graph: Graph) -> Any:
    return asyncio.run(graph.run_async())


def collected(source: Source) -> Any:
    return run(source.to(Sink.collect()))


@pytest.mark.parametrize("stage", stage_types(), ids=lambda stage: stage.__name__)
def test_stage_has_a_method_and_four_lines_when_it_is_in_the_folder(stage: type[Stage]) -> None:
    """Each stage is offered by the DSL under a name, and says when it emits, backpressures, completes and cancels."""
    assert stage in METHODS or stage.__name__ in NOT_IN_THE_DSL, f"the DSL has no method for {stage.__name__}"
    owners, _, method = METHODS.get(stage, "").rpartition(".")
    for owner in filter(None, owners.split(", ")):
        assert callable(getattr(getattr(dsl, owner), method))
        assert getattr(getattr(dsl, owner), method).__doc__
    lines = [line.strip() for line in (stage.__doc__ or "").splitlines()]
    for start in LINES:
        assert any(line.startswith(start) for line in lines), f"{stage.__name__} does not say `{start}`"


def test_examples_hold_when_the_documentation_is_run() -> None:
    """What the package's docstring shows is what happens."""
    results = doctest.testmod(dsl)
    assert results.attempted > 15
    assert results.failed == 0


@pytest.mark.parametrize(
    ("source", "elements"),
    [
        (Source.empty(), []),
        (Source.single("a"), ["a"]),
        (Source.from_iterable("abc").drop(1).take(1), ["b"]),
        (Source.from_iterable(range(3)).map_concat(lambda n: [n] * n), [1, 2, 2]),
        (Source.from_iterable(range(4)).scan(0, lambda a, b: a + b), [0, 0, 1, 3, 6]),
        (Source.from_iterable(range(4)).fold(0, lambda a, b: a + b), [6]),
        (Source.from_iterable(range(5)).grouped(2), [[0, 1], [2, 3], [4]]),
        (Source.from_iterable(range(5)).grouped_within(3, 60.0), [[0, 1, 2], [3, 4]]),
        (Source.from_iterable(range(5)).buffer(2).throttle(1000, burst=100), [0, 1, 2, 3, 4]),
        (Source.from_iterable("ab").zip(Source.from_iterable(range(9))), [("a", 0), ("b", 1)]),
        (Source.from_iterable(range(10)).map(lambda n: 10 // n, on_error="resume").drop(8), [1]),
        (Source.from_iterable(range(3)).via(Flow()).via(Flow().map(str).via(Map(function=ord))), [48, 49, 50]),
    ],
)
def test_elements_come_out_when_operators_are_chained(source: Source, elements: list[Any]) -> None:
    """Each method adds the stage that its name says."""
    assert collected(source) == elements


def test_readings_are_worked_on_when_operators_take_expressions() -> None:
    """where, set_fields and deadband work on fields of readings."""
    readings = [Reading(source="s", ts=n, fields={"t": float(n)}) for n in range(10)]
    source = Source.from_iterable(readings).where("t >= 2").set_fields({"double": "t * 2"}).deadband("t", absolute=2.5)
    assert [reading.fields["double"] for reading in collected(source)] == [4.0, 10.0, 16.0]


def test_all_elements_arrive_when_streams_are_merged_and_divided() -> None:
    """merge, balance, partition and also_to lose and double nothing."""
    merged = Source.from_iterable(range(50)).merge(Source.from_iterable(range(50, 99)), Source.single(99))
    assert sorted(collected(merged)) == list(range(100))
    shares = run(merged.balance(Sink.collect(name="a"), Sink.collect(name="b")))
    assert sorted(shares["a"] + shares["b"]) == list(range(100))
    parts = run(merged.partition(lambda n: n % 3, *(Sink.collect(name=f"p{i}") for i in range(3))))
    assert [sorted(parts[f"p{i}"]) for i in range(3)] == [list(range(i, 100, 3)) for i in range(3)]
    both = run(merged.also_to(Sink.fold(0, lambda a, b: a + b, name="sum")).to(Sink.collect(name="all")))
    assert (both["sum"], sorted(both["all"])) == (4950, list(range(100)))


def test_flow_is_a_sink_when_it_is_divided() -> None:
    """Fan-out and fan-in of a flow, of the empty one too, make a sink and a flow."""
    sink = Flow().map(str).broadcast(Sink.collect(name="a"), Flow().take(1).to(Sink.collect(name="b")))
    assert run(Source.from_iterable(range(2)).to(sink)) == {"a": ["0", "1"], "b": ["0"]}
    empty = Flow().also_to(Sink.collect(name="a")).merge(Source.single(9)).to(Sink.collect(name="b"))
    result = run(Source.single(1).to(empty))
    assert (result["a"], sorted(result["b"])) == ([1], [1, 9])
    assert run(Source.single(1).to(Flow().merge(Source.single(2)).to(Sink.fold(0, lambda a, b: a + b)))) == 3
    assert run(Source.single(1).to(Flow().balance(Sink.settling()))) == 1


def test_parts_stay_as_they_are_when_others_are_made_of_them() -> None:
    """A source that was extended twice is unchanged, and a graph can be run again."""
    base = Source.from_iterable(range(3))
    graph = base.map(str).to(Sink.collect())
    base.map(float).to(Sink.ignore())
    assert list(base.blueprint.nodes) == ["iterate"]
    assert run(graph) == run(graph) == ["0", "1", "2"]
    assert collected(base) == [0, 1, 2]


def test_graph_runs_when_it_has_fan_out_and_fan_in() -> None:
    """A diamond with named nodes, as a flow inside another stream."""
    graph = Graph()
    split = graph.add(Balance(count=2), "split")
    left, right = graph.add(Flow().map(lambda n: n), "left"), graph.add(Map(function=lambda n: -n), "right")
    join = graph.add(Merge(count=2))
    graph.connect(split, right, outlet=1)
    graph.connect(split, left, outlet=0)
    graph.connect(left, join)
    graph.connect(right, join)
    elements = collected(Source.from_iterable(range(1, 2001)).via(graph.as_flow()))
    assert sorted(map(abs, elements)) == list(range(1, 2001))
    assert "right" in graph.blueprint.nodes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Source(Map(function=str)), "map has 1 inlets and 1 outlets, a source has 0 and 1"),
        (lambda: Source.single(1).via(Merge(count=2)), "merge has 2 inlets"),
        (lambda: Flow().as_processor(), "an empty flow is no processor"),
        (lambda: Graph().add(Flow()), "an empty flow cannot be added"),
        (lambda: Graph().as_flow(), "a flow has 1 open inlets"),
        (lambda: run(Graph(Source.single(1).blueprint)), "outlet 'out' of 'single' is not wired"),
        (lambda: wire_twice(Graph()), "every outlet of single is wired"),
    ],
)
def test_mistake_is_named_when_parts_do_not_fit(make: Any, message: str) -> None:
    """Wrong shapes and open ports are ConfigErrors in words."""
    with pytest.raises(ConfigError, match=message):
        make()


def wire_twice(graph: Graph) -> None:
    source = graph.add(Source.single(1))
    graph.connect(source, graph.add(Sink.ignore()))
    graph.connect(source, graph.add(Sink.ignore()))


def test_error_is_raised_when_user_code_fails() -> None:
    """run_async raises what the stream failed with."""
    with pytest.raises(ZeroDivisionError):
        collected(Source.from_iterable(range(3)).map(lambda n: 1 // n))
    with pytest.raises(ValueError, match="a test"):
        collected(Source.failed(ValueError("a test")))


def test_result_is_known_when_a_run_on_a_host_has_ended() -> None:
    """Running has the result of its sink once the host has run it, and calls who asked."""
    host = VirtualHost()
    told: list[Any] = []
    running = Source.tick(1.0, "t").take(3).to(Sink.collect()).run(host)
    running.result.on_done(lambda result: told.append(result.value()))
    host.advance(2.5)
    assert not running.result.done()
    with pytest.raises(StreamError, match="has not ended"):
        running.result.value()
    host.advance(1.0)
    assert running.result.value() == ["t", "t", "t"]
    assert told == [["t", "t", "t"]]
    assert running.ended.done()


def test_results_fail_when_a_run_is_stopped() -> None:
    """stop ends every stage and every result; a result by name when there are several."""
    host = VirtualHost()
    running = Source.never().broadcast(Sink.collect(name="a"), Sink.fold(0, max, name="b")).run(host)
    host.settle()
    with pytest.raises(ConfigError, match="several results: a, b"):
        _ = running.result
    running.stop()
    host.settle()
    assert all(seat.stopped for seat in running.engine.seats.values())
    for name in ("a", "b"):
        with pytest.raises(StreamError, match=f"stopped before {name} had ended"):
            running.results[name].value()


def test_run_is_stopped_when_its_await_is_cancelled() -> None:
    """Cancelling run_async stops the stages: their timers are gone and the sink is told."""

    async def cancelled() -> list[Any]:
        seen: list[Any] = []
        began = asyncio.Event()
        source = Source.tick(0.001).map(lambda t: began.set() or t)  # type: ignore[func-returns-value]
        task = asyncio.create_task(source.to(Sink.foreach(seen.append)).run_async())
        await asyncio.wait_for(began.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        count = len(seen)
        await asyncio.sleep(0)
        return seen[count:]

    assert asyncio.run(cancelled()) == []


def test_sink_as_subscriber_has_a_result_when_its_publisher_completes() -> None:
    """A publisher's elements fold into the result of a sink that was handed out as a subscriber."""

    async def fold() -> Any:
        subscriber = Sink.fold(0, lambda a, b: a + b).as_subscriber()
        Source.from_iterable(range(1000)).as_publisher().subscribe(subscriber)
        return await subscriber.result

    assert asyncio.run(fold()) == 499500


def test_page_says_what_is_handed_on_when_a_stage_can_be_taken_out() -> None:
    """Of every stage the class of the logic is found; a `residue` of its own says what it is, and so does the page."""
    for stage, made in ((stage, page(stage)) for stage in METHODS):
        assert logics(stage), f"{stage.__name__}: its create_logic names no class"
        assert (stage.receipts is ReceiptUse.HOLD) == ("It holds: " in made), stage.__name__
        assert "a stage that is being removed" not in made, f"{stage.__name__}: its residue has no docstring of its own"
    assert "Receipts: hold. It holds: up to `size`; it does not wait" in page(Buffer)
    assert "Residue, when it is taken out of a running graph: what waits, in order.\n" in page(Buffer)
    assert "Residue, when it is taken out of a running graph: nothing.\n" in page(Map)


def test_pages_are_up_to_date_when_they_are_made_anew() -> None:
    """Each stage has its page in docs/stages, as its docstring says it now."""
    folder = Path(__file__).parents[3] / "docs" / "stages"
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    made = pages()
    stale = sorted(name for name in {*found, *made} if found.get(name) != made.get(name))
    assert not stale, f"run `python -m rt_edge.streams.dsl.pages docs/stages`: {stale}"
    for stage in METHODS:
        text = made[f"{page_name(stage)}.md"]
        for start in LINES:
            assert f"| {start.rstrip(':')} |" in text
        for line in text.splitlines():
            assert not line.endswith("|  |"), f"a parameter of {stage.__name__} is not explained: {line}"


RENAMED = {"expression": "where"}
"""Parameter of a DSL method -> field of the stage."""

NOT_OFFERED = {"count", "done", "demand", "end", "steps"}
"""Fields that the DSL fills: the number of ports, where a sink reports to, how it asks, the other end of a bridge; the form in
which a configuration writes a flow."""

PARTS = {"sink", "other", "right"}
"""Parameters of DSL methods that are parts of a stream, to be wired, not parameters of a stage."""

NO_USER_CODE = {
    *("Collect", "Count", "Ignore", "Settling", "Head", "HeadOption", "Last", "LastOption", "LastInto", "Cancelled", "Unwilling"),
    *("ToPath", "ToQueue", "LazySink"),
}
"""Sinks in which nothing can raise, so that `on_error` says nothing."""


@pytest.mark.parametrize("stage", METHODS, ids=lambda stage: stage.__name__)
def test_method_has_the_defaults_of_its_stage_when_both_are_read(stage: type[Stage]) -> None:
    """A parameter that may be left out means the same in the DSL and in a configuration; every field can be given."""
    owners, _, method = METHODS[stage].rpartition(".")
    parameters = inspect.signature(getattr(getattr(dsl, owners.split(", ")[0]), method)).parameters
    fields = {field.name: field for field in msgspec.structs.fields(stage)}
    named = {RENAMED.get(name, name): parameter for name, parameter in parameters.items() if name not in {"self", "cls", "name"}}
    for name, parameter in named.items():
        if parameter.kind is not inspect.Parameter.VAR_POSITIONAL and name not in PARTS:
            assert name in fields, f"{stage.__name__} has no {name}"
            default = inspect.Parameter.empty if fields[name].required else fields[name].default
            assert parameter.default == default or name in {"publisher", "subscriber"}, f"{method}: {name}"
    filled = NOT_OFFERED | ({"on_error"} if stage.__name__ in NO_USER_CODE else set())
    missing = set(fields) - set(named) - filled
    assert not missing, f"{method} lacks {missing}"


def test_an_error_is_none_when_a_stage_behind_it_has_recovered() -> None:
    """The run comes to what the sink comes to; without recovery, to the error."""
    broken = Source.from_iterable(["1", "x"]).map(int)
    assert asyncio.run(broken.recover(lambda error: -1).to(Sink.collect()).run_async()) == [1, -1]
    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(broken.to(Sink.collect()).run_async())
    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(broken.broadcast(Sink.collect(name="a"), Sink.ignore(name="b")).run_async())
