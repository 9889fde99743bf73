"""A drop policy that changes while a buffer runs."""

from __future__ import annotations

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.drop_policy import DropPolicy
from rt_edge.streams.stages.buffer import Buffer
from rt_edge.testkit.probes import StageBench


def test_next_element_too_many_is_dropped_by_the_policy_of_then():
    """drop_new, then drop_head, in one run; counted under one reason, settled each once."""
    control = DropPolicy("drop_new")
    with StageBench(Buffer(size=2, control=control)) as bench:
        bench.source.send(1, 2)
        bench.source.send(3)
        control.set("drop_head")
        bench.advance(0.0)
        bench.source.send(4)
        bench.sink.request(2)
        bench.sink.expect_next(2, 4)
        assert bench.source.outcomes.dropped("overflow") == [0, 2]
        assert bench.counters["dropped_overflow"] == 2


def test_upstream_is_asked_again_when_backpressure_ends():
    """A full buffer asks for nothing under backpressure; when it may drop it does, at once."""
    control = DropPolicy("backpressure")
    with StageBench(Buffer(size=2, control=control)) as bench:
        bench.source.send(1, 2)
        assert bench.source.demand == 0
        control.set("drop_head")
        bench.advance(0.0)
        assert bench.source.demand == 2
        bench.source.send(3)
        bench.sink.request(9)
        bench.sink.expect_next(2, 3)


def test_what_was_asked_for_is_still_dropped_when_backpressure_begins():
    """It was asked for under the old policy, and there is no room: dropped by that; nothing more is asked for after it."""
    control = DropPolicy("drop_head")
    with StageBench(Buffer(size=2, control=control)) as bench:
        bench.source.send(1, 2)
        assert bench.source.demand == 2
        control.set("backpressure")
        bench.advance(0.0)
        bench.source.send(3, 4)
        assert bench.source.demand == 0
        bench.sink.request(2)
        bench.sink.expect_next(3, 4)
        assert bench.source.demand == 2


def test_nobody_is_told_when_the_stage_has_stopped():
    """The control object outlives the stream and keeps nothing of it."""
    control = DropPolicy()
    with StageBench(Buffer(size=2, control=control)) as bench:
        assert len(control._listeners) == 1
        bench.source.complete()
        assert control._listeners == []
    control.set("fail")
    assert control.policy == "fail"


def test_policy_is_refused_when_there_is_none_of_that_name():
    """The error has the names; the old one stays."""
    control = DropPolicy("drop_tail")
    with pytest.raises(ConfigError, match="drop_head"):
        control.set("drop_all")
    assert control.policy == "drop_tail"
