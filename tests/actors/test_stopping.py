"""The order of a node's stop, its deadlines and its report, without processes and in simulated time."""

from __future__ import annotations

import pytest

from rt_edge.actors.node_messages import PhaseDone
from rt_edge.actors.stopping import MARGIN_S, NodeStop, longest
from rt_edge.testkit.simulated_time import SimulatedTime

ISLANDS = {
    "mqtt": ("adapter/mqtt",),
    "work": ("graph/a", "graph/b"),
    "hq": ("uplink/hq",),
    "disk": ("store/local", "ingress"),
}


class Node:
    """Islands that answer after `seconds`; None: never."""

    def __init__(self, islands=ISLANDS, seconds=None):
        self.time = SimulatedTime()
        self.seconds = seconds or {}
        self.told = []
        self.reports = []
        self.stop = NodeStop(
            islands,
            4.0,
            self.tell,
            lambda: self.time.now,
            lambda wait, call: self.time.call_later(wait, call).cancel,
            self.reports.append,
        )

    def tell(self, island, message):
        self.told.append((message.phase, island, message.seconds))
        wait = self.seconds.get(island, 0.1)
        if wait is not None:
            done = PhaseDone(island, message.phase, 3 if island == "mqtt" and message.phase == "sources" else 0)
            self.time.call_later(wait, lambda: [self.stop.done(done), self.stop.done(done)])  # delivery is at least once

    def run(self, seconds=60.0):
        self.stop.begin()
        self.time.run_until(self.time.now + seconds)
        return [(phase, island) for phase, island, _ in self.told]


def test_phases_come_in_order_when_every_island_answers():
    """Sources, graphs, spools, uplinks; an island is told of the phases in which a member of it has something to do."""
    node = Node()
    assert node.run() == [
        ("sources", "mqtt"),
        ("graphs", "work"),
        ("spools", "mqtt"),
        ("spools", "hq"),
        ("spools", "disk"),
        ("uplinks", "hq"),
        ("uplinks", "disk"),
    ]
    assert [seconds for *_, seconds in node.told] == [4.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    (report,) = node.reports
    assert report[0] == "sources ended after 0.1 s, 3 elements left in mqtt"
    assert [line.split()[0] for line in report] == ["sources", "graphs", "spools", "uplinks"]


def test_next_phase_begins_at_its_deadline_when_an_island_is_late():
    """Not before, and the report names who did not answer; the whole never takes longer than it may."""
    node = Node(seconds=dict.fromkeys(ISLANDS))
    node.stop.begin()
    node.time.run_until(4.0 + MARGIN_S - 0.01)
    assert node.told[-1][0] == "sources"
    node.time.run_until(4.0 + MARGIN_S + 0.01)
    assert node.told[-1][0] == "graphs"
    node.time.run_until(longest(4.0) - 0.01)
    assert node.reports == []
    node.time.run_until(longest(4.0) + 0.01)
    assert node.reports[0][0] == "sources ended after 5.5 s, no answer from mqtt"
    assert len(node.reports) == 1


def test_nobody_waits_for_an_island_when_it_has_died():
    """The phase it was in ends at once, and it is not told of later ones."""
    node = Node(seconds={"mqtt": None})
    node.time.call_later(1.0, lambda: node.stop.gone("mqtt"))
    assert ("spools", "mqtt") not in node.run()
    assert node.reports[0][0].startswith("sources ended after 1 s")


def test_it_is_over_at_once_when_no_island_runs():
    """Also a node without anything is told that it has stopped."""
    node = Node(islands={})
    assert node.run() == []
    assert len(node.reports) == 1


def test_all_islands_of_one_process_take_part_in_every_phase():
    """`island: all`: one island, four phases, each once; an answer that comes again does not end the phase after."""
    node = Node(islands={"all": ("adapter/a", "adapter/b", "graph/g", "uplink/u")})
    assert [phase for phase, _ in node.run()] == ["sources", "graphs", "spools", "uplinks"]
    assert [report.seconds for report in node.stop.shutdown.reports] == pytest.approx([0.1] * 4)


def test_the_longest_stop_is_shorter_than_the_watchdog():
    """With the node's own phase length; the service manager would end it otherwise."""
    from rt_edge.daemon.main import PHASE_S

    assert longest(PHASE_S) + 3 < 30
