"""Random faults against a model of a durable end: every message is stored once and in order.

The model does what a durable end has to do: it commits a prefix of what was emitted together with the keys, drops a flagged
Reading whose key it knows in the same session, and forgets keys when told. PINGs follow at once, so that forgetting races with
everything else. A run ends with a clean drain; a failure names its seed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from adapters.mqtt.pings import Pings
from rt_edge.sdk import TransientError
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.mqtt_broker import TestBroker
from tests.adapters.mqtt.bench import both_clients, harness  # noqa: F401

MESSAGES = 200
pytestmark = pytest.mark.usefixtures("both_clients")


class DurableEnd:
    """Survives the adapter's processes.

    Attributes:
        stored: values, in order.
        dropped: copies recognised.
    """

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.dropped = 0
        self._session = ""
        self._rows: dict[bytes, tuple[bytes, int, object]] = {}

    def commit(self, h: AdapterHarness, first: int, last: int) -> None:
        """Take the Readings first..last of this process, with their keys, in one transaction."""
        for one in h.emitted[first:last]:
            if one.session != self._session:
                self._session = one.session
                self._rows.clear()
            identifier = one.key[:2] + one.key[10:]
            known = self._rows.get(identifier)
            if one.redelivered and known is not None and known[0] == one.key:
                self.dropped += 1
            else:
                self.stored.append(str(one.reading.fields["n"]))
            self._rows[identifier] = (one.key, one.number, h)

    def forget(self, h: AdapterHarness) -> None:
        """Drop the keys of this process below what it said."""
        gone = [i for i, (_, number, owner) in self._rows.items() if owner is h and number < h.context.forgotten]
        for identifier in gone:
            del self._rows[identifier]


class Campaign:
    """One run."""

    def __init__(self, seed: int, version: str, folder: Path, broker: TestBroker) -> None:
        self.random = Random(seed)
        self.version = version
        self.folder = folder
        self.broker = broker
        self.end = DurableEnd()
        self.published = 0
        self.expected: list[str] = []
        self.kills = 0
        self.h = self.process()

    def process(self) -> AdapterHarness:
        """A new process on the same data."""
        self.committed = 0
        return harness(self.broker.port, self.folder, version=self.version, window_messages=8, subscribe=[{"filter": "t/#"}])

    def publish(self) -> None:
        """One message of one to three Readings; identifiers are few, so that they come back often."""
        n, parts = self.published, self.random.randint(1, 3)
        self.published += 1
        self.expected += [f"{n}.{part}" for part in range(parts)]
        body = ",".join(f'{{"n": "{n}.{part}"}}' for part in range(parts))
        self.broker.publish("t/a", f"[{body}]".encode(), self.random.choice([1, 2]))

    async def step(self) -> None:
        """One thing that may happen."""
        h, random = self.h, self.random
        what = random.choice(["publish", "publish", "demand", "demand", "commit", "commit", "settle", "settle", "wait", "fault"])
        if what == "publish" and self.published < MESSAGES:
            self.publish()
        elif what == "demand" and h.context.asked - len(h.emitted) < 10:
            h.demand(random.randint(1, 6))
        elif what == "commit":
            last = random.randint(self.committed, len(h.emitted))
            self.end.commit(h, self.committed, last)
            self.committed = last
        elif what == "settle":
            h.settle(random.randint(h.settled, self.committed))
        elif what == "wait":
            await h.quiet(0.003)
        elif what == "fault" and random.random() < 0.15:
            await self.fault()
        self.end.forget(h)

    async def fault(self) -> None:
        """Cut the connection in some way, or end the process; then open again."""
        how = self.random.choice(["cut", "before ack", "after ack", "half", "kill"])
        if how == "kill":
            self.kills += 1
            self.cut()
            await self.h.adapter.close()
            self.h = self.process()
            await self.open()
            return
        if how == "cut":
            self.cut()
        elif how == "half":
            self.broker.faults.cut_mid_packet = True
        else:
            setattr(self.broker.faults, "cut_before_ack" if how == "before ack" else "cut_after_ack", self.random.randint(1, 3))
        await self.h.quiet(0.002)
        await self.revive()

    async def revive(self) -> None:
        """What the runtime does when told of a loss."""
        if len(self.h.context.losses) > self.h.context.counts.get("revived", 0):
            self.h.context.count("revived")
            await self.h.adapter.close()
            await self.open()

    async def open(self) -> None:
        """Try until it is open; faults strike while it opens, too."""
        async with asyncio.timeout(20):
            while True:
                try:
                    await self.h.open()
                except TransientError:
                    continue
                return

    def cut(self) -> None:
        """Break what connection there is."""
        for connection in list(self.broker.connections.values()):
            connection.cut()

    async def run(self) -> None:
        """Faults for a while, then a clean drain."""
        await self.open()
        while self.published < MESSAGES:
            await self.step()
            await self.revive()
        self.broker.faults.cut_before_ack = self.broker.faults.cut_after_ack = 0
        self.broker.faults.cut_mid_packet = False
        async with asyncio.timeout(20):
            while self.broker.session().in_flight or self.broker.session().waiting:
                await self.h.quiet(0.002)
                await self.revive()
                self.h.demand(10)
                self.end.commit(self.h, self.committed, len(self.h.emitted))
                self.committed = len(self.h.emitted)
                self.h.settle()
        await self.h.close()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("seed", range(3))
def test_every_message_is_stored_once_and_in_order_when_everything_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, version: str
) -> None:
    """Cuts before and after acknowledgements, half packets, kills, small windows, payloads in parts, both QoS."""
    monkeypatch.setattr(Pings, "SPACING_S", 0.0005)

    async def main() -> None:
        async with TestBroker(inflight_v311=8) as broker:
            campaign = Campaign(seed, version, tmp_path, broker)
            await campaign.run()
            assert campaign.end.stored == campaign.expected
            assert campaign.kills > 0
            assert campaign.end.dropped > 0

    asyncio.run(main())
