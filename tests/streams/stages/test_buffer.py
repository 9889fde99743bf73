"""buffer: contract, every overflow strategy against its definition element by element."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.errors import BufferOverflow
from rt_edge.streams.stages.buffer import Buffer, Overflow
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract

DROPPING: list[Overflow] = ["drop_head", "drop_tail", "drop_buffer", "drop_new"]


class TestBuffer(StageContract):
    eager = True

    def make(self) -> Buffer:
        return Buffer(9)


class TestBufferDroppingHead(StageContract):
    eager = True
    lossless = False
    drops_again = "overflow"
    overflow: Overflow = "drop_head"

    def make(self) -> Buffer:
        return Buffer(9, self.overflow)


class TestBufferDroppingTail(TestBufferDroppingHead):
    overflow = "drop_tail"


class TestBufferDroppingBuffer(TestBufferDroppingHead):
    overflow = "drop_buffer"


class TestBufferDroppingNew(TestBufferDroppingHead):
    overflow = "drop_new"


def model(size: int, overflow: str, steps: list[tuple[str, int]]) -> tuple[list[int], list[int]]:
    """Element by element: what went out, and what is held, after the steps."""
    out: list[int] = []
    held: list[int] = []
    wanted = n = 0
    for kind, count in steps:
        for _ in range(count):
            if kind == "want":
                if held:
                    out.append(held.pop(0))
                else:
                    wanted += 1
                continue
            if wanted:
                wanted -= 1
                out.append(n)
            elif len(held) < size:
                held.append(n)
            elif overflow == "drop_head":
                held = [*held[1:], n]
            elif overflow == "drop_tail":
                held = [*held[:-1], n]
            elif overflow == "drop_buffer":
                held = [n]
            n += 1
    return out, held


@pytest.mark.parametrize("overflow", DROPPING)
@given(
    size=st.integers(1, 6),
    steps=st.lists(st.tuples(st.sampled_from(["in", "want"]), st.integers(1, 20)), max_size=25),
)
def test_buffer_is_the_model_when_chunks_come_in_any_size(overflow: Overflow, size: int, steps: list[tuple[str, int]]) -> None:
    """Each dropping strategy does to chunks what it would do to single elements."""
    with StageBench(Buffer(size, overflow)) as bench:
        n, done = 0, []
        for kind, count in steps:
            count = min(count, size) if kind == "in" else count  # noqa: PLW2901 - a source sends what was asked for
            done.append((kind, count))
            if kind == "in":
                bench.source.send(*range(n, n + count))
                n += count
            else:
                bench.sink.request(count)
        out, held = model(size, overflow, done)
        assert bench.sink.received == out
        bench.sink.request(size)
        assert bench.sink.received == out + held
        lost = sorted(set(range(n)) - set(out) - set(held))
        assert bench.source.outcomes.dropped("overflow") == lost
        assert bench.counters.get("dropped_overflow", 0) == len(lost)


def test_upstream_waits_when_the_buffer_backpressures() -> None:
    """It never asks for more than fits, and asks again for what went out."""
    with StageBench(Buffer(4)) as bench:
        bench.source.expect_request(4)
        bench.source.send(1, 2, 3, 4)
        bench.source.expect_no_request()
        bench.sink.request(1)
        bench.sink.expect_next(1)
        bench.source.expect_request(1)


def test_stage_fails_when_the_buffer_overflows_under_fail() -> None:
    """The error goes both ways, and everything held fails with it."""
    with StageBench(Buffer(3, "fail")) as bench:
        bench.source.send(1, 2)
        bench.source.send(3, 4)
        bench.sink.expect_error(BufferOverflow)
        assert isinstance(bench.source.expect_cancellation(), BufferOverflow)
        assert bench.source.outcomes.failed() == [0, 1, 2, 3]


def test_held_elements_go_out_when_upstream_has_completed() -> None:
    """Completion waits for what is held."""
    with StageBench(Buffer(4)) as bench:
        bench.source.send(1, 2)
        bench.source.send(3)
        bench.source.complete()
        bench.sink.expect_no_signal()
        bench.sink.request(3)
        bench.sink.expect_next(1, 2, 3)
        bench.sink.expect_complete()


def test_held_elements_are_handed_on_when_the_stage_is_removed() -> None:
    """The residue is what is held, in order."""
    with StageBench(Buffer(4)) as bench:
        bench.source.send(1, 2)
        bench.source.send(3)
        residue = bench.logic.residue()
        assert [x for chunk in residue for x in chunk.items] == [1, 2, 3]
        assert bench.logic.residue() == []
        for chunk in residue:
            chunk.settle()
