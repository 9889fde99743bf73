"""Commands from upstream, at the door of an uplink: allowed or not, garbage, and who it says has asked."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from rt_edge.actors.command_messages import PointProgress, ReadPoint, WritePoint, answer
from rt_edge.actors.island.questions import MAX_OPEN, Questions
from rt_edge.actors.island.uplink_commands import UplinkCommands
from rt_edge.commands.command import Command, Outcome
from rt_edge.uplink import command_frames as frames


class World:
    """An uplink, the guardian behind it, and what goes back."""

    def __init__(self, allowed=True):
        self.asked, self.said, self.counters, self.logged = [], [], Counter(), []
        self.questions = Questions()
        self.questions.send = self.asked.append
        send = lambda kind, number, data: self.said.append((kind, number, frames.decode_said(data)))  # noqa: E731
        self.door = UplinkCommands("hq", allowed, self.questions, self, send, self.counters)

    def ended(self, point, command, outcome, then):
        """The audit log."""
        self.logged.append((point, command.where, outcome.state))
        then()

    def ask(self, command, number=7):
        self.door.asked("up-1", number, frames.encode(frames.CommandAsk("plc/pump-1/setpoint", "k", command, True)))


def test_upstream_is_refused_when_the_uplink_takes_no_commands():
    """With the words that allow it; nothing is asked, not even to read; the command is in the audit log."""
    world = World(allowed=False)
    world.ask(Command("k", "", 5))
    world.ask(None)
    assert not world.asked
    assert [(number, outcome.state, outcome.final) for _, number, outcome in world.said] == [(7, "refused", True)] * 2
    assert "say `commands: true` at the uplink" in world.said[0][2].message
    assert world.logged == [("plc/pump-1/setpoint", "up-1 by hq", "refused")]


def test_command_carries_the_name_that_the_certificate_proves():
    """Whatever the frame claims of where it comes from."""
    world = World()
    world.ask(Command("other", "ignored", 5, via="cli", who="eva", where="my desk"))
    (question,) = world.asked
    assert isinstance(question, WritePoint)
    assert (question.point, question.node, question.progress) == ("plc/pump-1/setpoint", "", True)
    command = msgspec.msgpack.decode(question.body, type=Command)
    assert (command.key, command.via, command.who, command.where) == ("k", "uplink", "eva", "up-1 by hq")
    for said in (PointProgress(question.number, frames.encode(Outcome("k", "sent", False))),) * 2:
        world.questions.answered(said)
    world.questions.answered(answer(question.number, Outcome("k", "confirmed", True)))
    world.questions.answered(answer(question.number, Outcome("k", "confirmed", True)))
    assert [outcome.state for _, _, outcome in world.said] == ["sent", "sent", "confirmed"]
    world.ask(None)
    assert isinstance(world.asked[1], ReadPoint)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x94" + b"\xc0" * 4])
def test_garbage_is_counted_and_not_the_end(data):
    """A frame that means nothing asks nothing."""
    world = World()
    world.door.asked("up-1", 1, data)
    assert (world.counters["commands_garbled"], world.asked, world.said) == (1, [], [])


def test_open_questions_have_a_bound():
    """The oldest is forgotten; who asked it asks again."""
    world = World()
    for number in range(MAX_OPEN + 1):
        world.ask(None, number)
    world.questions.answered(answer(1, Outcome("k", "confirmed", True)))
    world.questions.answered(answer(2, Outcome("k", "confirmed", True)))
    assert [number for _, number, _ in world.said] == [1]
