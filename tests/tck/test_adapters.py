"""Adapters as publishers keep the rules: each with its real peer, on a real loop, sockets, ptys and D-Bus.

The benches are those of the adapters' own contract tests.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from rt_edge.testkit.adapter_contract import AdapterPublisherContract
from tests.adapters.ble.test_contract import Reads
from tests.adapters.coap.test_contract import Observed, PolledOnLibcoap
from tests.adapters.modbus.test_contract import OnPymodbus, OnPymodbusLine
from tests.adapters.mqtt.test_contract import OnSharedMosquitto
from tests.adapters.serial.test_contract import Asking, Listening
from tests.adapters.simulated.test_contract import AsFastAsAsked


def test_every_adapter_is_here_when_entry_points_are_read() -> None:
    """An adapter that rt-edge brings along has its verification in this file."""
    brought = {found.name for found in entry_points(group="rt_edge.adapters") if found.value.startswith("adapters.")}
    verified = {cls.__name__.removeprefix("Test").lower() for cls in AdapterPublisherContract.__subclasses__()}
    assert {kind for kind in brought if not any(name.startswith(kind) for name in verified)} == set()


class TestSimulated(AsFastAsAsked, AdapterPublisherContract):
    """Devices that are read whenever somebody asks."""


class TestMqtt(OnSharedMosquitto, AdapterPublisherContract):
    """Messages of mosquitto."""


class TestMqttFast(OnSharedMosquitto, AdapterPublisherContract):
    """The same with our own client."""

    client = "fast"


class TestModbus(OnPymodbus, AdapterPublisherContract):
    """Slaves of pymodbus that are polled over TCP."""


class TestModbusRtu(OnPymodbusLine, AdapterPublisherContract):
    """Slaves of pymodbus that are polled over a serial line."""


class TestSerialAsked(Asking, AdapterPublisherContract):
    """An instrument on a pty that is asked."""


class TestSerialHeard(Listening, AdapterPublisherContract):
    """An instrument on a pty that talks."""


class TestCoapAsked(PolledOnLibcoap, AdapterPublisherContract):
    """A server of libcoap that is asked."""


class TestCoapObserved(Observed, AdapterPublisherContract):
    """A server of aiocoap that is observed."""


class TestBle(Reads, AdapterPublisherContract):
    """A device that is connected and read, through bleak and a stand-in for BlueZ."""
