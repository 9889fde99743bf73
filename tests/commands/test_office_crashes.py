"""The office on a real journal and a real loop, killed and started again at moments drawn from a seed: its promises each time."""

from __future__ import annotations

import asyncio
import sqlite3
from random import Random

import msgspec
import pytest

from rt_edge.commands.command import Command, Row
from rt_edge.commands.desk import DeskLimits
from rt_edge.commands.office import CommandOffice
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import TransientError
from rt_edge.sdk import PointInfo, WriteResult
from rt_edge.testkit.waiting import until

POINTS = {
    "a": PointInfo(kind="int", writable=True),
    "b": PointInfo(kind="int", writable=True),
    "blind": PointInfo(kind="int", writable=True, readable=False),
}


class Plant:
    """Devices that outlive the node, and a node that is killed; every value is written by one command only."""

    def __init__(self, folder, seed):
        self.folder, self.random = folder, Random(seed)
        self.held = dict.fromkeys(POINTS, 0)
        self.wire = []
        self.broken = []
        self.ends = {}
        self.life = 0
        self.office = None

    def start(self):
        self.life += 1
        self.office = CommandOffice("plc", POINTS, self.folder, SystemClock(), DeskLimits(at_once=2, doubt_s=5.0))
        self.office.start()
        self.office.connected(Device(self, self.life))

    def intent(self, key):
        """What the journal says of a command, asked on a connection of one's own."""
        with sqlite3.connect(self.folder / "plc.db", timeout=5) as connection:
            bodies = [body for (body,) in connection.execute("SELECT body FROM command WHERE phase = 'sending'")]
        connection.close()
        return key in [msgspec.msgpack.decode(body, type=Row).command.key for body in bodies]

    def ask(self, command):
        life = self.life

        def told(outcome):
            if life == self.life and outcome.final:
                self.ends.setdefault(command.key, outcome)

        self.office.submit(command, told)

    async def some_turns(self, most):
        for _ in range(self.random.randrange(most)):
            await asyncio.sleep(0)


class Device:
    """The adapter of one life."""

    def __init__(self, plant, life):
        self.plant, self.life = plant, life

    async def write(self, point, value, key):
        plant = self.plant
        if not plant.intent(key):
            plant.broken.append(f"{key} goes out, and no intent of it is on the disk")
        await plant.some_turns(20)
        plant.wire.append((point, value, key))
        plant.held[point] = value
        await plant.some_turns(20)
        return WriteResult(plant.random.choice(("confirmed", "confirmed", "sent")), "")

    async def read(self, point):
        await self.plant.some_turns(5)
        if self.plant.random.random() < 0.05:
            raise TransientError("silent")
        return self.plant.held[point]


@pytest.mark.parametrize("seed", range(12))
def test_command_reaches_its_device_once_or_not_at_all_and_in_order_whenever_the_node_is_killed(tmp_path, seed):
    """The intent is on the disk before the first byte; no key goes out twice, over all lives; commands to one point go out in the
    order of their asking; what is said at last agrees with what the device got; each is said when it is asked again."""
    plant = Plant(tmp_path / "commands", seed)
    asked = []

    async def run():
        random = plant.random
        plant.start()
        for number in range(1, 41):
            command = Command(f"k{number:02}", random.choice(list(POINTS)), number, 60.0, random.random() < 0.2)
            asked.append(command)
            plant.ask(command)
            if random.random() < 0.2:
                plant.ask(random.choice(asked))
            if random.random() < 0.25:
                plant.office.connected(None, "gone")
                await plant.some_turns(10)
                plant.office.connected(Device(plant, plant.life))
            if random.random() < 0.3:
                await until(lambda: not plant.office.desk.under_way or random.random() < 0.2, 10)
            await plant.some_turns(60)
            if random.random() < 0.25:
                plant.office.abandon()
                plant.start()
                lost = [one for one in asked if one.key not in plant.ends]
                for one in lost:  # who asked asks again, in the order of asking
                    plant.ask(one)
        await until(lambda: len(plant.ends) == len(asked), 20)
        await plant.office.close()

    asyncio.run(run())
    keys = [key for _, _, key in plant.wire]
    assert plant.broken == []
    assert len(keys) == len(set(keys)), "carried out twice"
    for point in POINTS:
        order = [value for where, value, _ in plant.wire if where == point]
        assert order == sorted(order), f"overtaken at {point}"
    for command in asked:
        state, went = plant.ends[command.key].state, command.key in keys
        assert state in (("confirmed", "sent", "unknown") if went else ("failed", "unknown", "expired")), (command, state)
    assert plant.life > 1
