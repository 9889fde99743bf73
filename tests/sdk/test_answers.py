"""A command that comes again is answered and not repeated; what was not done may be tried again; the memory has a bound."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from rt_edge.sdk import WriteResult
from rt_edge.sdk.answers import Answers
from rt_edge.testkit.adapter_harness import RecordingContext
from rt_edge.testkit.simulated_time import SimulatedTime

CONFIRMED = WriteResult("confirmed", "done")


@pytest.fixture(name="context")
def _context(tmp_path: Path) -> RecordingContext:
    return RecordingContext(tmp_path, "lab", SimulatedTime(), Random(7))


def test_repetition_is_answered_when_the_command_is_done_or_under_way(context: RecordingContext) -> None:
    """Those who ask meanwhile wait for the one; later ones get its result at once; a second result changes nothing."""

    async def run() -> None:
        answers = Answers(context)
        assert answers.known("k") is None
        answer = answers.begin("k")
        waiting = [asyncio.ensure_future(one.result()) for one in (answer, answers.known("k")) if one is not None]
        answer.settle(CONFIRMED)
        answer.settle(WriteResult("failed"))
        assert await asyncio.gather(*waiting) == [CONFIRMED, CONFIRMED]
        again = answers.known("k")
        assert again is answer
        assert await again.result() == CONFIRMED
        assert context.counts == {"writes_confirmed": 1}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "reached", "kept"),
    [
        ("confirmed", None, True),
        ("sent", None, True),
        ("failed", None, False),
        ("refused", None, False),
        ("failed", True, True),
        ("sent", False, False),
    ],
)
def test_command_may_be_tried_again_when_the_device_has_not_got_it(
    context: RecordingContext, status: str, reached: bool | None, kept: bool
) -> None:
    """By its status, or by what the adapter knows; a device that refused it has got it."""

    async def run() -> None:
        answers = Answers(context)
        answers.begin("k").settle(WriteResult(status), reached)  # type: ignore[arg-type]  # one of the four
        assert (answers.known("k") is not None) == kept

    asyncio.run(run())


def test_oldest_is_forgotten_when_there_are_many(context: RecordingContext) -> None:
    """And what becomes of it then does not remove a newer one of the same key."""

    async def run() -> None:
        answers = Answers(context, most=2)
        first = answers.begin("a")
        answers.begin("b")
        answers.begin("c")
        assert len(answers) == 2
        assert answers.known("a") is None
        newer = answers.begin("a")
        first.settle(WriteResult("failed"))
        assert answers.known("a") is newer

    asyncio.run(run())


def test_command_may_have_been_done_when_whoever_gave_it_gives_up(context: RecordingContext) -> None:
    """Whoever repeats it is told so, at once; while it runs they wait, and their giving up stops nothing."""

    async def run() -> None:
        answers = Answers(context)
        begun, go, done = asyncio.Event(), asyncio.Event(), 0

        async def write() -> WriteResult:
            nonlocal done
            begun.set()
            await go.wait()
            done += 1
            return CONFIRMED

        first = asyncio.ensure_future(answers.once("k", write))
        await begun.wait()
        second = asyncio.ensure_future(answers.once("k", write))
        third = asyncio.ensure_future(answers.once("k", write))
        await asyncio.wait([second], timeout=0)
        second.cancel()
        go.set()
        assert await first == await third == await answers.once("k", write) == CONFIRMED
        assert done == 1
        go.clear()
        lost = asyncio.ensure_future(answers.once("l", write))
        await asyncio.wait([lost], timeout=0)
        lost.cancel()
        await asyncio.wait([lost])
        assert (await answers.once("l", write)).status == "sent"
        assert done == 1

    asyncio.run(run())
