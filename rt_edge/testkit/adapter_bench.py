"""AdapterBench: one adapter with the device it talks to, as the contracts of adapters use it; and what a process holds."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import ClassVar, NamedTuple

from rt_edge.data.reading import Reading
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.waiting import until


class AdapterBench(ABC):
    """One adapter under test with the device it talks to.

    Args:
        harness: the adapter, not open.
    """

    can_vanish: ClassVar[bool] = True
    """Whether `vanish` and `appear` work: not for what has no connection, or waits for others to connect."""

    device_tasks: ClassVar[tuple[str, ...]] = ()
    """How the names of tasks begin that are a simulated device's, in the same loop, and may outlive a connection."""

    def __init__(self, harness: AdapterHarness) -> None:
        self.harness = harness

    @abstractmethod
    async def produce(self, n: int) -> None:
        """See to it that the device has at least `n` more Readings for who asks; nothing to do for a device that is polled."""

    def number(self, reading: Reading) -> int | None:
        """What the device numbers its Readings with, if it does: grows with each that one device says. None: it has no number."""
        return None

    def acknowledged(self) -> Sequence[int] | None:
        """The acknowledgements that the device has seen so far, as numbers that grow with what they acknowledge (identifiers).
        None: nothing is acknowledged, or it cannot be seen."""
        return None

    async def vanish(self) -> None:
        """Take device, bus or broker away: it cannot be opened until `appear`, and who has it open loses it."""
        raise NotImplementedError(f"{type(self).__name__}: write vanish() and appear(), or say `can_vanish = False`")

    async def appear(self) -> None:
        """It is there again, at the same address."""
        raise NotImplementedError(f"{type(self).__name__}: write vanish() and appear(), or say `can_vanish = False`")

    async def cut(self) -> None:
        """Break the connection from the device's side, so that it can be opened again at once."""
        await self.vanish()
        await self.appear()


class Benched(ABC):
    """What all contracts of adapters share: how to make a bench, and how long to wait."""

    patience = 10.0
    """Seconds within which Readings flow and losses are noticed."""
    quiet_s = 0.1
    """Seconds of real time for claims that nothing comes."""
    gone_s = 2.0
    """Seconds within which a device simulated in this process lets go of what it held."""
    settles = True
    """Whether the contract settles what was emitted before it asks for more (a source with a window needs it)."""

    @abstractmethod
    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[AdapterBench]:
        """A fresh bench, torn down at the end; `tmp_path` is the adapter's data directory."""

    async def ask(self, bench: AdapterBench, n: int) -> None:
        """Ask for `n` Readings, wait for exactly these and settle them."""
        before = len(bench.harness.emitted)
        bench.harness.demand(n)
        await bench.harness.received(before + n, self.patience)
        if self.settles:
            bench.harness.settle()


class Held(NamedTuple):
    """What this process holds: tasks of the running loop, threads, file descriptors by what they are (sockets, pipes, files).

    Threads of a loop's own pool (`asyncio_0`: name lookups) do not count: it is bounded, and ends with the loop.
    """

    tasks: frozenset[asyncio.Task[object]]
    threads: int
    descriptors: Counter[str]

    @classmethod
    def now(cls) -> Held:
        """A snapshot."""
        kinds: Counter[str] = Counter()
        for link in Path("/proc/self/fd").iterdir():
            try:
                kinds[str(link.readlink()).partition("[")[0]] += 1
            except FileNotFoundError:
                continue  # the descriptor of the listing itself
        return cls(frozenset(asyncio.all_tasks()), _threads(), kinds)

    def grown(self, besides: tuple[str, ...] = ()) -> str:
        """What is held now and was not then, in words; empty if nothing. Tasks whose names begin with `besides` do not count."""
        now = Held.now()
        tasks = [name for task in now.tasks - self.tasks if not task.done() and not (name := task.get_name()).startswith(besides)]
        said = [f"task {name}" for name in sorted(tasks)]
        if now.threads > self.threads:
            said.append(f"{now.threads - self.threads} threads")
        more = now.descriptors - self.descriptors
        return ", ".join([*said, *(f"{n} descriptors of {kind}" for kind, n in sorted(more.items()))])

    async def let_go(self, besides: tuple[str, ...] = (), within: float = 2.0) -> None:
        """Return when nothing is held that was not then (see `grown`). A device simulated in this process may take a moment.

        Raises:
            AssertionError: with what is left.
        """
        try:
            await until(lambda: not self.grown(besides), within)
        except TimeoutError:
            raise AssertionError(f"left behind: {self.grown(besides)}") from None


def _threads() -> int:
    return sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())
