"""Goal: what is in a spool arrives in the store once, through every way in which a link can end. Method: both drivers in one
loop on a pair of links by hand, with a real spool and a real store."""

from __future__ import annotations

import asyncio
import json
from random import Random

import msgspec
import pytest

from rt_edge.actors.command_messages import ReadPoint, WritePoint
from rt_edge.actors.island.ask_log import AskLog
from rt_edge.actors.island.ingress_driver import IngressDriver
from rt_edge.actors.island.links import FrameArrived, LinkClosed, LinkOpened
from rt_edge.actors.island.uplink_driver import UplinkDriver
from rt_edge.commands.command import Command, Outcome
from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import encode_readings
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.sdk.address import Address
from rt_edge.sdk.backoff import Backoff
from rt_edge.settings.plan import IngressPlan, SpoolPlan, UplinkPlan
from rt_edge.spool.pending import Pending
from rt_edge.spool.spool import Spool
from rt_edge.spool.worker import SpoolWorker
from rt_edge.testkit.waiting import until
from rt_edge.uplink.command_frames import SAID, decode_ask, encode
from rt_edge.uplink.stores.query import Filter, StoreReader
from rt_edge.uplink.stores.sqlite import SqliteStore

CLOCK = SystemClock()
PLAN = UplinkPlan((Address("127.0.0.1", 1900),), SpoolPlan(8_000_000, "block", 0.02), 65_536)


class Wire:
    """Both sides' links; frames arrive in order, later, unless the link has ended."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.count = 0
        self.open: set[int] = set()
        self.server = None
        self.client = None
        self.problems: list[Exception] = []
        self.unreachable = False
        self.cut_after = 0

    def soon(self, call, *args):
        asyncio.get_running_loop().call_later(self.random.random() * 0.001 if self.random.random() < 0.1 else 0, call, *args)

    def end(self, number, reason):
        if number in self.open:
            self.open.discard(number)
            loop = asyncio.get_running_loop()
            loop.call_soon(self.server, LinkClosed(("edge", number), reason, 0))
            loop.call_soon(self.client, LinkClosed(("up", number), reason, number))


class Side:
    """The links of one side."""

    def __init__(self, wire: Wire, edge: bool) -> None:
        self.wire = wire
        self.edge = edge

    def listen(self, address, tls, kinds, on_event, done):
        if self.wire.problems:
            asyncio.get_running_loop().call_soon(done, 0, self.wire.problems.pop(0))
            return
        self.wire.server = on_event
        asyncio.get_running_loop().call_soon(done, 1900, None)

    def dial(self, address, tls, kinds, on_event):
        wire, loop = self.wire, asyncio.get_running_loop()
        wire.client = on_event
        wire.count += 1
        number = wire.count
        if wire.unreachable or wire.server is None:
            loop.call_soon(on_event, LinkClosed(("127.0.0.1:1900", number), "refused", number))
            return
        wire.open.add(number)
        loop.call_soon(wire.server, LinkOpened(("edge", number), "edge", "edge", 0))
        loop.call_soon(on_event, LinkOpened(("up", number), "up", "upstream", number))

    def send(self, token, kind, number, body):
        wire = self.wire
        link = token[1]
        if link not in wire.open:
            return
        if wire.cut_after and wire.random.random() < 1 / wire.cut_after:
            wire.end(link, "cut by the test")
            return
        there = wire.server if self.edge else wire.client
        name = "edge" if self.edge else "up"

        def arrive():
            if link in wire.open:
                there(FrameArrived((name, link), kind, number, body))

        asyncio.get_running_loop().call_soon(arrive)

    def close(self, token, reason):
        self.wire.end(token[1], reason)


class Route:
    """A spool, a store, and both drivers."""

    def __init__(self, folder, seed=1):
        self.folder = folder
        self.wire = Wire(Random(seed))
        spool = Spool.open(folder / "hq.db", "edge", "hq", CLOCK, 8_000_000)
        self.worker = SpoolWorker(spool)
        self.uplink = UplinkDriver("hq", "edge", "host-1", PLAN, self.worker, Side(self.wire, True), CLOCK, Random(seed))
        self.uplink._backoff._first_s = self.uplink._backoff._last_s = 0.01
        self.store = folder / "main.db"
        store = SqliteStore(self.store, CLOCK)
        plan = IngressPlan(Address("127.0.0.1", 1900), "main")
        self.ingress = IngressDriver("up", plan, store, Side(self.wire, False), CLOCK, Random(seed), AskLog(folder, CLOCK))
        self.ingress._backoff._first_s = 0.01
        self.given = 0

    async def give(self, records, readings=5):
        for _ in range(records):
            names = [Reading("d", 1, {"n": self.given + i}) for i in range(readings)]
            self.given += readings
            batch = [Pending(encode_readings(names), readings)]
            numbers = await self.worker.run(self.worker.spool.append, batch)
            lane = (await self.worker.run(self.worker.spool.lanes))[0].id
            self.worker.appended(lane, numbers[-1])

    def stored(self):
        with StoreReader(self.store) as reader:
            return [row.reading.fields["n"] for row in reader.rows(Filter()) if row.reading is not None]

    async def all_stored(self, within=20.0):
        await until(lambda: len(self.stored()) >= self.given, within=within)
        assert self.stored() == list(range(self.given))

    async def confirmed(self):
        await until(lambda: not (any(lane.records for lane in self.worker.spool.lanes())), within=10)

    async def close(self):
        await self.uplink.close(lambda: True, 1.0)
        await self.ingress.close()
        await asyncio.to_thread(self.worker.close)


def test_what_is_spooled_before_and_during_a_session_is_stored_once_in_order(tmp_path):
    """Backlog first, then what comes; the spool is empty in the end."""

    async def run():
        route = Route(tmp_path)
        await route.give(50)
        route.ingress.start()
        route.uplink.start()
        await route.give(50)
        await route.all_stored()
        await route.confirmed()
        assert route.uplink.session_open
        assert route.ingress.stored_readings == route.given
        await route.close()

    asyncio.run(run())


def test_what_is_under_way_is_counted_when_the_store_takes_its_time(tmp_path):
    """Records and bytes without confirmation while the store works, and none after it; both sides count the same records."""

    async def run():
        route = Route(tmp_path)
        hold, commit = asyncio.Event(), route.ingress._commit

        async def late(effect):
            await hold.wait()
            await commit(effect)

        route.ingress._commit = late
        route.ingress.start()
        route.uplink.start()
        await route.give(3)
        await until(lambda: route.ingress.delivery()["received_records"] >= 3, within=10)
        before = route.uplink.delivery()
        assert before["unconfirmed_records"] == before["sent_records"] == 3
        assert before["unconfirmed_bytes"] == before["sent_bytes"] == route.ingress.delivery()["received_bytes"] > 0
        hold.set()
        await route.all_stored()
        await route.confirmed()
        after = route.uplink.delivery()
        assert (after["unconfirmed_records"], after["unconfirmed_bytes"], after["resent_records"]) == (0, 0, 0)
        assert (after["sessions"], after["sent_records"]) == (1, 3)
        assert (route.ingress.delivery()["sessions"], route.ingress.delivery()["repeated_records"]) == (1, 0)
        await route.close()

    asyncio.run(run())


@pytest.mark.parametrize("old", [False, True])
def test_edge_is_asked_for_points_only_if_its_hello_says_that_it_knows_commands(tmp_path, monkeypatch, old):
    """An older edge would close its link: it is told apart, and who asks is refused. The audit log has the command either way."""

    async def run():
        if old:
            monkeypatch.setattr("rt_edge.uplink.frames.FEATURES", {})
        route = Route(tmp_path)
        asked, said = [], []
        route.uplink.on_ask = lambda peer, number, data: asked.append((peer, number, decode_ask(data)))
        route.ingress.start()
        route.uplink.start()
        await until(lambda: route.uplink.session_open, within=10)
        command = Command("k", "", 5, who="eva")
        question = WritePoint(1, "edge", "plc/p", msgspec.msgpack.encode(command))
        route.ingress.commands.forward(question, said.append)
        if old:
            state = "refused"
        else:
            await until(lambda: asked, within=10)
            assert (asked[0][0], asked[0][2].command.value, asked[0][2].again) == ("up", 5, False)
            again = msgspec.structs.replace(question, number=2, again=True)
            route.ingress.commands.forward(again, said.append)
            state = "confirmed"
            route.uplink.put(SAID, asked[0][1], encode(Outcome("k", state, True)))
        await until(lambda: len(said) == (1 if old else 2), within=10)
        assert {msgspec.msgpack.decode(one.body, type=Outcome).state for one in said} == {state}
        assert len(asked) == (0 if old else 1)
        (line,) = (tmp_path / "commands" / "audit.jsonl").read_text().splitlines()
        line = json.loads(line)
        assert (line["node"], line["point"], line["who"], line["result"]) == ("edge", "plc/p", "eva", state)
        assert route.uplink.session_open
        await route.close()

    asyncio.run(run())


def test_command_for_a_node_that_may_not_connect_is_refused_and_logged(tmp_path):
    """A read is refused, and not logged."""

    async def run():
        route = Route(tmp_path)
        route.ingress.commands._known = lambda node: False
        said = []
        route.ingress.commands.forward(ReadPoint(1, "else", "plc/p", "r"), said.append)
        assert len(said) == 1
        command = msgspec.msgpack.encode(Command("k", "", 5))
        route.ingress.commands.forward(WritePoint(2, "else", "plc/p", command), said.append)
        await until(lambda: len(said) == 2, within=10)
        assert {msgspec.msgpack.decode(one.body, type=Outcome).state for one in said} == {"refused"}
        assert len((tmp_path / "commands" / "audit.jsonl").read_text().splitlines()) == 1
        await route.close()

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(3))
def test_everything_is_stored_once_in_order_when_links_end_at_any_frame(tmp_path, seed):
    """Links that end after about twenty frames: every session starts from what is durable."""

    async def run():
        route = Route(tmp_path, seed)
        route.wire.cut_after = 20
        route.ingress.start()
        route.uplink.start()
        for _ in range(20):
            await route.give(20)
        await route.all_stored(40)
        assert route.wire.count > 3, "no link was cut"
        assert route.uplink.delivery()["sessions"] == route.wire.count
        assert route.uplink.counters["errors"] == 0
        assert route.ingress.counters["errors"] == 0
        await route.close()

    asyncio.run(run())


def test_an_uplink_finds_its_upstream_when_it_comes_late_and_says_why_not_before(tmp_path):
    """Refused dials are tried again, with the reason in the status."""

    async def run():
        route = Route(tmp_path)
        route.uplink.start()
        await route.give(5)
        await until(lambda: route.uplink.counters["redials"] >= 3, within=5)
        assert route.uplink.reason == "refused"
        route.ingress.start()
        await route.all_stored()
        await route.close()

    asyncio.run(run())


class Longest(Random):
    """Jitter that always waits as long as it may."""

    def uniform(self, a, b):
        return b


def test_an_uplink_waits_longer_each_time_when_its_upstream_stays_away(tmp_path):
    """Redials have a backoff: six of them take at least 1 + 2 + 4 + 8 + 16 times the first wait."""

    async def run():
        route = Route(tmp_path)
        route.uplink._backoff = Backoff(Longest(), first_s=0.01, last_s=30.0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        route.uplink.start()
        await until(lambda: route.uplink.counters["redials"] >= 6, within=10)
        assert loop.time() - began >= 0.31
        await route.close()

    asyncio.run(run())


def test_an_ingress_listens_when_its_port_becomes_free(tmp_path):
    """A port in use is an error in words, and tried again."""

    async def run():
        route = Route(tmp_path)
        route.wire.problems = [ConfigError("cannot listen on 127.0.0.1:1900: Address already in use")] * 3
        route.ingress.start()
        route.uplink.start()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert "in use" in str(route.ingress.error)
        await route.give(5)
        await route.all_stored()
        assert route.ingress.error is None
        assert route.ingress.port == 1900
        await route.close()

    asyncio.run(run())


def test_cut_and_restore_in_any_rhythm_leave_one_link_and_everything_stored(tmp_path):
    """A command while a dial is under way does not leave a second link behind."""

    async def run():
        route = Route(tmp_path)
        route.ingress.start()
        await asyncio.sleep(0)
        route.uplink.start()
        for _ in range(10):
            route.uplink.cut()
            route.uplink.restore()
            await route.give(2)
        await route.all_stored()
        assert len(route.wire.open) == 1
        assert len(route.ingress.sessions()) == 1
        await route.close()

    asyncio.run(run())


def test_a_node_that_is_not_in_the_list_gets_no_session(tmp_path):
    """`allow` names who may connect; others are closed and counted."""

    async def run():
        route = Route(tmp_path)
        route.ingress._plan = IngressPlan(Address("127.0.0.1", 1900), "main", None, ("hall-9",))
        route.ingress.start()
        route.uplink.start()
        await until(lambda: route.ingress.counters["not-allowed"] >= 2, within=5)
        assert not route.uplink.session_open
        await route.close()

    asyncio.run(run())


@pytest.mark.parametrize("frames", range(6))
def test_record_arrives_when_it_is_committed_while_the_session_opens(tmp_path, frames):
    """One record, committed at any moment of the handshake, and none after it: it is delivered all the same."""

    async def run():
        route = Route(tmp_path)
        seen = 0
        send = route.uplink._links.send

        def counted(*frame):
            nonlocal seen
            seen += 1
            send(*frame)

        route.uplink._links.send = counted
        route.ingress.start()
        route.uplink.start()
        async with asyncio.timeout(10):
            while seen < min(frames, 1):  # noqa: ASYNC110  # one turn of the loop at a time is the point
                await asyncio.sleep(0)
        for _ in range(frames * 3):
            await asyncio.sleep(0)
        await route.give(1)
        await route.all_stored(5.0)

    asyncio.run(run())
