"""Modbus RTU and TCP: polls devices on demand, several units on one line, without one disturbing the others."""

from adapters.modbus.adapter import ModbusAdapter

__all__ = ["ModbusAdapter"]
