"""The base actor, in real processes."""

from __future__ import annotations

import logging
import os
import signal

import cast_of_actors as cast
import pytest


def test_handler_is_called_once_when_it_raises(node):
    """Thespian would call it again with a copy; here it is called once, counted, and told to the guardian."""
    fragile = node.create(cast.Fragile)
    node.tell(fragile, cast.Fail())
    state = node.ask(fragile, cast.Counts(), 5, cast.Counts)
    assert state.calls == 1
    assert state.counters["failed"] == 1
    state = node.ask(fragile, cast.Counts(), 5, cast.Counts)
    assert state.last == "Fragile Fail RuntimeError: as told 1 True"


def test_guardian_is_told_rarely_when_a_handler_raises_often(node):
    """Twenty equal failures are five reports: at 1, 2, 4, 8 and 16."""
    fragile = node.create(cast.Fragile)
    for _ in range(20):
        node.tell(fragile, cast.Fail())
    for _ in range(20):
        state = node.ask(fragile, cast.Counts(), 5, cast.Counts)
        if state.reports >= 5:
            break
    assert (state.calls, state.reports, state.counters["failed"]) == (20, 5, 20)


def test_unknown_message_is_counted_when_no_handler_takes_it(node):
    """A message without a handler is counted, and the actor goes on."""
    fragile = node.create(cast.Fragile)
    node.tell(fragile, cast.Where())
    assert node.ask(fragile, cast.Counts(), 5, cast.Counts).counters["unhandled"] == 1


def test_loop_and_actor_exchange_when_both_run(node):
    """Items go through the second thread and back in order, again and again (the watch is not forgotten)."""
    looper = node.create(cast.Looper)
    for count in (1, 500, 1):
        assert node.ask(looper, cast.Bounce(count), 5, cast.Bounce).got == [str(n) for n in range(count)]
    assert node.ping(looper, 5).loop


def test_actor_goes_on_when_a_call_from_the_loop_raises(node):
    """A failed call from the loop is counted, and the next one runs."""
    looper = node.create(cast.Looper)
    node.ask(looper, cast.Bounce(1), 5, cast.Bounce)
    assert node.ask(looper, cast.Fail(), 5, cast.Counts).counters["failed"] == 1


def test_actor_refuses_to_fork_when_it_has_a_second_thread(node):
    """Creating a child from a process with threads is an error."""
    looper = node.create(cast.Looper)
    node.ask(looper, cast.Bounce(1), 5, cast.Bounce)
    assert "must not create actors" in node.ask(looper, cast.Where(), 5, cast.Say).text


def test_timer_fires_when_it_is_due_and_not_when_cancelled(node):
    """`after` calls later; a cancelled timer never."""
    assert node.ask(node.create(cast.Looper), cast.Counts(), 5, cast.Counts).last == "early"


def test_sender_is_told_when_the_target_is_dead(node):
    """Sends to a killed child end in one `SendFailed` that counts what waited too."""
    parent = node.create(cast.Parent)
    pid = node.ask(parent, cast.Where(), 5, cast.Where).pid
    os.kill(pid, signal.SIGKILL)
    heard = node.ask(parent, cast.Say(""), 5, cast.Say).text
    assert "failed Say" in heard
    assert "dead=True" in heard
    assert "child exited" in heard


@pytest.fixture
def stopped(node):
    """25 actors that are stopped: they accept connections and never read."""
    peers = [node.create(cast.Echo) for _ in range(25)]
    pids = [node.ask(peer, cast.Where(), 5, cast.Where).pid for peer in peers]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield peers
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def median(values):
    return sorted(values)[len(values) // 2]


def test_healthy_peer_keeps_its_latency_when_25_others_are_silent(node, stopped):
    """Thespian's own outbox stops at 20 unconfirmed sends; here 25 silent targets with full queues cost nothing."""
    prober, healthy = node.create(cast.Prober), node.create(cast.Echo)
    before = node.ask(prober, cast.Rtt([healthy], 100), 20, cast.Rtt).micros
    during = node.ask(prober, cast.Rtt([healthy], 100, flood=stopped), 20, cast.Rtt).micros
    print("round trip, microseconds: alone", median(before), "beside 25 silent", median(during), "max", max(during))
    assert median(during) < 100_000  # a target that is stuck behind the silent ones is stuck for 20 s
    assert node.ask(prober, cast.Fail(), 5, cast.Say).text.startswith("0 8 messages wait")
    assert node.ask(prober, cast.Counts(), 5, cast.Counts).counters["sent"] > 425


def test_log_goes_to_our_handler_when_it_is_restored(node, tmp_path):
    """After `restore_logging` new and old loggers write to the handler, not to Thespian's logger process."""
    path = tmp_path / "actor.log"
    node.ask(node.create(cast.Logging), cast.Say(str(path)), 5, cast.Say)
    assert path.read_text().splitlines() == ["new logger", "module logger"]
    assert logging.root.handlers is not None
