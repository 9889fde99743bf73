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


def log_of(node, uplink, wanted):
    """What the uplink has noted, once it holds what is wanted."""
    deadline = time.monotonic() + 10
    while not wanted(log := node.ask(uplink, cast.Say(""), 5, cast.Say).text.split(";")):
        assert time.monotonic() < deadline, log
    return log


def test_uplink_comes_back_when_the_ingress_was_killed(node, other, edge_pki, upstream_pki):
    """SIGKILL of the ingress is a `LinkDown` at once; dials are refused until a new one listens on the same port."""
    uplink, port = joined(node, other, edge_pki, upstream_pki)
    other.tree.kill("Ingress")
    log_of(node, uplink, lambda log: "down Connection refused" in log)
    ingress = other.create(cast.Ingress)
    assert other.ask(ingress, cast.Listen(upstream_pki, port=port), 5, cast.Listen).port == port
    log = log_of(node, uplink, lambda log: log[-1] == "up up-a" and len(log) > 2)
    assert log[0] == "up up-a"
    assert log[1] in ("down closed by the peer", "down Connection reset by peer")
    assert set(log[2:-1]) == {"down Connection refused"}


def test_peer_hears_the_end_when_a_child_was_forked_beside_the_link(node, other, edge_pki, upstream_pki):
    """A child does not inherit the descriptors of links: a session that its parent closes is closed."""
    uplink, _ = joined(node, other, edge_pki, upstream_pki)
    ingress = other.create(cast.Ingress)
    port = other.ask(ingress, cast.Listen(upstream_pki), 5, cast.Listen).port
    uplink = node.create(cast.Uplink)
    node.ask(uplink, cast.Listen(edge_pki, port=port), 5, cast.Say)
    other.ask(ingress, cast.Where(), 5, cast.Where)
    log = log_of(node, uplink, lambda log: len(log) > 1)
    assert log[1] == "down closed by the peer"


def test_wake_up_is_fast_when_the_loop_hands_over(node):
    """From the second thread to a handler on the main thread: well under a millisecond at the median."""
    micros = sorted(node.ask(node.create(cast.Waker), cast.Rtt([], 200), 20, cast.Rtt).micros)
    print(f"wake-up, microseconds: median {micros[100]}, p99 {micros[197]}")
    assert micros[100] < 1000
