"""Commands over links that come and go, under a clock wound by hand: one end for each ask, and never the same command twice."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from rt_edge.commands.command import Command, Outcome
from rt_edge.data.errors import CodecError
from rt_edge.testkit.simulated_time import SimulatedTime
from rt_edge.uplink import command_frames as frames
from rt_edge.uplink.command_relay import AGAIN_S, GRACE_S, MAX_ASKS, MAX_LISTENERS, READ_S, SETTLE_S, CommandRelay


class World:
    """A relay, and what it sends."""

    def __init__(self):
        self.time = SimulatedTime()
        self.sent = []
        self.relay = CommandRelay(self.time, lambda node, number, data: self.sent.append((node, number, frames.decode_ask(data))))
        self.heard = []

    def write(self, key="k", expires_s=10.0, node="hall-3", wait=True, again=False, value=5, tell=None):
        tell = tell or self.heard.append
        self.relay.write(node, "plc/pump-1/setpoint", Command(key, "", value, expires_s), wait, tell, again)

    def until(self, seconds):
        end = self.time.now + seconds
        while (at := self.relay.next_time()) is not None and at <= end:
            self.time.now = max(self.time.now, at)
            self.relay.tick()
        self.time.now = end


def said(state, final=True, key="k"):
    return frames.encode(Outcome(key, state, final))


def test_command_waits_for_the_session_and_is_answered():
    """Nothing is sent before; what is left of its time goes with it; its states come back, the last one ends it."""
    world = World()
    world.write()
    assert not world.sent
    world.until(4)
    world.relay.link_up("hall-3")
    ((node, number, ask),) = world.sent
    assert (node, ask.command.expires_s, ask.key) == ("hall-3", 6.0, "k")
    world.relay.said("hall-3", number, said("sent", final=False))
    world.relay.said("hall-3", number, said("confirmed"))
    world.relay.said("hall-3", number, said("confirmed"))
    assert [outcome.state for outcome in world.heard] == ["sent", "confirmed"]
    assert world.relay.next_time() is None


def test_command_is_asked_again_after_a_cut_and_while_nothing_is_heard():
    """Under the same number and key, at last with no time left: then it only asks what became of it."""
    world = World()
    world.relay.link_up("hall-3")
    world.write(expires_s=7.0)
    world.relay.link_down("hall-3")
    world.until(3)
    world.relay.link_up("hall-3")
    world.until(AGAIN_S + 1)
    assert [(number, ask.key) for _, number, ask in world.sent] == [(1, "k")] * 3
    assert [ask.command.expires_s for _, _, ask in world.sent] == [7.0, 4.0, 0.0]


def test_end_is_expired_or_unknown_when_the_edge_is_away():
    """Never sent: expired. Sent, and nothing heard: unknown, with the key to ask again. A read that was not answered: failed."""
    world = World()
    world.write("never", 5.0)
    world.until(6)
    assert (world.heard[-1].state, world.heard[-1].message) == ("expired", "not sent: node hall-3 is not connected")
    world.relay.link_up("hall-3")
    assert not world.sent
    world.write("lost", 5.0)
    world.relay.link_down("hall-3")
    world.until(5 + GRACE_S - 0.1)
    assert len(world.heard) == 1
    world.until(0.1)
    assert world.heard[-1].state == "unknown"
    assert world.heard[-1].message == "node hall-3 is not connected; ask again with --key lost"
    world.relay.read("hall-3", "plc/pump-1/setpoint", "r", world.heard.append)
    world.until(READ_S + 1)
    assert world.heard[-1].state == "failed"
    assert len(world.heard) == 3


def test_answer_of_another_node_counts_as_nothing():
    """A node cannot speak for another; garbage is counted and ends nothing."""
    world = World()
    for node in ("hall-3", "hall-4"):
        world.relay.link_up(node)
    world.write()
    world.relay.said("hall-4", 1, said("confirmed"))
    world.relay.said("hall-3", 1, b"\xc1")
    world.relay.said("hall-3", 99, said("confirmed"))
    assert not world.heard
    assert (world.relay.counters["late"], world.relay.counters["garbled"]) == (2, 1)


def test_too_many_asks_are_refused():
    """What waits has a bound."""
    world = World()
    for i in range(MAX_ASKS + 1):
        world.write(f"k{i}")
    assert [outcome.state for outcome in world.heard] == ["refused"]


def test_who_does_not_wait_hears_the_first_durable_word():
    """And no more."""
    world = World()
    world.relay.link_up("hall-3")
    world.write(wait=False)
    world.relay.said("hall-3", 1, said("accepted", final=False))
    world.relay.said("hall-3", 1, said("confirmed"))
    assert [outcome.state for outcome in world.heard] == ["accepted"]


def test_command_is_held_until_a_word_came_of_the_one_before_it_to_its_point():
    """Else one that was lost on its way and is asked again would be carried out after its successor. Other points do not wait."""
    world = World()
    world.relay.link_up("hall-3")

    def write(key, point, **more):
        world.relay.write("hall-3", point, Command(key, "", 5, 30.0, **more), True, world.heard.append)

    write("first", "plc/pump-1/setpoint")
    write("second", "plc.pump-1.setpoint")
    write("third", "plc/pump-1/setpoint", priority=True)
    write("other", "plc/pump-2/setpoint")
    write("dry", "plc/pump-1/setpoint", dry_run=True)
    world.until(AGAIN_S)
    assert [ask.key for _, _, ask in world.sent] == ["first", "other", "dry", "first", "other", "dry"]
    world.relay.link_down("hall-3")
    world.relay.link_up("hall-3")
    del world.sent[:]
    world.relay.said("hall-3", 1, said("accepted", final=False, key="first"))
    world.relay.said("hall-3", 2, said("confirmed", key="second"))
    assert [(number, ask.key) for _, number, ask in world.sent] == [(2, "second"), (3, "third")]


def test_command_has_not_failed_when_its_adapter_is_started_again():
    """Who says so does not know the command, which may be in the adapter's journal. Before it was asked twice it cannot be."""
    world = World()
    world.relay.link_up("hall-3")
    world.write()
    world.relay.said("hall-3", 1, said("accepted", final=False))
    world.until(AGAIN_S)
    world.relay.said("hall-3", 1, said("failed", key=""))
    assert [outcome.state for outcome in world.heard] == ["accepted"]
    world.until(AGAIN_S)
    world.relay.said("hall-3", 1, said("unknown"))
    world.write("other")
    world.relay.said("hall-3", 2, said("failed", key=""))
    assert [outcome.state for outcome in world.heard] == ["accepted", "unknown", "failed"]


def test_command_goes_when_the_one_before_it_was_given_up():
    """With its time left; it expires where it was not sent by then, and says why."""
    world = World()
    world.relay.link_up("hall-3")
    world.write("lost", 5.0)
    world.write("short", 6.0)
    world.write("long", 200.0)
    world.until(5 + GRACE_S)
    assert [(o.key, o.state, o.message) for o in world.heard] == [
        ("short", "expired", "not sent: node hall-3 has not answered the command before it"),
        ("lost", "unknown", "no answer from node hall-3; ask again with --key lost"),
    ]
    assert next(ask.command.expires_s for _, _, ask in world.sent if ask.key == "long") == pytest.approx(200 - 5 - GRACE_S)


def test_edge_that_says_what_it_does_is_waited_for():
    """Each word of a slow device counts, up to a limit; the word of one who does not know the command does not."""
    world = World()
    world.relay.link_up("hall-3")
    world.write()
    for _ in range(6):
        world.until(AGAIN_S)
        world.relay.said("hall-3", 1, said("sent", final=False))
    assert {outcome.state for outcome in world.heard} == {"sent"}
    for _ in range(2):
        world.until(GRACE_S)
        world.relay.said("hall-3", 1, said("failed", key=""))
    world.until(AGAIN_S - GRACE_S)
    assert world.heard[-1].state == "unknown"
    assert world.heard[-1].message == "node hall-3 does not say its end (it was sent); ask again with --key k"
    world.write("slow")
    while world.relay.next_time() is not None:
        world.until(1)
        world.relay.said("hall-3", 2, said("sent", final=False, key="slow"))
    assert world.heard[-1].state == "unknown"
    assert world.sent[-1][2].again


def test_link_that_is_lost_after_the_expiry_has_a_moment_to_come_back():
    """Then it is not known, and that is said."""
    world = World()
    world.relay.link_up("hall-3")
    world.write(expires_s=1.0)
    world.until(4)
    world.relay.link_down("hall-3")
    world.until(GRACE_S - 0.1)
    world.relay.link_up("hall-3")
    assert world.sent[-1][2].command.expires_s == 0
    world.relay.link_down("hall-3")
    assert not world.heard
    world.until(GRACE_S)
    assert [outcome.state for outcome in world.heard] == ["unknown"]


def test_command_that_is_asked_again_is_the_same_one():
    """Its asker hears where it is, and its end; the edge is not asked for another one. Another value is another command."""
    world = World()
    world.relay.link_up("hall-3")
    world.write()
    world.relay.said("hall-3", 1, said("sent", final=False))
    again = []
    world.write(expires_s=1.0, again=True, tell=again.append)
    assert [outcome.state for outcome in again] == ["sent"]
    assert len(world.sent) == 1
    assert world.relay.knows("hall-3", "plc/pump-1/setpoint", Command("k", "", 5), wait=True)
    assert not world.relay.knows("hall-3", "plc/pump-1/setpoint", Command("k", "", 6), wait=True)
    world.write(value=6)
    world.relay.said("hall-3", 1, said("confirmed"))
    assert [outcome.state for outcome in again] == ["sent", "confirmed"]
    assert [outcome.state for outcome in world.heard] == ["sent", "confirmed"]
    assert [ask.command.value for _, _, ask in world.sent] == [5, 6]


def test_who_asks_again_and_again_counts_once_more_each_time_up_to_a_bound():
    """The oldest hear nothing more."""
    world = World()
    heard = [[] for _ in range(MAX_LISTENERS + 1)]
    for one in heard:
        world.write(tell=one.append)
    world.relay.link_up("hall-3")
    world.relay.said("hall-3", 1, said("confirmed"))
    assert [len(one) for one in heard] == [0] + [1] * MAX_LISTENERS


@pytest.mark.parametrize("left", [0.0, 5.0])
def test_command_of_a_process_that_died_is_never_called_expired(left):
    """It may have been sent: the edge is asked, also with no time left, and without an answer it is not known."""
    world = World()
    world.write(expires_s=left, again=True)
    world.until(left + GRACE_S)
    assert [outcome.state for outcome in world.heard] == ["unknown"]
    world.relay.link_up("hall-3")
    world.write("k2", expires_s=left, again=True)
    ((_, number, ask),) = world.sent
    assert (ask.command.expires_s, ask.again) == (left, True)
    world.relay.said("hall-3", number, said("failed", key=""))  # its adapter is being started, and may have it
    world.relay.said("hall-3", number, said("expired", key="k2"))
    assert [outcome.state for outcome in world.heard] == ["unknown", "expired"]


def test_command_under_a_key_of_the_askers_own_is_never_called_expired():
    """It may have been sent when it was asked for the first time, by an earlier process; to the edge it is a first ask."""
    world = World()
    world.relay.write("hall-3", "plc/p", Command("mine", "", 5, 5.0), True, world.heard.append, keyed=True)
    world.until(5 + GRACE_S)
    assert [outcome.state for outcome in world.heard] == ["unknown"]
    world.relay.link_up("hall-3")
    world.relay.write("hall-3", "plc/p", Command("mine", "", 5, 5.0), True, world.heard.append, keyed=True)
    ((_, number, ask),) = world.sent
    assert not ask.again
    world.relay.said("hall-3", number, said("failed", key=""))
    assert len(world.heard) == 1


def test_older_edge_that_takes_no_commands_is_not_asked():
    """It would close its link. Who waits is told at once, and who asks later; one that was updated meanwhile is asked."""
    world = World()
    world.write("waits")
    world.write("sent before", again=True)
    world.relay.read("hall-3", "plc/pump-1/setpoint", "r", world.heard.append)
    world.relay.link_up("hall-3", 0)
    world.write("later")
    assert not world.sent
    assert [(o.key, o.state) for o in world.heard] == [
        ("waits", "refused"),
        ("sent before", "unknown"),
        ("r", "refused"),
        ("later", "refused"),
    ]
    assert "takes no commands from upstream; update it" in world.heard[0].message
    world.relay.link_down("hall-3")
    world.relay.link_up("hall-3", 2)
    world.write("now")
    assert [ask.key for _, _, ask in world.sent] == ["now"]


@pytest.mark.parametrize(
    "data", [b"", b"\x90", b"\xc1", msgspec.msgpack.encode([1, 2, None, True]), b"\x93" + b"\xa1a" * 200_000]
)
def test_frame_that_means_nothing_is_an_error(data):
    """Of the codec, never of anything else."""
    with pytest.raises(CodecError):
        frames.decode_ask(data)


@pytest.mark.parametrize("seed", range(40))
def test_every_ask_ends_once_and_is_carried_out_at_most_once(seed):
    """Links cut at random, frames lost with them: an edge that knows keys carries each command out once at most."""
    random = Random(seed)
    world = World()
    done: dict[str, float] = {}
    ends: dict[str, list[Outcome]] = {}
    deadlines: dict[str, float] = {}
    up = False
    for step in range(200):
        chance = random.random()
        if chance < 0.2:
            up = not up
            (world.relay.link_up if up else world.relay.link_down)("hall-3")
        elif chance < 0.5:
            key = f"k{step}"
            expires = random.choice([0.5, 5.0, 20.0])
            deadlines[key] = world.time.now + expires
            ends[key] = []
            world.relay.write("hall-3", "plc/p", Command(key, "", 5, expires), True, ends[key].append)
        sent, world.sent = world.sent, []
        for _, number, ask in sent:
            if random.random() < 0.3:
                continue  # lost with its link
            if ask.command.expires_s > 0 and ask.key not in done:
                done[ask.key] = world.time.now
            outcome = Outcome(ask.key, "confirmed" if ask.key in done else "expired", True)
            if up and random.random() < 0.6:
                world.relay.said("hall-3", number, frames.encode(outcome))
        world.until(random.uniform(0, 2))
    world.relay.link_down("hall-3")
    world.until(20 + SETTLE_S + 1)
    assert all(len(heard) == 1 and heard[0].final for heard in ends.values())
    for key, (end,) in ends.items():
        assert end.state != "confirmed" or key in done
        assert end.state != "expired" or key not in done
        assert key not in done or done[key] <= deadlines[key] + 2  # what goes out while time passes is taken at the next step
    order = [int(key[1:]) for key in done]
    assert order == sorted(order), "overtaken"
    assert {end.state for (end,) in ends.values()} >= {"confirmed"}
