"""What a user may write, and what is said about mistakes: each with its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.serial import SerialAdapter
from rt_edge.settings.load import Checked
from rt_edge.settings.load import load as load_file

HEAD = """\
node: {id: a, data: d}
adapters:
  x:
    kind: serial
    port: /dev/serial/by-id/usb-1
"""
"""Five lines; a case begins in line 6."""


def check(tmp_path: Path, text: str) -> Checked:
    file = tmp_path / "node.yaml"
    file.write_text(text)
    return load_file(file)


def errors_of(checked: Checked) -> list[str]:
    return [str(error).partition("node.yaml:")[2] for error in checked.errors]


LISTEN = "    listen: {format: {%s}}\n"
POLL = "    poll: {requests: {v: {%s}}}\n"

BAD = [
    ("nothing to read", "", ["3:3: adapters > x: nothing is read from the port (write `listen:`, `poll:` or `send:`)"]),
    (
        "both",
        "    listen: {}\n" + POLL % 'request: "a"',
        ["3:3: adapters > x: the instrument both talks and is asked (write either `listen:` or `poll:`)"],
    ),
    ("an unknown key", "    lissten: {}\n", ["6:5: adapters > x > lissten: unknown key 'lissten' (did you mean 'listen'?)"]),
    (
        "an unknown kind of frames",
        "    framing: {kind: cobbs}\n    listen: {}\n",
        ["6:5: adapters > x > framing: 'cobbs' is not one of delimiter, length_field, cobs, slip (did you mean 'cobs'?)"],
    ),
    (
        "a delimiter in single quotes",
        "    framing: {kind: delimiter, delimiter: '\\r\\n'}\n    listen: {}\n",
        [
            (
                "6:43: adapters > x > framing > delimiter: '\\\\r\\\\n' has a backslash in it"
                ' (write it in double quotes: "\\r\\n")'
            )
        ],
    ),
    (
        "a delimiter that is half a byte",
        "    framing: {kind: delimiter, delimiter: 'hex:0'}\n    listen: {}\n",
        [("6:43: adapters > x > framing > delimiter: 'hex:0' is not written in hexadecimal (two digits a byte, like hex:0d0a)")],
    ),
    (
        "an unknown checksum",
        "    framing: {kind: cobs, crc: CRC-16/MODBUSS}\n    listen: {}\n",
        ["6:32: adapters > x > framing > crc: there is no CRC 'CRC-16/MODBUSS' (did you mean 'CRC-16/MODBUS'?)"],
    ),
    (
        "a magic that is too long",
        "    framing: {kind: length_field, magic: 'hex:aa55', offset_bytes: 1}\n    listen: {}\n",
        [("6:42: adapters > x > framing > magic: magic is longer than what is before the length (offset counts it, too)")],
    ),
    (
        "flow control by bytes that are in frames",
        "    framing: {kind: slip}\n    flow_control: xon_xoff\n    listen: {}\n",
        [("7:19: adapters > x > flow_control: XON and XOFF are bytes that frames of slip hold, too (write rts_cts, or none)")],
    ),
    (
        "a pattern that is none",
        LISTEN % "kind: regex, pattern: '(?P<a>'",
        [
            (
                "6:45: adapters > x > listen > format > pattern: not a regular expression: missing ), unterminated subpattern"
                " at character 1 (write it in single quotes)"
            )
        ],
    ),
    (
        "a pattern without fields",
        LISTEN % "kind: regex, pattern: '(.*)'",
        ["6:45: adapters > x > listen > format > pattern: the pattern has no named group (a field is (?P<name>...))"],
    ),
    (
        "a field of no group",
        LISTEN % "kind: regex, pattern: '(?P<a>.)', fields: {b: {type: int}}",
        ["6:66: adapters > x > listen > format > fields > b: the pattern has no group 'b' (there are a)"],
    ),
    (
        "columns of one name",
        LISTEN % "kind: csv, columns: [a, a]",
        [("6:34: adapters > x > listen > format > columns: the column 'a' is here twice (rename one, or write \"\" to skip it)")],
    ),
    (
        "a scaled text",
        LISTEN % "kind: text, type: str, scale: 2",
        ["6:41: adapters > x > listen > format > type: a str cannot be scaled (leave scale and offset out)"],
    ),
    (
        "a scale of zero",
        LISTEN % "kind: text, scale: 0",
        [
            (
                "6:42: adapters > x > listen > format > scale: a scale of 0 makes every value the same"
                " (leave scale out for the raw value)"
            )
        ],
    ),
    (
        "a bit too many",
        LISTEN % "kind: struct, fields: {a: {at_byte: 0, type: uint8, bit: 8}}",
        ["6:80: adapters > x > listen > format > fields > a > bit: a uint8 has no bit 8"],
    ),
    (
        "a string without length",
        LISTEN % "kind: struct, fields: {a: {at_byte: 0, type: string}}",
        ["6:68: adapters > x > listen > format > fields > a > type: a string needs `length_bytes`"],
    ),
    (
        "a field behind the end",
        LISTEN % "kind: struct, length_bytes: 3, fields: {a: {at_byte: 2, type: uint16}}",
        ["6:76: adapters > x > listen > format > fields > a > at_byte: a ends at byte 4 of 3"],
    ),
    (
        "a value that is not named",
        POLL % '"request": "{address}"',
        [
            (
                "6:38: adapters > x > poll > requests > v > request: '{address}' uses 'address', which `values` does not name"
                " (add it to values)"
            )
        ],
    ),
    (
        "a value called sequence",
        POLL % 'request: "a", values: {sequence: 1}',
        [
            (
                "6:60: adapters > x > poll > requests > v > values > sequence: `sequence` is the number of the request"
                " (call it otherwise)"
            )
        ],
    ),
    (
        "a time without unit",
        POLL % 'request: "a", every: 1',
        [
            (
                "6:48: adapters > x > poll > requests > v > every: 1 is not a duration"
                " (write a number with a unit, like 250ms, 60s, 5min, 24h)"
            )
        ],
    ),
    (
        "a request that does not fit into its frame",
        (
            "    framing: {kind: length_field, offset_bytes: 4, size_bytes: 1}\n"
            '    poll: {requests: {v: {request: "a", framed: true}}}\n'
        ),
        [
            (
                "7:36: adapters > x > poll > requests > v > request: the request cannot be framed:"
                " 1 bytes are too few for a length at offset 4"
            )
        ],
    ),
    (
        "a command without its value",
        '    listen: {}\n    commands: {c: {command: "{v}", minimum: 2, maximum: 1}}\n',
        [
            "7:29: adapters > x > commands > c > command: '{v}' uses 'v', which `values` does not name (add it to values)",
            "7:45: adapters > x > commands > c > minimum: minimum is above maximum 1 (exchange them)",
        ],
    ),
    (
        "a reply while listening",
        '    listen: {}\n    commands: {c: {command: "T", reply_begins: "OK"}}\n',
        [
            (
                "7:16: adapters > x > commands > c: no reply is waited for while listening"
                " (an instrument that talks by itself cannot be told from its replies: remove it, or poll)"
            )
        ],
    ),
    (
        "a character that is no byte",
        POLL % 'request: "€"',
        [
            (
                "6:36: adapters > x > poll > requests > v > request: '€' is not one byte"
                " (write what the instrument knows, or bytes like hex:c2b0)"
            )
        ],
    ),
]


@pytest.mark.parametrize(("name", "text", "said"), BAD, ids=[name for name, *_ in BAD])
def test_mistake_has_its_place_when_it_is_checked(name: str, text: str, said: list[str], tmp_path: Path) -> None:
    """Line, column, what is wrong, and what to do."""
    assert errors_of(check(tmp_path, HEAD + text)) == said


@pytest.mark.parametrize(
    "other",
    [
        "kind: serial, port: LINK, listen: {}",
        "kind: modbus, channel: {serial: LINK}, units: {u: {points: {p: {holding: 0}}}}",
    ],
)
def test_second_adapter_on_one_port_is_an_error_when_links_name_it(other: str, tmp_path: Path) -> None:
    """Two adapters on one port, of whichever kinds and by whichever names, are found before anything runs."""
    (tmp_path / "link").symlink_to("/dev/null")
    text = f"node: {{id: a, data: d}}\nadapters:\n  a: {{kind: serial, port: /dev/null, listen: {{}}}}\n  b: {{{other}}}\n"
    (error,) = check(tmp_path, text.replace("LINK", str(tmp_path / "link"))).errors
    assert "the serial port /dev/null is used by the adapters 'a' and 'b'" in str(error)


def test_advice_is_given_when_a_name_may_change_or_bytes_may_be_a_delimiter(tmp_path: Path) -> None:
    """ttyUSB0 may be another device tomorrow, and a binary value may hold a line end."""
    text = HEAD.replace("serial/by-id/usb-1", "ttyUSB0") + LISTEN % "kind: struct, fields: {a: {at_byte: 0, type: uint8}}"
    warnings = [str(warning) for warning in check(tmp_path, text).warnings]
    assert any("/dev/ttyUSB0 may be another device" in line and "/dev/serial/by-id" in line for line in warnings)
    assert any("looks like the delimiter" in line or "look like the delimiter" in line for line in warnings)


@pytest.mark.parametrize(
    ("written", "delivery", "backpressure"),
    [
        ({"listen": {}}, "volatile", "bounded_drop"),
        ({"listen": {}, "flow_control": "rts_cts"}, "volatile", "native"),
        ({"poll": {"requests": {"v": {"request": "?"}}}}, "polled", "native"),
    ],
)
def test_promise_follows_the_settings_when_it_is_asked_for(
    settings: Any, written: dict[str, Any], delivery: str, backpressure: str
) -> None:
    """What an instance promises depends on whether the line can be held."""
    said = SerialAdapter.capability(settings(port="x", **written))
    assert (said.delivery, said.backpressure, said.writable) == (delivery, backpressure, False)


def test_no_heavy_library_is_loaded_when_a_node_runs_the_adapter() -> None:
    """The adapter's capability needs no protocol library, and its open port no pydantic."""
    program = (
        "import sys, adapters.serial; print(sorted({'pydantic', 'serial'} & set(sys.modules)));"
        "adapters.serial.SerialAdapter.preload(None); print('serial' in sys.modules);"
        "print(sorted({'pydantic', 'ruamel.yaml', 'typer', 'rich'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "[]\nTrue\n[]\n"
