"""Topic actors on a network that loses, repeats and reorders, while all die and come again: nothing acknowledged is lost."""

from __future__ import annotations

from functools import partial

import pytest
from topic_world import Reader, World, Writer, firsts

from rt_edge.actors.routers.topic_messages import JoinPeer
from rt_edge.actors.routers.topic_service import TopicService

TOPICS = 3
MESSAGES = 120
WINDOW = 40


class Play:
    """Two writers, two readers that are required, one that comes and goes, a group of three; topic actors, one after another.

    And a topic actor of another node that is joined, with a reader of its own.
    """

    def __init__(self, seed):
        self.world = World(seed)
        self.random = self.world.random
        self.lives = 0
        self.disks = {name: [] for name in ("r0", "r1", "guest", "g", "far")}
        self.readers = {}
        self.handed_on = 0
        self.deaths = 0
        self.topic = self.far = None
        self.new_topic()
        self.new_far()
        self.writers = [self.world.add(Writer(f"w{n}")).to(self.topic.name, window=WINDOW) for n in range(2)]
        for writer in self.writers:
            writer.knows = self.topic.name
        self.todo = {writer: [f"{writer.name}/{n % TOPICS}/{n:04d}" for n in range(MESSAGES)] for writer in self.writers}
        for name in ("r0", "r1", "m0", "m1", "m2", "far"):
            self.new_reader(name)

    def life(self, name):
        self.lives += 1
        return f"{name}.{self.lives}"

    def new_topic(self):
        old, name = self.topic, self.life("topic")
        if old is not None:
            self.handed_on += old.core.broker.counters["handed_on"]
            self.world.kill(old)
            self.deaths += 1
        bounds = {"buffer": self.random.choice([4, 32]), "window": self.random.choice([6, 100])}
        broker = partial(TopicService.make_broker, **bounds)
        self.topic = self.world.topic(name, broker, ("r0", "r1", "group g", "node"))
        if old is not None:
            for actor in [*self.writers, *self.readers.values()]:
                self.world.time.call_later(self.random.random() * 2, partial(self.tell, actor))
            self.world.time.call_later(self.random.random() * 2, self.join)

    def new_far(self):
        old = self.far
        if old is not None:
            self.world.kill(old)
            self.deaths += 1
        self.far = self.world.topic(self.life("node"), required=("far",))
        reader = self.readers.get("far")
        if reader is not None:
            self.world.time.call_later(self.random.random() * 2, partial(self.tell, reader))
        self.world.time.call_later(self.random.random() * 2, self.join)

    def join(self):
        self.far.on_JoinPeer(JoinPeer(self.topic.name, name="node"), "")

    def topic_of(self, actor):
        return self.far.name if actor is self.readers.get("far") else self.topic.name

    def tell(self, actor):
        now = self.topic_of(actor)
        if actor.alive and actor.knows != now:
            actor.moved(actor.knows, now)
            actor.knows = now

    def new_reader(self, name):
        group = "g" if name.startswith("m") else ""
        reader = Reader(self.life(name), self.disks["g" if group else name])
        self.readers[name] = self.world.add(reader)
        reader.knows = self.topic_of(reader)
        reader.subscribe(reader.knows, "#", group, name=name)

    def act(self):
        act = self.random.random()
        if act < 0.6:
            writer = self.random.choice(self.writers)
            todo = self.todo[writer]
            for payload in todo[: self.random.randint(1, 12)]:
                if not writer.write(f"t/{payload.split('/')[1]}", payload):
                    break
                todo.pop(0)
        elif act < 0.7 and self.deaths < 12:
            name = self.random.choice(list(self.readers))
            self.world.kill(self.readers.pop(name))
            self.deaths += 1
            self.world.time.call_later(self.random.random() * 2, partial(self.new_reader, name))
        elif act < 0.74 and "guest" not in self.readers:
            self.new_reader("guest")
        elif act < 0.76 and self.deaths < 12:
            self.new_topic()
        elif act < 0.78 and self.deaths < 12:
            self.new_far()
        for writer in self.writers:
            assert writer.stream.unsettled <= WINDOW
        self.world.run(self.random.random() * 0.3)

    def is_done(self):
        return all(len(writer.outcomes) == MESSAGES for writer in self.writers)

    def play(self):
        for _ in range(150):
            self.act()
        for _ in range(400):
            for writer, todo in self.todo.items():
                while todo and writer.write(f"t/{todo[0].split('/')[1]}", todo[0]):
                    todo.pop(0)
            if self.world.run(1.0, self.is_done):
                break
        assert self.is_done(), "not all has an outcome"
        self.handed_on += self.topic.core.broker.counters["handed_on"]
        return self

    def check(self):
        everything = sorted(payload for writer in self.writers for payload in writer.outcomes)
        assert sorted(payload for writer in self.writers for payload in writer.stored()) == everything
        for name in ("r0", "r1", "g", "far"):
            assert sorted(set(self.disks[name])) == everything, f"{name} has not got all"
            lanes = {}
            for payload in firsts(self.disks[name]):
                lanes.setdefault(payload.rsplit("/", 1)[0], []).append(payload)
            for lane, payloads in lanes.items():
                assert payloads == sorted(payloads), f"{lane} is out of order at {name}"
        for reader in self.readers.values():
            assert reader.most <= reader.window
        self.world.run(10.0)
        for topic in (self.topic, self.far):
            broker = topic.core.broker
            assert (broker._open, len(broker._lanes), len(broker._stray)) == (0, 0, 0)


@pytest.mark.parametrize("block", range(6))
def test_nothing_acknowledged_is_lost_when_everybody_dies_and_comes_again(block):
    """Each message is on the disk of each required subscriber and of the group, in the order of its topic; memory is bounded."""
    handed_on = 0
    for seed in range(6 * block, 6 * block + 6):
        try:
            play = Play(seed).play()
            play.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        handed_on += play.handed_on
    assert handed_on > 0
