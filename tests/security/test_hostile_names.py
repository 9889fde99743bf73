"""Names from files and devices reach a terminal as text, and in bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.cli.app import main
from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import encode_readings
from rt_edge.data.reading import Reading
from rt_edge.data.record import LaneId, Record, RecordKind
from rt_edge.data.text import visible
from rt_edge.settings.load import load
from rt_edge.uplink.stores.sqlite import SqliteStore


@given(st.text(st.characters(), max_size=40))
def test_text_is_one_visible_line_when_it_was_anything(text: str) -> None:
    """Nothing that a terminal acts on comes through, and what is harmless is not touched."""
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert not any(letter < " " or "\x7f" <= letter <= "\x9f" for letter in shown)
    shown.encode()
    if text.isascii() and text.isprintable():
        assert shown == text


def test_errors_are_visible_and_bounded_when_a_file_is_hostile(tmp_path: Path) -> None:
    """Escape sequences in keys are written out, and a value of a megabyte is not repeated."""
    config = tmp_path / "c.yaml"
    config.write_text('node: {id: "' + "x" * 900_000 + '", data: d}\n"\\e[31mk": 1\n"a\\nb": 2\n')
    errors = [str(problem) for problem in load(config).errors]
    assert len(errors) == 3
    assert all(error.isprintable() and len(error) < 8_000 for error in errors), [error[:200] for error in errors]


def test_no_escape_reaches_the_terminal_when_a_device_is_named_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`rt-edge store` shows names and values of devices as text; `check` shows keys of a file as text."""
    evil = "\x1b]0;owned\x07\x1b[2J\x85\u202e"
    lane = LaneId("n", "hq", "main", b"e" * 16)
    store = SqliteStore(tmp_path / "store" / "main.db", SystemClock())
    store.open_session(lane, "s")
    reading = Reading(evil, 1_700_000_000_000_000_000, {evil: 1.0, "text": evil})
    store.commit(lane, "s", 1, [Record(1, 1, RecordKind.DATA, 1, encode_readings([reading]))])
    store.close()
    config = tmp_path / "c.yaml"
    config.write_text('node: {id: a, data: d}\n"\\e[31mk": 1\n')
    for arguments in (["store", "--data", str(tmp_path)], ["check", str(config)]):
        main(arguments)
        said = "".join(capsys.readouterr())
        assert "x1b" in said
        assert all(letter.isprintable() or letter in "\n\t" for letter in said), arguments
