"""What a user is told about a number: by the name of its setting, by a bare number where a unit belongs, and by an old name."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError

from rt_edge.sdk.numbers import without_unit
from rt_edge.sdk.registry import Registry
from rt_edge.sdk.settings import DurationField, SizeField
from rt_edge.settings.frozen import freeze
from rt_edge.settings.load import load
from rt_edge.settings.validate import melt

KINDS = Registry.installed().kinds()
UNITS = {typing.get_args(DurationField)[1]: "like 250ms, 60s", typing.get_args(SizeField)[1]: "like 512B, 64KiB"}


def models_of(kind: str) -> list[type[BaseModel]]:
    """Of the settings, the scan and the tools, with all models below."""
    adapter = Registry.installed().load(kind)
    scan = adapter.scan_model()
    found: list[type[BaseModel]] = []
    waiting: list[Any] = [adapter.settings_model(), *([scan] if scan else []), *(tool.model for tool in adapter.tools().values())]
    while waiting:
        kind_ = waiting.pop()
        waiting += typing.get_args(kind_)
        if isinstance(kind_, type) and issubclass(kind_, BaseModel) and kind_ not in found:
            found.append(kind_)
            waiting += [field.annotation for field in kind_.model_fields.values()]
    return found


def with_their_unit(kind: str) -> Iterator[tuple[type[BaseModel], str, str]]:
    """Each setting that is written with its unit, and what a refusal says of units."""
    for model in models_of(kind):
        for name, field in model.model_fields.items():
            parts = [*field.metadata, *(part for arg in typing.get_args(field.annotation) for part in typing.get_args(arg))]
            for parsed, words in UNITS.items():
                if parsed in parts:
                    yield model, name, words


@pytest.mark.parametrize("kind", KINDS)
def test_each_number_has_its_unit_in_its_name_when_a_user_sets_it(kind: str) -> None:
    """In the settings, what a scan can be told, and the tools."""
    assert [name for model in models_of(kind) for name in without_unit(model)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_bare_number_is_refused_when_a_duration_or_a_size_is_meant(kind: str) -> None:
    """As a number and as a text; the refusal says which units there are."""
    settings = list(with_their_unit(kind))
    assert settings or kind == "serial", "nothing is looked at"
    for model, name, words in settings:
        for bare in (5, 5.0, "5", 100_000):
            with pytest.raises(ValidationError) as caught:
                model.model_validate({name: bare})
            said = [error["ctx"]["error"] for error in caught.value.errors() if error["loc"][:1] == (name,)]
            assert any(words in one.hint for one in said), (model, name, bare)


BOUNDS = {"max": 80, "unit": "°C", "writable": True}
BLE_BOUNDS = BOUNDS | {"characteristic": "2a19", "type": "uint8"}
BROKER = 'kind: mqtt\n    url: "mqtt://b"\n'
SERIAL = "kind: serial\n    port: /dev/serial/by-id/usb-1\n"
LINE = 'kind: modbus\n    channel: {tcp: "plc:502"}\n    units: {u: {'
STRUCT = "    listen: {format: {kind: struct, %s}}\n"


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (BROKER + "    window: 100\n    subscribe: [{filter: a}]\n", "window", "window_messages"),
        (BROKER + "    publish: {in_flight: 7}\n", "in_flight", "in_flight_messages"),
        (LINE + "hole: 3, points: {p: {holding: 1}}}}\n", "hole", "hole_registers"),
        (LINE + "points: {p: {holding: 1, type: string, length: 4}}}}\n", "length", "length_registers"),
        ("kind: coap\n    in_flight: 2\n    hosts: {}\n", "in_flight", "in_flight_requests"),
        ("kind: coap\n    listen: {window: 10, paths: [{path: /p}]}\n", "window", "window_readings"),
        ("kind: ble\n    scan: {}\n    ring: 5\n", "ring", "ring_notifications"),
        (
            'kind: ble\n    devices: {d: {address: "C4:7C:8D:00:00:01", points: {p: {characteristic: "2a19", skip: 1}}}}\n',
            "skip",
            "skip_bytes",
        ),
        (SERIAL + "    listen: {ring: 9}\n", "ring", "ring_readings"),
        (SERIAL + "    framing: {kind: cobs, max_length: 9}\n    listen: {}\n", "max_length", "max_length_bytes"),
        (SERIAL + "    framing: {kind: cobs, crc_skip: 9}\n    listen: {}\n", "crc_skip", "crc_skip_bytes"),
        (SERIAL + "    framing: {kind: length_field, offset: 2}\n    listen: {}\n", "offset", "offset_bytes"),
        (SERIAL + "    framing: {kind: length_field, size: 2}\n    listen: {}\n", "size", "size_bytes"),
        (SERIAL + "    framing: {kind: length_field, trailer: 2}\n    listen: {}\n", "trailer", "trailer_bytes"),
        (SERIAL + STRUCT % "length: 4, fields: {a: {at_byte: 0, type: uint8}}", "length", "length_bytes"),
        (SERIAL + STRUCT % "fields: {a: {at: 0, type: uint8}}", "at", "at_byte"),
        ("kind: simulated\n    amplitude: 4\n", "amplitude", "amplitude_celsius"),
    ],
)
def test_new_name_is_said_when_a_file_has_the_old_one(text: str, old: str, new: str, tmp_path: Path) -> None:
    """Names without a unit were taken once: whoever has one in a file is told what it is called now, with its place."""
    file = tmp_path / "node.yaml"
    file.write_text(f"node: {{id: a, data: d}}\nadapters:\n  x:\n    {text}")
    assert f"> {old}: unknown key {old!r} (did you mean {new!r}?)" in "\n".join(map(str, load(file).errors))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            BROKER + "    window_messages: 70000\n    subscribe: [{filter: a}]\n",
            "x > window_messages: must be 65535 or less, not 70000",
        ),
        (BROKER + "    max_packet: 1B\n    subscribe: [{filter: a}]\n", "x > max_packet: must be 1.02kB or more, not '1B'"),
        (SERIAL + "    listen: {ring_readings: 0}\n", "x > listen > ring_readings: must be 1 or more, not 0"),
        (LINE + "hole_registers: 200, points: {p: {holding: 1}}}}\n", "hole_registers: must be 124 or less, not 200"),
    ],
)
def test_unit_is_said_when_a_value_is_out_of_its_range(text: str, said: str, tmp_path: Path) -> None:
    """By the name of the setting, or as the value is written."""
    file = tmp_path / "node.yaml"
    file.write_text(f"node: {{id: a, data: d}}\nadapters:\n  x:\n    {text}")
    assert said in "\n".join(map(str, load(file).errors))


@pytest.mark.parametrize(
    ("kind", "settings", "point"),
    [
        ("ble", {"devices": {"d": {"address": "C4:7C:8D:00:00:01", "points": {"p": BLE_BOUNDS}}}}, "d/p"),
        ("coap", {"hosts": {"h": {"url": "coap://h", "resources": {"p": BOUNDS | {"path": "/p", "write_as": "text"}}}}}, "h/p"),
        ("modbus", {"channel": {"tcp": "a:502"}, "units": {"u": {"points": {"p": BOUNDS | {"holding": 1}}}}}, "u/p"),
        ("mqtt", {"url": "mqtt://b", "points": {"p": BOUNDS | {"topic": "t"}}}, "p"),
        ("serial", {"port": "x", "listen": {}, "commands": {"p": {"command": "{value}", "maximum": 80, "unit": "°C"}}}, "p"),
        ("simulated", {"points": {"p": BOUNDS}}, "device-1/p"),
    ],
)
def test_unit_of_the_value_is_said_when_it_is_beyond_its_bounds(kind: str, settings: dict[str, Any], point: str) -> None:
    """What `min` and `max` are in stands beside them, and in the refusal."""
    adapter = Registry.installed().load(kind)
    points = adapter.points(freeze(melt(adapter.settings_model().model_validate(settings))))
    assert "80 °C, not 90" in points[point].refusal(90)


def test_a_unit_is_found_when_it_is_only_in_the_type() -> None:
    """The test above finds what it is for."""

    class Loose(BaseModel):
        ring: Annotated[int, "readings"] = 1

    assert without_unit(Loose) == ["Loose.ring"]
