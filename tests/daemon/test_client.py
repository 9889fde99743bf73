"""A command from another process: whose answer is lost with a process of the node, and whose end is heard all the same."""

from __future__ import annotations

import msgspec
import pytest

from rt_edge.actors.command_messages import answer
from rt_edge.actors.errors import AskTimeout, NoNode
from rt_edge.commands.command import Command, Outcome
from rt_edge.daemon.client import AGAIN_S, GRACE_S, STARTING_S, WRITE_S, RunningNode
from rt_edge.daemon.data_dir import NodeFile
from rt_edge.testkit.simulated_time import SimulatedTime

SILENT = AskTimeout("no answer")
STARTING = Outcome("", "failed", True, "not sent: adapter/plc is not running")
DONE = Outcome("k", "confirmed", True)
LATE = Outcome("k", "expired", True)


class Client:
    """Stands in for the actor system: says what it was told to say, in order; silence takes its time."""

    def __init__(self, time, *said):
        self.time, self.said, self.asked, self.again = time, list(said), [], []

    def ask(self, _guardian, message, timeout, _expect):
        self.asked.append((self.time.now, msgspec.msgpack.decode(message.body, type=Command), timeout))
        self.again.append(message.again)
        said = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if said is SILENT:
            self.time.now += timeout
        if isinstance(said, Exception):
            raise said
        return answer(0, said)


def write(*said, node="", **more):
    time = SimulatedTime()
    client = Client(time, *said)

    def pause(seconds):
        time.now += seconds

    running = RunningNode(NodeFile("hall-3", 1, 2, ("127.0.0.1", 3)), client, time, pause)
    begun = time.now
    try:
        end = running.write_point("plc/p", Command("k", "", 5, 10.0), node, **more)
    except NoNode as error:
        end = error
    return end, [(at - begun, command.key, command.expires_s) for at, command, _ in client.asked], time.now - begun


def test_end_is_heard_when_the_process_that_had_the_question_died():
    """The same key again, with what is left of its time, at last with none: then it is only looked up."""
    end, asked, _ = write(SILENT, SILENT, SILENT, DONE)
    assert end == DONE
    assert asked == [(0.0, "k", 10.0), (5.0, "k", 5.0), (10.0, "k", 0.0), (15.0, "k", 0.0)]


def test_starting_adapter_is_no_end_when_it_was_asked_before():
    """It may have the command in its journal. At the first time it cannot."""
    assert write(STARTING)[0].state == "failed"
    end, asked, _ = write(SILENT, STARTING, STARTING, LATE)
    assert (end, [at for at, _, _ in asked]) == (LATE, [0.0, AGAIN_S, AGAIN_S + STARTING_S, AGAIN_S + 2 * STARTING_S])


def test_process_that_stays_away_is_waited_for_a_few_seconds_beyond_the_expiry():
    """Whoever has the command does not run: nothing goes out any more, and its end is known by the key when it is back."""
    end, _, took = write(SILENT, STARTING)
    assert isinstance(end.__cause__, AskTimeout)
    assert end.message == "node hall-3 says: not sent: adapter/plc is not running"
    assert 10 + GRACE_S <= took <= 10 + GRACE_S + STARTING_S


def test_nobody_knows_when_it_stays_silent_or_has_ended():
    """After the time that a node has for it, and at once when there is no node any more; nothing was asked of one never there."""
    end, _, took = write(SILENT)
    assert isinstance(end.__cause__, AskTimeout)
    assert took == pytest.approx(10 + WRITE_S)
    end, _, took = write(SILENT, NoNode("nothing listens"))
    assert (isinstance(end.__cause__, AskTimeout), end.message, took) == (True, "node hall-3 has ended meanwhile", AGAIN_S)
    end, asked, _ = write(NoNode("nothing listens"))
    assert not isinstance(end.__cause__, AskTimeout)
    assert len(asked) == 1


def test_command_for_another_node_is_asked_again_as_any_other():
    """The process that has the links may have died, and with it what it knew. It is told that this is not the first time."""
    end, asked, took = write(SILENT, STARTING, DONE, node="edge-1")
    assert (end, took) == (DONE, AGAIN_S + STARTING_S)
    assert [at for at, _, _ in asked] == [0.0, AGAIN_S, AGAIN_S + STARTING_S]


def test_command_under_a_key_of_the_askers_own_may_be_in_the_journal_of_who_does_not_run():
    """That it was not sent can only be said of a key that nobody had before."""
    assert write(STARTING)[0] == STARTING
    end, asked, _ = write(STARTING, STARTING, DONE, keyed=True)
    assert (end, len(asked)) == (DONE, 3)


def test_who_is_asked_hears_whether_it_is_for_the_first_time():
    """Only the first ask is new."""
    time = SimulatedTime()
    client = Client(time, SILENT, STARTING, DONE)
    RunningNode(NodeFile("hall-3", 1, 2, ("127.0.0.1", 3)), client, time, lambda seconds: None).write_point(
        "plc/p", Command("k", "", 5)
    )
    assert client.again == [False, True, True]
