"""`rt-edge scan`: what is wrong with a command line, settings from a configuration, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rt_edge.cli.app import main
from rt_edge.cli.scan_run import from_config, natural, put
from rt_edge.data.errors import ConfigError
from rt_edge.data.units import parse_duration
from rt_edge.testkit.node_process import wait_until


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "there is no adapter kind 'nope'"),
        (["modbuss"], "did you mean 'modbus'?"),
        (["simulated"], "kind 'simulated' cannot scan; ble, coap, modbus, mqtt, serial can"),
        (["mqtt"], "`target` is missing"),
        (["mqtt", "http://x"], "is not the address of an MQTT broker"),
        (["mqtt", "x", "--for", "2"], "write a number with a unit"),
        (["serial", "--for", "2s"], "a scan of serial has an end of its own"),
        (["modbus"], "write either `serial: DEVICE` or `tcp: HOST:PORT`"),
        (["modbus", "x", "--set", "units=0-999"], "names no units"),
        (["modbus", "x", "--set", "unit=1"], "did you mean 'units'?"),
        (["modbus", "x", "--set", "baud=12"], "must be 300 or more"),
        (["modbus", "x", "--set", "baud"], "is not NAME=VALUE"),
        (["ble", "hci"], "target"),
        (["coap", "coap+tcp://x"], "is not there in this version"),
        (["modbus", "x", "--adapter", "plc"], "names an adapter of --config"),
    ],
)
def test_one_line_says_what_is_wrong_when_a_command_line_is(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line, and what to do."""
    assert main(["scan", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_settings_of_every_kind_are_listed_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its meaning; times with their unit, as they are to be written."""
    times: list[str] = []
    for kind in ("ble", "coap", "modbus", "mqtt", "serial"):
        assert main(["scan", kind, "--settings", "--json"]) == 0
        listed = json.loads(capsys.readouterr().out)
        assert {"target"} <= {one["name"] for one in listed}
        assert all(one["meaning"] for one in listed)
        times += [one["default"] for one in listed if one["name"].endswith(("duration", "timeout"))]
    assert [parse_duration(text) for text in times] == [10, 10, 2, 0.2, 10, 10], times


def test_settings_come_from_a_configuration_when_it_has_one_adapter_of_the_kind(tmp_path: Path) -> None:
    """Only what a scan takes; of two adapters one has to be named."""
    from adapters.modbus.scan_settings import ModbusScan
    from adapters.mqtt.scan_settings import MqttScan

    config = tmp_path / "edge.yaml"
    config.write_text(
        "adapters:\n"
        "  broker: {kind: mqtt, url: 'mqtts://b', username: u, password: {env: P}, subscribe: [{filter: x}]}\n"
        "  plc: {kind: modbus, channel: {tcp: plc}, units: {}}\n"
        "  old: {kind: modbus, channel: {serial: /dev/ttyS0}, units: {}}\n"
    )
    expected = {"url": "mqtts://b", "username": "u", "password": {"env": "P"}}
    assert from_config("mqtt", config, None, MqttScan) == expected
    assert MqttScan.model_validate(expected).target == "mqtts://b"
    with pytest.raises(ConfigError, match="--adapter plc or old"):
        from_config("modbus", config, None, ModbusScan)
    assert from_config("modbus", config, "plc", ModbusScan)["channel"] == {"tcp": "plc"}
    with pytest.raises(ConfigError, match="none of this kind"):
        from_config("ble", config, None, ModbusScan)


def test_put_goes_into_mappings_when_a_name_has_dots() -> None:
    """Values are those of YAML; those of a configuration are kept beside."""
    values = {"tls": {"ca": "/a"}}
    before = values["tls"]
    for text in ("tls.key=/k", "baud=9600", "parity=none", "name= a: b", "on=true"):
        put(values, text)
    assert values == {"tls": {"ca": "/a", "key": "/k"}, "baud": 9600, "parity": "none", "name": " a: b", "on": True}
    assert before == {"ca": "/a"}


def test_units_are_in_order_when_there_are_ten() -> None:
    """9 comes before 10."""
    assert sorted(["unit 10", "unit 9", "b", "a"], key=natural) == ["a", "b", "unit 9", "unit 10"]


def test_ctrl_c_ends_early_and_prints_what_was_found_when_a_scan_is_long(tmp_path: Path) -> None:
    """Exit code 0: the list is right, and says that it is not complete."""
    master, slave = os.openpty()
    name = os.ttyname(slave)
    command = [sys.executable, "-m", "rt_edge.cli.app", "scan", "modbus", name, "--set", "parity=none", "--json"]
    scan = subprocess.Popen([*command, "--set", "unit_timeout=5s"], stdout=subprocess.PIPE, text=True)
    try:
        os.set_blocking(master, False)
        asked = bytearray()

        def was_asked() -> bool:
            try:
                asked.extend(os.read(master, 100))
            except BlockingIOError:
                return False
            return len(asked) >= 8

        wait_until(was_asked, 20, lambda: "the scan asks the first unit")
        scan.send_signal(signal.SIGINT)
        out, _ = scan.communicate(timeout=20)
    finally:
        scan.kill()
        os.close(master)
        os.close(slave)
    assert scan.returncode == 0
    assert json.loads(out) == {"kind": "modbus", "found": [], "notes": [], "complete": False}
