"""Names from files and devices reach a terminal as text, and in bounds."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.text import visible
from rt_edge.settings.load import load


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
