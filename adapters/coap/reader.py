"""Answers become Readings, as far as they are asked for; what cannot be read is said once."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from adapters.coap.demand import Demand
from adapters.coap.host import Host
from adapters.coap.resource import Resource
from adapters.coap.seam import Answer
from rt_edge.sdk import AdapterContext, CodecError


class Reader(ABC):
    """The part of the asking side that reads.

    Args:
        context: the runtime.
    """

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._hosts: dict[str, Host] = {}
        self._demand = Demand(context, self._spent, self._emitted)
        self._open = False
        self._pump_due = False

    @abstractmethod
    def arm(self, resource: Resource, due: float) -> None:
        """Its next slot, or its next registration, is at `due`, monotonic seconds."""

    @abstractmethod
    def _spent(self) -> None:
        """Nothing is asked for any more."""

    @abstractmethod
    def _emitted(self, source: str, received: int) -> None:
        """A Reading is handed on."""

    def _now(self) -> tuple[float, int]:
        clock = self._context.clock
        return clock.monotonic(), clock.wall_ns()

    def _pump_soon(self) -> None:
        if not self._pump_due and self._demand.waits:
            self._pump_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_due = False
        if self._open:
            self._demand.emit()

    def answered(self, resource: Resource, answer: Answer) -> None:
        """An answer is there: Readings of it, or why not."""
        _, wall = self._now()
        if answer.code in ("4.02", "4.06") and resource.negotiates:  # Accept is critical to those who do not know it
            resource.negotiates, resource.target = False, resource.target._replace(accept=None)
            self._context.count("accept_refused")
            self._retry_soon(resource)
            return
        if not answer.ok:
            self.failed(resource, f"{answer.code} {answer.payload[:60].decode(errors='replace')}".strip())
            return
        try:
            readings = resource.read(answer, wall)
        except CodecError as error:
            self._context.count("dropped_bad_payload")
            self.failed(resource, error.message)
            return
        host = self._hosts[resource.host]
        host.answers()
        host.span.spoke(wall)
        if resource.span.spoke(wall):
            self._context.log("info", "is read again", source=resource.source, name=resource.name)
        self._context.count("answers_ok")
        if not readings:
            self._context.count("dropped_empty_payload")
            return
        self._demand.offer(resource, readings)
        self._pump_soon()

    def _retry_soon(self, resource: Resource) -> None:
        """Ask again as soon as this exchange has ended."""
        resource.due = self._context.clock.monotonic()
        self.arm(resource, resource.due)

    def failed(self, resource: Resource, why: str) -> None:
        """It was asked for in vain, though its host is there; said once."""
        now, wall = self._now()
        self._context.count("answers_bad")
        resource.span.wanted(wall)
        if resource.span.silent("refused", now, wall):
            self._context.log("warning", "cannot be read", source=resource.source, name=resource.name, why=why)
