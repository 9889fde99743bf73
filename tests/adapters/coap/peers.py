"""Real peers on loopback: libcoap's server and client, aiocoap's server, and a network between them that loses and reorders."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Self

import aiocoap
import pytest
from aiocoap import resource

from adapters.coap import CoapAdapter
from adapters.coap.seam import Tuning, Unanswered
from adapters.coap.settings import CoapSettings
from adapters.coap.transport import AiocoapChannel
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.testkit.adapter_harness import AdapterHarness

ROOT = Path(__file__).resolve().parents[3]
QUICK = {"ack_timeout": "300ms", "retransmits": 1, "timeout": "1s", "keepalive": "200ms"}
"""Times for tests: a host is given up after about a second."""


def program(name: str, variant: str = "") -> str:
    """One of libcoap's programs; Debian has each in three builds."""
    builds = [variant] if variant else ["notls", "openssl", "gnutls"]
    for build in (*(f"{name}-{one}" for one in builds), name):
        ours = ROOT / ".peers" / "bin" / build
        found = shutil.which(build) or (str(ours) if ours.is_file() else None)
        if found:
            return found
    pytest.fail(f"this test needs libcoap's {name}: run scripts/peers", pytrace=False)


def free_port() -> int:
    """A UDP port that nobody had a moment ago; for peers that take no port 0."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def harness(folder: Path, name: str = "field", **settings: Any) -> AdapterHarness:
    folder.mkdir(exist_ok=True)
    if "hosts" in settings:
        settings = {**QUICK, **settings}
    return AdapterHarness(CoapAdapter, freeze(melt(CoapSettings.model_validate(settings))), folder, name)


class LibcoapServer:
    """Debian's coap-server: `/time` is observable, `/example_data` too, PUT makes others (`-d`)."""

    def __init__(self, *arguments: str, variant: str = "") -> None:
        self.port = free_port()
        self._arguments = arguments
        self._variant = variant
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Returns when it answers."""
        arguments = ("-A", "127.0.0.1", "-p", str(self.port), *self._arguments)
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            program("coap-server", self._variant), *arguments, stdout=quiet, stderr=quiet
        )
        channel = AiocoapChannel("127.0.0.1", self.port, Tuning(0.05, 2, 1.0, 1024))
        await channel.open()
        try:
            async with asyncio.timeout(10):
                while True:
                    with contextlib.suppress(Unanswered):
                        await channel.ping()
                        return
                    await asyncio.sleep(0)
        finally:
            await channel.close()

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


async def libcoap_client(*arguments: str, variant: str = "", wait: int = 10) -> str:
    """What Debian's coap-client prints, the protocol included; it exits with 0 whatever happens."""
    pipe = asyncio.subprocess.PIPE
    command = (program("coap-client", variant), "-v", "6", "-B", str(wait), *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    return (await process.communicate())[0].decode(errors="replace")


class Value(resource.ObservableResource):
    """A resource whose content the test sets; counts what is asked of it."""

    def __init__(self, payload: bytes = b"0", form: int | None = 0, max_age: int = 60, observable: bool = True) -> None:
        super().__init__()
        self.payload, self.form, self.max_age, self.observable = payload, form, max_age, observable
        self.gets = 0
        self.registrations = 0
        self.observers = 0
        self.code: Any = None

    def set(self, payload: bytes) -> None:
        self.payload = payload
        self.updated_state()

    def update_observation_count(self, newcount: int) -> None:
        self.observers = newcount

    async def add_observation(self, request: Any, serverobservation: Any) -> None:
        self.registrations += 1
        if self.observable:
            await super().add_observation(request, serverobservation)

    async def render_get(self, request: Any) -> aiocoap.Message:
        self.gets += 1
        if self.code is not None:
            return aiocoap.Message(code=self.code)
        answer = aiocoap.Message(payload=self.payload)
        answer.opt.max_age = self.max_age
        if self.form is not None:
            answer.opt.content_format = self.form
        return answer


class AiocoapServer:
    """aiocoap's own server with some resources."""

    def __init__(self, resources: dict[str, Any], port: int = 0) -> None:
        self.resources = resources
        self.port = port
        self._context: Any = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self) -> None:
        site = resource.Site()
        for path, one in self.resources.items():
            site.add_resource(path.strip("/").split("/"), one)
        context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", self.port), transports=["udp6"])
        self._context = context
        interface = context.request_interfaces[0].token_interface.message_interface
        self.port = interface.transport.get_extra_info("socket").getsockname()[1]

    async def stop(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            await context.shutdown()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class Relay:
    """A UDP relay between one client and one server that loses, doubles and reorders; seeded.

    Args:
        port: of the server on loopback.
        random: decides.
        loss, double, late: shares of the datagrams, each way.
    """

    def __init__(self, port: int, random: Random, loss: float = 0.0, double: float = 0.0, late: float = 0.0) -> None:
        self.port = 0
        self.passed = self.lost = self.doubled = self.delayed = 0
        self.loss, self.double, self.late = loss, double, late
        self._target = ("127.0.0.1", port)
        self._random = random
        self._ways: dict[tuple[str, int], asyncio.DatagramTransport] = {}
        self._front: Any = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(lambda: _Ends(self._inward), local_addr=("127.0.0.1", 0))
        self.port = self._front.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._front.close()
        for way in self._ways.values():
            way.close()
        await asyncio.sleep(0)

    def _inward(self, data: bytes, client: tuple[str, int]) -> None:
        if client in self._ways:
            self._fate(lambda: self._ways[client].sendto(data))
        else:
            asyncio.get_running_loop().create_task(self._new(data, client))

    async def _new(self, data: bytes, client: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        back = lambda answer, _: self._fate(lambda: self._front.sendto(answer, client))  # noqa: E731
        way, _ = await loop.create_datagram_endpoint(lambda: _Ends(back), remote_addr=self._target)
        self._ways[client] = way
        self._fate(lambda: way.sendto(data))

    def _fate(self, send: Callable[[], None]) -> None:
        self.passed += 1
        if self._random.random() < self.loss:
            self.lost += 1
            return
        times = 1
        if self._random.random() < self.double:
            self.doubled += 1
            times = 2
        for _ in range(times):
            if self._random.random() < self.late:
                self.delayed += 1
                asyncio.get_running_loop().call_later(self._random.uniform(0.0, 0.05), self._later, send)
            else:
                send()

    def _later(self, send: Callable[[], None]) -> None:
        if not self._front.is_closing():
            send()


class _Ends(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, Any], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._receive(data, addr)


@asynccontextmanager
async def client(*transports: str) -> AsyncIterator[Any]:
    """aiocoap's own client."""
    context = await aiocoap.Context.create_client_context(transports=[*transports, "udp6"])
    try:
        yield context
    finally:
        await context.shutdown()


async def push(context: Any, port: int, path: str, payload: bytes, form: int | None = None, code: Any = aiocoap.POST) -> Any:
    """The response to one push."""
    message = aiocoap.Message(code=code, payload=payload, uri=f"coap://127.0.0.1:{port}{path}")
    if form is not None:
        message.opt.content_format = form
    return await context.request(message).response
