"""What a user may write, and what is said about mistakes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.modbus import ModbusAdapter
from adapters.modbus.address import channel_key, tcp_address
from adapters.modbus.plan import load, units_of, wire_of
from adapters.modbus.settings import ModbusSettings
from rt_edge.cli.adapters import sample_capability
from rt_edge.sdk import ConfigError
from rt_edge.settings.load import Checked
from rt_edge.settings.load import load as load_file

TCP = {"tcp": "plc.local"}
POINT = {"holding": 0}


def unit(**more: Any) -> dict[str, Any]:
    return {"unit": 1, "points": {"p": POINT}, **more}


def with_point(**point: Any) -> dict[str, Any]:
    return {"channel": TCP, "units": {"u": {"unit": 1, "points": {"p": point}}}}


BAD = [
    ({"channel": {}, "units": {"u": unit()}}, "a channel without a line"),
    ({"channel": {**TCP, "serial": "/dev/ttyS0"}, "units": {"u": unit()}}, "two lines in one channel"),
    ({"channel": {**TCP, "baud": 9600}, "units": {"u": unit()}}, "a TCP channel has no baud"),
    ({"channel": {"serial": "/dev/ttyS0", "framing": "mbap"}, "units": {"u": unit()}}, "mbap is the framing of Modbus TCP"),
    ({"channel": {"serial": "/dev/ttyS0", "data_bits": 7}, "units": {"u": unit()}}, "RTU frames need 8 data bits"),
    ({"channel": {"serial": "/dev/ttyS0", "rs485": {"delay_before_send": "1500us"}}, "units": {"u": unit()}}, "in milliseconds"),
    ({"channel": {"serial": "/dev/ttyS0", "rs485": {"delay_after_send": "1s"}}, "units": {"u": unit()}}, "less than or equal"),
    ({"channel": {"serial": "/dev/ttyS0", "rs485": {"rts_after_send": "high"}}, "units": {"u": unit()}}, "the same level"),
    ({"channel": {"tcp": "plc:port"}, "units": {"u": unit()}}, "'plc:port' is not HOST:PORT"),
    ({"channel": {"tcp": "fe80::1"}, "units": {"u": unit()}}, "is not HOST:PORT"),
    ({"channel": {**TCP, "speed": 1}, "units": {"u": unit()}}, "Extra inputs are not permitted"),
    ({"channel": {"serial": "/dev/ttyS0", "parity": "mark"}, "units": {"u": unit()}}, "'none', 'even' or 'odd'"),
    ({"channel": TCP, "units": {}}, "at least 1 item"),
    ({"channel": TCP, "units": {"u": unit(points={})}}, "at least 1 item"),
    ({"channel": TCP, "units": {"U 1": unit()}}, "is not a name"),
    ({"channel": TCP, "units": {"u": unit(every="1")}}, "is not a duration"),
    ({"channel": TCP, "units": {"u": unit(every="0s")}}, "greater than 0"),
    ({"channel": TCP, "units": {"a": unit(), "b": unit()}}, "unit 1 is 'a' already"),
    ({"channel": {"serial": "/dev/ttyS0"}, "units": {"u": unit(unit=0)}}, "unit 0 is the broadcast address"),
    ({"channel": {**TCP, "framing": "rtu"}, "units": {"u": unit(unit=255)}}, "unit 255 cannot be on a serial line"),
    ({"channel": TCP, "units": {"u": unit()}, "retry_max": "1s"}, "retry_max is shorter than retry_min"),
    (with_point(), "the point has no address"),
    (with_point(holding=1, input=2), "holding and input in one point"),
    (with_point(holding=70_000), "less than or equal to 65536"),
    (with_point(holding=65_536), "outside 0..65535"),
    (with_point(holding=65_535, type="float32"), "outside 0..65535"),
    (with_point(holding=1, type="float80"), "Input should be"),
    (with_point(holding=1, type="bool"), "needs `bit: 0..15`"),
    (with_point(holding=1, bit=16), "less than or equal to 15"),
    (with_point(holding=1, bit=1, type="int16"), "only a bool has one"),
    (with_point(holding=1, bit=1, scale=2), "has no scale or offset"),
    (with_point(holding=1, scale=0), "a scale of 0"),
    (with_point(holding=1, type="string"), "needs `length_registers`"),
    (with_point(holding=1, length_registers=3), "has no `length_registers`"),
    (with_point(holding=1, order="ABDC"), "Input should be"),
    (with_point(holding=1, type="float32", order="AB"), "does not fit a value of 4 bytes"),
    (with_point(coil=1, type="int16"), "a coil is a bool"),
    (with_point(input=1, writable=True), "input cannot be written"),
    (with_point(holding=1, encoding="latin-1"), "only a string has an encoding"),
    (with_point(holding=1, function="mask"), "function 22 changes bits within a register"),
    (with_point(holding=1, lane="fast"), "'alarm', 'poll' or 'background'"),
    (with_point(discrete=1, writable=True), "discrete cannot be written"),
]


@pytest.mark.parametrize(("written", "message"), BAD, ids=range(len(BAD)))
def test_mistake_is_named_when_settings_are_wrong(written: dict[str, Any], message: str) -> None:
    """Each mistake gets a sentence that names it."""
    with pytest.raises(ValidationError) as caught:
        ModbusSettings.model_validate(written)
    assert message in str(caught.value)


def test_capacity_is_named_when_the_plan_does_not_fit_the_bus() -> None:
    """A plan above the line's capacity is refused with the percentage, unless the user wants what fits."""
    points = {f"p{i}": {"holding": i} for i in range(100)}
    written = {
        "channel": {"serial": "/dev/ttyS0", "baud": 9600},
        "units": {f"u{n}": {"unit": n, "every": "1s", "points": points} for n in range(1, 7)},
    }
    with pytest.raises(ValidationError, match=r"this plan needs 15\d % of the bus"):
        ModbusSettings.model_validate(written)
    loose = ModbusSettings.model_validate({**written, "overload": "coalesce"})
    assert load(units_of(loose), wire_of(loose.channel)) > 1.5


def sharing(units: int, every: str, **more: Any) -> dict[str, Any]:
    """Units on a line of 9,600 baud at which each poll of one register takes (8 + 7 + 2 * 3.5) * 11 / 9600 s = 25.208 ms."""
    channel = {"serial": "/dev/ttyS0", "baud": 9600, "turnaround": "0s"}
    return {"channel": channel, "units": {f"u{n}": unit(unit=n, every=every) for n in range(1, units + 1)}, **more}


@pytest.mark.parametrize(
    ("units", "every", "needs"),
    [
        (1, "25108us", 101),
        (1, "24836us", 102),
        (1, "24593us", 103),
        (1, "24356us", 104),
        (1, "24009us", 105),
        (4, "99343us", 102),
    ],
)
def test_plan_is_refused_when_it_needs_a_little_more_than_the_bus(units: int, every: str, needs: int) -> None:
    """From the first thousandth on, unless what fits is wanted; the percentage said is never one that would fit."""
    with pytest.raises(ValidationError, match=rf"this plan needs {needs} % of the bus \(most of it: u"):
        ModbusSettings.model_validate(sharing(units, every))
    loose = ModbusSettings.model_validate(sharing(units, every, overload="coalesce"))
    assert needs / 100 - 0.01 < load(units_of(loose), wire_of(loose.channel)) <= needs / 100


@pytest.mark.parametrize(("units", "every"), [(1, "25209us"), (4, "100834us"), (1, "25471us")])
def test_plan_is_taken_when_it_needs_just_the_bus(units: int, every: str) -> None:
    """A hundred percent of it, less a few millionths; ninety-nine."""
    ModbusSettings.model_validate(sharing(units, every))


@pytest.mark.parametrize("units", [1, 6, 9, 60, 100])
def test_plan_is_taken_when_its_shares_make_up_the_whole_bus(units: int) -> None:
    """Sixths of it are a little more than one as floats; a thousandth more is refused."""
    channel = {"tcp": "plc.local", "turnaround": "10ms"}
    written = {"channel": channel, "units": {f"u{n}": unit(unit=n, every=f"{10 * units}ms") for n in range(1, units + 1)}}
    ModbusSettings.model_validate(written)
    written["channel"] = {**channel, "turnaround": "10010us"}
    with pytest.raises(ValidationError, match="this plan needs 101 % of the bus"):
        ModbusSettings.model_validate(written)


CROWDED = "  plc:\n    kind: modbus\n    channel: {{serial: /dev/ttyS0, baud: 9600}}\n    units:\n{units}"


def test_plan_that_does_not_fit_is_an_error_with_its_place_when_checked(tmp_path: Path) -> None:
    """What `rt-edge check` says: how much of the bus, who needs most of it, where, and what to do."""
    points = ", ".join(f"p{i}: {{holding: {i}}}" for i in range(100))
    units = "".join(f"      u{n}: {{unit: {n}, every: {1070 + n}ms, points: {{{points}}}}}\n" for n in range(1, 7))
    (error,) = check(tmp_path, CROWDED.format(units=units)).errors
    assert error.path == "adapters > plc > units"
    assert re.match(r"this plan needs 14\d % of the bus \(most of it: u1 24 %, u2 24 %, u3 24 %\)", error.message)
    assert "poll less often" in error.hint


def test_points_of_one_period_are_one_poll_when_some_have_their_own(settings: Any) -> None:
    """`every` at a point takes it out of its unit's poll; adjacent points of one period share requests."""
    points = {"a": {"holding": 1}, "b": {"holding": 2}, "slow": {"holding": 3, "every": "1min"}, "c": {"holding": 5}}
    s = settings(channel=TCP, units={"u": {"unit": 1, "address_base": 1, "points": points}})
    (plan,) = units_of(s)
    assert [(poll.every, [(b.table, b.address, b.count) for b in poll.blocks]) for poll in plan.polls] == [
        (1.0, [("holding", 0, 5)]),
        (60.0, [("holding", 2, 1)]),
    ]


def test_running_node_needs_no_pydantic_when_settings_are_frozen(settings: Any) -> None:
    """The adapter's capability comes from plain attributes, and says whether anything is writable."""
    assert ModbusAdapter.capability(settings(**with_point(holding=1))).writable is False
    capability = ModbusAdapter.capability(settings(**with_point(holding=1, writable=True)))
    assert (capability.delivery, capability.backpressure, capability.writable, capability.window) == (
        "polled",
        "native",
        True,
        None,
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [("plc", ("plc", 502)), ("plc:1502", ("plc", 1502)), ("[fe80::1]", ("fe80::1", 502)), ("[fe80::1]:7", ("fe80::1", 7))],
)
def test_address_is_understood_when_written_shortly(text: str, address: tuple[str, int]) -> None:
    """The port is 502 where none is given."""
    assert tcp_address(text) == address


@pytest.mark.parametrize("text", ["", ":502", "plc:", "plc:0", "plc:70000", "a:b:c"])
def test_address_is_refused_when_it_is_none(text: str) -> None:
    """What is no address is a configuration error."""
    with pytest.raises(ConfigError):
        tcp_address(text)


def test_channels_are_the_same_when_they_lead_to_one_device(settings: Any, tmp_path: Any) -> None:
    """Two names of one serial device are one channel."""
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB0")
    keys = {
        channel_key(settings(channel={"serial": str(tmp_path / n)}, units={"u": unit()}).channel) for n in ("ttyUSB0", "by-id")
    }
    assert len(keys) == 1


def test_sample_is_valid_when_it_is_read_as_a_user_would() -> None:
    """The sample shipped with the adapter passes the checks and has a writable point."""
    capability = sample_capability(ModbusAdapter)
    assert capability is not None
    assert capability.writable


def test_no_heavy_library_is_loaded_when_a_node_runs_the_adapter() -> None:
    """The adapter's capability needs no protocol library, and its open line no pydantic."""
    program = (
        "import sys, adapters.modbus; print(sorted({'pydantic', 'pymodbus', 'serial'} & set(sys.modules)));"
        "import adapters.modbus.bus, adapters.modbus.link, adapters.modbus.transport, adapters.modbus.tcp;"
        "print(sorted({'pydantic', 'ruamel.yaml', 'typer', 'rich'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n[]\n"


def check(tmp_path: Path, text: str) -> Checked:
    """A configuration with these adapters, through `rt-edge check`."""
    file = tmp_path / "node.yaml"
    file.write_text(f"node: {{id: a, data: d}}\nadapters:\n{text}")
    return load_file(file)


LINE = "  {name}: {{kind: modbus, channel: {{{channel}}}, units: {{u: {{points: {{p: {{holding: 0}}}}}}}}}}\n"


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ("serial: /dev/null", "serial: LINK", "the serial port /dev/null"),
        ("tcp: PLC.local", "tcp: 'plc.local:502'", "the TCP address plc.local:502"),
        ("tcp: plc.local", "tcp: 'plc.local:503'", ""),
    ],
)
def test_two_adapters_on_one_line_are_an_error_when_checked(tmp_path: Path, first: str, second: str, what: str) -> None:
    """One line is one adapter's, also when it is written in another way (a symbolic link, capitals, the default port)."""
    (tmp_path / "link").symlink_to("/dev/null")
    second = second.replace("LINK", str(tmp_path / "link"))
    errors = check(tmp_path, LINE.format(name="x", channel=first) + LINE.format(name="y", channel=second)).errors
    assert [(error.path, error.message) for error in errors] == (
        [(f"adapters > y > channel > {first[: first.index(':')]}", f"{what} is used by the adapters 'x' and 'y'")] if what else []
    )


def units(**more: dict[str, Any]) -> dict[str, Any]:
    return {name: unit(unit=n, **settings) for n, (name, settings) in enumerate(more.items(), 1)}


@pytest.mark.parametrize(
    ("channel", "of", "said"),
    [
        ({}, {"slow": {"every": "10s"}, "fast": {}}, []),
        ({}, {"alone": {"every": "1s", "timeout": "3s"}}, []),
        ({"timeout": "1s"}, {"a": {"every": "1s"}, "b": {"every": "1s"}}, []),
        (
            {"timeout": "2s"},
            {"a": {"every": "1s"}, "b": {"every": "500ms"}, "c": {"every": "1min"}},
            [("channel timeout", "while a unit does not answer, a time-out of 2s holds up b (every 500ms) and 1 more: ")],
        ),
        (
            {},
            {"slow": {"every": "1min", "timeout": "3s"}, "fast": {}, "calm": {"every": "1min"}},
            [("units slow timeout", "while slow does not answer, a time-out of 3s holds up fast (every 1s): ")],
        ),
    ],
)
def test_a_time_out_that_holds_up_others_is_a_warning_when_checked(
    settings: Any, channel: dict[str, Any], of: dict[str, dict[str, Any]], said: list[tuple[str, str]]
) -> None:
    """A unit that is silent for longer than another one's period costs that one polls: `check` names both and both times; a
    unit by itself, or slow neighbours, are no reason."""
    advice = ModbusAdapter.advice(settings(channel={**TCP, **channel}, units=units(**of)))
    assert [" ".join(map(str, one.at)) for one in advice] == [at for at, _ in said]
    for one, (_, words) in zip(advice, said, strict=True):
        assert one.message == f"{words}polls are left out until the unit is given up"


def test_line_says_all_about_rs485_when_it_is_written() -> None:
    """Levels and delays reach the ioctl's structure, in whole milliseconds."""
    from rt_edge.sdk.serial_port import _rs485_mode, rs485_of

    written = {
        "rts_on_send": "low",
        "rts_after_send": "high",
        "delay_before_send": "3ms",
        "delay_after_send": "29ms",
        "receive_while_sending": True,
    }
    channel = {"serial": "/dev/ttyS0", "rs485": written}
    mode: Any = _rs485_mode(rs485_of(ModbusSettings.model_validate({"channel": channel, "units": {"u": unit()}}).channel.rs485))
    assert (mode.rts_level_for_tx, mode.rts_level_for_rx, mode.loopback) == (False, True, True)
    assert (int(mode.delay_before_tx * 1000), int(mode.delay_before_rx * 1000)) == (3, 29)
