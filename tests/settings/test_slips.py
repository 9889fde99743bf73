"""Words of other tools for our keys, and a decimal comma: what is meant is named, not what is spelled alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_edge.settings.load import load

LINE = """
node: {id: n, data: ./data}
adapters:
  plant:
    kind: modbus
    channel: {serial: /dev/ttyUSB0, baud: 9600}
    units: {u: {unit: 1, every: 1s, points: {p: {holding: 0, scale: 1}}}}
stores: {s: {kind: sqlite}}
graphs: {g: [{from: plant}, {to: s}]}
"""


@pytest.mark.parametrize(
    ("ours", "theirs", "hint"),
    [
        ("serial:", "port:", "did you mean 'serial' or 'tcp'?"),
        ("baud:", "baudrate:", "did you mean 'baud'?"),
        ("unit:", "slave-id:", "did you mean 'unit'?"),
        ("every:", "poll_interval:", "did you mean 'every'?"),
        ("holding:", "register:", "did you mean 'holding' or 'input'?"),
        ("holding:", "Holding:", "did you mean 'holding'?"),
        ("scale: 1", "scale: 0,1", "numbers are written with a point: 0.1, not 0,1"),
        ("scale: 1", "sacle: 1", "did you mean 'scale'?"),
    ],
)
def test_says_what_is_meant_when_a_key_is_of_another_tool(tmp_path: Path, ours: str, theirs: str, hint: str) -> None:
    """By meaning first, by spelling where the meaning is not known."""
    file = tmp_path / "node.yaml"
    file.write_text(LINE.replace(ours, theirs, 1))
    assert hint in [error.hint for error in load(file).errors]


def test_says_what_belongs_into_a_mapping_when_there_is_a_text(tmp_path: Path) -> None:
    """`channel: /dev/ttyUSB0` is answered with the keys of a channel."""
    file = tmp_path / "node.yaml"
    file.write_text(LINE.replace("{serial: /dev/ttyUSB0, baud: 9600}", "/dev/ttyUSB0"))
    (error,) = load(file).errors
    assert error.hint.startswith("its keys: serial, baud,")
