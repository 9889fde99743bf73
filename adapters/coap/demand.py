"""Demand and what waits for it: credits, those kept for polls under way, and the newest Readings of each resource."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from adapters.coap.resource import Resource
from rt_edge.sdk import AdapterContext, Reading


class Demand:
    """Counts in Readings.

    Args:
        context: the runtime.
        spent: called when the last credit has gone.
        emitted: told source and time of each Reading before it is emitted.
    """

    def __init__(self, context: AdapterContext, spent: Callable[[], None], emitted: Callable[[str, int], None]) -> None:
        self._context = context
        self._spent = spent
        self._emitted = emitted
        self._credits = 0
        self._held = 0  # Readings that wait
        self._reserved: set[Resource] = set()
        self._out: OrderedDict[Resource, None] = OrderedDict()  # resources with Readings that wait, the oldest first

    def add(self, n: int) -> None:
        """`n` more were asked for."""
        self._credits += n

    @property
    def any(self) -> bool:
        """Whether something is asked for."""
        return self._credits > 0

    @property
    def free(self) -> int:
        """Credits that neither a poll under way nor a waiting Reading has taken."""
        return self._credits - len(self._reserved) - self._held

    @property
    def waits(self) -> bool:
        """Whether Readings wait."""
        return bool(self._out)

    def reserve(self, resource: Resource) -> None:
        """Keep one credit for its answer."""
        self._reserved.add(resource)

    def release(self, resource: Resource) -> None:
        """Its answer is there, or will not come."""
        self._reserved.discard(resource)

    def offer(self, resource: Resource, readings: list[Reading]) -> None:
        """These are the newest of `resource`; what it had waiting is dropped, and counted."""
        if resource.waiting:
            self._context.count("conflated", len(resource.waiting))
        self._held += len(readings) - len(resource.waiting)
        resource.waiting = readings
        self._out[resource] = None

    def emit(self) -> None:
        """Hand on what is there, as far as it is asked for."""
        readings: list[Reading] = []
        while self._out and len(readings) < self._credits:
            resource = next(iter(self._out))
            most = self._credits - len(readings)
            readings += resource.waiting[:most]
            resource.waiting = resource.waiting[most:]
            if not resource.waiting:
                del self._out[resource]
        self._credits -= len(readings)
        self._held -= len(readings)
        if self._credits == 0:
            self._spent()
        if readings:
            for reading in readings:
                self._emitted(reading.source, reading.received)
            self._context.emit(readings)
