"""Points read for people: what is refused, how many at a time, and that an adapter's fault is an answer."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from rt_edge.commands.command import Outcome
from rt_edge.commands.reads import MAX_READS, PointReader
from rt_edge.data.errors import TransientError
from rt_edge.sdk.points import PointInfo

POINTS = {"u1/level": PointInfo(readable=True, unit="m"), "u1/dose": PointInfo(readable=False)}


def reader(read: Any = None) -> PointReader:
    made = PointReader("plc", POINTS)
    made.adapter = None if read is None else SimpleNamespace(read=read)  # type: ignore[assignment]
    return made


def test_point_is_refused_when_it_is_unknown_or_cannot_be_read() -> None:
    """In words, before the adapter is asked."""
    assert "u1/lvel" in reader().refusal("u1/lvel")
    assert reader().refusal("u1/dose") == "u1/dose cannot be read"
    assert reader().refusal("u1/level") == ""


def test_reads_are_refused_when_as_many_wait_as_may() -> None:
    """One more may come when one has been answered."""

    async def work() -> None:
        told: list[Outcome] = []

        async def read(_point: str) -> float:
            return 1.5

        made = reader(read)
        assert {made.refusal("u1/level") for _ in range(MAX_READS)} == {""}
        assert made.refusal("u1/level") == f"{MAX_READS} reads wait already"
        await made.answer("u1/level", "k", told.append)
        assert told == [Outcome("k", "confirmed", True, "", 1.5, None, "m")]
        assert made.refusal("u1/level") == ""

    asyncio.run(work())


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TransientError("the unit is silent"), "the unit is silent"),
        (ValueError("seven"), "ValueError: seven"),
        (None, "the adapter is not connected"),
    ],
)
def test_a_read_fails_in_words_when_the_adapter_cannot(error: Exception | None, why: str) -> None:
    """Also when it raises what is no error of an adapter, and when none is connected."""

    async def read(_point: str) -> float:
        assert error is not None
        raise error

    assert asyncio.run(reader(None if error is None else read).read("u1/level")) == (None, why)
