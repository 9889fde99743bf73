"""Every stage that runs user code obeys stop, resume and restart: found by its fields, not by a list."""

from __future__ import annotations

import collections.abc
import importlib.util
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rt_edge.streams.dsl import METHODS
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.conflate import Conflate
from rt_edge.streams.stages.do_on_first import DoOnFirst
from rt_edge.streams.stages.fold_into import FoldInto
from rt_edge.streams.stages.for_each import ForEach
from rt_edge.streams.stages.latest_per_key import LatestPerKey
from rt_edge.streams.stages.switch_map import SwitchMap
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, Broken, SupervisionContract, raising

AT_THE_END = "user code runs at the end of the stream, once: what it raises takes the place of the end"
MAKES_A_PART = "user code makes a part of the stream, once: without it there is nothing to go on with"
BACKOFF = "what it raises is a reason to run the part again; the parts have supervision of their own"

UNSUPERVISED = {
    "DoOnCancel": AT_THE_END,
    "MapError": AT_THE_END,
    "Recover": AT_THE_END,
    "RecoverWith": AT_THE_END,
    "FlatMapPrefix": MAKES_A_PART,
    "LazyFlow": MAKES_A_PART,
    "LazySource": MAKES_A_PART,
    "RestartFlow": BACKOFF,
    "RestartSink": BACKOFF,
    "RestartSource": BACKOFF,
}
"""Stage that takes a function and has no `on_error` -> why."""

CALLBACKS = {"done", "ended"}
"""Fields that hear of something and are not asked for anything."""

RAISES: dict[type[Stage], Callable[[Any], Stage]] = {
    Conflate: lambda on_error: Conflate(per="stream", aggregate=raising(lambda a, b: b), on_error=on_error),
    DoOnFirst: lambda on_error: DoOnFirst(function=raising(lambda x: None), on_error=on_error),
    FoldInto: lambda on_error: FoldInto(zero=0, function=raising(lambda a, b: b), on_error=on_error),
    ForEach: lambda on_error: ForEach(function=raising(lambda x: None), on_error=on_error),
    LatestPerKey: lambda on_error: LatestPerKey(per=raising(lambda x: 0), every=1.0, on_error=on_error),
    SwitchMap: lambda on_error: SwitchMap(function=raising(lambda x: [x]), on_error=on_error),
}
"""Stages whose supervision is tried out here, as the contract asks for an output that they do not have."""


def takes_code(kind: Any) -> bool:
    """Whether a field of this type may hold a function."""
    if kind is collections.abc.Callable or typing.get_origin(kind) is collections.abc.Callable:
        return True
    return any(takes_code(arg) for arg in typing.get_args(kind) if arg is not kind)


def code_fields(stage: type[Stage]) -> list[str]:
    return [f.name for f in msgspec.structs.fields(stage) if takes_code(f.type) and f.name not in CALLBACKS]


def contracted() -> set[type[Stage]]:
    """Stages whose tests derive from SupervisionContract."""
    found: set[type[Stage]] = set()
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path == Path(__file__) or "SupervisionContract" not in path.read_text(encoding="utf-8"):
            continue
        spec = importlib.util.spec_from_file_location(f"seen_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, SupervisionContract):
                try:
                    found.add(type(value().make_failing("stop")))
                except NotImplementedError:
                    continue  # a base of several
    return found


def test_no_stage_takes_code_without_supervision() -> None:
    """Who takes a function has `on_error`, or a reason here; no reason is left over."""
    without = {s.__name__ for s in METHODS if code_fields(s) and "on_error" not in {f.name for f in msgspec.structs.fields(s)}}
    sources = {s.__name__ for s in METHODS if METHODS[s].startswith("Source.")}
    assert without - sources - set(UNSUPERVISED) == set()
    assert set(UNSUPERVISED) - without == set()


def test_stage_is_tried_out_when_it_takes_code() -> None:
    """Each stage with `on_error` and a function per element has the supervision contract, or is in the table above; which ones
    have neither is said by name, and may only become fewer."""
    has = {s for s in METHODS if code_fields(s) and "on_error" in {f.name for f in msgspec.structs.fields(s)}}
    untried = {s.__name__ for s in has - contracted() - set(RAISES)}
    assert untried <= UNTRIED, f"add a SupervisionContract for {sorted(untried - UNTRIED)}"


UNTRIED = {
    "CobsDecode",
    "FoldWhileInto",
    "Join",
    "LazySink",
    "LengthFieldDecode",
    "MapBlocking",
    "Reduce",
    "ReduceInto",
    "SessionWindow",
    "SlipDecode",
    "ToTopic",
}
"""Stages whose code is called by what stages with a contract share, or on a thread (`map_blocking`)."""


@pytest.mark.parametrize("on_error", ["stop", "resume", "restart"])
@pytest.mark.parametrize("stage", RAISES, ids=lambda stage: stage.__name__)
def test_stage_does_what_on_error_says_when_its_code_raises(stage: type[Stage], on_error: Any) -> None:
    """The element fails, named and counted; under stop the stage ends with the error, else it goes on."""
    with StageBench(RAISES[stage](on_error)) as bench:
        first = 0 if stage is Conflate else 10  # it calls its function when elements wait
        for sink in bench.sinks if first else []:
            sink.request(first)
        for element in (BAD,) if stage is DoOnFirst else (1, BAD):
            bench.source.send(element)
        place = len(bench.source.sent) - 1
        for sink in bench.sinks:
            sink.request(10) if not sink.ended else None
        assert place in bench.source.outcomes.failed()
        assert bench.counters["errors"] == 1
        if on_error == "stop":
            assert isinstance(bench.source.expect_cancellation(), Broken)
            assert all(isinstance(sink.error, Broken) for sink in bench.sinks)
        else:
            bench.source.send(2)
            assert not bench.source.cancelled
            assert place + 1 not in bench.source.outcomes.failed()
            assert bench.counters.get("restarts", 0) == (on_error == "restart")
