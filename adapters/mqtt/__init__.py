"""MQTT v5 and v3.1.1: source and sink. What it promises and what it does not: README.md in this folder."""

from adapters.mqtt.adapter import MqttAdapter

__all__ = ["MqttAdapter"]
