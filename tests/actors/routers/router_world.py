"""A router and its routees without processes: messages are repeated, delayed and so reordered, by a seed, in simulated time."""

from __future__ import annotations

from collections import Counter
from random import Random

from rt_edge.actors.routers.core import RouterCore
from rt_edge.actors.routers.messages import RouteAnswer, Work, Worked
from rt_edge.actors.routers.pool import Pool
from rt_edge.actors.routers.routee import Done
from rt_edge.actors.routers.settings import RouterSettings
from rt_edge.testkit.simulated_time import SimulatedTime


class Routee:
    """Works on one message after the other, each for `seconds`; answers with its address and the payload."""

    def __init__(self, world, address):
        self.world = world
        self.address = address
        self.done = {}
        self.busy_until = 0.0
        self.worked = []
        self.most = 0
        self.inside = 0

    def receive(self, message):
        done = self.done.setdefault(message.router, Done())
        if not done.is_new(message):
            answer = done.answers.get(message.number)
            if answer is not None:
                self.world.send("router", answer)
            return
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.busy_until = max(self.busy_until, self.world.now()) + self.world.seconds(self.address, message.payload)
        self.world.time.call_at(self.busy_until, lambda: self.finish(message))

    def finish(self, message):
        if self.address not in self.world.alive:
            return
        self.inside -= 1
        self.worked.append(message.payload)
        self.world.total[repr(message.payload)] += 1
        error = "as told" if message.payload == "bad" else ""
        answer = Worked(message.router, message.number, f"{self.address}:{message.payload}", error)
        self.done[message.router].answers[message.number] = answer
        self.world.send("router", answer)


class World:
    """The surroundings of one router.

    Args:
        seed: None: every message arrives once, in order.
        slow: address -> seconds a message; the others take 0.01.
    """

    def __init__(self, settings, seed=None, slow=None, name="pool"):
        self.time = SimulatedTime()
        self.random = Random(seed)
        self.faulty = seed is not None
        self.slow = slow or {}
        self.alive = {}
        self.made = 0
        self.answers = {}
        self.total = Counter()
        self.core = RouterCore(settings, self, "r1", Random(1))
        self.pool = Pool(self.core, settings, self, Random(2), name) if settings.size else None
        if self.pool:
            self.pool.start()

    def seconds(self, address, payload):
        return self.slow.get(address, 0.01)

    # -- surroundings

    def now(self):
        return self.time.now

    def after(self, seconds, function, *args):
        return self.time.call_later(seconds, lambda: function(*args)).cancel

    def key(self, address):
        return address

    def same(self, one, other):
        return one == other

    def create(self):
        self.made += 1
        address = f"a{self.made}"
        self.alive[address] = Routee(self, address)
        return address

    def end(self, address):
        self.alive.pop(address, None)

    def send(self, target, message):
        for _ in range(1 + (self.faulty and self.random.random() < 0.3)):
            delay = self.random.random() * 0.05 if self.faulty and self.random.random() < 0.5 else 0.0
            self.time.call_later(delay, lambda: self.deliver(target, message))

    def deliver(self, target, message):
        if isinstance(message, Worked):
            self.core.worked(message)
        elif isinstance(message, RouteAnswer):
            self.answers.setdefault((target, message.operation), []).append(message)
        elif target in self.alive:
            assert isinstance(message, Work)
            self.alive[target].receive(message)

    # -- for tests

    def group(self, n, **kwargs):
        for _ in range(n):
            self.core.add(self.create(), **kwargs)
        return list(self.alive)

    def kill(self, address):
        """It dies; whoever has to hear of it does, later."""
        self.alive.pop(address, None)

        def told():
            member = self.core.died(address)
            if member is not None and self.pool is not None:
                self.pool.died(member)

        self.time.call_later(0.02, told)

    def run(self, seconds):
        self.time.run_until(self.time.now + seconds)

    def answer(self, operation, asker="me"):
        """The one answer to a question; under faults it may have been sent again, never another one."""
        found = self.answers.get((asker, operation), [])
        assert found, f"no answer to {operation}"
        assert all(answer == found[0] for answer in found)
        return found[0]


def settings(**kwargs):
    return RouterSettings(**kwargs)
