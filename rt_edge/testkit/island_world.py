"""IslandWorld: several islands in one thread under one virtual clock, joined by a post that loses, repeats and reorders.

Everything is decided by one seed. Islands can be killed (without any handler being called, as by kill -9) and started again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from rt_edge.data.clock import Clock
from rt_edge.data.errors import InternalError
from rt_edge.protocol.signals import AnySignal, decode_signals, encode_signals
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine


class World:
    """Virtual time and a list of what happens next; also the `Clock` of all its islands.

    Args:
        seed: decides every random choice.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  # a simulation, not a secret
        self._now = 0.0
        self._events: list[tuple[float, int, list[Callable[[], None] | None]]] = []
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self._now

    def wall_ns(self) -> int:
        """Virtual wall time: starts at 2020-09-13."""
        return 1_600_000_000_000_000_000 + int(self._now * 1e9)

    def at(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        """Call `function` after `delay`; returns a function that cancels it."""
        cell: list[Callable[[], None] | None] = [function]
        heapq.heappush(self._events, (self._now + delay, next(self._numbers), cell))

        def cancel() -> None:
            cell[0] = None

        return cancel

    def run(self, until: Callable[[], bool], limit: float) -> bool:
        """Let time pass until `until()` or for `limit` virtual seconds; returns `until()`."""
        end = self._now + limit
        while self._events and self._events[0][0] <= end:
            if until():
                return True
            self._now, _, cell = heapq.heappop(self._events)
            if cell[0] is not None:
                cell[0]()
        return until()


class IslandHost:
    """The host of one life of one island."""

    def __init__(self, world: World) -> None:
        self.clock: Clock = world
        self._world = world
        self._woken = False
        self.alive = True
        self.engine: Engine | None = None

    def wake(self) -> None:
        """A turn, soon."""
        if not self._woken:
            self._woken = True
            self.later(0.0, self._turn)

    def _turn(self) -> None:
        self._woken = False
        if self.engine is not None and self.engine.run(self._world.random.randint(1, 50)):
            self.wake()

    def soon(self, function: Callable[[], None]) -> None:
        """After the current turn."""
        self.later(0.0, function)

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """A timer that dies with the island."""
        return self._world.at(seconds, lambda: function() if self.alive else None)

    def spawn(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        """Runs a coroutine that never waits, after a random delay."""

        def run() -> None:
            try:
                work.send(None)
            except StopIteration as stop:
                done(stop.value, None)
            except Exception as error:  # noqa: BLE001  # the coroutine's error is its result
                done(None, error)
            else:
                raise InternalError("a coroutine waits, which this host cannot do")

        cancel = self.later(self._world.random.random() * 0.01, run)

        def stop() -> None:
            cancel()
            work.close()

        return stop

    def threadsafe(self, function: Callable[[], None]) -> None:
        """Soon."""
        self.later(0.0, function)


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
            self._world.at(random.random() ** 3 * self._net.delay, lambda: self._arrive(signal.wire, data))

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
        self.engine = host.engine = Engine(self._build(FaultyPost(self._world, host, self._net)), host)
        self.engine.start()

    def kill(self) -> None:
        """As kill -9 does: nothing of this life is called again."""
        if self._host is not None:
            self._host.alive = False
            for seat in self.engine.seats.values():
                seat.stopped = True
