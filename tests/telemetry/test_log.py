"""Logs: one line a record, levels for journald, no secrets."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from rt_edge.telemetry.log import Format, configure, get_logger, is_journal


class _Clock:
    def monotonic(self) -> float:
        return 0.0

    def wall_ns(self) -> int:
        return 1_767_323_045_678_000_000


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(form: Format, level: Any = "info") -> io.StringIO:
    stream = io.StringIO()
    configure(level, form, clock=_Clock(), stream=stream)
    return stream


def test_writes_time_level_and_fields_when_on_a_terminal() -> None:
    """A line has the time of the injected clock, the level, who says it, and the fields."""
    stream = _lines("text")
    get_logger("uplink", lane=3).info("link up", peer="up-a:1900", note='two "words"')
    expected = '2026-01-02T03:04:05.678Z info    uplink: link up lane=3 peer=up-a:1900 note="two \\"words\\""\n'
    assert stream.getvalue() == expected


def test_writes_syslog_levels_and_no_time_when_under_journald() -> None:
    """journald takes the level from `<N>` and has its own time."""
    stream = _lines("journal", "debug")
    log = get_logger("x")
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("hello")
    assert stream.getvalue() == "<7>x: hello\n<6>x: hello\n<4>x: hello\n<3>x: hello\n"


def test_writes_one_object_a_line_when_json() -> None:
    """Programs get JSON."""
    stream = _lines("json")
    get_logger("x").warning("full", free=0)
    assert json.loads(stream.getvalue()) == {
        "component": "x",
        "event": "full",
        "free": 0,
        "level": "warning",
        "time": "2026-01-02T03:04:05.678Z",
    }


def test_leaves_out_what_is_below_the_level() -> None:
    """Nothing below the level is written, of ours and of libraries."""
    stream = _lines("text", "warning")
    get_logger("x").info("no")
    logging.getLogger("lib").info("no")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", ["text", "journal", "json"])
def test_masks_secrets_when_they_come_as_fields_urls_or_nested(form: Format) -> None:
    """Values of keys that are named like secrets, and passwords in URLs, do not get through, at any depth or from libraries."""
    stream = _lines(form)
    get_logger("x").info(
        "connect mqtt://me:hunter2@broker/a",
        password="hunter2",
        api_key="hunter2",
        url="mqtts://me:hunter2@broker",
        nested={"auth": {"token": "hunter2"}, "list": ["http://u:hunter2@h"]},
        deep={"a": {"b": {"c": {"d": {"e": {"f": "hunter2"}}}}}},
    )
    logging.getLogger("lib").error("at %s", "amqp://u:hunter2@h")
    assert stream.getvalue().count("\n") == 2
    assert "hunter2" not in stream.getvalue()


def test_stays_on_one_line_when_a_text_or_a_traceback_has_several() -> None:
    """A line break in a value cannot make a second record."""
    stream = _lines("text")
    try:
        raise ValueError("a\nb")
    except ValueError:
        get_logger("x").exception("bad\ninput", payload="p\r\nq")
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "bad\\ninput" in text
    assert "ValueError: a" in text


@pytest.mark.parametrize("form", ["text", "journal"])
def test_steers_no_terminal_when_a_device_is_named_for_it(form: Format) -> None:
    """Escape sequences, other line ends, changes of direction and lone surrogates of a name come out as visible text."""
    stream = _lines(form)
    get_logger("x").info("from a\x1b[2Jb", device="c\x85d\u2028e\u202ef\x00\x7f\ud800")
    text = stream.getvalue()
    assert text.isascii()
    assert text.rstrip("\n").isprintable()
    assert "a\\x1b[2Jb" in text


def test_cuts_a_line_when_a_value_is_huge() -> None:
    """A record is bounded."""
    stream = _lines("text")
    get_logger("x").info("big", value="y" * 100_000)
    assert len(stream.getvalue()) < 9_000


def test_replaces_handlers_when_something_put_others() -> None:
    """Configuring again takes the root logger back from whoever replaced its handlers."""
    first, second = _lines("text"), _lines("text")
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    configure("info", "text", clock=_Clock(), stream=second)
    logging.getLogger("lib").warning("here")
    assert first.getvalue() == ""
    assert second.getvalue() == "2026-01-02T03:04:05.678Z warning lib: here\n"


def test_knows_the_journal_when_systemd_names_the_stream(tmp_path: Path) -> None:
    """JOURNAL_STREAM has to be this very stream: a redirected one is not the journal."""
    with (tmp_path / "log").open("w") as stream:
        status = os.fstat(stream.fileno())
        assert is_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not is_journal(stream, {"JOURNAL_STREAM": "1:2"})
        assert not is_journal(stream, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


def test_does_not_load_rich_when_imported() -> None:
    """structlog's renderer for developers would bring rich into every process."""
    import subprocess

    code = "import sys, rt_edge.telemetry.log; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
