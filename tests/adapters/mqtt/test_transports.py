"""Both clients under the transport contract, on the scripted broker and on mosquitto."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import TestBroker
from tests.adapters.mqtt.transport_contract import TransportContract
from tests.adapters.mqtt.transport_faults import FaultContract


class OnScripted(TransportContract):
    """A broker of the testkit."""

    def broker(self, tmp_path: Path) -> AbstractAsyncContextManager[Any]:
        return TestBroker(inflight_v311=100)


class OnMosquitto(TransportContract):
    """A real broker."""

    @pytest.fixture(autouse=True)
    def _program(self, mosquitto_path: Path) -> None:
        self.program = mosquitto_path

    def broker(self, tmp_path: Path) -> AbstractAsyncContextManager[Any]:
        lines = ["max_queued_messages 0", "max_inflight_messages 100"]
        return MosquittoProcess(self.program, tmp_path / "mosquitto", lines)


class TestPahoOnScripted(OnScripted):
    client = "paho"


class TestFastOnScripted(OnScripted):
    client = "fast"


class TestPahoOnMosquitto(OnMosquitto):
    client = "paho"


class TestFastOnMosquitto(OnMosquitto):
    client = "fast"


class TestPahoAmongFaults(FaultContract):
    client = "paho"


class TestFastAmongFaults(FaultContract):
    client = "fast"
