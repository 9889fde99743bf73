"""What was learned of the units, kept over restarts: `learned.json` in the adapter's own directory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from adapters.modbus.unit import Unit
from rt_edge.sdk import AdapterContext

FILE = "learned.json"

KEPT_S = 7 * 86_400.0
"""Seconds of wall time after which it is learned anew: devices are replaced, and get new firmware."""


class LearnedFile:
    """Reads and writes the file; what is wrong with it is counted (`learned_problems`) and logged, and learned again.

    Args:
        context: of the adapter.
        units: of the line.
    """

    def __init__(self, context: AdapterContext, units: Iterable[Unit]) -> None:
        self._context = context
        self._units = list(units)
        self._path = context.data / FILE
        self._since = context.clock.wall_ns() / 1e9

    def load(self) -> None:
        """Teach the units what the life before knew, if it is of the same device and not too old."""
        try:
            kept: dict[str, Any] = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Any])
            since = float(kept["since"])
            if not 0 <= self._since - since <= KEPT_S:
                return
            for unit in self._units:
                entry = kept["units"].get(unit.plan.name)
                if entry is not None and entry["unit"] == unit.id:
                    unit.learned.load(entry)
            self._since = since
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, AttributeError, KeyError, TypeError, ValueError) as error:
            self._complain(f"{FILE} cannot be read, the units are asked anew what they take: {error}")

    def save(self) -> None:
        """Write it down, without fsync: what a power cut loses is learned again."""
        entries = {unit.plan.name: {"unit": unit.id, **unit.learned.save()} for unit in self._units}
        new = self._path.with_suffix(".new")
        try:
            new.write_bytes(msgspec.json.encode({"since": self._since, "units": entries}))
            new.replace(self._path)
        except OSError as error:
            self._complain(f"{FILE} cannot be written: {error}")

    def _complain(self, problem: str) -> None:
        self._context.count("learned_problems")
        self._context.log("warning", problem)
