"""How fast the delivery protocol's state machines are by themselves: `python benchmarks/bench_delivery.py`.

One process, no network, no disk: the spool is a list, the store counts. Frames are encoded and decoded. What it prints is
the protocol's own share of the cost of delivery.

    --records N    records per run
    --size BYTES   payload of a record (runs 60,000, 6,000, 600 when not given)
    --checksums    also compare the checksums there are
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
import zlib
from collections.abc import Callable
from itertools import count

from rt_edge.data.record import LaneId, Record, RecordKind
from rt_edge.uplink import effects
from rt_edge.uplink.checksum import EMPTY
from rt_edge.uplink.effects import LaneState, Peer
from rt_edge.uplink.parameters import ReceiverParameters, SenderParameters
from rt_edge.uplink.receiver import Receiver
from rt_edge.uplink.sender import Sender

LANE = LaneId("edge-1", "up", "main", bytes(16))


class Pair:
    """A sender and a receiver that talk by function calls."""

    def __init__(self, records: list[Record], window: int) -> None:
        tokens = count(1)
        self.records = records
        self.sender = Sender("edge-1", "i", "h", lambda: os.urandom(16), lambda: next(tokens), SenderParameters(window=window))
        parameters = ReceiverParameters(window=window)
        self.receiver = Receiver("up-1", "S", lambda: next(tokens), parameters)
        self.confirmed = self.stored = self.frames = 0

    def run(self) -> None:
        """From the link's start until the last record is confirmed."""
        down = list(self.receiver.link_up(0.0, "a", Peer("edge-1", "edge")))
        state = LaneState(LANE, self.records[-1].last, 0, EMPTY)
        up = list(self.sender.link_up(0.0, Peer("up-1", "upstream"), "", [state]))
        while up or down:
            todo, up = up, []
            for effect in todo:
                if isinstance(effect, effects.Send):
                    self.frames += 1
                    down += self.receiver.frame(0.0, "a", effect.kind, effect.number, effect.data)
                elif isinstance(effect, effects.WantRead):
                    up += self.sender.read_done(0.0, effect.lane, effect.request, self.read(effect))
                elif isinstance(effect, effects.Confirm):
                    self.confirmed = effect.number
            answers, down = down, []
            for answer in answers:
                if isinstance(answer, effects.SendTo):
                    self.frames += 1
                    up += self.sender.frame(0.0, answer.kind, answer.number, answer.data)
                elif isinstance(answer, effects.Commit):
                    self.stored += len(answer.batch)
                    down += self.receiver.committed(0.0, "a", answer.lane, answer.batch[-1].last)
                elif isinstance(answer, effects.OpenSession):
                    down += self.receiver.session_opened(0.0, "a", answer.lane, 0, EMPTY)
        assert self.confirmed == self.stored == len(self.records), (self.confirmed, self.stored)

    def read(self, want: effects.WantRead) -> list[Record]:
        """Records of the spool: number n is at n - 1."""
        size = len(self.records[0].payload)
        return self.records[want.after : want.after + min(want.max_records, max(1, want.max_bytes // size))]


def deliver(size: int, records: int, window: int) -> None:
    """One run, printed."""
    payload = os.urandom(size)
    rows = [Record(n, n, RecordKind.DATA, 1, payload) for n in range(1, records + 1)]
    pair = Pair(rows, window)
    cpu, wall = time.process_time(), time.perf_counter()
    pair.run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(
        f"{size:>7,} B  window {window:>9,}  {records / wall:>9,.0f} records/s  {records * size / wall / 1e6:>7,.0f} MB/s  "
        f"{cpu / records * 1e6:>7.1f} us CPU/record  {pair.frames:,} frames"
    )


def checksums() -> None:
    """MB/s of the candidates, chained over records of two sizes."""

    def digest(name: str, **options: int) -> Callable[[bytes, bytes], bytes]:
        return lambda state, data: hashlib.new(name, state + data, **options).digest()[:8]

    candidates: dict[str, Callable[[bytes, bytes], bytes]] = {
        "crc32": lambda state, data: zlib.crc32(data, int.from_bytes(state, "big")).to_bytes(4, "big"),
        "adler32": lambda state, data: zlib.adler32(data, int.from_bytes(state[:4], "big")).to_bytes(4, "big"),
        "blake2b": lambda state, data: hashlib.blake2b(data, digest_size=8, key=state).digest(),
        "sha1": digest("sha1"),
        "sha256": digest("sha256"),
    }
    for name, step in candidates.items():
        for size, rounds in ((60_000, 2000), (300, 50_000)):
            data, state, start = os.urandom(size), b"\0\0\0\1", time.perf_counter()
            for _ in range(rounds):
                state = step(state, data)
            took = time.perf_counter() - start
            print(f"{name:>8} {size:>7,} B  {rounds * size / took / 1e6:>7,.0f} MB/s  {took / rounds * 1e6:>7.2f} us")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--size", type=int)
    parser.add_argument("--checksums", action="store_true")
    options = parser.parse_args()
    for size in [options.size] if options.size else [60_000, 6_000, 600]:
        for window in (128_000, 512_000, 4_000_000):
            deliver(size, options.records, window)
    if options.checksums:
        checksums()


if __name__ == "__main__":
    main()
