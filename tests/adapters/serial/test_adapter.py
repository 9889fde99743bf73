"""The adapter on real ptys: what demand does to the line, what is lost and said, unplugging, two instruments, noise, leaks."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.serial import SerialAdapter
from adapters.serial.frames import frame_of
from adapters.serial.listen import SETTLED_S
from adapters.serial.nmea import checksum
from rt_edge.data.clock import SystemClock
from rt_edge.sdk import FatalAdapterError, TransientError
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.serial_instrument import Instrument, plugged
from rt_edge.testkit.simulated_time import SimulatedTime

LINES = {"kind": "delimiter", "delimiter": "\n"}
NUMBER: dict[str, Any] = {"kind": "text", "field": "n", "type": "int"}
TIOCGEXCL = 0x80045440
LINE_HOLDS = 80_000
"""Bytes that a pty holds while nobody reads it, at most."""


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def harness(settings: Any, folder: Path, instrument: Instrument, name: str = "lab", **written: Any) -> AdapterHarness:
    return AdapterHarness(SerialAdapter, settings(port=str(instrument.path), **{"framing": LINES, **written}), folder, name)


def numbers(h: AdapterHarness) -> list[Any]:
    return [reading.fields["n"] for reading in h.readings]


def lines(first: int, last: int) -> bytes:
    return b"".join(b"%d\n" % n for n in range(first, last))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_lost_when_flow_control_holds_the_line(settings: Any, tmp_path: Path) -> None:
    """Without demand the port is not read: the line fills, the instrument has to wait; with demand all of it comes, in order."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            h = harness(settings, tmp_path, instrument, listen={"format": NUMBER}, flow_control="rts_cts")
            await h.open()
            instrument.say(b"\n")
            data = lines(0, 40_000)
            taken = instrument.say(data)
            assert await h.quiet(0.2) == 0
            taken += instrument.say(data[taken:])  # the kernel has moved it from one of its buffers to the next
            assert 0 < taken < LINE_HOLDS < len(data), "nobody reads, so nothing more goes in"
            h.demand(7)
            await h.received(7)
            for _ in range(6):  # the seventh asked for was the last: from then on it must not be read again
                assert await h.quiet(0.05) == 0
                taken += instrument.say(data[taken:])
            assert taken < LINE_HOLDS
            h.demand(39_993)
            await instrument.say_all(data[taken:])
            await h.received(40_000, within=30)
            await h.close()
        assert numbers(h) == list(range(40_000))
        assert h.context.gaps == []
        assert "dropped_overflow" not in h.context.counts

    run(main())


@pytest.mark.parametrize(("overflow", "kept"), [("drop_oldest", [*range(90, 100)]), ("drop_newest", [*range(10)])])
def test_loss_is_counted_and_said_when_nobody_asks_and_nothing_holds_the_line(
    settings: Any, tmp_path: Path, overflow: str, kept: list[int]
) -> None:
    """Without flow control a ring of ten keeps ten; ninety are counted, and one gap record stands where they were."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            h = harness(settings, tmp_path, instrument, listen={"format": NUMBER, "ring_readings": 10, "overflow": overflow})
            await h.open()
            instrument.say(b"\n" + lines(0, 100))
            await h.until(lambda: h.context.counts.get("dropped_overflow", 0) == 90)
            assert h.context.gaps == []
            gap_after: list[int] = []
            gap = h.context.gap

            def noted(*what: Any) -> None:
                gap_after.append(len(h.emitted))
                gap(*what)

            h.context.gap = noted  # type: ignore[method-assign]
            h.demand(1000)
            await h.received(10)
            await h.close()
        assert numbers(h) == kept
        assert [(source, reason) for source, reason, _, _ in h.context.gaps] == [("lab/instrument", "overflow")]
        assert gap_after == [0 if overflow == "drop_oldest" else 10]

    run(main())


def test_first_frame_is_left_out_when_the_port_is_opened_in_its_middle(settings: Any, tmp_path: Path) -> None:
    """`123` of which only `3` is heard is no 3; where the line was quiet before, the first frame counts."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            time = SimulatedTime()  # stands still, however busy this machine is
            s = settings(port=str(instrument.path), framing=LINES, listen={"format": NUMBER})
            h = AdapterHarness(SerialAdapter, s, tmp_path, clock=time)
            await h.open()
            h.demand(100)
            instrument.say(b"3\n124\n")
            await h.received(1)
            await h.reopen()
            time.now += SETTLED_S
            instrument.say(b"125\n")
            await h.received(2)
            instrument.say(b"12")
            await h.quiet(0.05)
            await h.reopen()
            instrument.say(b"6\n127\n")
            await h.received(3)
            await h.close()
        assert numbers(h) == [124, 125, 127]

    run(main())


@pytest.mark.parametrize("written", [{}, {"flow_control": "rts_cts"}])
def test_reading_goes_on_when_the_instrument_is_unplugged_and_returns(
    settings: Any, tmp_path: Path, written: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Under the real runtime: lost, tried again with jitter while it is away, open again by its path; said once each way."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            frozen = settings(port=str(instrument.path), framing=LINES, listen={"format": NUMBER}, **written)
            gaps: list[tuple[str, str, int, int]] = []
            heard: list[int] = []
            states: list[str] = []
            caplog.set_level("INFO", logger="rt_edge.adapter.lab")
            changed = asyncio.Event()
            runner = AdapterRunner(
                "lab", lambda context: SerialAdapter(frozen, context), SystemClock(), Random(1), tmp_path, "test"
            )
            runner._backoff._first_s = 0.01

            def note(what: list[Any], value: Any) -> None:
                what.append(value)
                changed.set()

            def emitted(readings: Any, *_: Any) -> None:
                for reading in readings:
                    note(heard, reading.fields["n"])

            runner.on_emit = emitted
            runner.on_gap = lambda *gap: note(gaps, gap)
            runner.on_state.append(lambda state: note(states, state))

            async def until(condition: Any) -> None:
                async with asyncio.timeout(10):
                    while not condition():
                        changed.clear()
                        await changed.wait()

            runner.adapter.demand(3)
            runner.start()
            await until(lambda: "open" in states)
            instrument.say(b"\n1\n2\n3\n")
            await until(lambda: heard == [1, 2, 3])
            instrument.unplug()  # with no demand left
            await until(lambda: states.count("waiting") >= 4)
            instrument.plug()
            await until(lambda: states[-1] == "open")
            runner.adapter.demand(1)
            instrument.say(b"\n4\n")
            await until(lambda: heard == [1, 2, 3, 4])
            await runner.stop()
            assert [(source, reason) for source, reason, _, _ in gaps] == [("lab/instrument", "disconnected")]
            assert states[-1] == "closed"
            warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
            assert len(warnings) == 1, "that it is not there, either, is not said"
            assert "is lost" in warnings[0]
            assert sum("adapter is connected" in line for line in caplog.messages) == 2
            assert runner.counters["reconnects"] >= 4

    run(main())


def test_polling_goes_on_when_the_instrument_is_unplugged_and_returns(settings: Any, tmp_path: Path) -> None:
    """Unplugging is one `lost`; opening fails plainly while it is away; then it is asked again, and the gap is said."""

    async def main() -> None:
        count = iter(range(100_000))
        with plugged(tmp_path / "tty", lambda line: [(0.0, b"%d\n" % next(count))]) as instrument:
            requests = {"v": {"request": "?\r", "every": "10ms", "format": NUMBER}}
            h = harness(settings, tmp_path, instrument, poll={"requests": requests, "late_limit": "50ms"})
            await h.open()
            h.demand(10**6)
            await h.received(5)
            instrument.unplug()
            await h.until(lambda: bool(h.context.losses))
            await h.adapter.close()
            with pytest.raises(TransientError, match="is not there"):
                await h.open()
            instrument.plug()
            n = len(h.emitted)
            await h.open()
            await h.received(n + 5)
            await h.close()
        assert len(h.context.losses) == 1
        assert isinstance(h.context.losses[0], TransientError)
        assert [(source, reason) for source, reason, _, _ in h.context.gaps] == [("lab/v", "disconnected")]
        assert numbers(h) == sorted(set(numbers(h)))

    run(main())


def test_two_instruments_do_not_mix_when_they_are_on_two_ports(settings: Any, tmp_path: Path) -> None:
    """Each adapter reads its own line; one being silent, then gone, does not disturb the other."""

    async def main() -> None:
        with plugged(tmp_path / "a") as a, plugged(tmp_path / "b", lambda line: [(0.0, b"%s!\n" % line)]) as b:
            first = harness(settings, tmp_path, a, "first", listen={"device": "x", "format": NUMBER})
            text = {"kind": "text", "field": "n", "type": "str"}
            asks = {"y": {"request": "Q\r", "every": "5ms", "format": text}}
            second = harness(settings, tmp_path, b, "second", poll={"requests": asks})
            await first.open()
            await second.open()
            first.demand(100)
            second.demand(50)
            a.say(b"\n" + lines(0, 50))
            await first.received(50)
            await second.received(20)
            a.unplug()
            await second.received(50)
            await first.close()
            await second.close()
        assert numbers(first) == list(range(50))
        assert numbers(second) == ["Q!"] * 50
        assert {r.source for r in first.readings} == {"first/x"}
        assert {r.source for r in second.readings} == {"second/y"}
        assert (len(first.context.losses), len(second.context.losses)) == (1, 0)

    run(main())


@pytest.mark.parametrize("seed", range(5))
def test_only_right_frames_come_when_the_line_is_noisy(settings: Any, tmp_path: Path, seed: int) -> None:
    """Noise, cut, doubled and damaged frames with a CRC: what comes was sent, in order, and good frames keep coming."""

    async def main() -> None:
        random = Random(seed)
        framing = {"kind": "cobs", "crc": "CRC-16/MODBUS", "max_length_bytes": 64}
        layout = {"n": {"at_byte": 0, "type": "uint32"}, "inverse": {"at_byte": 4, "type": "uint32"}}
        with plugged(tmp_path / "tty") as instrument:
            form = {"kind": "struct", "length_bytes": 8, "fields": layout}
            h = harness(settings, tmp_path, instrument, framing=framing, listen={"format": form, "ring_readings": 100_000})
            await h.open()
            h.demand(10**6)
            good: list[int] = []
            for n in range(3000):
                frame = frame_of(h.settings.framing, struct.pack(">II", n, n ^ 0xFFFFFFFF))
                noise = random.randbytes(random.randrange(1, 100))
                flipped = bytearray(frame)
                flipped[random.randrange(len(frame) - 1)] ^= 1 << random.randrange(8)
                kind = random.randrange(6)
                made = [frame, b"\0" + frame, noise + b"\0", bytes(flipped), frame[: len(frame) // 2], noise][kind]
                if kind == 1:
                    good.append(n)
                await instrument.say_all(made)
            await instrument.say_all(b"\0" + frame_of(h.settings.framing, struct.pack(">II", 9999, 9999 ^ 0xFFFFFFFF)))
            await h.until(lambda: bool(h.readings) and h.readings[-1].fields["n"] == 9999)
            await h.close()
        found = numbers(h)
        assert set(good) <= set(found)
        assert found == sorted(found)
        assert all(r.fields["n"] ^ r.fields["inverse"] == 0xFFFFFFFF for r in h.readings)  # type: ignore[operator]
        assert h.context.counts["dropped_bad_crc"] > 100
        assert h.context.losses == []

    run(main())


def test_nothing_leaks_when_ports_are_opened_closed_and_lost(settings: Any, tmp_path: Path) -> None:
    """After thirty lives, with losses, failed openings and paused ports among them, no file and no task is left."""

    async def main() -> None:
        with plugged(tmp_path / "tty", lambda line: [(0.0, b"1\n")]) as instrument:
            request = {"requests": {"v": {"request": "?\r", "every": "5ms", "format": NUMBER}}}
            kinds = [{"listen": {"format": NUMBER}}, {"listen": {}, "flow_control": "rts_cts"}, {"poll": request}]
            files, tasks = open_files(), len(asyncio.all_tasks())
            for life in range(30):
                h = harness(settings, tmp_path, instrument, **kinds[life % 3])
                await h.open()
                h.demand(life % 2)
                instrument.say(b"\n7\n")
                if life % 5 == 4:
                    instrument.unplug()
                    await h.until(lambda h=h: bool(h.context.losses))
                    await h.adapter.close()
                    with pytest.raises(TransientError):
                        await h.open()
                    instrument.plug()
                    await h.open()
                await h.close()
                await h.close()
            assert (open_files(), len(asyncio.all_tasks())) == (files, tasks)

    run(main())


def exclusive(path: Path) -> bool:
    """Whether the kernel refuses others than root (tty_ioctl(4), TIOCGEXCL)."""
    port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        return bool(struct.unpack("i", fcntl.ioctl(port, TIOCGEXCL, bytes(4)))[0])
    finally:
        os.close(port)


def test_what_was_said_before_is_thrown_away_when_the_port_is_opened(settings: Any, tmp_path: Path) -> None:
    """The kernel may hold what came while nobody listened: of when it was nobody knows."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            instrument.say(b"\n1\n2\n")
            h = harness(settings, tmp_path, instrument, listen={"format": NUMBER})
            await h.open()
            h.demand(10)
            instrument.say(b"\n3\n")
            await h.received(1)
            await h.close()
        assert numbers(h) == [3]

    run(main())


def test_second_opener_is_refused_when_the_port_is_in_use(settings: Any, tmp_path: Path) -> None:
    """Through another link to the same device: refused while the first has it, and free afterwards; TIOCEXCL is taken back."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            first = harness(settings, tmp_path, instrument, listen={})
            alias = tmp_path / "alias"
            alias.symlink_to(instrument.path)
            s = settings(port=str(alias), listen={})
            second = AdapterHarness(SerialAdapter, s, tmp_path)
            await first.open()
            assert exclusive(instrument.path)
            with pytest.raises(TransientError, match="in use by another program"):
                await second.open()
            await first.close()
            assert not exclusive(instrument.path)
            await second.open()
            await second.close()

    run(main())


def test_opening_fails_for_good_when_the_port_does_not_know_the_settings(settings: Any, tmp_path: Path) -> None:
    """RS-485 on a pty is a matter of settings, a missing port is not."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            files = open_files()
            for wrong in ({"rs485": True}, {"data_bits": 7}):
                h = harness(settings, tmp_path, instrument, listen={}, **wrong)
                with pytest.raises(FatalAdapterError, match="cannot be opened with these settings"):
                    await h.open()
                await h.close()
            assert open_files() == files
            instrument.path.unlink()
            with pytest.raises(TransientError, match="is not there"):
                await harness(settings, tmp_path, instrument, listen={}).open()

    run(main())


def test_gap_begins_at_the_last_stored_reading_when_the_process_was_killed(settings: Any, tmp_path: Path) -> None:
    """A new life says what is missing since the last Reading that was settled, before its own first one."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            first = harness(settings, tmp_path, instrument, listen={"format": NUMBER})
            await first.open()
            first.demand(5)
            for n in range(5):
                instrument.say(b"\n%d\n" % n)
                await first.received(n + 1)
            first.settle(1)  # of the others nobody knows
            second = harness(settings, tmp_path, instrument, listen={"format": NUMBER})
            await first.adapter.close()
            await second.open()
            second.demand(5)
            instrument.say(b"\n5\n")
            await second.received(1)
            await second.close()
        assert second.context.gaps == [("lab/instrument", "restart", first.readings[0].ts, second.readings[0].ts)]

    run(main())


def test_silence_is_said_when_an_instrument_stops_talking(settings: Any, tmp_path: Path) -> None:
    """Once on loss, once on return, and a gap record between the two frames."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            h = harness(settings, tmp_path, instrument, listen={"format": NUMBER, "silent_after": "100ms"})
            await h.open()
            h.demand(10)
            instrument.say(b"\n1\n")
            await h.until(lambda: h.context.counts.get("silences", 0) == 1)
            await h.quiet(0.25)
            instrument.say(b"2\n")
            await h.received(2)
            await h.close()
        assert h.context.counts["silences"] == 1
        assert [line.level for line in h.context.logs] == ["warning", "info"]
        assert h.context.gaps == [("lab/instrument", "silent", h.readings[0].ts, h.readings[1].ts)]

    run(main())


def test_nobody_is_silent_when_flow_control_holds_the_line(settings: Any, tmp_path: Path) -> None:
    """An instrument that must not talk, for want of demand, is not said to be silent, from the opening on; nor is there a gap."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            listen = {"format": NUMBER, "silent_after": "50ms"}
            h = harness(settings, tmp_path, instrument, listen=listen, flow_control="rts_cts")
            await h.open()
            instrument.say(b"\n1\n2\n")
            assert await h.quiet(0.2) == 0
            h.demand(1)
            await h.received(1)
            assert await h.quiet(0.2) == 0
            h.demand(1)
            await h.received(2)
            assert await h.quiet(0.2) == 0
            await h.close()
        assert "silences" not in h.context.counts
        assert (h.context.logs, h.context.gaps) == ([], [])

    run(main())


def test_bad_frames_are_counted_and_said_once_when_they_are_many(settings: Any, tmp_path: Path) -> None:
    """A hundred wrong checksums are a hundred counted and one line; they use up no demand, and the good one behind comes."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            h = harness(settings, tmp_path, instrument, listen={"format": {"kind": "nmea"}, "tags": {"ship": "a"}})
            await h.open()
            h.demand(1)
            instrument.say(b"\n" + b"$HEHDT,90.5,T*00\r\n" * 100 + b"$HEHDT,90.5,T*%02X\r\n" % checksum(b"HEHDT,90.5,T"))
            await h.received(1)
            await h.close()
        assert h.context.counts == {"dropped_bad_checksum": 100, "frames_ok": 1}
        assert len(h.context.logs) == 1
        assert h.readings[0].tags == {"ship": "a", "talker": "HE", "sentence": "HDT"}

    run(main())


def test_probe_says_whether_the_port_opens(settings: Any, tmp_path: Path) -> None:
    """It opens and closes, and names the port."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            result = await harness(settings, tmp_path, instrument, listen={}).adapter.probe()
            assert result.ok
            assert os.fspath(instrument.path) in result.message

    run(main())


def test_a_reply_to_a_killed_process_is_nobodys_when_the_next_one_has_the_line(settings: Any, tmp_path: Path) -> None:
    """A life that did not close its line may have asked: its reply comes first, and is no value of the next one.

    After a life that closed it, and had all its replies, nothing is waited for.
    """
    poll = {"requests": {"v": {"request": "?\n", "format": NUMBER, "every": "20ms", "timeout": "100ms"}}, "late_limit": "400ms"}

    async def main() -> None:
        replies: list[list[tuple[float, bytes]]] = [[], [(0.0, b"14\n")]]
        with plugged(tmp_path / "tty", lambda _: replies[len(instrument.got) - 1], b"\n") as instrument:
            killed = harness(settings, tmp_path, instrument, poll=poll)
            await killed.open()
            killed.demand(1)
            await instrument.bell.until(lambda: len(instrument.got) == 1)
            port, work = killed.adapter._port, killed.adapter._work  # type: ignore[attr-defined]
            work._port = killed.adapter._port = None  # type: ignore[attr-defined]  # as SIGKILL: nothing of its own runs any more
            await port.close()
            after = harness(settings, tmp_path, instrument, poll=poll)
            await after.open()
            after.demand(1)
            instrument.say(b"13\n")
            await after.until(lambda: after.context.counts.get("unasked_frames", 0) == 1)
            assert len(instrument.got) == 1, "nothing is asked while that reply may come"
            await after.received(1)
            await after.close()
            assert numbers(after) == [14]
            assert not (tmp_path / "asking").exists()

    run(main())
