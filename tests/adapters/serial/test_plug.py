"""The cable pulled and put back at every moment, and a name that is another device afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.serial import SerialAdapter
from rt_edge.data.clock import SystemClock
from rt_edge.sdk import TransientError
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.serial_instrument import Instrument, plugged
from rt_edge.testkit.waiting import until

LINES = {"kind": "delimiter", "delimiter": "\r"}
NUMBER = {"kind": "text", "field": "n", "type": "int"}
LISTEN: dict[str, Any] = {"listen": {"format": NUMBER}}
REQUEST = {"request": "?\r", "every": "5ms", "timeout": "200ms", "format": NUMBER}
POLL: dict[str, Any] = {"poll": {"requests": {"v": REQUEST}, "late_limit": "20ms"}}


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


def heard(h: AdapterHarness) -> list[bytes]:
    """What comes from the line, from now on."""
    came: list[bytes] = []
    on_data = h.adapter.on_data  # type: ignore[attr-defined]

    def told(data: bytes) -> None:
        came.append(data)
        on_data(data)

    h.adapter.on_data = told  # type: ignore[attr-defined]
    return came


async def lost(h: AdapterHarness, times: int = 1) -> None:
    await h.until(lambda: len(h.context.losses) == times)
    await h.adapter.close()


@pytest.mark.parametrize("said", [b"", b"12", b"\r12", b"\r1234\r56"], ids=["idle", "first", "in a frame", "behind one"])
@pytest.mark.parametrize("demand", [0, 5])
def test_no_half_of_a_frame_is_read_when_the_cable_is_pulled(settings: Any, tmp_path: Path, said: bytes, demand: int) -> None:
    """What was begun is not continued by what comes on the new line; what was whole is not lost."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            h = AdapterHarness(SerialAdapter, settings(port=str(instrument.path), framing=LINES, **LISTEN), tmp_path)
            came = heard(h)
            await h.open()
            h.demand(demand)
            instrument.say(said)
            await until(lambda: b"".join(came) == said)
            instrument.unplug()
            await lost(h)
            instrument.plug()
            await h.open()
            h.demand(5)
            instrument.say(b"78\r90\r")
            whole = [1234] if said.endswith(b"56") else []
            await h.received(len(whole) + 1)
            assert [reading.fields["n"] for reading in h.readings] == [*whole, 90]
            await h.close()

    run(main())


@pytest.mark.parametrize("reply", [b"", b"1", b"11\r"], ids=["before", "in", "after"])
def test_asking_goes_on_when_the_cable_is_pulled_in_a_reply(settings: Any, tmp_path: Path, reply: bytes) -> None:
    """The request is asked again on the new line, and half a reply is no reply."""

    async def main() -> None:
        told = asyncio.Event()
        answers = [[(0.0, reply)], *[[(0.0, b"77\r")]] * 100_000]

        def answer(_line: bytes) -> list[tuple[float, bytes]]:
            told.set()
            return answers.pop(0)

        with plugged(tmp_path / "tty", answer) as instrument:
            h = AdapterHarness(SerialAdapter, settings(port=str(instrument.path), framing=LINES, **POLL), tmp_path)
            came = heard(h)
            await h.open()
            h.demand(1 if reply.endswith(b"\r") else 3)
            await told.wait()
            await until(lambda: b"".join(came) == reply)
            instrument.unplug()
            await lost(h)
            instrument.plug()
            await h.open()
            h.demand(3)
            await h.received(3)
            values = [reading.fields["n"] for reading in h.readings]
            assert values[:3] == ([11, 77, 77] if reply.endswith(b"\r") else [77, 77, 77])
            assert [reason for _, reason, _, _ in h.context.gaps] == ["disconnected"]
            await h.close()

    run(main())


def test_result_says_so_when_the_cable_is_pulled_in_a_command(settings: Any, tmp_path: Path) -> None:
    """On the line: it may have been done. Behind it: it was not, and may be tried again."""

    async def main() -> None:
        with plugged(tmp_path / "tty", lambda _line: []) as instrument:
            commands = {name: {"command": f"{name.upper()}\r", "reply_begins": "OK", "timeout": "200ms"} for name in ("a", "b")}
            written = {"framing": LINES, "commands": commands, **POLL}
            h = AdapterHarness(SerialAdapter, settings(port=str(instrument.path), **written), tmp_path)
            await h.open()
            first, second = (asyncio.ensure_future(h.adapter.write(name, 1, name)) for name in ("a", "b"))
            await instrument.bell.until(lambda: b"A" in instrument.got)
            reads = asyncio.ensure_future(h.adapter.read("v/n"))
            await asyncio.wait([reads], timeout=0.005)
            instrument.unplug()
            await lost(h)
            assert ((await first).status, (await second).status) == ("sent", "failed")
            with pytest.raises(TransientError, match="line was lost"):
                await reads
            instrument.answer = lambda _line: [(0.0, b"OK\r")]
            instrument.plug()
            await h.open()
            assert (await h.adapter.write("a", 1, "a")).status == "sent"
            assert (await h.adapter.write("b", 1, "b")).status == "confirmed"
            assert list(instrument.got) == [b"A", b"B"]
            await h.close()

    run(main())


class Longest(Random):
    """Each wait of the backoff is a minute."""

    def uniform(self, a: float, b: float) -> float:
        return 60.0


def test_port_is_open_again_at_once_when_the_cable_is_back(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In a node, whose backoff would take a minute: put back it reads again, pulled and put back once more as well."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            chosen = settings(port=str(instrument.path), framing=LINES, **LISTEN)
            life = AdapterRunner("lab", lambda context: SerialAdapter(chosen, context), SystemClock(), Longest(), tmp_path)
            life.start()
            for _ in range(2):
                await until(lambda: life.state == "open", within=5)
                instrument.unplug()
                await until(lambda: life.state == "waiting")
                instrument.plug()
            await until(lambda: life.state == "open", within=5)
            assert life.counters["early_tries"] == 2
            await life.stop()
            said = f"adapter is not connected, next try in 60.0 s or when {instrument.path} appears: "
            assert sum(record.getMessage().startswith(said) for record in caplog.records) == 2

    run(main())


def test_new_device_is_opened_when_the_name_leads_elsewhere(settings: Any, tmp_path: Path) -> None:
    """/dev/serial/by-id: the old device stays open while it is there, the next opening follows the link."""

    async def main() -> None:
        by_id = tmp_path / "usb-FTDI_1"
        old, new = Instrument(tmp_path / "ttyUSB0"), Instrument(tmp_path / "ttyUSB1")
        for instrument in (old, new):
            instrument.plug()
        try:
            by_id.symlink_to(old.path)
            h = AdapterHarness(SerialAdapter, settings(port=str(by_id), framing=LINES, **LISTEN), tmp_path)
            await h.open()
            h.demand(10)
            by_id.unlink()
            by_id.symlink_to(new.path)
            old.say(b"\r1\r")
            await h.received(1)
            old.unplug()
            await lost(h)
            await h.open()
            new.say(b"\r2\r")
            await h.received(2)
            new.unplug()
            await lost(h, 2)
            with pytest.raises(TransientError, match="is not there"):  # the link is, and leads nowhere
                await h.open()
            assert [reading.fields["n"] for reading in h.readings] == [1, 2]
        finally:
            for instrument in (old, new):
                instrument.unplug()

    run(main())
