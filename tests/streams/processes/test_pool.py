"""A pool of processes behind the stage `ask`: real processes, that raise, die and hang; on an asyncio loop."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from random import Random

import pytest

from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.processes.frames import MAX_FRAME, Unpacker, pack
from rt_edge.streams.processes.pool import ProcessDied, ProcessPool
from rt_edge.testkit.waiting import until

FUNCTION = "tests.streams.processes.functions:double"
WITHIN_S = 20.0


def run(test, **kwargs):
    """A pool for a test; whatever happens, no process of it is left."""

    async def whole():
        pool = ProcessPool(**{"function": FUNCTION, "processes": 2, "random": Random(1), **kwargs})
        try:
            async with asyncio.timeout(WITHIN_S):
                return await test(pool)
        finally:
            pids = pool.pids()
            pool.close()
            await until(lambda: not pool.pids() and not any(_runs(pid) for pid in pids), 5)

    return asyncio.run(whole())


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def asked(pool, *questions):
    """Ask at once, give the answers or errors in order."""
    futures = []
    for question in questions:
        future = asyncio.get_running_loop().create_future()
        pool.ask(question, lambda answer, error, future=future: future.set_result(error or answer))
        futures.append(future)
    return await asyncio.gather(*futures)


def test_elements_are_worked_on_in_processes_and_keep_their_order():
    """Numbers and Readings through a stream; an element that raises fails alone."""

    async def test(pool):
        readings = [Reading("d", n, {"v": n}) for n in range(50)]
        elements = [*range(50), "fail", "bad", *readings]
        found = await Source.from_iterable(elements).ask(pool, parallelism=16).to(Sink.collect()).run_async()
        assert found == [*range(0, 100, 2), *(Reading("d", n, {"v": 2 * n}) for n in range(50))]
        assert pool.counters["failed"] == 2
        assert pool.counters["answered"] == 100
        assert len(set(await asked(pool, "pid", "pid"))) == 2

    run(test)


def test_element_fails_and_process_is_started_again_when_it_is_killed():
    """By itself or from outside; the other one goes on, what the dead one had fails, and room comes back with the next."""

    async def test(pool):
        one, other = await asked(pool, "pid", "pid")
        assert pool.credit() == 4
        told = asyncio.Event()
        pool.listen(told.set)
        died, *_ = await asked(pool, "die")
        assert isinstance(died, ProcessDied)
        assert pool.credit() == 2
        await told.wait()
        assert pool.credit() == 4
        left = {one, other} & set(pool.pids())
        assert len(left) == 1
        told.clear()
        os.kill(left.pop(), signal.SIGKILL)
        await told.wait()
        assert await asked(pool, 3, 4) == [6, 8]
        assert {one, other}.isdisjoint(pool.pids())
        assert pool.counters["deaths"] == 2

    run(test)


def test_process_is_killed_when_a_call_takes_too_long():
    """Its element fails, and no other one waits for it for ever."""

    async def test(pool):
        (late,) = await asked(pool, "hang")
        assert isinstance(late, ProcessDied)
        assert pool.counters["timeouts"] == 1
        told = asyncio.Event()
        pool.listen(told.set)
        await told.wait()
        assert await asked(pool, 1) == [2]

    run(test, processes=1, call_timeout=1.0)


def test_reason_is_told_when_the_function_cannot_be_imported():
    """Each question fails with it; starts come later each time, so that it costs little."""

    async def test(pool):
        (error,) = await asked(pool, 1)
        assert "ModuleNotFoundError" in str(error)
        assert pool.credit() == 0

    run(test, function="no.such.module:f", processes=1)


def test_pool_is_refused_when_its_bounds_make_no_sense():
    """At once."""
    for wrong in ({"processes": 0}, {"processes": 65}, {"window": 0}, {"call_timeout": 0.0}):
        with pytest.raises(ConfigError):
            ProcessPool(FUNCTION, **wrong)


def test_frames_are_the_same_however_they_are_cut():
    """Readings, plain data and errors; garbage is refused, and what is no plain data is not sent."""
    reading = Reading("d", 1, {"v": 1.5})
    data = pack(1, reading) + pack(2, {"a": [1, b"x"]}) + pack(3, error="why")
    for size in (1, 3, 7, len(data)):
        unpacker = Unpacker()
        found = [piece for at in range(0, len(data), size) for piece in unpacker.feed(data[at : at + size])]
        assert [(p.number, p.element, p.error) for p in found] == [(1, reading, ""), (2, {"a": [1, b"x"]}, ""), (3, None, "why")]
    for bad in ((MAX_FRAME + 1).to_bytes(4, "little"), b"\x01\0\0\0\xc1"):
        with pytest.raises(CodecError):
            list(Unpacker().feed(bad))
    with pytest.raises(CodecError):
        pack(1, object())
