"""kill -9 of a topic actor, a subscriber, a member of a group, as processes: nothing acknowledged is lost or overtaken."""

from __future__ import annotations

import os
import signal

import pytest
import topic_cast as cast
from router_cast import Note

from rt_edge.actors.routers.topic_messages import GetTopics, Topics
from rt_edge.testkit.node_process import wait_until

S = 20
FAIL_OVER_S = 60
"""A transmit to a process that dies in its middle is given up after 20 s (`actors/transport/setup.py`); then it is known."""
COUNT = 2000


def numbers(path):
    return [int(line) for line in path.read_text().split()] if path.exists() else []


class Plant:
    """A writer, a topic actor, a reader and a group of two, each a process."""

    def __init__(self, node, tmp_path):
        self.node = node
        self.acked, self.disk, self.group = (tmp_path / name for name in ("acked", "disk", "group"))
        self.topic = node.create(cast.Strict)
        self.reader, self.reader_pid = self.read(self.disk, cast.DISK)
        members = [self.read(self.group, group="g") for _ in range(2)]
        self.members, self.member_pids = zip(*members, strict=True)
        self.writer = node.create(cast.Writer)
        node.ask(self.writer, cast.Write(self.topic, str(self.acked), COUNT), S, Note)
        wait_until(lambda: len(numbers(self.acked)) >= COUNT // 5, S, "some was acknowledged")

    def read(self, path, name="", group=""):
        reader = self.node.create(cast.Reader)
        return reader, int(self.node.ask(reader, cast.Read(self.topic, str(path), name, group), S, Note).text)

    def kill_topic(self):
        os.kill(int(self.node.ask(self.topic, Note(), S, Note).text), signal.SIGKILL)
        new = self.node.create(cast.Strict)
        for actor in (self.writer, self.reader, *self.members):  # the writer first: it has to wait for the others
            self.node.tell(actor, cast.Moved(self.topic, new))

    def kill_reader(self):
        os.kill(self.reader_pid, signal.SIGKILL)
        self.read(self.disk, cast.DISK)

    def kill_member(self):
        os.kill(self.member_pids[0], signal.SIGKILL)


@pytest.mark.parametrize("victim", ["topic", "reader", "member"])
def test_nothing_acknowledged_is_lost_when_one_of_them_is_killed(node, tmp_path, victim):
    """What was under way comes again, in order; everybody gets all."""
    plant = Plant(node, tmp_path)
    before = set(numbers(plant.acked))
    getattr(plant, f"kill_{victim}")()
    assert before <= set(numbers(plant.disk)) & set(numbers(plant.group))
    assert len(before) < COUNT
    wait_until(lambda: len(numbers(plant.acked)) >= COUNT, FAIL_OVER_S, "all has an outcome")
    assert sorted(numbers(plant.acked)) == list(range(COUNT))
    assert list(dict.fromkeys(numbers(plant.disk))) == list(range(COUNT))
    for topic in range(cast.TOPICS):
        had = dict.fromkeys(number for number in numbers(plant.group) if number % cast.TOPICS == topic)
        assert list(had) == list(range(topic, COUNT, cast.TOPICS))
    if victim == "member":
        assert node.ask(plant.topic, GetTopics(), S, Topics).counters["handed_on"] > 0
