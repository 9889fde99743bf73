"""The faulty transport really is faulty, and loses nothing."""

from __future__ import annotations

from itertools import pairwise

import cast_of_actors as cast

from rt_edge.actors.system import start_node
from rt_edge.testkit.faulty_transport import faulty

COUNT = 200


def run(**faults):
    with start_node(transport=faulty(spare=frozenset({"Bounce", "Rtt", "Say"}), **faults)) as node:
        collector, source = node.create(cast.Collector), node.create(cast.Source)
        node.ask(source, cast.Rtt([collector], COUNT), 20, cast.Say)
        return [int(number) for number in node.ask(collector, cast.Bounce(COUNT), 20, cast.Bounce).got]


def test_messages_are_repeated_and_reordered_when_the_transport_is_faulty():
    """Every message comes at least once, some twice, and not in order."""
    got = run(seed=7)
    assert set(got) == set(range(COUNT))
    assert len(got) > COUNT * 1.1
    first = list(dict.fromkeys(got))
    assert sum(a > b for a, b in pairwise(first)) > 10


def test_messages_come_once_and_in_order_when_nothing_is_faulty():
    """With all probabilities at zero it is the plain transport."""
    assert run(seed=7, repeat=0.0, delay=0.0) == list(range(COUNT))
