"""What is on the wire."""

from __future__ import annotations

from adapters.modbus.jobs import Job
from adapters.modbus.pdu import Request
from adapters.modbus.unit import Poll, Unit


class Transaction:
    """A request on the wire.

    Attributes:
        unit: whom it asks.
        request: the request.
        owner: the poll or command that needs it.
        sync: it only proves that no late reply of the unit can come any more.
        started: monotonic seconds.
    """

    __slots__ = ("owner", "request", "started", "sync", "unit")

    def __init__(self, unit: Unit, request: Request, owner: Poll | Job, sync: bool, started: float) -> None:
        self.unit = unit
        self.request = request
        self.owner = owner
        self.sync = sync
        self.started = started
