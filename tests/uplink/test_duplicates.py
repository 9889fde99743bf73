"""Two sessions of one node id: a half-dead connection must not lock its node out, a cloned card must not get in."""

from __future__ import annotations

from itertools import count
from typing import TypeVar

from rt_edge.data.record import LaneId
from rt_edge.uplink import effects, frames
from rt_edge.uplink.effects import Peer, ReceiverEffect
from rt_edge.uplink.receiver import Receiver
from rt_edge.uplink.session import Stage

T = TypeVar("T")
LANE = LaneId("edge-1", "up", "main", bytes(16))


class Gate:
    """A receiver with links of one node."""

    def __init__(self) -> None:
        tokens = count(1000)
        self.receiver = Receiver("up-1", "S", lambda: next(tokens))
        self.made: list[ReceiverEffect] = []
        self.numbers: dict[object, int] = {}
        self.now = 0.0

    def do(self, made: list[ReceiverEffect]) -> list[ReceiverEffect]:
        """Carry out: the store opens at once."""
        self.made = []
        while made:
            self.made += made
            waiting, made = made, []
            for effect in waiting:
                if isinstance(effect, effects.OpenSession):
                    made += self.receiver.session_opened(self.now, effect.address, effect.lane, 0, 0)
                elif isinstance(effect, effects.SendTo):
                    message = frames.decode(effect.kind, effect.data)
                    if isinstance(message, frames.Welcome):
                        self.numbers[effect.address] = message.session
        return self.made

    def hello(self, address: str, instance: str, host: str) -> None:
        self.receiver.link_up(self.now, address, Peer("edge-1", "edge"))
        lanes = [frames.LaneHello(0, "up", "main", bytes(16), 0, 0, None)]
        kind, data = frames.encode(frames.Hello(1, 1, "edge-1", instance, host, "", lanes))
        self.do(self.receiver.frame(self.now, address, kind, 5, data))

    def say(self, address: str, message: frames.Message) -> None:
        self.do(self.receiver.frame(self.now, address, *self._frame(address, message)))

    def _frame(self, address: str, message: frames.Message) -> tuple[str, int, bytes]:
        kind, data = frames.encode(message)
        return kind, self.numbers[address], data

    def tick(self, now: float) -> None:
        self.now = now
        self.do(self.receiver.tick(now))

    def sent(self, address: str, cls: type[T]) -> list[T]:
        out = [e for e in self.made if isinstance(e, effects.SendTo) and e.address == address]
        return [m for m in (frames.decode(e.kind, e.data) for e in out) if isinstance(m, cls)]

    def up(self) -> list[object]:
        return [address for address, (_, stage) in self.receiver.sessions().items() if stage is Stage.UP]

    def closed(self) -> list[tuple[object, str]]:
        return [(e.address, e.code) for e in self.made if isinstance(e, effects.CloseLink)]


def test_the_old_session_is_superseded_at_once_when_the_same_process_dials_again() -> None:
    """Its link died without a word; the instance is the same, so nothing has to be asked."""
    gate = Gate()
    gate.hello("old", "i1", "h1")
    gate.hello("new", "i1", "h1")
    assert gate.up() == ["new"]
    assert gate.closed() == [("old", "superseded")]
    assert len(gate.sent("new", frames.Welcome)) == 1


def test_the_old_session_is_superseded_at_once_when_the_process_was_restarted() -> None:
    """kill -9 and restart on one machine: the lock says that the older process is dead."""
    gate = Gate()
    gate.hello("old", "i1", "h1")
    gate.hello("new", "i2", "h1")
    assert gate.up() == ["new"]


def test_the_old_session_is_superseded_after_the_probe_when_the_machine_lost_its_power() -> None:
    """Another boot: it could be a clone, so the old one is asked; it cannot answer, and 5 s later the new one is in."""
    gate = Gate()
    gate.hello("old", "i1", "boot-1")
    gate.hello("new", "i2", "boot-2")
    assert len(gate.sent("old", frames.Probe)) == 1
    assert gate.sent("new", frames.Welcome) == []
    gate.tick(4.9)
    assert gate.up() == ["old"]
    gate.tick(5.0)
    assert gate.up() == ["new"]
    assert len(gate.sent("new", frames.Welcome)) == 1
    assert gate.closed() == [("old", "superseded")]


def test_the_new_session_is_let_in_at_once_when_the_old_link_goes_down() -> None:
    """While it waits, the kernel says that the old link is dead."""
    gate = Gate()
    gate.hello("old", "i1", "boot-1")
    gate.hello("new", "i2", "boot-2")
    gate.do(gate.receiver.link_down(1.0, "old", "timed out"))
    assert gate.up() == ["new"]
    assert len(gate.sent("new", frames.Welcome)) == 1


def test_the_second_node_is_refused_and_all_are_told_when_the_first_lives() -> None:
    """A cloned card: the live one proves it, goes on and is told; the other learns why; the operator gets a report."""
    gate = Gate()
    gate.hello("first", "i1", "boot-1")
    gate.hello("second", "i2", "boot-2")
    [probe] = gate.sent("first", frames.Probe)
    gate.say("first", frames.Alive(probe.nonce))
    assert gate.up() == ["first"]
    [refuse] = gate.sent("second", frames.Refuse)
    assert (refuse.code, refuse.retry_after) == ("duplicate-node", 60.0)
    assert "a node edge-1 is connected to up-1 and alive" in refuse.reason
    [notice] = gate.sent("first", frames.Notice)
    assert notice.code == "duplicate-node"
    assert gate.closed() == [("second", "duplicate-node")]
    reports = [e for e in gate.made if isinstance(e, effects.Report)]
    assert {report.code for report in reports} == {"duplicate-node"}
    assert any("is it a cloned card?" in report.message for report in reports)


def test_old_bytes_are_no_proof_of_life_when_they_were_under_way() -> None:
    """What a dead node had sent before still arrives; only the nonce of this probe counts."""
    gate = Gate()
    gate.hello("old", "i1", "boot-1")
    gate.hello("new", "i2", "boot-2")
    [probe] = gate.sent("old", frames.Probe)
    gate.say("old", frames.Ping(1))
    gate.say("old", frames.Alive(probe.nonce + 1))
    gate.tick(5.0)
    assert gate.up() == ["new"]


def test_the_waiting_one_is_replaced_when_it_dials_again() -> None:
    """Its first attempt died while it waited; it is not its own rival."""
    gate = Gate()
    gate.hello("old", "i1", "boot-1")
    gate.hello("new", "i2", "boot-2")
    gate.hello("newer", "i2", "boot-2")
    assert gate.closed() == [("new", "superseded")]
    gate.tick(5.0)
    assert gate.up() == ["newer"]


def test_the_first_node_wins_when_it_dials_again_while_a_clone_waits() -> None:
    """Dialling again is a proof of life."""
    gate = Gate()
    gate.hello("old", "i1", "boot-1")
    gate.hello("clone", "i2", "boot-2")
    gate.hello("again", "i1", "boot-1")
    assert gate.up() == ["again"]
    assert set(gate.closed()) == {("clone", "duplicate-node"), ("old", "superseded")}


def test_a_third_node_is_sent_away_when_two_are_sorting_it_out() -> None:
    """One waits at a time: bounded."""
    gate = Gate()
    gate.hello("a", "i1", "boot-1")
    gate.hello("b", "i2", "boot-2")
    gate.hello("c", "i3", "boot-3")
    assert gate.closed() == [("c", "duplicate-node")]
    assert gate.sent("c", frames.Refuse)[0].retry_after == 5.0


def test_no_host_is_no_proof_when_it_is_empty() -> None:
    """Nodes that cannot tell their machine are probed like strangers."""
    gate = Gate()
    gate.hello("old", "i1", "")
    gate.hello("new", "i2", "")
    assert len(gate.sent("old", frames.Probe)) == 1


def test_commits_of_the_old_session_do_not_reach_the_new_one_when_it_was_superseded() -> None:
    """A late answer of the store is for an address that is gone; the store itself takes the last opened session only."""
    gate = Gate()
    gate.hello("old", "i1", "h1")
    old = next(e.session for e in gate.made if isinstance(e, effects.OpenSession))
    gate.hello("new", "i1", "h1")
    new = next(e.session for e in gate.made if isinstance(e, effects.OpenSession))
    assert old != new
    assert gate.do(gate.receiver.committed(0.0, "old", LANE, 3)) == []
    assert gate.up() == ["new"]
