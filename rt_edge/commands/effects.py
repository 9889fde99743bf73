"""What the desk wants done: it does no I/O of its own."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rt_edge.commands.command import Outcome, Row
from rt_edge.data.reading import Value


class Save(msgspec.Struct, frozen=True):
    """Make `row` durable; answered by `Desk.saved`. Rows are saved in the order of these effects."""

    row: Row


class Look(msgspec.Struct, frozen=True):
    """Read the point; answered by `Desk.looked`."""

    key: str
    point: str


class Send(msgspec.Struct, frozen=True):
    """Hand the value to the adapter; answered by `Desk.written`. The intent is durable."""

    key: str
    point: str
    value: Value


class Tell(msgspec.Struct, frozen=True):
    """Tell all who asked for this key."""

    outcome: Outcome


class Audit(msgspec.Struct, frozen=True):
    """A line for the audit log."""

    row: Row
    note: str = ""


Effect: TypeAlias = Save | Look | Send | Tell | Audit
