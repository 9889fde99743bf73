"""Random graphs of random stages under random schedules: what must hold whatever the user of the library puts together.

    Fuzz(seed).run()          python -m rt_edge.testkit.graph_fuzz --seed 17 --seeds 1000

A seed draws a graph (see `random_graphs`) and a schedule: chunks, demand, late settlement, time, cancelled sinks, failing
sources, user code that raises, and perhaps one stage that is taken out by its `residue` while the graph runs, as a live edit
does. A new operator changes what seeds draw. Checked:

- a sink gets no more than it asked for, and nothing after the end; no stage breaks a rule of the engine
- every element that was sent has exactly one outcome, and none was lost
- where every stage of a path keeps the order, sinks get the elements of a source in order, and none twice
- the engine comes to rest, and a tree in which all sinks ask comes to its end
- no more is inside than the planner says
- where every stage has an obvious function on lists, sinks have what that gives; where stages only regroup elements, sinks have
  the elements that were sent, also if a stage was taken out
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from random import Random

from rt_edge.data.errors import InternalError, ReceiptLost, SpecViolation
from rt_edge.data.receipt import LOST
from rt_edge.streams.engine import Engine
from rt_edge.streams.planner import analyse
from rt_edge.testkit.fuzz_probes import FuzzSink, Trouble
from rt_edge.testkit.list_functions import Fails
from rt_edge.testkit.live_edit import take_out
from rt_edge.testkit.probes import SourceProbe
from rt_edge.testkit.random_graphs import ABANDONING, SHARING, Lists, RandomGraph
from rt_edge.testkit.random_stages import Broken, item
from rt_edge.testkit.receipt_contract import flat
from rt_edge.testkit.virtual_clock import VirtualHost

STEPS = 60
ROUNDS = 3000
HOUR = 3600.0
MANY = 10_000
"""Elements of a source, at most."""
RACE = 1_000_000
"""Asked for at a time where all is."""
FLOOD = 1000
"""Elements sent beyond what may be inside, when nothing is asked for."""


class Fuzz:
    """One random graph and one random schedule.

    Args:
        seed: of all that is random.
        only: names of classes of stages; at least one of them is in the graph, if that can be drawn.
    """

    def __init__(self, seed: int, only: Sequence[str] = ()) -> None:
        self.random = Random(seed)  # noqa: S311 - a schedule, not a secret
        self.host = VirtualHost(seed=seed)
        self.tracked = self.random.random() < 0.85
        self.flood = self.random.random() < 0.15
        self.race = self.flood and self.random.random() < 0.4
        self.graph = RandomGraph(self.random, faulty=self.random.random() < 0.3, only=only)
        self.sources = [SourceProbe(self.host.settle, self.tracked, start.node) for start in self.graph.starts]
        keep = self.random.random() < 0.6 and not self.flood
        self.sinks = [FuzzSink(self.host.settle, keep, end) for end in self.graph.ends]
        blueprint = self.graph.wired([s.stage for s in self.sources], [s.stage for s in self.sinks])
        self.bound = analyse(blueprint.nodes, {}, [(edge.source, edge.target) for edge in blueprint.edges]).bound
        self.engine = Engine(blueprint, self.host)
        self.host.attach(self.engine)
        most = self.random.choice([5, 40, 40, 120])
        self.rests = [
            [item(start.elements, start.first + n) for n in range(self.random.randint(0, most))] for start in self.graph.starts
        ]
        self.inputs = [list(rest) for rest in self.rests]
        self.asks = self.random.choice([[1, 2, 5, 50], [1, 2, 5], [1]])
        self.disturbed = self.graph.faulty
        self.removed = ""
        self.trouble = Trouble()

    def run(self) -> None:
        """Play it.

        Raises:
            AssertionError: something does not hold; the message has the graph.
        """
        log = logging.getLogger("rt_edge")
        before = log.propagate, log.level
        log.addHandler(self.trouble)
        log.propagate = False
        try:
            self._play()
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{self}") from error
        finally:
            log.removeHandler(self.trouble)
            log.propagate = before[0]

    def __str__(self) -> str:
        return f"{self.graph}\ntaken out: {self.removed or '-'}, disturbed: {self.disturbed}, flood: {self.flood}"

    def _play(self) -> None:
        self.engine.start()
        self.host.settle()
        removal = self.random.randrange(STEPS) if self.random.random() < 0.5 else -1
        for step in range(STEPS):
            if step == removal:
                self._remove()
            self._flood() if self.flood else self._act()
            self._check_sinks()
            if self._ended():
                break
        self.host.settle()
        stopped = self.flood or self.random.random() < 0.2
        if not stopped:
            self._drain()
            self._compare()
        self.host.settle()
        for sink in self.sinks:
            sink.settle_all()
        self.engine.stop(Broken("the end of the test") if self.random.random() < 0.3 else None)
        for sink in self.sinks:
            sink.settle_all()
        self.host.advance(HOUR)
        self._account()

    # -- the schedule --------------------------------------------------------------------------------------------------

    def _act(self) -> None:
        settle, kind, random = self.random.random() < 0.4, self.random.randint(0, 99), self.random
        if kind < 40:
            index = random.randrange(len(self.sources))
            self._send(index, random.choice([1, 3, 20]), settle)
        elif kind < 80:
            sink = random.choice(self.sinks)
            if not sink.ended:
                sink.request(random.choice(self.asks), settle)
        elif kind < 88:
            sink = random.choice(self.sinks)
            if sink.held:
                sink.held.pop(random.randrange(len(sink.held))).settle()
        elif kind < 97:
            self.host.advance(random.choice([0.0, 0.1, 0.5, 20.0]))
        elif random.random() < 0.15:
            self._disturb(settle)

    def _disturb(self, settle: bool) -> None:
        source, sink = self.random.choice(self.sources), self.random.choice(self.sinks)
        if self.random.random() < 0.5 and not source.ended:
            self.disturbed = True
            source.fail(Broken("a source"), settle)
        elif not sink.ended:
            self.disturbed = True
            sink.cancel(self.random.choice([None, Broken("a sink")]), settle)

    def _send(self, index: int, most: int, settle: bool) -> None:
        source, rest = self.sources[index], self.rests[index]
        if source.ended:
            return
        n = min(most, source.demand, len(rest))
        if n:
            source.send(*rest[:n], settle=settle)
            del rest[:n]
        elif not rest and self.random.random() < 0.3:
            source.complete(settle=settle)

    def _flood(self) -> None:
        """All that is asked for comes, and next to nothing is taken; or all is asked for, in a race."""
        most = MANY if self.race else min(self.bound or 0, MANY) + FLOOD
        for index, source in enumerate(self.sources):
            start = self.graph.starts[index]
            for _ in range(4):
                n = min(source.demand, 1024)
                if not source.ended and n and len(source.sent) < most:
                    source.send(*(item(start.elements, start.first + len(source.sent) + i) for i in range(n)), settle=True)
        sink = self.random.choice(self.sinks)
        if self.random.random() < 0.2 and not sink.ended:
            sink.request(RACE if self.race else 1)
        if self.tracked and self.bound is not None:
            inside = sum(len(source.sent) - len(source.outcomes.by_mark) for source in self.sources)
            assert inside <= self.bound, f"{inside} elements inside, the planner says {self.bound}"

    def _ended(self) -> bool:
        return all(sink.ended for sink in self.sinks)

    def _drain(self) -> None:
        for _ in range(ROUNDS):
            for sink in self.sinks:
                if not sink.ended and sink.asked <= len(sink.received):
                    sink.request(self.random.choice([1, 3, 100]))
                sink.settle_all()
            self._check_sinks()
            if self._ended():
                return
            self.host.advance(HOUR)
            moved = False
            for index, source in enumerate(self.sources):
                left = len(self.rests[index]), source.ended
                if not self.rests[index] and not source.ended:
                    source.complete()
                else:
                    self._send(index, 3, settle=False)
                moved |= left != (len(self.rests[index]), source.ended)
            waiting = all(sink.ended or sink.asked > len(sink.received) for sink in self.sinks)
            if waiting and not moved:
                self.host.advance(HOUR)
                waiting = all(sink.ended or sink.asked > len(sink.received) for sink in self.sinks)
                asks = any(source.demand and not source.ended for source in self.sources)
                if waiting and not asks and not any(sink.held for sink in self.sinks) and not self._ended():
                    assert not self.graph.is_tree, f"every sink asks, and no source is asked: {self._where()}"
                    return
        raise AssertionError(f"no end: {self._where()}")

    def _where(self) -> str:
        return ", ".join(
            f"{w.name}[demand={w.demand} announced={w.announced} slot={w.buffered}{' closed' * w.in_closed}]"
            for w in self.engine.wires
        )

    def _remove(self) -> None:
        """Take a stage out, by what a live edit may know of it: its residue."""
        seats = self.engine.seats
        names = [n for n in self.graph.steps if not seats[n].stopped and not seats[n].outs[0].out_closed]
        if names:
            self.removed = self.random.choice(names)
            self.host.settle()
            seat = self.engine.seats[self.removed]
            if not seat.stopped and not seat.outs[0].out_closed:
                before = [dict(source.outcomes.by_mark) for source in self.sources]
                shares = type(seat.stage).__name__ in SHARING | ABANDONING
                take_out(self.engine, seat)
                for known, source in zip(before, self.sources, strict=True):
                    new = {mark: o for mark, o in source.outcomes.by_mark.items() if mark not in known}
                    assert not new or shares or self.graph.faulty, f"{self.removed} still held something after residue(): {new}"

    # -- what must hold ------------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        if self.disturbed:
            return
        for sink in self.sinks:
            if sink.end.expected is not None and not self.removed:
                self._compare_lists(sink, sink.end.expected)
        if self.graph.regroups and self._ended() and not any(sink.error for sink in self.sinks):
            got = Counter(map(repr, flat(x for sink in self.sinks for x in sink.received)))
            sent = Counter(repr(x) for items in self.inputs for x in items)
            assert got == sent, f"lost: {sent - got}, doubled: {got - sent}"

    def _compare_lists(self, sink: FuzzSink, lists: Lists) -> None:
        try:
            expected = lists(self.inputs)
        except Fails:
            return
        if not sink.ended:  # branches that meet again wait for each other: what came is where it belongs
            expected = expected[: len(sink.received)]
        assert sink.received == expected, f"{sink.end} got {sink.received}, a list function gives {expected}"

    def _check_sinks(self) -> None:
        for sink in self.sinks:
            assert not sink.wrong, f"{sink.end}: {sink.wrong[0]}"

    def _account(self) -> None:
        self._check_sinks()
        LOST.drain()
        assert not self.trouble.found, self.trouble.found[0]
        error = self.engine.error
        assert not isinstance(error, (SpecViolation, InternalError)), f"{type(error).__name__}: {error}"
        assert all(seat.stopped for seat in self.engine.seats.values())
        for index, source in enumerate(self.sources):
            outcomes = source.outcomes
            assert not outcomes.again, f"source {index}: reported twice: {outcomes.again}"
            lost = [e for e in outcomes.errors() if isinstance(e, ReceiptLost)]
            assert not lost, f"source {index}: {lost[0]}"
            missing = [mark for mark in range(len(source.sent)) if mark not in outcomes.by_mark]
            assert not missing or not self.tracked, f"source {index}: no outcome for {missing}"


def main() -> None:
    """Play seeds, and say which fail."""
    parser = argparse.ArgumentParser(description="Random graphs under random schedules.")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="classes of stages, one of which is in each graph")
    args = parser.parse_args()
    logging.getLogger("rt_edge").addHandler(logging.NullHandler())
    bad = 0
    for seed in range(args.seed, args.seed + args.seeds):
        try:
            Fuzz(seed, args.only).run()
        except AssertionError as error:
            bad += 1
            sys.stdout.write(f"seed {seed}: {error}\n\n")
    sys.stdout.write(f"{args.seeds} seeds, {bad} failed\n")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
