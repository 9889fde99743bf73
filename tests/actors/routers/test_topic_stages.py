"""Streams on the loop of an actor that subscribe to one topic actor and publish at another, as processes."""

from __future__ import annotations

import os
import signal
from threading import Thread

import pytest
import topic_cast as cast
from router_cast import Note
from test_topic_deaths import numbers

from rt_edge.actors.routers.topic_stages import Hatch
from rt_edge.data.errors import BufferOverflow
from rt_edge.testkit.node_process import wait_until

S = 20
COUNT = 1500


class Line:
    """Writer -> topic actor -> a stream of an actor -> topic actor -> reader, each a process."""

    def __init__(self, node, tmp_path):
        self.node = node
        self.acked, self.disk = tmp_path / "acked", tmp_path / "disk"
        self.near, self.far = node.create(cast.ForFilter), node.create(cast.ForDisk)
        reader = node.create(cast.Reader)
        node.ask(reader, cast.Read(self.far, str(self.disk), cast.DISK), S, Note)
        self.reader = reader
        self.stream, self.stream_pid = self.pass_on()
        self.writer = node.create(cast.Writer)
        node.ask(self.writer, cast.Write(self.near, str(self.acked), COUNT), S, Note)
        wait_until(lambda: len(numbers(self.acked)) >= COUNT // 5, S, "some was acknowledged")

    def pass_on(self):
        stream = self.node.create(cast.Filter)
        return stream, int(self.node.ask(stream, cast.Pass(self.near, self.far), S, Note).text)

    def kill_stream(self):
        os.kill(self.stream_pid, signal.SIGKILL)
        self.pass_on()

    def kill_far(self):
        os.kill(int(self.node.ask(self.far, Note(), S, Note).text), signal.SIGKILL)
        new = self.node.create(cast.ForDisk)
        for actor in (self.stream, self.reader):
            self.node.tell(actor, cast.Moved(self.far, new))


@pytest.mark.parametrize("victim", ["stream", "far"])
def test_outcome_travels_through_a_stream_between_topic_actors_when_one_is_killed(node, tmp_path, victim):
    """What a writer was told is on the disk behind the second topic actor; all comes, in order."""
    line = Line(node, tmp_path)
    getattr(line, f"kill_{victim}")()
    before = set(numbers(line.acked))
    assert before <= set(numbers(line.disk))
    assert len(before) < COUNT
    wait_until(lambda: len(numbers(line.acked)) >= COUNT, S, "all has an outcome")
    assert sorted(numbers(line.acked)) == list(range(COUNT))
    assert list(dict.fromkeys(numbers(line.disk))) == list(range(COUNT))


class Loop:
    """The loop of an actor, whose queue to the actor may be full."""

    def __init__(self):
        self.full = True
        self.given, self.later = [], []
        self.loop = self

    def to_actor(self, item):
        if self.full:
            raise BufferOverflow("full")
        self.given.append(item)

    def call_soon_threadsafe(self, function, *args):
        function(*args)

    def call_later(self, _seconds, function):
        self.later.append(function)


def test_calls_of_another_thread_are_not_lost_when_the_queue_to_the_actor_is_full():
    """One item of it for all of them, as soon as there is room; in order."""
    loop, ran = Loop(), []
    hatch = Hatch(loop, lambda call: call())
    threads = [Thread(target=hatch, args=(lambda n=n: ran.append(n),)) for n in range(3)]
    for thread in threads:
        thread.start()
        thread.join()
    assert (ran, len(loop.later)) == ([], 1)
    loop.full = False
    loop.later.pop()()
    assert len(loop.given) == 1
    loop.given.pop()()
    assert ran == [0, 1, 2]
    hatch(lambda: ran.append(3))
    loop.given.pop()()
    assert ran[-1] == 3
