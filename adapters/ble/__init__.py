"""Bluetooth Low Energy by BlueZ: advertisements; GATT read, notify and write. What it promises: README.md in this folder."""

from adapters.ble.adapter import BleAdapter

__all__ = ["BleAdapter"]
