"""The parts of the demo that judge: the tally finds what is missing and what is doubled, and the verdict is bad then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rt_edge.cli.demo_parts.cable import Cable
from rt_edge.cli.demo_parts.publisher import BROKEN, filtered_of, wanted
from rt_edge.cli.demo_parts.script import Verdict
from rt_edge.cli.demo_parts.tally import Tally
from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import encode_readings
from rt_edge.data.reading import Reading
from rt_edge.data.record import LaneId, Record, RecordKind
from rt_edge.uplink.stores.sqlite import SqliteStore

LANE = LaneId("edge-demo", "hq", "main", bytes(16))


class Upstream:
    """A store that grows."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "main.db"
        self._store = SqliteStore(self.path, SystemClock())
        self._store.open_session(LANE, "s")
        self._number = 0

    def add(self, *readings: Reading) -> None:
        self._number += 1
        record = Record(self._number, self._number, RecordKind.DATA, len(readings), encode_readings(list(readings)))
        self._store.commit(LANE, "s", self._number, [record])

    def close(self) -> None:
        self._store.close()


def message(n: int) -> Reading:
    return Reading("broker/press-1", n, {"n": n, "temperature": 20.0})


def polled(polls: int, held: bool = False) -> Reading:
    return Reading("line-1/pump-1", polls, {"polls": polls, "pressure": 1.0}, held=held)


def test_counts_on_when_the_store_grows(tmp_path: Path) -> None:
    """Each look reads only what is new, and knows what is missing."""
    tally = Tally(tmp_path / "main.db")
    assert tally.look().messages == 0
    upstream = Upstream(tmp_path)
    upstream.add(*(message(n) for n in range(10)))
    assert (tally.look().messages, tally.missing(10)) == (10, [])
    upstream.add(message(11), polled(1))
    count = tally.look()
    assert (count.messages, count.doubled, count.others, tally.missing(12)) == (11, 0, 1, [10])
    assert count.last["broker/press-1"].fields["n"] == 11
    upstream.close()


def test_finds_what_is_doubled_when_it_comes_again(tmp_path: Path) -> None:
    """A message with a number that was there, and a poll that was there; but not one that is held and sent again."""
    tally, upstream = Tally(tmp_path / "main.db"), Upstream(tmp_path)
    upstream.add(message(0), message(1), polled(5), polled(6))
    upstream.add(message(1), polled(6), polled(6, held=True), polled(7))
    assert tally.look().doubled == 2
    upstream.add(message(BROKEN - 1))
    assert tally.look().unwanted == 1
    upstream.close()


def test_knows_how_many_are_filtered_when_any_number_is_published() -> None:
    """The count agrees with the rule for a single message."""
    for count in (0, 1, BROKEN - 1, BROKEN, BROKEN + 1, 1000, 1049):
        assert filtered_of(count) == sum(not wanted(n) for n in range(count))


@pytest.mark.parametrize(
    ("change", "good"),
    [({}, True), ({"missing": 1}, False), ({"doubled": 1}, False), ({"unwanted": 1}, False), ({"published": 0}, False)],
)
def test_the_verdict_is_bad_when_a_number_is(change: dict[str, int], good: bool) -> None:
    """Anything missing, doubled or unwanted, or nothing at all, is a failure, in words, too."""
    numbers = {"published": 100, "filtered": 2, "arrived": 98, "missing": 0, "doubled": 0, "unwanted": 0, "others": 5, "gaps": 1}
    verdict = Verdict(**(numbers | change))
    assert verdict.good is good
    assert ("nothing is lost" in verdict.lines()[-1]) is good


def test_nothing_gets_through_when_the_cable_is_cut() -> None:
    """An open connection breaks, a new one, too; mended, it carries again; nobody at the other end is a broken connection."""

    async def run() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while data := await reader.read(100):
                    writer.write(data)
            except OSError:
                pass  # cut
            finally:
                writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with Cable(server.sockets[0].getsockname()[1]) as cable:

            async def says(text: bytes) -> bytes:
                reader, writer = await asyncio.open_connection("127.0.0.1", cable.port)
                try:
                    writer.write(text)
                    return await reader.read(100)
                except OSError:
                    return b""
                finally:
                    writer.close()

            async with asyncio.timeout(20):
                assert await says(b"one") == b"one"
                reader, writer = await asyncio.open_connection("127.0.0.1", cable.port)
                writer.write(b"two")
                assert await reader.read(100) == b"two"
                cable.cut()
                try:
                    assert await reader.read(100) == b""
                except OSError:
                    assert not cable.whole
                writer.close()
                assert await says(b"three") == b""
                cable.mend()
                assert await says(b"four") == b"four"
                server.close()
                await server.wait_closed()
                assert await says(b"five") == b""

    asyncio.run(run())
