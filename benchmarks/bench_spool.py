"""Spool and store by themselves: readings per second in and out, bytes written per reading, opening times.

Run: python benchmarks/bench_spool.py [--folder DIR] [--readings N]. DIR should be on the disk that is meant, not in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import decode_readings, encode_readings
from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Origin
from rt_edge.spool.intake import arrival
from rt_edge.spool.keeping import Work, keep
from rt_edge.spool.pending import Pending
from rt_edge.spool.spool import Spool
from rt_edge.spool.worker import SpoolWorker
from rt_edge.testkit.spool_bench import image
from rt_edge.testkit.store_contract import LANE
from rt_edge.uplink.stores.query import StoreReader
from rt_edge.uplink.stores.sqlite import SqliteStore

START = 1_700_000_000_000_000_000


def written() -> int:
    """Bytes this process has caused to be written."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


def readings(n: int) -> list[Reading]:
    return [Reading(f"plc/pump-{i % 10}", START + i * 1000, {"t": 20.5 + i, "p": i}, received=START + i) for i in range(n)]


def opened(path: Path) -> Spool:
    return Spool.open(path, "edge-1", "hq", SystemClock(), 10**9)


def rate(what: str, n: int, seconds: float, cpu: float, size: int) -> None:
    print(f"{what:44} {n / seconds:12,.0f} readings/s  {cpu / n * 1e5:6.3f} CPU s per 100k  {size / n:7.1f} B written a reading")


def rows_of(folder: Path, per_record: int, total: int) -> None:
    """Records of `per_record` readings, encoded before, one transaction each; then read, decoded, confirmed."""
    payload = encode_readings(readings(per_record))
    count = max(1, total // per_record)
    spool = opened(folder / f"{per_record}.db")
    before, start, cpu = written(), perf_counter(), process_time()
    for _ in range(count):
        spool.append([Pending(payload, per_record)])
    rate(
        f"append, {per_record} a record ({len(payload) / per_record:.0f} B each)",
        count * per_record,
        perf_counter() - start,
        process_time() - cpu,
        written() - before,
    )
    before, start, cpu, after = written(), perf_counter(), process_time(), 0
    lane = spool.lane()
    while records := spool.read(lane, after, 512_000):
        for record in records:
            decode_readings(record.payload)
        after = records[-1].last
        spool.confirm(lane, after)
    spool.trim()
    rate("read, decode, confirm, delete", count * per_record, perf_counter() - start, process_time() - cpu, written() - before)
    spool.close()


def kept(folder: Path, total: int, keyed: bool) -> None:
    """What the sink does in the spool's thread: admit, encode, check, commit; chunks of 256, 2,000 elements a commit."""
    items = readings(256)
    origin = Origin("plc", "life", 0, "s" if keyed else "")
    spool = opened(folder / f"kept-{keyed}.db")
    number = 0
    before, start, cpu = written(), perf_counter(), process_time()
    while number < total:
        works = []
        for _ in range(8):
            marks = range(number, number + 256)
            if keyed:
                origin.keys = {m: (m & 0xFFFF).to_bytes(2, "big") + bytes(16) for m in marks}
            works.append(Work(items, arrival(origin, marks)))
            number += 256
        result = keep(spool, works, "main")
        assert result.error is None
        origin.floor = number - 2048
    words = "with redelivery keys" if keyed else "no keys"
    rate(f"elements to durable records, {words}", number, perf_counter() - start, process_time() - cpu, written() - before)
    spool.close()


def opening(folder: Path, megabytes: int) -> None:
    """Opening a large backlog: closed cleanly, killed, after a power cut."""
    path = folder / "large.db"
    spool = opened(path)
    payload = encode_readings(readings(1000))
    for _ in range(megabytes * 1_000_000 // (8 * len(payload))):
        spool.append([Pending(payload, 1000)] * 8)
    killed = image(path, folder / "killed")
    cut = image(path, folder / "cut")
    spool.close()
    for words, where, boot in (("clean", path, None), ("killed", killed, None), ("power cut, checked", cut, "other")):
        start = perf_counter()
        spool = Spool.open(where, "edge-1", "hq", SystemClock(), 10**9, boot=boot)
        print(
            f"open {megabytes} MB, {words:30} {(perf_counter() - start) * 1e3:8.1f} ms, {spool.depth().readings:,} readings wait"
        )
        spool.close()


def store(folder: Path, total: int) -> None:
    """The upstream store: commits of 8 records of 500, then reading back."""
    made = SqliteStore(folder / "store.db", SystemClock())
    made.open_session(LANE, "s")
    spool = opened(folder / "feed.db")
    payload = encode_readings(readings(500))
    spool.append([Pending(payload, 500)] * 8)
    batch = spool.read(spool.lane(), 0, 10**9)
    spool.close()
    position, n = 0, 0
    before, start, cpu = written(), perf_counter(), process_time()
    while n < total:
        position = made.commit(LANE, "s", position + 1, [_numbered(r, position + i) for i, r in enumerate(batch, 1)])
        n += 4000
    rate("store: commit of 8 records of 500", n, perf_counter() - start, process_time() - cpu, written() - before)
    start, cpu = perf_counter(), process_time()
    with StoreReader(folder / "store.db") as reader:
        found = sum(1 for _ in reader.rows())
    assert found == n
    rate("store: rows read back with identity", n, perf_counter() - start, process_time() - cpu, 0)
    made.close()


def _numbered(record, number):
    return type(record)(number, number, record.kind, record.count, record.payload)


async def threads(folder: Path) -> None:
    """A call into the spool's thread and back."""
    worker = SpoolWorker(opened(folder / "thread.db"))
    start = perf_counter()
    for _ in range(2000):
        await worker.run(int)
    print(f"{'a call into the thread and back':44} {(perf_counter() - start) / 2000 * 1e6:8.1f} us")
    worker.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--readings", type=int, default=1_000_000)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder, prefix="rt-edge-bench-"))
    try:
        for per_record in (1000, 500):
            rows_of(folder, per_record, arguments.readings)
        rows_of(folder, 1, max(1000, arguments.readings // 500))
        kept(folder, arguments.readings, False)
        kept(folder, arguments.readings, True)
        store(folder, arguments.readings)
        opening(folder, 100)
        asyncio.run(threads(folder))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
