"""Any instrument on a serial line: it talks by itself, or is asked; the settings describe its frames."""

from adapters.serial.adapter import SerialAdapter

__all__ = ["SerialAdapter"]
