"""Topic actors, publishers, subscribers without processes, on a network that loses, repeats and reorders, in simulated time."""

from __future__ import annotations

from random import Random

from rt_edge.actors.node_messages import Signals
from rt_edge.actors.routers.topic_service import TopicService
from rt_edge.actors.routers.topic_use import TopicUse
from rt_edge.actors.transport.messages import SendFailed
from rt_edge.data.errors import StreamError
from rt_edge.data.receipt import Dropped, Stored
from rt_edge.streams.pubsub.message import Message
from rt_edge.testkit.simulated_time import SimulatedTime


class World:
    """Actors by address; everything that goes wrong is decided by the seed."""

    def __init__(self, seed=None, loss=0.1, repeat=0.2):
        self.time = SimulatedTime()
        self.random = Random(seed)
        self.faulty = seed is not None
        self.loss, self.repeat = loss, repeat
        self.actors = {}
        self.sent = []

    def add(self, actor):
        self.actors[actor.name] = actor
        actor.world = self
        actor.begin(self.time)
        return actor

    def topic(self, name="topic", broker=TopicService.make_broker, required=()):
        kind = type("Topic", (SimTopic,), {"make_broker": staticmethod(broker), "required": required})
        return self.add(kind(name))

    def kill(self, actor):
        """As by kill -9: nothing of it is called any more, and who sends to it hears that it is dead."""
        actor.alive = False
        del self.actors[actor.name]

    def send(self, source, target, message):
        self.sent.append(message)
        if self.faulty and self.random.random() < self.loss:
            self._call(source, self.delay(), lambda: self._arrived(source, target, message))  # and nothing comes
            return
        for _ in range(1 + (self.faulty and self.random.random() < self.repeat)):
            self.time.call_later(self.delay(), lambda: self._arrive(source, target, message))

    def delay(self):
        return self.random.random() ** 3 * 0.1 if self.faulty else 0.001

    def _arrive(self, source, target, message):
        actor = self.actors.get(target)
        if actor is None:
            self._call(source, 0.0, lambda: source.on_SendFailed(SendFailed("dead", True, 1, type(message).__name__), target))
        else:
            handler = getattr(actor, f"on_{type(message).__name__}", None)
            if handler is not None:
                handler(message, source.name)
        self._call(source, 0.0, lambda: self._arrived(source, target, message))

    def _arrived(self, source, target, message):
        if isinstance(message, Signals):
            source.desk.sent(target)

    def _call(self, actor, seconds, call):
        self.time.call_later(seconds, lambda: call() if actor.alive else None)

    def run(self, seconds=5.0, done=lambda: False):
        return self.time.run_until(self.time.now + seconds, done)


class SimActor(TopicUse):
    """One of them."""

    world: World

    def __init__(self, name):
        self.name = name
        self.alive = True

    def send(self, target, message):
        self.world.send(self, target, message)

    def after(self, seconds, function, *args):
        return self.world.time.call_later(seconds, lambda: function(*args) if self.alive else None).cancel

    def key(self, address):
        return address

    def failed(self, what, error):
        self.errors = [*getattr(self, "errors", []), error]


class SimTopic(TopicService, SimActor):
    def __init__(self, name):
        super().__init__(name)
        self.counters = {"dropped_no_room": 0}


class Reader(SimActor):
    """Keeps what comes on its disk, which outlives it; settles after a while, or when it is told to."""

    window = 16

    def __init__(self, name, disk=None, settles=True, bad=()):
        super().__init__(name)
        self.disk = [] if disk is None else disk
        self.settles = settles
        self.bad = set(bad)
        self.held = []
        self.most = 0

    def on_delivery(self, chunk):
        self.held.append(chunk)
        self.most = max(self.most, sum(map(len, self.held)))
        if self.settles:
            self.after(self.world.random.random() * 0.2 if self.world.faulty else 0.0, self.settle)

    def settle(self):
        """The oldest chunk."""
        if self.held:
            chunk = self.held.pop(0)
            for place, message in enumerate(chunk.items):
                if message.payload in self.bad:
                    chunk.take([place]).fail(StreamError("as told"))
                else:
                    self.disk.append(message.payload)
            chunk.settle()

    @property
    def payloads(self):
        return [message.payload for chunk in self.held for message in chunk.items]


class Writer(SimActor):
    """Publishes, and notes what became of it."""

    def __init__(self, name):
        super().__init__(name)
        self.outcomes = {}

    def to(self, at, **more):
        self.stream = self.publisher(at, **more)
        return self

    def write(self, topic, *payloads, key="", retain=False):
        return sum(self.stream.offer(Message(topic, p, retain, key=key), self._note(p)) for p in payloads)

    def _note(self, payload):
        def told(outcome):
            assert payload not in self.outcomes, "two outcomes"
            self.outcomes[payload] = outcome

        return told

    def stored(self):
        return sorted(payload for payload, outcome in self.outcomes.items() if isinstance(outcome, Stored))

    def dropped(self, reason):
        return sorted(p for p, outcome in self.outcomes.items() if isinstance(outcome, Dropped) and outcome.reason == reason)


def firsts(payloads):
    """Each once, where it came first."""
    return list(dict.fromkeys(payloads))
