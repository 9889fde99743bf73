"""Asking under time wound by hand: demand, slots, and that no reply is ever taken for that to another request."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.serial import SerialAdapter
from adapters.serial.poll import Poller
from rt_edge.testkit.adapter_harness import RecordingContext
from rt_edge.testkit.simulated_time import EPOCH_NS, SimulatedTime

Fate = Callable[[int], list[tuple[float, bytes]]]


class World:
    """A poller, and an instrument that answers to request number n (1, 2, ...) as its fate says: when, and what.

    `{n}` in an answer is that number, `{a}` the request's text; `right` has each Reading's value and the request it belonged to.
    """

    def __init__(self, folder: Path, settings: Any, fate: Fate) -> None:
        self.time = SimulatedTime()
        self.context = RecordingContext(folder, "lab", self.time, Random(7))
        self.fate = fate
        self.sent: list[tuple[float, bytes]] = []
        self.right: list[tuple[int, int]] = []
        adapter = SerialAdapter(settings, self.context)
        made = adapter._made()
        assert isinstance(made, Poller)
        self.poller = made
        emit = self.context.emit

        def emitted(readings: Any, *more: Any) -> None:
            self.right += [(int(reading.fields["n"]), len(self.sent)) for reading in readings]
            emit(readings, *more)

        self.context.emit = emitted  # type: ignore[method-assign]

    def start(self) -> None:
        self.open = True
        self.poller.start(self, self.time)

    def stop(self) -> None:
        self.open = False
        self.poller.stop()

    def heard(self, data: bytes) -> None:
        if self.open:  # else the port is closed
            self.poller.on_data(data)

    def write(self, data: bytes) -> None:
        """The poller's port."""
        self.sent.append((round(self.time.now, 6), data))
        number = len(self.sent)
        for delay, answer in self.fate(number):
            text = answer.replace(b"{n}", b"%d" % number).replace(b"{a}", data.strip())
            self.time.call_later(delay, lambda text=text: self.heard(text))  # type: ignore[misc]

    def forget_unsent(self) -> None:
        """The poller's port."""

    def demand(self, n: int) -> None:
        self.context.asked += n
        self.poller.demand(n)

    def run(self, seconds: float) -> None:
        self.time.run_until(self.time.now + seconds)

    @property
    def values(self) -> list[int]:
        return [int(e.reading.fields["n"]) for e in self.context.emitted]


@pytest.fixture(name="world")
def _world(settings: Any, tmp_path: Path) -> Callable[..., World]:
    def make(fate: Fate, requests: dict[str, Any] | None = None, **poll: Any) -> World:
        asked = requests or {"v": {"every": "1s", "timeout": "100ms"}}
        form = {"kind": "regex", "pattern": r"(?P<n>\d+)$"}
        full = {name: {"request": "?\r", "format": form, **more} for name, more in asked.items()}
        line = {"kind": "delimiter", "delimiter": "\r"}
        return World(tmp_path, settings(port="x", framing=line, poll={"requests": full, **poll}), fate)

    return make


def at_once(number: int) -> list[tuple[float, bytes]]:
    return [(0.01, b"{n}\r")]


def test_nothing_is_asked_when_there_is_no_demand(world: Any) -> None:
    """No demand, no request; a demand of two gives two Readings, and slots that passed unused are one request."""
    w = world(at_once)
    w.start()
    w.run(5.5)
    assert w.sent == []
    w.demand(2)
    w.run(10)
    assert [at for at, _ in w.sent] == [5.5, 6.0]
    assert w.values == [1, 2]
    assert w.context.counts == {"slots_coalesced": 5, "polls_ok": 2}
    assert w.context.gaps == []


def test_gap_is_said_when_nobody_asked_for_long(world: Any) -> None:
    """Ten seconds without demand are a gap, from the last Reading to the demand."""
    w = world(at_once)
    w.start()
    w.demand(1)
    w.run(20)
    w.demand(1)
    w.run(1)
    assert w.context.gaps == [("lab/v", "no_demand", EPOCH_NS + 10_000_000, EPOCH_NS + 20 * 10**9)]


def test_late_reply_is_dropped_when_its_request_was_given_up(world: Any) -> None:
    """The reply to request 1 comes after its time-out and is not that to request 2: which is sent behind it."""
    w = world(lambda n: [(0.3 if n == 1 else 0.01, b"{n}\r")], {"v": {"every": "50ms", "timeout": "100ms"}})
    w.start()
    w.demand(2)
    w.run(1)
    assert [at for at, _ in w.sent] == [0.0, 0.3, 0.35]
    assert w.right == [(2, 2), (3, 3)]
    assert w.context.counts["late_frames"] == 1
    assert w.context.gaps == [("lab/v", "timeout", EPOCH_NS, EPOCH_NS + 310_000_000)]


def test_nothing_is_asked_when_a_killed_process_may_still_get_its_reply(world: Any) -> None:
    """Up to the time-out and `late_limit` nobody knows whose reply comes; what comes is nobody's."""
    w = world(at_once, {"v": {"every": "50ms", "timeout": "100ms"}}, late_limit="700ms")
    w.poller.owe()
    w.start()
    w.demand(2)
    w.time.call_later(0.6, lambda: w.heard(b"99\r"))
    assert w.poller.owed
    w.run(0.79)
    assert (w.sent, w.values) == ([], [])
    w.run(0.2)
    assert [at for at, _ in w.sent] == [0.8, 0.85]
    assert w.values == [1, 2]
    assert w.context.counts["unasked_frames"] == 1
    assert not w.poller.owed


def test_noise_is_not_the_late_reply_when_one_is_waited_for(world: Any) -> None:
    """A line of noise after the time-out does not end the wait for the reply that is still to come."""
    fates = {1: [(0.2, b"noise\r"), (0.3, b"{n}\r")]}
    w = world(lambda n: fates.get(n) or at_once(n), {"v": {"every": "50ms", "timeout": "100ms"}})
    w.start()
    w.demand(1)
    w.run(1)
    assert [at for at, _ in w.sent] == [0.0, 0.3]
    assert w.right == [(2, 2)]
    assert w.context.counts["unasked_frames"] == 1


def test_line_waits_when_a_lost_reply_may_still_come(world: Any) -> None:
    """A request without any reply costs late_limit, and not more; then it goes on."""
    w = world(lambda n: [] if n == 1 else at_once(n), {"v": {"every": "50ms", "timeout": "100ms"}}, late_limit="700ms")
    w.start()
    w.demand(2)
    w.run(2)
    assert [at for at, _ in w.sent] == [0.0, 0.8, 0.85]
    assert w.right == [(2, 2), (3, 3)]


@pytest.mark.parametrize("begins", ["{sequence:04d}=", ">{address}"])
def test_others_are_asked_at_once_when_replies_say_what_they_answer(world: Any, begins: str) -> None:
    """With the number of the request, or the address of who answers, a missing reply holds up nobody else."""
    requests = {
        name: {"request": begins + "\r", "reply_begins": begins, "values": {"address": name}, "every": "1s", "timeout": "100ms"}
        for name in ("a", "b")
    }
    w = world(lambda n: [(0.01 if n % 2 == 0 else 0.5, b"{a} {n}\r")], requests)
    w.start()
    w.demand(4)
    w.run(3)
    assert [at for at, _ in w.sent][:4] == [0.0, 0.1, 1.0, 1.1]
    assert {source for source, *_ in w.context.gaps} <= {"lab/a"}
    assert [reading.source for reading in (e.reading for e in w.context.emitted)] == ["lab/b"] * 3
    assert all(value == sent for value, sent in w.right)
    assert w.context.counts["late_frames"] >= 2


def test_similar_beginnings_wait_for_each_other_when_one_is_late(world: Any) -> None:
    """`1` begins `12` too: a late reply that could be the other's is waited for."""
    requests = {name: {"request": f"{name}?\r", "reply_begins": name, "every": "1s", "timeout": "100ms"} for name in ("1", "12")}
    w = world(lambda n: [(0.4, b"12:{n}\r")] if n == 1 else [(0.01, b"12:{n}\r")], requests)
    w.start()
    w.demand(1)
    w.run(1)
    assert [at for at, _ in w.sent] == [0.0, 0.4]
    assert w.right == [(2, 2)]


def test_noise_is_no_reply_when_it_cannot_be_read(world: Any) -> None:
    """Unreadable lines before the reply do not end the wait for it; without a request everything is noise."""
    w = world(lambda n: [(0.01, b"\xff\x00noise\r"), (0.02, b"half"), (0.03, b" {n}\r")])
    w.start()
    w.heard(b"77\r")
    w.demand(1)
    w.run(0.5)
    assert w.right == [(1, 1)]
    assert w.context.counts == {"unasked_frames": 1, "dropped_bad_text": 1, "polls_ok": 1}


def test_noise_is_not_put_in_front_of_a_reply_when_it_came_before_the_request(world: Any) -> None:
    """A piece without an end is thrown away when the next request goes out: 99 and 1 are not 991."""
    w = world(at_once)
    w.start()
    w.heard(b"99")
    w.demand(1)
    w.run(1)
    assert w.right == [(1, 1)]
    assert w.context.counts == {"garbage_bytes": 2, "polls_ok": 1}


def test_reply_ends_the_wait_when_it_begins_right_and_says_nothing(world: Any) -> None:
    """`ERR` behind the right beginning is the reply: the next request does not wait for another one."""
    requests = {"v": {"reply_begins": "V", "every": "100ms", "timeout": "90ms"}}
    w = world(lambda n: [(0.01, b"V ERR\r" if n == 1 else b"V{n}\r")], requests)
    w.start()
    w.demand(1)
    w.run(1)
    assert [at for at, _ in w.sent] == [0.0, 0.1]
    assert w.context.counts["polls_failed"] == 1
    assert [gap[1] for gap in w.context.gaps] == ["unreadable"]


def test_echo_is_skipped_when_the_line_returns_what_is_sent(world: Any) -> None:
    """A two-wire line shows our own request first, in pieces."""
    w = world(lambda n: [(0.001, b"?"), (0.002, b"\r{n}"), (0.01, b"\r")], local_echo=True)
    w.start()
    w.demand(1)
    w.run(1)
    assert w.right == [(1, 1)]
    assert w.context.counts == {"polls_ok": 1}


def test_silence_is_said_once_when_nobody_answers_and_once_when_it_ends(world: Any) -> None:
    """After three time-outs requests are rarer, up to a minute; one line on loss, one on return; a gap record a minute."""
    w = world(lambda n: at_once(n) if w.time.now > 300 else [])
    w.start()
    w.demand(10)
    w.run(400)
    levels = [(line.level, line.event) for line in w.context.logs]
    assert levels == [("warning", "lab/v did not answer 3 times within 0.1 s"), ("info", "lab/v answers again")]
    away = [at for at, _ in w.sent if at <= 300]
    assert len(away) < 15
    assert max(b - a for a, b in itertools.pairwise(away)) <= 61
    assert 4 <= len(w.context.gaps) <= 6
    assert all(before[3] == after[2] for before, after in zip(w.context.gaps, w.context.gaps[1:], strict=False))


def test_late_reply_is_dropped_when_the_port_was_opened_again(world: Any) -> None:
    """A reply to a request of the connection before is not that of the first request of the next one."""
    w = world(lambda n: [(0.25, b"{n}\r")], {"v": {"every": "1s", "timeout": "300ms"}})
    w.start()
    w.demand(1)
    w.run(0.1)
    w.stop()
    w.run(0.1)
    w.start()
    w.run(2)
    assert w.right == [(2, 2)]
    assert w.sent[1][0] == 0.25


def test_reply_is_not_begun_by_a_late_one_when_that_comes_in_pieces(world: Any) -> None:
    """The rest of a reply that began to come before late_limit was over is not taken for the next one."""

    def fate(n: int) -> list[tuple[float, bytes]]:
        return [(0.79, b"99"), (0.81, b"5\r")] if n == 1 else at_once(n)

    w = world(fate, {"v": {"every": "50ms", "timeout": "100ms"}}, late_limit="700ms")
    w.start()
    w.demand(1)
    w.run(2)
    assert w.right == [(2, 2)]


@pytest.mark.parametrize("seed", range(30))
def test_no_reply_is_misattributed_when_the_line_is_bad(world: Any, seed: int) -> None:
    """Replies late, lost, doubled by noise, damaged and in pieces, opened again in between: each value belongs to its request."""
    random = Random(seed)

    def fate(number: int) -> list[tuple[float, bytes]]:
        kind = random.randrange(8)
        late = random.uniform(0.1, 0.75)
        noise = bytes(random.choice(b"\x00\xffxyz+") for _ in range(random.randrange(1, 6)))
        text = b"%d\r" % number
        cut = random.randrange(len(text) + 1)
        return [
            [(0.01, text)],
            [(late, text)],
            [],
            [(0.01, noise + b"\r"), (0.02, text)],
            [(0.01, noise + text[:cut]), (0.03, text[cut:])],
            [(late, text[:cut]), (late + 0.04, text[cut:])],
            [(0.01, b"x" * random.randrange(1, 2000))],
            [(0.01, text), (0.02, noise)],  # no end of a line in it: in the middle of the next number nobody could tell
        ][kind]

    requests = {
        "a": {"every": "50ms", "timeout": "100ms"},
        "b": {"every": "170ms", "timeout": "60ms"},
    }
    form = {"kind": "regex", "pattern": r"^(?P<n>\d+)$"}
    w = world(fate, {name: {**request, "format": form} for name, request in requests.items()}, late_limit="800ms")
    w.start()
    for step in range(60):
        w.demand(random.randrange(0, 5))
        w.run(random.uniform(0, 2))
        if step % 13 == 12:
            w.stop()
            w.run(random.uniform(0, 0.5))
            w.start()
    w.demand(1)
    emitted = len(w.right)
    w.run(400)
    assert [pair for pair in w.right if pair[0] != pair[1]] == []
    assert len(w.right) > emitted or w.context.asked == len(w.right), "it goes on behind whatever happened"
    assert len(w.right) > 20
    assert w.context.violations == []


@pytest.mark.parametrize("seed", range(10))
def test_each_value_is_its_instruments_when_several_share_a_line_with_echo(world: Any, seed: int) -> None:
    """Multi-drop: every request comes back first, replies are late or missing, a turn-around is kept; replies name who speaks."""
    random = Random(seed)
    w: World

    def fate(number: int) -> list[tuple[float, bytes]]:
        asked = w.sent[number - 1][1]
        address = asked[1:3]
        late = random.choice([0.01, 0.01, 0.03, 0.15, 0.4, None])
        cut = random.randrange(len(asked) + 1)
        echo = [(0.001, asked[:cut]), (0.002, asked[cut:])]
        return echo if late is None else [*echo, (0.003 + late, b">" + address + b"%d" % int(address) + b"\r")]

    form = {"kind": "regex", "pattern": r"^>\d\d(?P<n>\d+)$"}
    ask = {"request": "#{address:02d}?\r", "reply_begins": ">{address:02d}", "every": "100ms", "timeout": "60ms", "format": form}
    requests = {f"i{n}": {**ask, "values": {"address": n}} for n in (1, 2, 11)}
    w = world(fate, requests, local_echo=True, pause="20ms")
    w.start()
    w.demand(10**6)
    w.run(60)
    named = [(reading.source, reading.fields["n"]) for reading in (e.reading for e in w.context.emitted)]
    assert len(named) > 100
    assert set(named) == {("lab/i1", 1), ("lab/i2", 2), ("lab/i11", 11)}
    replies = [(e.reading.ts - EPOCH_NS) / 1e9 for e in w.context.emitted]
    turns = [min((at - came for at, _ in w.sent if at > came), default=1.0) for came in replies]
    assert min(turns) >= 0.02 - 1e-5
