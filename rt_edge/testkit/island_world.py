"""IslandWorld: several islands in one thread under one virtual clock, joined by a post that loses, repeats and reorders.

Everything is decided by one seed. Islands can be killed (without any handler being called, as by kill -9) and started again.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from rt_edge.protocol.signals import AnySignal, decode_signals, encode_signals
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.testkit.simulated_time import SimulatedTime
from rt_edge.testkit.virtual_clock import VirtualHost


class World(SimulatedTime):
    """Virtual time, shared by all islands, and the randomness that decides everything.

    Args:
        seed: decides every random choice.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = Random(seed)  # noqa: S311  # a simulation, not a secret

    def run(self, until: Callable[[], bool], limit: float) -> bool:
        """Let time pass until `until()` or for `limit` virtual seconds; returns `until()`."""
        return self.run_until(self.now + limit, until)


class IslandHost(VirtualHost):
    """The host of one life of one island: nothing of it is called after `alive` became False."""

    def __init__(self, world: World) -> None:
        super().__init__(world, seed=world.random.randrange(2**32))
        self.alive = True

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """A timer that dies with the island."""
        return super().later(seconds, lambda: function() if self.alive else None)

    def soon(self, function: Callable[[], None]) -> None:
        """After the current turn, in this life."""
        self.later(0.0, function)

    def kill(self) -> None:
        """End this life."""
        self.alive = False
        self._engine = None


class FaultyPost:
    """The post of one life of one island.

    Args:
        net: shared by all islands: (wire, end) -> the post that has registered for it.
        loss, repeat: probabilities of a signal; every signal is delayed at random, so order is lost.
    """

    def __init__(self, world: World, host: IslandHost, net: Net) -> None:
        self._world = world
        self._host = host
        self._net = net
        self.receivers: dict[str, Callable[[AnySignal], None]] = {}

    def register(self, wire: str, receive: Callable[[AnySignal], None]) -> None:
        """This life is the end of `wire` from now on."""
        self.receivers[wire] = receive
        ends = self._net.ends.setdefault(wire, [])
        ends[:] = [post for post in ends if post._host.alive] + [self]  # noqa: SLF001  # its own class

    def send(self, signal: AnySignal) -> None:
        """Encode it, and let fate decide."""
        data = encode_signals([signal])
        random = self._world.random
        copies = 0 if random.random() < self._net.loss else 2 if random.random() < self._net.repeat else 1
        for _ in range(copies):
            self._world.call_later(random.random() ** 3 * self._net.delay, lambda: self._arrive(signal.wire, data))

    def _arrive(self, wire: str, data: bytes) -> None:
        for post in self._net.ends.get(wire, []):
            if post is not self and post._host.alive:  # noqa: SLF001  # its own class
                for signal in decode_signals(data):
                    post.receivers[wire](signal)


class Net:
    """Faults of the post, and who is at the ends of each wire."""

    def __init__(self, loss: float = 0.05, repeat: float = 0.1, delay: float = 0.05) -> None:
        self.loss = loss
        self.repeat = repeat
        self.delay = delay
        self.ends: dict[str, list[FaultyPost]] = {}


class Island:
    """An island that can be killed and started again.

    Args:
        build: makes the blueprint of a life, given its post.
    """

    def __init__(self, world: World, net: Net, build: Callable[[FaultyPost], Blueprint]) -> None:
        self._world = world
        self._net = net
        self._build = build
        self.lives = 0
        self.engine: Engine
        self._host: IslandHost | None = None

    def start(self) -> None:
        """A new life; one that was still alive is killed."""
        self.kill()
        self.lives += 1
        host = self._host = IslandHost(self._world)
        self.engine = Engine(self._build(FaultyPost(self._world, host, self._net)), host)
        host.attach(self.engine)
        self.engine.start()

    def kill(self) -> None:
        """As kill -9 does: nothing of this life is called again."""
        if self._host is not None:
            self._host.kill()
            for seat in self.engine.seats.values():
                seat.stopped = True
