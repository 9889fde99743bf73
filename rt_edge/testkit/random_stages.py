"""Random instances of every stage that the DSL offers: parameters drawn by name and type, user code that may raise.

A new stage is played without a line here if its parameters have the names and types of others; else it needs one in `SPECIFIC`,
or a reason in `EXEMPT`. User code is a function of the digest of an element, so it does the same in each run.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from random import Random
from typing import Any
from zlib import crc32

import msgspec

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.dsl import METHODS, Flow, Sink, Source
from rt_edge.streams.kill_switch import KillSwitch
from rt_edge.streams.monitoring import StreamMonitor
from rt_edge.streams.stage import Stage
from rt_edge.testkit.virtual_clock import Sleep

EXEMPT = {
    "MapBlocking": "works with threads",
    "UnfoldResource": "works with threads",
    "ToPath": "works with threads",
    "FromAsyncIterable": "waits for more than virtual time",
    "FromPublisher": "needs a publisher; the compatibility kit has it",
    "FromHub": "needs a hub with another run at its other side",
    "ToHub": "needs a hub with another run at its other side",
    "FromTopic": "needs a topic with another run at its other side",
    "ToTopic": "needs a topic with another run at its other side",
    "ToSubscriber": "needs a subscriber; the compatibility kit has it",
    "Ask": "needs somebody who answers; its contract has one",
    "FromQueue": "needs somebody who offers",
    "ToQueue": "needs somebody who takes",
    "Never": "has no end",
    "Unwilling": "has no end",
    "Tick": "has no end",
}
"""Stages that are not played, and why."""


class Broken(Exception):
    """Raised by user code, under the faulty schedules."""


def digest(element: Any) -> int:
    """A number that depends on an element alone."""
    return crc32(repr(element).encode())


class Maker:
    """Draws stages.

    Args:
        random: of the seed.
        faulty: whether user code raises now and then, or returns None.
    """

    def __init__(self, random: Random, faulty: bool) -> None:
        self.random = random
        self.faulty = faulty

    def stage(self, kind: type[Stage], elements: str) -> Stage | None:
        """An instance for `elements` of a sort (see `item`); None if no parameters were found that it takes."""
        for _ in range(20):
            values = {}
            for field in msgspec.structs.fields(kind):
                if field.required or (kind.__name__, field.name) in SPECIFIC or self.random.random() < 0.5:
                    found = self.draw(kind.__name__, field, elements)
                    if found is not None:
                        values[field.name] = found
            try:
                made = kind(**values)
                made.create_logic()
            except (ConfigError, TypeError):
                continue
            return made
        return None

    def draw(self, kind: str, field: msgspec.structs.FieldInfo, elements: str) -> Any:
        """A value for a parameter; None: its default."""
        if (kind, field.name) in SPECIFIC:
            return SPECIFIC[kind, field.name](self)
        drawn = NAMED.get(field.name)
        said = str(field.type)
        if drawn is not None:
            return drawn(self, elements, said)
        if typing.get_origin(field.type) is typing.Literal:
            return self.random.choice(typing.get_args(field.type))
        if field.type is bool:
            return self.random.random() < 0.5
        if "Duration" in said:
            return self.random.choice([0.3, 2.0, 50.0])
        if "Callable" in said:
            return self.code(said)
        if field.type is int:
            return self.random.choice([1, 2, 3, 5, 20])
        return 0 if field.required and "Any" in said else None

    # -- user code -----------------------------------------------------------------------------------------------------

    def code(self, said: str = "", result: Callable[[Any], Any] | None = None) -> Callable[..., Any]:
        """A function of the signature that an annotation says, of the last argument if there are several."""
        salt, bad = self.random.randint(0, 99), self._bad()
        if "Callable[[typing.Any, typing.Any]" in said:
            return lambda state, element: bad(digest((state, element)))
        if "Awaitable" in said or "Coroutine" in said:

            async def later(element: Any) -> Any:
                await Sleep((digest(element) + salt) % 7 / 10)
                return bad(element)

            return later
        if "Iterable" in said:
            return lambda element: [bad(element)] * ((digest(element) + salt) % 4)
        if "float" in said:
            return lambda element: digest(bad(element)) % 10 / 5
        return (lambda element: result(bad(element))) if result else bad

    def number(self, below: int) -> Callable[[Any], Any]:
        """A function from elements to 0 <= number < `below`."""
        return self.code(result=lambda element: digest(element) // 7 % below)

    def decision(self) -> Callable[[Any], Any]:
        """A predicate that is mostly true."""
        most = self.random.choice([2, 5, 30])
        return self.code(result=lambda element: digest(element) % most != 0)

    def flow(self) -> Flow[Any, Any]:
        """For what nests."""
        flow: Flow[Any, Any] = Flow().map(self.code())
        choice = self.random.randint(0, 4)
        if choice == 0:
            return flow.take(self.random.randint(0, 5))
        if choice == 1:
            return flow.grouped(self.random.randint(1, 4))
        return flow.buffer(3) if choice == 2 else flow

    def source(self) -> Callable[[Any], Source[Any]]:
        """A function that makes a source of an element."""
        width = self.random.randint(1, 3)
        return self.code(result=lambda element: Source.from_iterable([element] * (digest(element) % width + (width == 1))))

    def _bad(self) -> Callable[[Any], Any]:
        if not self.faulty or self.random.random() < 0.3:
            return lambda element: element
        salt, nothing = self.random.randint(0, 99), self.random.random() < 0.3

        def bad(element: Any) -> Any:
            if (digest(element) + salt) % 11 == 0:
                if nothing:
                    return None
                raise Broken("bad element")
            return element

        return bad


def item(elements: str, number: int) -> Any:
    """Element `number` of a sort: `numbers`, `readings`, or `bytes`."""
    if elements == "readings":
        return Reading(f"device-{number % 3}", number * 250_000_000, {"value": float(number % 7), "number": number})
    return b"%d\n" % number if elements == "bytes" else number


def _per(maker: Maker, elements: str, said: str) -> Any:
    if "Duration" in said:
        return maker.random.choice([0.3, 2.0])
    if "Callable" not in said:
        return None  # the default: one of a few words
    return "source" if elements == "readings" else maker.number(3)


NAMED: dict[str, Callable[[Maker, str, str], Any]] = {
    "predicate": lambda m, *_: m.decision(),
    "by": lambda m, _e, said: m.random.choice([0.3, 2.0]) if "float" in said else m.number(2),
    "key": lambda m, *_: m.number(3),
    "cost": lambda m, *_: m.code(result=lambda element: float(digest(element) % 3)),
    "weight": lambda m, *_: m.random.choice([1.0, 4.0, 1e9]),
    "per": _per,
    "where": lambda m, _e, said: m.decision() if "Callable" in said else "value > 2",
    "on_error": lambda m, *_: m.random.choice(["stop", "resume", "restart"]),
    "functions": lambda m, *_: [m.code("Awaitable") for _ in range(m.random.randint(1, 3))],
    "conditions": lambda m, *_: [m.decision() for _ in range(m.random.randint(1, 3))],
    "count": lambda m, *_: m.random.choice([1, 2, 3, 5]),
    "field": lambda _m, e, _: "value" if e == "readings" else "",
    "fields": lambda _m, _e, said: "value" if "str | list" in said else None,
    "absolute": lambda _m, *_: 0.5,
    "unit": lambda _m, *_: 1.0,
    "crc": lambda _m, *_: "CRC-16/MODBUS",
    "zero": lambda _m, *_: 0,
    "flow": lambda m, *_: m.flow(),
    "most": lambda m, *_: m.random.choice([1, 4, 1024]),
    "max_elements": lambda m, *_: m.random.choice([20, 1000]),
    "error": lambda _m, *_: Broken("a source that fails"),
    "items": lambda m, *_: [item("numbers", n) for n in range(m.random.randint(0, 20))],
    **dict.fromkeys(
        ["aggregate", "combine", "control", "done", "max_length", "modulus", "time", "steps", "virtual_nodes", "file", "bits"],
        lambda *_: None,
    ),
}
"""Parameter -> how it is drawn, where its type does not say enough; None: its default."""

SPECIFIC: dict[tuple[str, str], Callable[[Maker], Any]] = {
    ("FlatMapMerge", "function"): Maker.source,
    ("SwitchMap", "function"): Maker.source,
    ("FlatMapPrefix", "function"): lambda m: m.code(result=lambda _: Flow().map(lambda element: element)),
    ("LazyFlow", "function"): lambda _m: lambda: Flow().buffer(2),
    ("RestartFlow", "min_backoff"): lambda _m: 50.0,
    ("RestartSink", "min_backoff"): lambda _m: 50.0,
    ("SlidingWindow", "every"): lambda _m: 20.0,
    ("RestartSink", "sink"): lambda _m: Sink.ignore(),
    ("LazySink", "function"): lambda _m: Sink.ignore,
    ("ScatterGather", "within"): lambda m: m.random.choice([2.0, 50.0]),
    ("TailChop", "within"): lambda m: m.random.choice([2.0, 50.0]),
    ("StatefulMap", "create"): lambda _m: list,
    ("StatefulMap", "function"): lambda m: _with_state(m.code()),
    ("StatefulMapConcat", "create"): lambda m: _create(m.code("Iterable")),
    ("DoOnCancel", "function"): lambda _m: lambda _cause: None,
    ("SetFields", "fields"): lambda _m: {"double": "value * 2"},
    ("SchemaCheck", "fields"): lambda _m: {},
    ("UnitConversion", "fields"): lambda _m: {"value": "m -> km"},
    ("SelectFields", "keep"): lambda _m: ["value"],
    ("SetTags", "tags"): lambda _m: {"hall": "3"},
    ("Enrich", "table"): lambda _m: {"device-1": {"hall": "3"}},
    ("Join", "function"): lambda _m: lambda left, right: (left, right),
    ("MergeSequence", "number"): lambda _m: lambda element: element,
    ("ZipAll", "fill"): lambda _m: "nothing",
    ("ConflateWithSeed", "aggregate"): lambda m: m.code("Callable[[typing.Any, typing.Any]"),
    ("AggregateWithBoundary", "allocate"): lambda _m: list,
    ("AggregateWithBoundary", "aggregate"): lambda _m: lambda some, element: ([*some, element], len(some) > 1),
    ("AggregateWithBoundary", "harvest"): lambda _m: list,
    ("KeepAlive", "after"): lambda _m: 50.0,
    ("GroupBy", "order"): lambda _m: "merge",  # under `concat` it may wait for ever, as it says
    ("Expand", "function"): lambda _m: lambda element: [element] * 3,
    ("RouteByKey", "key"): lambda m: m.number(3),
    ("Partition", "count"): lambda m: m.random.choice([2, 3]),
    ("Monitor", "monitor"): lambda _m: StreamMonitor(),
    ("KillSwitched", "switch"): lambda _m: KillSwitch(),
    ("CircuitBreaker", "reset_max"): lambda _m: 300.0,
    ("CircuitBreaker", "growth"): lambda m: m.random.choice([1.0, 3.0]),
    ("CircuitBreaker", "jitter"): lambda m: m.random.choice([0.0, 1.0]),
    ("CircuitBreaker", "seed"): lambda m: m.random.randint(0, 99),
    ("CircuitBreaker", "listener"): lambda _m: None,
    ("Intersperse", "between"): lambda _m: 0,
    ("Throttle", "elements"): lambda m: m.random.choice([5, 1000]),
}
"""(stage, parameter) -> how it is drawn."""


def _with_state(code: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda state, element: (state, code(element))


def _create(code: Callable[[Any], Any]) -> Callable[[], Callable[[Any], Any]]:
    return lambda: code


def sort_after(stage: type[Stage], before: str) -> str:
    """What sort of elements comes out of a stage, played as here: `anything` where its method changes their type."""
    owner, _, method = METHODS.get(stage, "").rpartition(".")
    if before == "anything" or owner in {"Sink", ""}:
        return before
    said = str(inspect.signature(getattr(Source, method)).return_annotation)
    return before if said == "Self" or stage.__name__ in IDENTITIES else "anything"


IDENTITIES = {
    "Map", "MapAsync", "MapAsyncUnordered", "MapAsyncPartitioned", "MapConcat", "MapOption", "MapWhile", "ScatterGather",
    "TailChop", "StatefulMap", "StatefulMapConcat", "FlatMapMerge", "SwitchMap", "FlatMapPrefix", "WireTap", "Broadcast",
    "Balance", "Partition", "CircuitBreaker",
}  # fmt: skip
"""Stages whose elements are not changed by the user code that is drawn here."""


def played() -> list[type[Stage]]:
    """The stages that can be drawn, by name."""
    return sorted((stage for stage in METHODS if stage.__name__ not in EXEMPT), key=lambda stage: stage.__name__)


def fits(stage: type[Stage], elements: str) -> bool:
    """Whether a stage is for such elements."""
    module = stage.__module__.rpartition(".")[2]
    if (module.endswith(("_decode", "_encode", "zip", "flate")) and module not in {"zip", "unzip"}) or module.startswith("crc_"):
        return elements == "bytes"
    names = {field.name for field in msgspec.structs.fields(stage)}
    wants = {"fields", "field", "from_fields", "time", "into", "rename"} & names and stage.__name__ != "Log"
    where = any(field.name == "where" and field.type is str for field in msgspec.structs.fields(stage))
    return elements == "readings" or not (wants or where)


__all__ = ["EXEMPT", "Broken", "Maker", "Sink", "digest", "fits", "item", "played", "sort_after"]
