"""The engine: demand, slots, terminal signals, supervision, fairness. Each rule of `rt_edge.streams.stage` has a test."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError, SpecViolation, StreamError
from rt_edge.data.receipt import Receipt
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.stage import IN, OUT, Stage, StageLogic, Supervision
from rt_edge.streams.stages._common import fail_behind
from rt_edge.streams.stages.fold_while import FoldWhile
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.virtual_clock import VirtualHost


class Tap(Stage, frozen=True, kw_only=True):
    """A source that the test pushes through."""

    log: list
    inlets = ()

    def create_logic(self):
        return _Tap(self.log)


class _Tap(StageLogic):
    def __init__(self, log):
        self.log = log

    def on_pull(self, outlet, n):
        self.log.append(("pull", n))

    def on_downstream_finish(self, outlet, cause):
        self.log.append(("cancelled", cause))
        super().on_downstream_finish(outlet, cause)

    def on_stop(self, error):
        self.log.append(("tap stopped", error))


class Probe(Stage, frozen=True, kw_only=True):
    """A sink that asks when the test says so."""

    log: list
    outlets = ()

    def create_logic(self):
        return _Probe(self.log)


class _Probe(StageLogic):
    def __init__(self, log):
        self.log = log

    def on_push(self, inlet, chunk):
        self.log.append(("push", list(chunk.items)))

    def on_upstream_finish(self, inlet):
        self.log.append(("finish",))
        super().on_upstream_finish(inlet)

    def on_upstream_failure(self, inlet, error):
        self.log.append(("failure", error))
        super().on_upstream_failure(inlet, error)


class Through(Stage, frozen=True, kw_only=True):
    """Passes on; raises at the element `bad`; counts its lives."""

    log: list
    bad: object = None
    policy: Supervision = Supervision.STOP

    @property
    def supervision(self):
        return self.policy

    def create_logic(self):
        self.log.append(("born",))
        return _Through(self.bad, self.log)


class _Through(StageLogic):
    def __init__(self, bad, log):
        self.bad = bad
        self.log = log

    def on_pull(self, outlet, n):
        self.request(IN, n)

    def on_push(self, inlet, chunk):
        if self.bad in chunk.items:
            raise StreamError("bad element")
        self.push(OUT, chunk)

    def on_stop(self, error):
        self.log.append(("through stopped", error))


class Bench:
    """tap > (through) > probe."""

    def __init__(self, through=None):
        self.up, self.down, self.ended = [], [], []
        blueprint = Blueprint()
        names = [blueprint.add(Tap(log=self.up), "tap")]
        if through is not None:
            names.append(blueprint.add(through, "through"))
        names.append(blueprint.add(Probe(log=self.down), "probe"))
        for source, target in pairwise(names):
            blueprint.connect(source, target)
        self.host = VirtualHost()
        self.engine = Engine(blueprint, self.host, self.ended.append)
        self.host.attach(self.engine)
        self.engine.start()
        self.host.settle()

    def tap(self, function):
        seat = self.engine.seats["tap"]
        self.engine.enter(seat, lambda: function(seat.logic))
        self.host.settle()

    def probe(self, function):
        seat = self.engine.seats["probe"]
        self.engine.enter(seat, lambda: function(seat.logic))
        self.host.settle()

    def request(self, n):
        self.probe(lambda logic: logic.request(IN, n))

    def push(self, items, receipt=None):
        self.tap(lambda logic: logic.push(OUT, Chunk(list(items), receipt)))


class Outcomes:
    def __init__(self):
        self.seen = []

    def on_outcome(self, receipt, marks, outcome):
        self.seen.append((list(marks), type(outcome).__name__))


def test_demand_adds_up_and_is_told_once_when_requested():
    """Rule 3.8: requests add up; the outlet is told of each element of demand once."""
    bench = Bench()
    bench.request(3)
    bench.request(4)
    assert bench.up == [("pull", 3), ("pull", 4)]


def test_chunk_is_cut_and_its_rest_waits_when_it_exceeds_the_demand():
    """Rule 1.1: never more than requested; the rest waits in the slot and the outlet is not asked before it is gone."""
    bench = Bench()
    bench.request(2)
    bench.push("abcde")
    assert bench.down == [("push", ["a", "b"])]
    bench.request(1)
    bench.request(5)
    assert bench.down[1:] == [("push", ["c"]), ("push", ["d", "e"])]
    assert bench.up == [("pull", 2), ("pull", 3)], "of 8 requested 5 came from the slot"


def test_nothing_is_delivered_when_nothing_was_requested():
    """Rule 2.1: no element without demand."""
    bench = Bench()
    bench.push("a")
    assert bench.down == []


def test_second_push_is_a_violation_when_the_slot_is_full():
    """At most one chunk waits per wire; a stage that pushes another is broken and is stopped."""
    bench = Bench()
    bench.push("a")
    bench.push("b")
    (error,) = [entry[1] for entry in bench.up if entry[0] == "tap stopped"]
    assert isinstance(error, SpecViolation)


def test_completion_comes_after_the_slot_when_the_outlet_completes():
    """Rule 1.5, 2.9: what was pushed is delivered first, with demand; then completion, needing none."""
    bench = Bench()
    bench.push("ab")
    bench.tap(lambda logic: logic.complete_stage())
    assert bench.down == []
    bench.request(1)
    bench.request(1)
    assert bench.down == [("push", ["a"]), ("push", ["b"]), ("finish",)]
    assert bench.ended == [None]


def test_failure_overtakes_the_slot_and_fails_its_receipt_when_the_outlet_fails():
    """Rule 1.4: the error comes at once; what waited is failed, not lost."""
    bench, outcomes = Bench(), Outcomes()
    bench.push("ab", Receipt(range(2), outcomes))
    error = StreamError("x")
    bench.tap(lambda logic: logic.fail_stage(error))
    assert bench.down == [("failure", error)]
    assert outcomes.seen == [([0, 1], "Failed")]
    assert bench.ended == [error]


@pytest.mark.parametrize(("cause", "outcome"), [(None, "Dropped"), (StreamError("x"), "Failed")])
def test_cancel_settles_what_is_under_way_when_the_inlet_cancels(cause, outcome):
    """A plain cancel drops what waits, one with a cause fails it; the outlet hears it once (3.7), requests do nothing (3.6)."""
    bench, outcomes = Bench(), Outcomes()
    bench.push("a", Receipt(range(1), outcomes))
    bench.probe(lambda logic: logic.cancel(IN, cause))
    bench.probe(lambda logic: logic.cancel(IN, None))
    bench.request(5)
    assert outcomes.seen == [([0], outcome)]
    assert [entry for entry in bench.up if entry[0] == "cancelled"] == [("cancelled", cause)]


def test_push_is_settled_when_it_crosses_a_cancel():
    """What a source pushes before it has heard of the cancel is settled as dropped."""
    bench, outcomes = Bench(), Outcomes()
    seat = bench.engine.seats["probe"]
    bench.engine.enter(seat, lambda: seat.logic.cancel(IN))
    tap = bench.engine.seats["tap"]
    bench.engine.enter(tap, lambda: tap.logic.push(OUT, Chunk(["a"], Receipt(range(1), outcomes))))
    bench.host.settle()
    assert outcomes.seen == [([0], "Dropped")]


@pytest.mark.parametrize("n", [0, -1])
def test_request_of_nothing_stops_the_stage_when_it_is_not_positive(n):
    """Rule 3.9: demand is positive."""
    bench = Bench()
    bench.request(n)
    assert isinstance(bench.engine.error, SpecViolation)


def test_demand_saturates_when_it_would_pass_2_to_the_63():
    """Rule 3.17: demand at or above 2**63 - 1 counts as unbounded."""
    bench = Bench()
    bench.request(2**63 - 2)
    bench.request(2**63 - 2)
    assert bench.engine.wires[0].demand == 2**63 - 1


def test_stage_stops_and_both_sides_hear_it_when_user_code_raises_under_stop():
    """STOP: the error goes downstream, upstream is cancelled with it, the element fails."""
    log, outcomes = [], Outcomes()
    bench = Bench(Through(log=log, bad="b"))
    bench.request(10)
    bench.push("ab", Receipt(range(2), outcomes))
    assert bench.down[0][0] == "failure"
    assert bench.up[-2][0] == "cancelled"
    assert outcomes.seen == [([0, 1], "Failed")]
    assert bench.ended
    assert str(bench.ended[0]) == "bad element"


class EndRaises(Stage, frozen=True):
    """Does not survive either end."""

    supervision = Supervision.RESUME

    def create_logic(self):
        return _EndRaises()


class _EndRaises(StageLogic):
    def on_pull(self, outlet, n):
        self.request(IN, n)

    def on_push(self, inlet, chunk):
        self.push(OUT, chunk)

    def on_upstream_finish(self, inlet):
        raise ValueError("end")

    def on_downstream_finish(self, outlet, cause):
        raise ValueError("end")


class EndRaisesAfresh(EndRaises, frozen=True):
    """The same, and is begun afresh."""

    supervision = Supervision.RESTART


@pytest.mark.parametrize("stage", [EndRaises(), EndRaisesAfresh()], ids=["resume", "restart"])
@pytest.mark.parametrize("end", ["upstream", "downstream"])
def test_stage_stops_whatever_its_supervision_when_its_handler_of_the_end_raises(stage, end):
    """An end comes once: a stage that went on would wait for ever, and so would its neighbours."""
    with StageBench(stage) as bench:
        bench.sink.request(2)
        bench.source.send(1)
        if end == "upstream":
            bench.source.complete()
            bench.sink.expect_next(1)
            assert isinstance(bench.sink.expect_error(ValueError), ValueError)
        else:
            bench.sink.cancel()
            assert isinstance(bench.source.expect_cancellation(), ValueError)


@pytest.mark.parametrize("policy", [Supervision.RESUME, Supervision.RESTART])
def test_stream_goes_on_when_user_code_raises_under_supervision(policy):
    """RESUME keeps the logic, RESTART makes a fresh one; the elements concerned fail, and demand is not lost."""
    log, outcomes = [], Outcomes()
    bench = Bench(Through(log=log, bad="b", policy=policy))
    bench.request(4)
    bench.push("ab", Receipt(range(2), outcomes))
    bench.push("cd")
    bench.push("ef")
    assert [e for e in bench.down if e[0] == "push"] == [("push", ["c", "d"]), ("push", ["e", "f"])]
    assert outcomes.seen == [([0, 1], "Failed")]
    assert log.count(("born",)) == (2 if policy is Supervision.RESTART else 1)
    assert bench.engine.seats["through"].counters["errors"] == 1


def test_turn_ends_when_its_visits_are_used_up():
    """A turn is bounded: an endless stream gives the thread back."""

    class Endless(_Tap):
        def on_pull(self, outlet, n):
            self.push(OUT, Chunk([1] * min(n, 10)))

    class EndlessTap(Tap, frozen=True, kw_only=True):
        def create_logic(self):
            return Endless(self.log)

    class Greedy(_Probe):
        def on_start(self):
            self.request(IN, 10)

        def on_push(self, inlet, chunk):
            self.request(IN, len(chunk))

    class GreedyProbe(Probe, frozen=True, kw_only=True):
        def create_logic(self):
            return Greedy(self.log)

    blueprint = Blueprint()
    blueprint.connect(blueprint.add(EndlessTap(log=[])), blueprint.add(GreedyProbe(log=[])))
    host = VirtualHost()
    engine = Engine(blueprint, host)
    engine.start()
    assert engine.run(100) is True
    assert engine.wires[0].chunks <= 100


def test_timers_die_with_their_stage_when_it_stops():
    """After its last word a stage hears nothing, whatever was planned."""
    bench = Bench()
    fired = []
    seat = bench.engine.seats["tap"]
    seat.logic.on_timer = fired.append
    bench.tap(lambda logic: logic.ctx.every(1.0, "tick"))
    bench.host.advance(3.5)
    assert fired == ["tick"] * 3
    bench.tap(lambda logic: logic.complete_stage())
    bench.host.advance(10)
    assert fired == ["tick"] * 3


def test_blueprint_is_refused_when_a_port_is_not_wired_once():
    """Every port is wired exactly once; the message names those that are not."""
    blueprint = Blueprint()
    blueprint.add(Through(log=[]), "lonely")
    with pytest.raises(ConfigError, match=r"inlet 'in' of 'lonely' is not wired; outlet 'out' of 'lonely' is not wired"):
        Engine(blueprint, VirtualHost())


class Abrupt(Stage, frozen=True):
    """Pushes three elements for the first that is asked for, and fails behind them."""

    def create_logic(self):
        return AbruptLogic()


class AbruptLogic(StageLogic):
    def on_pull(self, outlet, n):
        self.push(OUT, Chunk([1, 2, 3]))
        fail_behind(self, ValueError("behind"))


def test_an_error_waits_for_the_slot_without_a_turn_when_nobody_asks():
    """What was pushed before the error goes out when it is asked for; until then the engine rests, it does not look again."""
    with StageBench(Abrupt()) as bench:
        bench.sink.request(1)
        bench.sink.expect_next(1)
        bench.advance(3600)
        bench.sink.expect_no_signal()
        assert isinstance(bench.source.expect_cancellation(), ValueError)
        bench.sink.request(2)
        bench.sink.expect_next(2, 3)
        bench.sink.expect_error(ValueError)


@pytest.mark.parametrize("on_error", ["stop", "resume", "restart"])
def test_stage_stops_when_it_cannot_start(on_error):
    """What cannot start would not start a second time either: no supervision saves it, and none goes round in circles."""
    with StageBench(FoldWhile(zero=0, predicate=lambda state: 1 / 0, function=max, on_error=on_error)) as bench:
        assert isinstance(bench.sink.error, ZeroDivisionError)
        assert isinstance(bench.source.expect_cancellation(), ZeroDivisionError)


def test_stage_stops_when_it_cannot_start_again():
    """A restart whose start raises ends the stage with that error."""
    starts = iter([None, ZeroDivisionError()])

    class Logic(StageLogic):
        def on_start(self):
            error = next(starts)
            if error:
                raise error

        def on_pull(self, outlet, n):
            raise ValueError("a reason to start again")

    class Restarted(Stage, frozen=True):
        supervision = Supervision.RESTART

        def create_logic(self):
            return Logic()

    with StageBench(Restarted()) as bench:
        bench.sink.request(1)
        assert isinstance(bench.sink.error, ZeroDivisionError)
        assert bench.counters == {"errors": 2, "restarts": 1}
