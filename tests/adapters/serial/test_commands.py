"""Commands: ahead of requests, checked, never repeated, and what became of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.serial import SerialAdapter
from adapters.serial.commands import Command
from adapters.serial.jobs import MAX_JOBS, Job, Jobs
from adapters.serial.poll import Poller
from rt_edge.sdk import ConfigError, WriteResult
from rt_edge.testkit.adapter_harness import AdapterHarness, RecordingContext
from rt_edge.testkit.serial_instrument import plugged
from rt_edge.testkit.simulated_time import SimulatedTime

LINE = {"kind": "delimiter", "delimiter": "\r"}
NUMBER = {"kind": "text", "field": "n", "type": "int"}
SETPOINT = {"command": "SP{value:.1f}\r", "minimum": 0, "maximum": 80, "reply_begins": "OK", "refusal_begins": "ERR"}


def command(settings: Any, **written: Any) -> Command:
    made = settings(port="x", framing=LINE, poll={"requests": {"v": {"request": "?"}}}, commands={"c": written})
    return Command(made.commands["c"], made.framing)


def test_value_is_in_the_command_when_it_is_allowed(settings: Any) -> None:
    """Numbers by their format, texts as they are, in a frame where that is asked for; commands without a value take any."""
    assert command(settings, **SETPOINT).frame(21) == b"SP21.0\r"
    assert command(settings, command="N{value:03d}", type="int", framed=True).frame(7) == b"N007\r"
    assert command(settings, command="D{value}", type="str").frame("hello") == b"Dhello"
    assert command(settings, command="hex:0201").frame(1) == b"\x02\x01"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (SETPOINT, 80.5),
        (SETPOINT, -1),
        (SETPOINT, True),
        (SETPOINT, "5"),
        (SETPOINT, float("nan")),
        ({"command": "{value}", "type": "int"}, 1.5),
        ({"command": "{value}", "type": "str"}, "a\rFORMAT ALL"),
        ({"command": "{value}", "type": "str"}, "x" * 257),
        ({"command": "{value}", "type": "str"}, "€"),
        ({"command": "{value}", "type": "str"}, 5),
    ],
)
def test_value_is_refused_when_it_is_not_allowed(settings: Any, written: dict[str, Any], value: Any) -> None:
    """Out of bounds, of another type, or a text that would be a second command."""
    with pytest.raises(ConfigError):
        command(settings, **written).frame(value)


class World:
    """A poller under time wound by hand, an instrument that answers requests with 5, and commands as told."""

    def __init__(self, settings: Any, folder: Path, to_command: list[tuple[float, bytes]], late_limit: str = "1s") -> None:
        self.time = SimulatedTime()
        self.context = RecordingContext(folder, "lab", self.time, Random(1))
        requests = {"v": {"request": "?\r", "every": "1s", "timeout": "200ms", "format": NUMBER}}
        made = settings(port="x", framing=LINE, poll={"requests": requests, "late_limit": late_limit})
        poller = SerialAdapter(made, self.context)._made()
        assert isinstance(poller, Poller)
        self.poller = poller
        self.to_command = to_command
        self.to_request: list[tuple[float, bytes]] = [(0.1, b"5\r")]
        self.sent: list[tuple[float, bytes]] = []
        self.results: list[tuple[float, str]] = []
        poller.start(self, self.time)

    def write(self, data: bytes) -> None:
        self.sent.append((round(self.time.now, 6), data))
        for delay, reply in self.to_request if data == b"?\r" else self.to_command:
            self.time.call_later(delay, lambda reply=reply: self.poller.on_data(reply))  # type: ignore[misc]

    def forget_unsent(self) -> None:
        """The poller's port."""

    def demand(self, n: int) -> None:
        self.context.asked += n
        self.poller.demand(n)

    def submit(self, begins: bytes = b"OK", expires: float = 10.0) -> bool:
        def done(result: WriteResult) -> None:
            self.results.append((round(self.time.now, 6), result.status))

        refusals = (b"ERR",) if begins else ()
        return self.poller.submit(Job(b"SP\r", (begins,) if begins else (), refusals, 0.3, self.time.now + expires, done))

    def run(self, seconds: float) -> None:
        self.time.run_until(self.time.now + seconds)


@pytest.mark.parametrize(
    ("replies", "result"),
    [
        ([(0.01, b"OK 21\r")], (0.11, "confirmed")),
        ([(0.01, b"noise\r"), (0.02, b"ERR 5\r")], (0.12, "failed")),
        ([], (0.4, "sent")),
    ],
)
def test_command_goes_first_when_the_running_request_has_ended(
    settings: Any, tmp_path: Path, replies: list[tuple[float, bytes]], result: tuple[float, str]
) -> None:
    """It waits for the reply that is under way, and needs no demand; what became of it is what the reply begins with."""
    w = World(settings, tmp_path, replies)
    w.demand(1)
    assert w.submit()
    w.run(2)
    assert w.sent == [(0.0, b"?\r"), (0.1, b"SP\r")]
    assert w.results == [result]
    assert [e.reading.fields for e in w.context.emitted] == [{"n": 5}]


def test_commands_go_in_front_of_patient_jobs_when_both_wait() -> None:
    """Commands in their order, then readings in theirs."""
    jobs = Jobs()
    for name, patient in ((b"r1", True), (b"c1", False), (b"r2", True), (b"c2", False)):
        assert jobs.add(Job(name, (), (), 1.0, 10.0, lambda _: None, None, patient))
    order = []
    while (job := jobs.first(0.0)) is not None:
        order.append(job.frame)
        jobs.pop()
    assert order == [b"c1", b"c2", b"r1", b"r2"]


def test_nobody_is_asked_while_a_command_without_a_reply_is_on_the_line(settings: Any, tmp_path: Path) -> None:
    """3 bytes at 9,600 Bd each: commands without a reply follow each other, a request waits for the last bit of the last."""
    w = World(settings, tmp_path, [])
    w.submit(b"")
    w.submit(b"")
    w.demand(1)
    w.run(1)
    assert w.sent[:3] == [(0.0, b"SP\r"), (0.0, b"SP\r"), (pytest.approx(2 * 3 * 10 / 9600, abs=1e-5), b"?\r")]


def test_late_confirmation_is_not_that_of_the_next_command(settings: Any, tmp_path: Path) -> None:
    """The first command's reply comes after its time-out: the second goes out behind it, and is confirmed by its own."""
    w = World(settings, tmp_path, [(0.5, b"OK\r")])
    w.submit()
    w.submit()
    w.run(0.4)
    w.to_command = [(0.01, b"OK\r")]
    w.run(3)
    assert [at for at, _ in w.sent] == [0.0, 0.5]
    assert w.results == [(0.3, "sent"), (0.51, "confirmed")]
    assert w.context.counts == {"late_frames": 1}


def test_reply_is_read_when_noise_came_before_its_command(settings: Any, tmp_path: Path) -> None:
    """A piece without an end is thrown away when something is sent, and not put in front of the reply."""
    w = World(settings, tmp_path, [(0.01, b"OK\r")])
    w.poller.on_data(b"xx")
    w.submit()
    w.run(1)
    assert [status for _, status in w.results] == ["confirmed"]
    assert w.context.counts["garbage_bytes"] == 2


def test_command_fails_when_the_line_is_not_free_in_time(settings: Any, tmp_path: Path) -> None:
    """A request whose reply may still come holds the line: a command that may not be sent in time is not sent at all."""
    w = World(settings, tmp_path, [(0.01, b"OK\r")], late_limit="5s")
    w.to_request = []
    w.demand(1)
    w.run(0.5)
    w.submit(expires=1.0)
    w.run(3)
    assert w.results == [(1.5, "failed")]
    assert w.sent == [(0.0, b"?\r")]


def test_commands_are_bounded_and_end_when_the_port_is_closed(settings: Any, tmp_path: Path) -> None:
    """The one on the wire may have been done, those that wait were not, and there are at most so many."""
    w = World(settings, tmp_path, [])
    assert [w.submit() for _ in range(MAX_JOBS + 2)] == [True] * (MAX_JOBS + 1) + [False]
    w.poller.stop()
    assert [status for _, status in w.results] == ["sent"] + ["failed"] * MAX_JOBS
    assert len(w.sent) == 1


def test_command_is_done_once_when_its_key_is_repeated(settings: Any, tmp_path: Path) -> None:
    """On a pty: confirmed, answered again without being sent again; refused, and unknown ones, are not sent at all."""

    async def main() -> None:
        def answer(line: bytes) -> list[tuple[float, bytes]]:
            return [(0.0, b"5\r" if line == b"?" else b"OK\r" if float(line[2:]) < 50 else b"ERR\r")]

        with plugged(tmp_path / "tty", answer) as instrument:
            poll = {"requests": {"v": {"request": "?\r", "every": "10ms", "format": NUMBER}}}
            s = settings(port=str(instrument.path), framing=LINE, poll=poll, commands={"setpoint": SETPOINT})
            h = AdapterHarness(SerialAdapter, s, tmp_path)
            assert SerialAdapter.capability(s).writable
            assert (await h.adapter.write("setpoint", 5.0, "k0")).status == "failed", "not connected"
            await h.open()
            h.demand(1000)
            results = await asyncio.gather(*(h.adapter.write("setpoint", 21.5, "k1") for _ in range(3)))
            assert [result.status for result in results] == ["confirmed"] * 3
            assert (await h.adapter.write("setpoint", 60, "k2")).status == "failed", "the instrument refused"
            assert (await h.adapter.write("setpoint", 90, "k3")).status == "refused"
            assert (await h.adapter.write("nothing", 1, "k4")).status == "refused"
            await h.received(10)
            await h.close()
            assert [line for line in instrument.got if line != b"?"] == [b"SP21.5", b"SP60.0"]
        assert h.context.counts["writes_confirmed"] == 1
        assert all(reading.fields == {"n": 5} for reading in h.readings)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_command_is_only_sent_when_the_instrument_talks_by_itself(settings: Any, tmp_path: Path) -> None:
    """While listening nothing is taken for a reply."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            s = settings(port=str(instrument.path), framing=LINE, listen={}, commands={"tare": {"command": "T\r"}})
            h = AdapterHarness(SerialAdapter, s, tmp_path)
            await h.open()
            assert (await h.adapter.write("tare", 1, "k")).status == "sent"
            await instrument.bell.until(lambda: list(instrument.got) == [b"T"])
            await h.close()

    asyncio.run(asyncio.wait_for(main(), 20))
