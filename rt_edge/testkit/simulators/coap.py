"""A CoAP device: a server with resources that change (observable), or a client that pushes; on aiocoap."""

from __future__ import annotations

import asyncio
import json
import math
from types import TracebackType
from typing import Any, Self

import aiocoap
from aiocoap import resource

from rt_edge.data.clock import Clock

SENML_JSON = 110
JSON = 50


class Sensor(resource.ObservableResource):  # type: ignore[misc]  # untyped
    """A number that can be read and observed, and with `writable` be set by PUT."""

    def __init__(self, clock: Clock, phase: float, writable: bool = False) -> None:
        super().__init__()
        self._clock = clock
        self._phase = phase
        self._writable = writable
        self._set: float | None = None
        self.gets = self.puts = 0

    @property
    def value(self) -> float:
        """What it is now."""
        if self._set is not None:
            return self._set
        return round(20.0 + 5 * math.sin(self._clock.monotonic() / 30 + self._phase), 2)

    def get_link_description(self) -> dict[str, str]:
        """For /.well-known/core (RFC 6690)."""
        return {**super().get_link_description(), "rt": "set-point" if self._writable else "temperature-c", "ct": "0"}

    async def render_get(self, request: Any) -> aiocoap.Message:
        """From aiocoap."""
        self.gets += 1
        message = aiocoap.Message(payload=str(self.value).encode())
        message.opt.content_format = 0
        return message

    async def render_put(self, request: Any) -> aiocoap.Message:
        """From aiocoap."""
        if not self._writable:
            return aiocoap.Message(code=aiocoap.METHOD_NOT_ALLOWED)
        try:
            value = float(request.payload)
        except ValueError:
            return aiocoap.Message(code=aiocoap.BAD_REQUEST, payload=b"not a number")
        self._set, self.puts = value, self.puts + 1
        self.updated_state()
        return aiocoap.Message(code=aiocoap.CHANGED)


class State(resource.Resource):  # type: ignore[misc]  # untyped
    """All sensors, as JSON."""

    def __init__(self, sensors: dict[str, Sensor]) -> None:
        super().__init__()
        self._sensors = sensors

    async def render_get(self, request: Any) -> aiocoap.Message:
        """From aiocoap."""
        values = {name: sensor.value for name, sensor in self._sensors.items()}
        message = aiocoap.Message(payload=json.dumps(values).encode())
        message.opt.content_format = JSON
        return message


class CoapDevice:
    """A server on the loopback.

    Args:
        clock: time of its values.
        port: UDP port; 0: a free one.
        sensors: how many: /sensors/1, /sensors/2, ...; also /state (JSON) and /set-point (PUT).
        every: seconds between changes.
    """

    def __init__(self, clock: Clock, port: int = 0, sensors: int = 3, every: float = 1.0) -> None:
        self.port = port
        self._every = every
        self._sensors = {f"sensor-{n}": Sensor(clock, n) for n in range(1, sensors + 1)}
        self._point = Sensor(clock, 0.0, writable=True)
        self._context: Any = None
        self._task: asyncio.Task[None] | None = None
        self._changes = 0

    async def __aenter__(self) -> Self:
        site = resource.Site()
        site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
        site.add_resource(["state"], State(self._sensors))
        site.add_resource(["set-point"], self._point)
        for number, sensor in enumerate(self._sensors.values(), 1):
            site.add_resource(["sensors", str(number)], sensor)
        bind = ("127.0.0.1", self.port)
        self._context = await aiocoap.Context.create_server_context(site, bind=bind, transports=["udp6"])
        interface = self._context.request_interfaces[0].token_interface.message_interface
        self.port = interface.transport.get_extra_info("socket").getsockname()[1]
        self._task = asyncio.create_task(self._change(), name="coap device")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._context is not None:
            await self._context.shutdown()

    async def _change(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            self._changes += 1
            for sensor in self._sensors.values():
                sensor.updated_state()

    def says(self) -> list[str]:
        """See `Simulator`."""
        where = f"coap://127.0.0.1:{self.port}"
        return [f"{len(self._sensors)} sensors on {where}: /sensors/1 ... (observable), /state (JSON), /set-point (PUT)"]

    def adapters(self) -> dict[str, Any]:
        """See `Simulator`."""
        raw = {"codec": "raw", "type": "float", "field": "temperature", "observe": True}
        resources: dict[str, Any] = {f"sensor-{n}": {"path": f"/sensors/{n}", **raw} for n in range(1, len(self._sensors) + 1)}
        resources["state"] = {"path": "/state", "every": "5s"}
        resources["set-point"] = {"path": "/set-point", "every": "5s", "codec": "raw", "type": "float", "writable": True}
        return {
            "device": {"kind": "coap", "hosts": {"device-1": {"url": f"coap://127.0.0.1:{self.port}", "resources": resources}}}
        }

    def environment(self) -> dict[str, str]:
        """See `Simulator`."""
        return {}

    def counts(self) -> dict[str, int]:
        """See `Simulator`."""
        return {"changes": self._changes, "gets": sum(s.gets for s in self._sensors.values()), "puts": self._point.puts}


class CoapPusher:
    """Devices that push SenML to a listening adapter, confirmable, one after the other.

    Args:
        clock: time of their values.
        url: where to, like coap://127.0.0.1:5683/push; the device's name is put behind it.
        devices: how many.
        every: seconds between the pushes of one device.
    """

    def __init__(self, clock: Clock, url: str, devices: int = 3, every: float = 1.0) -> None:
        self._clock = clock
        self._url = url.rstrip("/")
        self._devices = devices
        self._every = every
        self._task: asyncio.Task[None] | None = None
        self._counts = {"stored": 0, "refused": 0, "unanswered": 0}

    async def __aenter__(self) -> Self:
        context = await aiocoap.Context.create_client_context(transports=["udp6"])
        self._task = asyncio.create_task(self._run(context), name="coap pushes")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, context: Any) -> None:
        number = 0
        try:
            while True:
                for device in range(1, self._devices + 1):
                    await self._push(context, f"probe-{device}", number)
                    await asyncio.sleep(self._every / self._devices)
                number += 1
        finally:
            await context.shutdown()

    async def _push(self, context: Any, device: str, number: int) -> None:
        pack = [
            {"bn": f"urn:dev:{device}:", "n": "depth", "u": "m", "v": round(2 + math.sin(number / 10), 3)},
            {"n": "count", "v": number},
        ]
        message = aiocoap.Message(code=aiocoap.POST, uri=f"{self._url}/{device}", payload=json.dumps(pack).encode())
        message.opt.content_format = SENML_JSON
        try:
            async with asyncio.timeout(30.0):
                answer = await context.request(message).response
        except (aiocoap.error.Error, OSError, TimeoutError):  # nobody there: the next one is tried in its turn
            self._counts["unanswered"] += 1
            return
        self._counts["stored" if answer.code.is_successful() else "refused"] += 1

    def says(self) -> list[str]:
        """See `Simulator`."""
        return [f"{self._devices} devices push SenML to {self._url}/probe-N every {self._every:g} s"]

    def adapters(self) -> dict[str, Any]:
        """See `Simulator`."""
        address, _, path = self._url.removeprefix("coap://").partition("/")
        paths = [{"path": f"/{path}/{{device}}" if path else "/{device}", "codec": "senml-json"}]
        return {"inbox": {"kind": "coap", "listen": {"address": address, "paths": paths, "ack_after": "1s"}}}

    def environment(self) -> dict[str, str]:
        """See `Simulator`."""
        return {}

    def counts(self) -> dict[str, int]:
        """See `Simulator`."""
        return dict(self._counts)
