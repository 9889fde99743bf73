"""gzip, gunzip, deflate, inflate: contracts and own cases."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rt_edge.data.chunk import CHUNK_BYTES
from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.data.receipt import Dropped, Stored
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.deflate import Deflate
from rt_edge.streams.stages.gunzip import Gunzip
from rt_edge.streams.stages.gzip import Gzip
from rt_edge.streams.stages.inflate import Inflate
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract

MEGABYTE = 1_000_000


class Compressor(StageContract):
    wbits = 31

    def item(self, n: int) -> bytes:
        return b"%d" % n * (n % 7)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        compressor = zlib.compressobj(6, zlib.DEFLATED, self.wbits)
        return [[*(compressor.compress(item) + compressor.flush(zlib.Z_SYNC_FLUSH) for item in inputs[0]), compressor.flush()]]


class TestGzip(Compressor):
    def make(self) -> Stage:
        return Gzip()


class TestDeflate(Compressor):
    wbits = 15

    def make(self) -> Stage:
        return Deflate()


class TestDeflateRaw(Compressor):
    wbits = -15

    def make(self) -> Stage:
        return Deflate(raw=True)


class TestGunzip(StageContract):
    residue_differs = "elements that are not decompressed so far are handed on raw"

    def make(self) -> Stage:
        return Gunzip(block=10)

    def plain(self, n: int) -> bytes:
        return b"%d" % n * (n * 7 % 60)

    def item(self, n: int) -> bytes:
        return gzip.compress(self.plain(n), mtime=0)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[plain[i : i + 10] for item in inputs[0] for plain in [gzip.decompress(item)] for i in range(0, len(plain), 10)]]


class TestInflate(TestGunzip):
    def make(self) -> Stage:
        return Inflate(block=10)

    def item(self, n: int) -> bytes:
        return zlib.compress(self.plain(n))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[plain[i : i + 10] for item in inputs[0] for plain in [zlib.decompress(item)] for i in range(0, len(plain), 10)]]


def through(stage: Stage, items: list[bytes]) -> list[bytes]:
    """What comes out."""
    with StageBench(stage) as bench:
        bench.sink.request(UNBOUNDED)
        bench.feed(items)
        bench.source.complete()
        assert bench.sink.completed, bench.sink.error
        return bench.sink.received


PAIRS = [
    (Gzip(), Gunzip()),
    (Deflate(level=1), Inflate()),
    (Deflate(raw=True), Inflate(raw=True)),
    (Gzip(level=0), Gunzip(block=7)),
]


@pytest.mark.parametrize(("compress", "decompress"), PAIRS)
@given(items=st.lists(st.binary(max_size=300), max_size=20), cut=st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_bytes_are_as_they_were_when_they_come_back(compress: Stage, decompress: Stage, items: list[bytes], cut: int) -> None:
    """Whatever they are, and however the compressed stream is cut on its way."""
    packed = b"".join(through(compress, items))
    pieces = [packed[i : i + cut] for i in range(0, len(packed), cut)]
    assert b"".join(through(decompress, pieces)) == b"".join(items)


def test_others_understand_when_a_stream_is_compressed() -> None:
    """The standard library decompresses it; several streams behind each other are decompressed as it does."""
    assert gzip.decompress(b"".join(through(Gzip(), [b"a" * 1000, b"", b"b"]))) == b"a" * 1000 + b"b"
    assert zlib.decompress(b"".join(through(Deflate(), []))) == b""
    two = gzip.compress(b"one") + gzip.compress(b"two")
    assert through(Gunzip(), [two]) == [b"one", b"two"]
    assert through(Gunzip(), [two[:30], two[30:]]) == [b"one", b"two"]


def test_element_can_be_decompressed_when_it_has_arrived() -> None:
    """It does not wait in the compressor for others."""
    decompressor = zlib.decompressobj(31)
    with StageBench(Gzip()) as bench:
        for n in range(3):
            bench.sink.request(1)
            bench.source.send(b"reading %d" % n)
            assert decompressor.decompress(bench.sink.received[-1]) == b"reading %d" % n


@pytest.mark.parametrize("tracked", [True, False])
def test_memory_is_flat_when_a_bomb_is_decompressed(tracked: bool) -> None:
    """500 kB that become 500 MB: never more than a chunk at once, as far as there is demand; at `most` it fails."""
    bomb = compressed_zeros(500 * MEGABYTE)
    with StageBench(Gunzip(most=50 * MEGABYTE), tracked=tracked) as bench:
        bench.sink.request(1)
        bench.source.send(bomb)
        tracemalloc.start()
        while not bench.sink.ended:
            bench.sink.request(random.Random(1).choice([1, 5]))
            del bench.sink.received[:]
            assert sum(map(len, bench.sink.chunks[-1])) <= CHUNK_BYTES
            bench.sink.chunks[:] = bench.sink.chunks[-1:]
            bench.sink.chunks[0] = []
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert "more than 50000000 bytes came out" in str(bench.sink.expect_error(CodecError))
        assert not tracked or bench.source.outcomes.failed() == [0]
    assert peak < MEGABYTE


def compressed_zeros(n: int) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = [compressor.compress(bytes(MEGABYTE)) for _ in range(n // MEGABYTE)]
    return b"".join([*packed, compressor.flush()])


def test_chunk_is_bounded_when_demand_is_not() -> None:
    """Many elements that become large ones are not decompressed at once."""
    items = [gzip.compress(bytes(60_000))] * 100
    with StageBench(Gunzip()) as bench:
        bench.sink.request(UNBOUNDED)
        bench.source.send(*items)
        assert max(sum(map(len, chunk)) for chunk in bench.sink.chunks) <= CHUNK_BYTES
        assert sum(map(len, bench.sink.received)) == 6 * MEGABYTE


def test_stage_fails_when_the_stream_ends_in_the_middle() -> None:
    """Behind what could be decompressed."""
    packed = gzip.compress(b"text" * 1000)
    with StageBench(Gunzip()) as bench:
        bench.sink.request(9)
        bench.source.send(packed[:-9])
        bench.source.complete()
        assert len(bench.sink.received) == 1
        assert "in the middle" in str(bench.sink.error)


@pytest.mark.parametrize("wrong", [b"no gzip", b"\x1f\x8b\x08\x00garbage....", 17, "text"])
def test_element_fails_when_it_cannot_be_decompressed(wrong: Any) -> None:
    """Under resume alone: the next begins a new stream."""
    good = gzip.compress(b"good")
    with StageBench(Gunzip(on_error="resume")) as bench:
        bench.sink.request(9)
        bench.source.send(good, wrong, good)
        bench.sink.expect_next(b"good", b"good")
        assert bench.source.outcomes.failed() == [1]
    with StageBench(Gunzip()) as bench:
        bench.sink.request(9)
        bench.source.send(good, wrong, good)
        bench.sink.expect_next(b"good")
        bench.sink.expect_error()
        assert bench.source.outcomes.failed() == [1, 2]


def test_element_fails_when_it_is_no_bytes() -> None:
    """The compressed stream goes on without it."""
    with StageBench(Gzip(on_error="resume")) as bench:
        bench.sink.request(9)
        bench.source.send(b"a", "b", bytearray(b"c"))
        bench.source.complete()
        assert gzip.decompress(b"".join(bench.sink.received)) == b"ac"
        assert bench.source.outcomes.failed() == [1]


def test_receipt_goes_with_what_comes_out_when_an_element_is_decompressed() -> None:
    """An element is stored when all that came out of it is; one of which nothing came out is dropped."""
    packed = gzip.compress(b"text" * 8)
    with StageBench(Gunzip(block=10), keep=True) as bench:
        bench.sink.request(9)
        bench.source.send(packed[:5])
        assert isinstance(bench.source.outcomes.by_mark[0], Dropped)
        bench.source.send(packed[5:])
        assert [len(piece) for piece in bench.sink.received] == [10, 10, 10, 2]
        bench.sink.held[0].settle()
        assert 1 not in bench.source.outcomes.by_mark
        bench.sink.settle_all()
        assert isinstance(bench.source.outcomes.by_mark[1], Stored)


def test_settings_are_refused_when_they_make_no_sense() -> None:
    """A level that there is not, and blocks that make no chunk."""
    with pytest.raises(ConfigError, match="level is 10"):
        Gzip(level=10)
    with pytest.raises(ConfigError, match="96000 at most"):
        Gunzip(block=100_000)
    with pytest.raises(ConfigError, match="block is 0"):
        Inflate(block=0)
