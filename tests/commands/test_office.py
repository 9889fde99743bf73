"""The office: journal, adapter and askers together, on a real loop."""

from __future__ import annotations

import asyncio
import json

from rt_edge.commands.command import Command
from rt_edge.commands.desk import DeskLimits
from rt_edge.commands.office import MAX_ASKS, MAX_LISTENERS, CommandOffice
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import TransientError
from rt_edge.sdk import PointInfo, WriteResult
from rt_edge.testkit.waiting import until

POINTS = {"speed": PointInfo(writable=True, max=100, unit="rpm"), "blind": PointInfo(writable=True, readable=False)}


class Device:
    """Stands in for an adapter."""

    def __init__(self):
        self.held = {"speed": 1.0, "blind": 0.0}
        self.gate = asyncio.Event()
        self.gate.set()
        self.writes = []
        self.fails = False

    async def write(self, point, value, key):
        await self.gate.wait()
        if self.fails:
            raise ValueError("a bug")
        self.writes.append((point, value))
        self.held[point] = value
        return WriteResult("confirmed")

    async def read(self, point):
        if self.fails:
            raise TransientError("silent")
        return self.held[point]


class Heard:
    """What an asker was told."""

    def __init__(self):
        self.outcomes = []

    def __call__(self, outcome):
        self.outcomes.append(outcome)

    @property
    def states(self):
        return [outcome.state for outcome in self.outcomes]

    async def end(self):
        await until(lambda: self.outcomes and self.outcomes[-1].final, 10)
        return self.outcomes[-1]


def office(tmp_path, **limits):
    return CommandOffice("plc", POINTS, tmp_path / "commands", SystemClock(), DeskLimits(**limits))


def test_asker_hears_every_state_and_the_log_has_a_line(tmp_path):
    """accepted when it is durable, sent, confirmed; nothing is on the disk before the first command."""

    async def run():
        one = office(tmp_path)
        one.start()
        device = Device()
        one.connected(device)
        assert not (tmp_path / "commands").exists()
        heard, read = Heard(), Heard()
        one.submit(Command("k", "speed", "40", text=True, who="eva"), heard)
        await heard.end()
        assert heard.states[-2:] == ["sent", "confirmed"]
        one.read("speed", "r", read)
        outcome = await read.end()
        assert (outcome.state, outcome.value, outcome.unit) == ("confirmed", 40, "rpm")
        await one.close()
        (line,) = (tmp_path / "commands" / "plc.audit.jsonl").read_text().splitlines()
        assert (json.loads(line)["old"], json.loads(line)["value"], json.loads(line)["who"]) == (1.0, 40, "eva")

    asyncio.run(run())


def test_two_askers_of_one_key_hear_the_same_end(tmp_path):
    """And the device got it once."""

    async def run():
        one = office(tmp_path)
        device = Device()
        device.gate.clear()
        one.connected(device)
        first, second = Heard(), Heard()
        one.submit(Command("k", "speed", 40), first)
        await until(lambda: "sent" in first.states, 5)
        one.submit(Command("k", "speed", 40), second)
        await until(lambda: second.states == ["sent"], 5)
        device.gate.set()
        assert (await first.end()).state == (await second.end()).state == "confirmed"
        assert device.writes == [("speed", 40)]
        await one.close()

    asyncio.run(run())


def test_who_asks_again_hears_where_the_command_is_and_its_end(tmp_path):
    """Also while it waits, and also who wants to know only that it is written down; under a new life of the office as well."""

    async def run():
        one = office(tmp_path)
        first, again = Heard(), Heard()
        one.submit(Command("k", "speed", 40, expires_s=60), first)
        await until(lambda: first.states == ["accepted"], 5)
        one.submit(Command("k", "speed", 40), again)
        await until(lambda: again.states == ["accepted"], 5)
        assert first.states == ["accepted"]
        one.abandon()
        two = office(tmp_path)
        two.start()
        later = Heard()
        two.submit(Command("k", "speed", 40, expires_s=0.0), later)
        await until(lambda: later.states == ["accepted"], 5)
        two.connected(Device())
        await later.end()
        assert later.states == ["accepted", "sent", "confirmed"]
        await two.close()

    asyncio.run(run())


def test_commands_keep_their_order_while_the_journal_is_opened(tmp_path):
    """One that comes in the moment in which the journal is there and those that waited for it are not yet awake comes last."""

    async def run():
        one = office(tmp_path)
        device, last = Device(), Heard()
        one.connected(device)
        restore = one.desk.restore

        def restored(rows):
            restore(rows)
            one.submit(Command("k3", "blind", 3), last)

        one.desk.restore = restored
        for number in (1, 2):
            one.submit(Command(f"k{number}", "blind", number), Heard())
        await last.end()
        assert device.writes == [("blind", 1), ("blind", 2), ("blind", 3)]
        await one.close()

    asyncio.run(run())


def test_commands_that_wait_for_the_journal_have_a_bound(tmp_path):
    """One more is refused, and is in the log like the others."""

    async def run():
        one = office(tmp_path, waiting=1000)
        heard = [Heard() for _ in range(MAX_ASKS + 1)]
        for number, asker in enumerate(heard):
            one.submit(Command(f"k{number}", "speed", 1), asker)
        await until(lambda: all(asker.states for asker in heard), 5)
        assert heard[-1].states == ["refused"]
        assert "refused" not in [asker.states[-1] for asker in heard[:-1]]
        await one.close()
        assert json.loads((tmp_path / "commands" / "plc.audit.jsonl").read_text())["key"] == f"k{MAX_ASKS}"

    asyncio.run(run())


def test_who_asks_again_and_again_hears_the_end_and_is_not_refused(tmp_path):
    """As an upstream node does every few seconds: only the oldest asks are forgotten."""

    async def run():
        one = office(tmp_path)
        device = Device()
        device.gate.clear()
        one.connected(device)
        first, again = Heard(), [Heard() for _ in range(MAX_LISTENERS)]
        one.submit(Command("k", "speed", 40), first)
        await until(lambda: "sent" in first.states, 5)
        for heard in again:
            one.submit(Command("k", "speed", 40), heard)
        await until(lambda: again[-1].states == ["sent"], 5)
        device.gate.set()
        assert {(await heard.end()).state for heard in again} == {"confirmed"}
        assert first.states[-1] == "sent"
        assert device.writes == [("speed", 40)]
        await one.close()

    asyncio.run(run())


def test_bug_in_an_adapter_is_unknown_and_not_the_end(tmp_path, caplog):
    """What raised may have been sent; the next command is carried out."""

    async def run():
        one = office(tmp_path)
        device = Device()
        device.fails = True
        one.connected(device)
        heard, blind, after = Heard(), Heard(), Heard()
        one.submit(Command("k", "speed", 40), heard)
        assert (await heard.end()).state == "unknown"
        one.submit(Command("b", "blind", 40), blind)
        assert (await blind.end()).state == "sent"
        device.fails = False
        one.submit(Command("k2", "speed", 41), after)
        assert (await after.end()).state == "confirmed"
        await one.close()

    asyncio.run(run())
    assert "must answer instead" in caplog.text


def test_command_fails_when_it_cannot_be_written_down(tmp_path):
    """No intent on the disk, no byte to the device; the reason is told."""

    async def run():
        (tmp_path / "commands").write_text("in the way")
        one = office(tmp_path)
        device = Device()
        one.connected(device)
        heard = Heard()
        one.submit(Command("k", "speed", 40), heard)
        outcome = await heard.end()
        assert outcome.state == "failed"
        assert "cannot be written down" in outcome.message
        assert not device.writes
        await one.close()

    asyncio.run(run())


def test_journal_that_fails_fails_its_commands_and_no_later_ones(tmp_path, monkeypatch):
    """Whatever it raises: nothing is sent, who asked is told, and the next command goes when the journal works again."""

    async def run():
        one = office(tmp_path)
        device = Device()
        one.connected(device)
        first, second, third = Heard(), Heard(), Heard()
        one.submit(Command("k1", "speed", 1), first)
        await first.end()

        def broken(rows):
            raise ValueError("a bug")

        with monkeypatch.context() as patched:
            patched.setattr(one._journal, "save", broken)
            one.submit(Command("k2", "speed", 2), second)
            assert (await second.end()).state == "failed"
        one.submit(Command("k3", "speed", 3), third)
        assert (await third.end()).state == "confirmed"
        assert device.writes == [("speed", 1), ("speed", 3)]
        await one.close()

    asyncio.run(run())


def test_line_of_the_audit_log_is_there_before_the_end_is_in_the_journal_and_before_anybody_hears_it(tmp_path, monkeypatch):
    """So a node that is killed in between has a line too many rather than one too few. Also of what is refused."""
    path = tmp_path / "commands" / "plc.audit.jsonl"
    ends, heard = [], {}

    def lines():
        return len(path.read_text().splitlines()) if path.exists() else 0

    async def run():
        one = office(tmp_path)
        one.connected(Device())
        first = Heard()
        one.submit(Command("k0", "speed", 1), first)
        await first.end()
        save = one._journal.save

        def saved(rows):
            ends.extend((row.command.key, lines()) for row in rows if row.phase == "ended")
            save(rows)

        monkeypatch.setattr(one._journal, "save", saved)
        for number, value in enumerate((40, 41, 4000), 1):
            told = lambda outcome, number=number: heard.setdefault(number, lines()) if outcome.final else None  # noqa: E731
            one.submit(Command(f"k{number}", "speed", value), told)
        await until(lambda: len(heard) == 3, 5)
        await one.close()

    asyncio.run(run())
    assert [key for key, _ in ends] == ["k1", "k2"]
    lined = [json.loads(line)["key"] for line in path.read_text().splitlines()]
    assert sorted(lined) == ["k0", "k1", "k2", "k3"]
    assert all(count > lined.index(key) for key, count in ends)
    assert all(count > lined.index(f"k{number}") for number, count in heard.items())


def test_audit_log_that_cannot_be_written_stops_no_command(tmp_path, caplog):
    """Whatever it raises; the node's log says so."""

    async def run():
        one = office(tmp_path)
        one.connected(Device())
        (tmp_path / "commands" / "plc.audit.jsonl").mkdir(parents=True)
        heard, refused = Heard(), Heard()
        one.submit(Command("k", "speed", 40), heard)
        one.submit(Command("k2", "nowhere", 40), refused)
        assert (await heard.end()).state == "confirmed"
        assert (await refused.end()).state == "refused"
        await one.close()

    asyncio.run(run())
    assert caplog.text.count("a line of the audit log of plc cannot be written") == 2


def test_listener_that_raises_stops_no_later_command(tmp_path, caplog):
    """What it missed it can ask for."""

    async def run():
        one = office(tmp_path)
        one.connected(Device())

        def broken(outcome):
            if outcome.final:
                raise ValueError("a bug")

        one.submit(Command("k", "speed", 40), broken)
        beside = Heard()
        one.submit(Command("k", "speed", 40), beside)
        one.submit(Command("k1", "nowhere", 40), broken)
        assert (await beside.end()).state == "confirmed"
        await until(lambda: "who asked for a command of plc cannot be told" in caplog.text, 5)
        heard = Heard()
        one.submit(Command("k2", "speed", 41), heard)
        assert (await heard.end()).state == "confirmed"
        await one.close()

    asyncio.run(run())


def test_command_that_comes_after_the_stop_fails_and_is_logged(tmp_path):
    """And no thread is begun for it."""

    async def run():
        one = office(tmp_path)
        one.connected(Device())
        first, late = Heard(), Heard()
        one.submit(Command("k", "speed", 40), first)
        await first.end()
        await one.close()
        one.submit(Command("k2", "speed", 40), late)
        assert (await late.end()).state == "failed"
        await until(lambda: len((tmp_path / "commands" / "plc.audit.jsonl").read_text().splitlines()) == 2, 5)
        assert one._thread is None

    asyncio.run(run())


def test_command_under_way_at_the_stop_stays_in_doubt_and_waiting_ones_wait(tmp_path):
    """The next life reads back the one and sends the other, in order."""

    async def run():
        one = office(tmp_path)
        device = Device()
        device.gate.clear()
        one.connected(device)
        heard, waits = Heard(), Heard()
        one.submit(Command("k", "speed", 40), heard)
        one.submit(Command("k2", "speed", 41, expires_s=60), waits)
        await until(lambda: "sent" in heard.states and "accepted" in waits.states, 5)
        one.abandon()
        two = office(tmp_path)
        two.start()
        device.gate.set()
        two.connected(device)
        again, waited = Heard(), Heard()
        two.submit(Command("k", "speed", 40), again)
        two.submit(Command("k2", "speed", 41), waited)
        assert (await again.end()).state == "failed"
        assert (await waited.end()).state == "confirmed"
        assert device.writes == [("speed", 41)]
        await two.close()

    asyncio.run(run())
