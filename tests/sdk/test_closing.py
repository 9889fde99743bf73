"""What is being closed is closed to the end, whoever stops waiting."""

from __future__ import annotations

import asyncio

import pytest

from rt_edge.sdk.closing import Closing


def test_work_is_done_once_and_to_its_end_when_who_waits_is_cancelled() -> None:
    """The next one waits for what is under way; after that there is new work."""
    done: list[str] = []

    async def run() -> None:
        closing, gate = Closing("closes"), asyncio.Event()

        async def work() -> None:
            done.append("begun")
            await gate.wait()
            done.append("ended")

        first = asyncio.create_task(closing.run(work))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        assert done == ["begun"]
        second = asyncio.create_task(closing.run(work))
        waits = asyncio.create_task(closing.ended())
        await asyncio.sleep(0)
        assert not waits.done()
        gate.set()
        await asyncio.wait([second, waits])
        assert done == ["begun", "ended"]
        await closing.ended()
        await closing.run(work)
        assert done == ["begun", "ended", "begun", "ended"]

    asyncio.run(run())


def test_error_is_raised_to_who_closes_and_not_to_who_opens() -> None:
    """And to nobody, if nobody waits any more: the loop does not complain."""
    complaints: list[object] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        closing = Closing("closes")

        async def work() -> None:
            await asyncio.sleep(0)
            raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            await closing.run(work)
        gone = asyncio.create_task(closing.run(work))
        await asyncio.sleep(0)
        gone.cancel()
        await closing.ended()
        await asyncio.wait([gone])

    asyncio.run(run())
    assert complaints == []
