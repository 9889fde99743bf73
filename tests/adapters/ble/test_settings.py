"""Settings: what is refused, where, and what to do about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from adapters.ble import BleAdapter
from adapters.ble.settings import BleSettings
from rt_edge.settings.load import load

HEAD = "node: {id: a}\nadapters:\n  air:\n    kind: ble\n"
READ = 'points: {b: {characteristic: "2a19", type: uint8}}'
NOTIFY = 'points: {b: {characteristic: "2a19", type: uint8, notify: true}}'
WRITE = NOTIFY[:-2].replace("notify", "writable")
ONE, TWO = "C0:FF:EE:00:00:01", "C0:FF:EE:00:00:02"
RAW = "scan: {accept: [{formats: [raw]}]}"


def two(first: str, second: str) -> str:
    """Two devices."""
    return f'devices: {{p: {{address: "{ONE}", {first}}}, q: {{address: "{TWO}", {second}}}}}'


MISTAKES = [  # settings, what stands where the error points to, what it says
    ("controller: hci0", "", "nothing to do (write `scan:` or `devices:`)"),
    (f"controller: usb0\n    {RAW}", "usb0", "hci"),
    ("scan: {accept: []}", "[]", "at least 1"),
    ("scan: {accept: [{formats: [xiaomi]}]}", "xiaomi", "bthome"),
    ("scan: {accept: [{formats: [raw]}], mode: passive}", "{formats", "with what the data begins"),
    ('scan: {accept: [{formats: [raw], service: "18"}]}', '"18"', "is not a UUID (write four hex digits"),
    ("scan: {accept: [{formats: [raw], service: 2902}]}", "2902", "a number, not a UUID (write it in quotes"),
    ('scan: {accept: [{formats: [raw]}], names: {"C0:FF": x}}', "", "'C0:FF' is not an address (write it in quotes"),
    (f'scan: {{accept: [{{formats: [raw]}}], names: {{"{ONE}": x, "{TWO}": x}}}}', "x}}", f"'x' is {ONE} already"),
    (f'scan: {{accept: [{{formats: [ruuvi]}}], keys: {{"{ONE}": {{env: K}}}}}}', "keys: ", "no rule reads one of them (add one"),
    (f'devices: {{p: {{address: "{ONE}", {READ}}}}}', "b: {charac", "b is never read (say `every`"),
    (f'devices: {{p: {{address: "{ONE}", every: 1s, {NOTIFY}}}}}', "1s", "nothing to read (remove every)"),
    (two(NOTIFY, NOTIFY).replace(TWO, ONE.lower()), f'"{ONE.lower()}"', f"{ONE} is 'p' already (put all points"),
    (f"connections: 1\n    {two(NOTIFY, NOTIFY)}", "1", "2 devices hold a connection, and there are 1 (raise"),
    (f"connections: 1\n    {two(NOTIFY, 'every: 1s, ' + READ)}", "1", "1 devices hold a connection and others want one"),
    (f"retry_max: 1s\n    retry_min: 2s\n    {RAW}", "1s", "shorter than retry_min (raise"),
    (
        f'{RAW[:-1]}, names: {{"{ONE}": p}}}}\n    devices: {{p: {{address: "{TWO}", {NOTIFY}}}}}',
        "p: {address",
        "is a name in scan, too",
    ),
    (f'devices: {{p: {{address: "{ONE}", {NOTIFY[:-2]}, scale: 0}}}}}}}}', "0", "every value the same"),
    (
        f'devices: {{p: {{address: "{ONE}", every: 1s, {READ[:-2]}, readable: false}}}}}}}}',
        "b: {charac",
        "b has no use (say `notify",
    ),
    (f'devices: {{p: {{address: "{ONE}", every: 1s, {WRITE}, readable: false}}}}}}}}', "1s", "no point can be read"),
    (f'devices: {{p: {{address: "{ONE}", {NOTIFY[:-2]}, min: 1}}}}}}}}', "1", "min bounds commands, and no command may go"),
    (f'devices: {{p: {{address: "{ONE}", {NOTIFY[:-2]}, verify: true}}}}}}}}', "true", "verify is about commands"),
    (f'devices: {{p: {{address: "{ONE}", {WRITE}, readable: false, verify: true}}}}}}}}', "true", "cannot be read back (remove"),
    (f'devices: {{p: {{address: "{ONE}", {WRITE}, min: 300}}}}}}}}', "300", "no value is within min, max and the range of the"),
    (
        f'devices: {{p: {{address: "{ONE}", {WRITE}, allowed: [1, 256]}}}}}}}}',
        "allowed: [1",
        "allowed: the point takes 0 to 255, not 256",
    ),
]


@pytest.mark.parametrize(("text", "there", "says"), MISTAKES, ids=[says[:30] for _, _, says in MISTAKES])
def test_mistake_is_said_with_place_and_hint_when_settings_are_wrong(text: str, there: str, says: str, tmp_path: Path) -> None:
    """What is wrong and what to do, and line and column of what is wrong."""
    config = tmp_path / "node.yaml"
    config.write_text(f"{HEAD}    {text}\n")
    errors = [str(error) for error in load(config).errors]
    found = [error for error in errors if says in error]
    assert found, errors
    place = re.search(r":([0-9]+):([0-9]+): ", found[0])
    assert place is not None
    line, column = (int(group) for group in place.groups())
    assert config.read_text().splitlines()[line - 1][column - 1 :].startswith(there), found


def test_two_adapters_are_refused_when_they_name_one_controller(tmp_path: Path) -> None:
    """The controller is a claim."""
    config = tmp_path / "node.yaml"
    entry = "    kind: ble\n    scan: {accept: [{formats: [raw]}]}\n"
    config.write_text(f"node: {{id: a}}\nadapters:\n  a:\n{entry}  b:\n{entry}")
    (error,) = [str(error) for error in load(config).errors]
    assert "the Bluetooth controller hci0" in error
    config.write_text(f"node: {{id: a}}\nadapters:\n  a:\n{entry}  b:\n{entry}    controller: hci1\n")
    assert not load(config).errors


@pytest.mark.parametrize(
    ("settings", "delivery", "backpressure", "writable"),
    [
        ({"scan": {"accept": [{"formats": ["raw"]}]}}, "volatile", "bounded_drop", False),
        ({"devices": {"p": {"every": "1s", "points": {"b": {}}}}}, "polled", "native", False),
        ({"devices": {"p": {"points": {"b": {"notify": True}}}}}, "volatile", "bounded_drop", False),
        ({"devices": {"p": {"points": {"b": {"writable": True}}}}}, "polled", "native", True),
    ],
)
def test_capability_is_what_the_settings_make_it(
    settings: dict[str, Any], delivery: str, backpressure: str, writable: bool
) -> None:
    """Volatile as soon as something comes by itself."""
    for device in settings.get("devices", {}).values():
        device["address"] = "C0:FF:EE:00:00:01"
        for point in device["points"].values():
            point |= {"characteristic": "2a19", "type": "uint8"}
    said = BleAdapter.capability(BleSettings.model_validate(settings))
    assert (said.delivery, said.backpressure, said.writable) == (delivery, backpressure, writable)
