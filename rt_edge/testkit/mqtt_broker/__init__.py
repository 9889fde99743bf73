"""A small MQTT broker for tests and the demo; see `broker.py`."""

from rt_edge.testkit.mqtt_broker.broker import TestBroker
from rt_edge.testkit.mqtt_broker.faults import Faults
from rt_edge.testkit.mqtt_broker.packets import Publish
from rt_edge.testkit.mqtt_broker.session import Session

__all__ = ["Faults", "Publish", "Session", "TestBroker"]
