"""Commands that come to no adapter: the line is on the disk before their asker is told."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import msgspec

from rt_edge.actors.command_messages import TurnedAway, WritePoint, answer
from rt_edge.actors.island.ask_log import MAX_LINES, AskLog
from rt_edge.actors.island.asking import ask_member, turned_away
from rt_edge.commands.command import Command, Outcome
from rt_edge.data.clock import SystemClock
from rt_edge.testkit.waiting import until

REFUSED = Outcome("", "refused", True, "there is no adapter 'pls'")
COMMAND = Command("k", "", "5", text=True, who="eva", where="this host")


def lines(folder):
    path = folder / "commands" / "audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_command_that_the_guardian_turned_away_is_logged_and_then_answered(tmp_path):
    """With the point as it was asked for, who asked, and the reason."""

    async def run():
        runtime = SimpleNamespace(asks=AskLog(tmp_path, SystemClock()))
        told = []
        message = TurnedAway(7, "", "pls/p", msgspec.msgpack.encode(COMMAND), answer(7, REFUSED).body, None)
        turned_away(runtime, message, lambda said: told.append((said, len(lines(tmp_path)))))
        assert not told
        await until(lambda: told, 5)
        assert told == [(answer(7, REFUSED), 1)]
        (line,) = lines(tmp_path)
        said = [line[name] for name in ("adapter", "point", "value", "who", "where", "result", "message", "key")]
        assert said == ["", "pls/p", "5", "eva", "this host", "refused", "there is no adapter 'pls'", "k"]
        turned_away(None, message, told.append)
        assert told[1:] == [answer(7, REFUSED)]

    asyncio.run(run())


def test_command_for_an_island_that_has_no_such_member_is_logged_once(tmp_path):
    """Who asks again under the same key is answered without another line."""

    async def run():
        runtime = SimpleNamespace(asks=AskLog(tmp_path, SystemClock()), members={})
        told = []
        ask = WritePoint(1, "", "p", msgspec.msgpack.encode(COMMAND), adapter="plc")
        ask_member(runtime, ask, told.append)
        ask_member(runtime, msgspec.structs.replace(ask, again=True), told.append)
        await until(lambda: len(told) == 2, 5)
        await runtime.asks.close()
        assert [(line["point"], line["result"]) for line in lines(tmp_path)] == [("plc/p", "failed")]

    asyncio.run(run())


def test_asker_is_told_also_when_the_log_cannot_be_written_or_is_behind(tmp_path, caplog):
    """A full disk, or a flood, must not leave anybody without an answer; the node's log says that a line is missing."""

    async def run():
        (tmp_path / "commands").write_text("in the way")
        asks, told = AskLog(tmp_path, SystemClock()), []
        for number in range(MAX_LINES + 1):
            asks.ended("pls/p", COMMAND, REFUSED, then=lambda number=number: told.append(number))
        assert told == [MAX_LINES]
        await asks.close()
        assert sorted(told) == list(range(MAX_LINES + 1))

    asyncio.run(run())
    assert "cannot be written" in caplog.text
    assert "is behind: a command to pls/p by eva (refused)" in caplog.text
