"""Links between the actors of two actor systems."""

from __future__ import annotations

import time

import cast_of_actors as cast
import pytest

from rt_edge.actors.system import start_node


@pytest.fixture(scope="module")
def other():
    with start_node() as system:
        yield system


def joined(edge, upstream, edge_pki, upstream_pki, late=0.0):
    """An uplink actor of one system with a link to an ingress actor of the other."""
    ingress, uplink = upstream.create(cast.Ingress), edge.create(cast.Uplink)
    listening = upstream.ask(ingress, cast.Listen(upstream_pki, late=late), 5, cast.Listen).port
    assert edge.ask(uplink, cast.Listen(edge_pki, port=listening), 5, cast.Say).text == "up-a"
    return uplink, listening


@pytest.mark.parametrize("secure", [True, False])
def test_frames_are_confirmed_in_order_when_two_systems_are_linked(node, other, edge_pki, upstream_pki, secure):
    """A thousand frames of 60 kB go up over one link with eight in flight, each confirmed in order."""
    uplink, _ = joined(node, other, *((edge_pki, upstream_pki) if secure else (None, None)))
    took = node.ask(uplink, cast.Rtt([], count=1000, failed=60_000, micros=[8]), 20, cast.Rtt).micros[0]
    print(f"{1000 / took * 1e6:.0f} frames/s, {60_000 * 1000 / took:.0f} MB/s")


def test_uplink_comes_back_when_the_ingress_was_killed(node, other, edge_pki, upstream_pki):
    """SIGKILL of the ingress is a `LinkDown` at once; nobody listens until a new one does, then the link is back."""
    uplink, _ = joined(node, other, edge_pki, upstream_pki)
    other.kill("Ingress")
    deadline = time.monotonic() + 10
    while "down" not in (log := node.ask(uplink, cast.Say(""), 5, cast.Say).text):
        assert time.monotonic() < deadline, log
    assert log.split(";")[0] == "up up-a"
