"""Discovery: what `rt-edge scan KIND` asks of an adapter: the units of a bus, the topics of a broker, the devices in the air."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, NamedTuple, Protocol

import msgspec

from rt_edge.data.clock import Clock


class Found(msgspec.Struct, frozen=True):
    """One thing that is there.

    Attributes:
        name: what it is called on its bus: a port, `unit 11`, a topic, a path, an address. Reported again, it replaces what was
            said of it before.
        what: one line for a person.
        details: for a program; JSON values.
        settings: what to write into a configuration to read it; empty when there is nothing to suggest.
    """

    name: str
    what: str
    details: dict[str, Any] = {}
    settings: dict[str, Any] = {}


class Tool(NamedTuple):
    """A program of an adapter kind's own: `rt-edge KIND NAME`, where the command line has that name.

    Attributes:
        model: pydantic model of what it can be told; `target` is what follows the name on the command line.
        run: does it, with settings validated by `model` as an immutable object; reports as a scan does.
    """

    model: type[Any]
    run: Callable[[Any, ScanReport], Coroutine[Any, Any, None]]


class ScanReport(Protocol):
    """Who is told, and where time and chance come from.

    Attributes:
        clock: the only source of time.
        random: the only source of randomness.
    """

    clock: Clock
    random: Random

    def found(self, found: Found) -> None:
        """Something is there."""
        ...

    def progress(self, done: float, total: float, doing: str) -> None:
        """How far the scan is: units asked of all units, or seconds of all seconds."""
        ...

    def note(self, text: str) -> None:
        """Something that a person should know and that is no finding (noise on the line, a limit that was reached)."""
        ...
