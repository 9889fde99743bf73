"""Plant: devices, cable, edge node and upstream node of the demo, started and stopped as one, with what can be done to them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from typing import Self, TypeVar

import msgspec

from rt_edge.cli.demo_parts.cable import Cable
from rt_edge.cli.demo_parts.configs import write_configs
from rt_edge.cli.demo_parts.devices import Devices
from rt_edge.cli.demo_parts.publisher import Publisher, filtered_of
from rt_edge.cli.demo_parts.tally import Arrived, Tally
from rt_edge.daemon.client import NoNode
from rt_edge.data.clock import Clock
from rt_edge.data.errors import RtEdgeError, TransientError
from rt_edge.telemetry.status import MemberStatus, NodeStatus
from rt_edge.testkit.node_process import NodeProcess

STOP_S = 10.0
OPEN_S = 20.0
_T = TypeVar("_T")


class View(msgspec.Struct, frozen=True):
    """What the demo knows at one moment.

    Attributes:
        at: seconds since the start.
        published, acknowledged: messages, sent and acknowledged by the broker.
        filtered: of the acknowledged ones, those that the graph filters out.
        arrived: what the upstream store holds.
        edge, upstream: their statuses; None while they do not answer.
        whole: whether the cable is.
    """

    at: float
    published: int
    acknowledged: int
    filtered: int
    arrived: Arrived
    edge: NodeStatus | None
    upstream: NodeStatus | None
    whole: bool

    @property
    def on_the_way(self) -> int:
        """Acknowledged messages that should arrive and have not so far."""
        return max(0, self.acknowledged - self.filtered - self.arrived.messages)

    def member(self, name: str) -> MemberStatus | None:
        """A member of the edge node."""
        islands = self.edge.islands if self.edge is not None else []
        return next((member for island in islands for member in island.members if member.name == name), None)

    @property
    def spooled(self) -> int | None:
        """Readings in the spool; None when the uplink does not say."""
        member = self.member("uplink/hq")
        return member.uplink.readings if member is not None and member.uplink is not None else None


class Plant:
    """Everything the demo runs; an asynchronous context manager.

    Args:
        folder: where everything is.
        broker: `auto`, `mosquitto` or `small`.
        rate: messages a second.
        clock: time.
        say: called with each event, one line.
    """

    def __init__(self, folder: Path, broker: str, rate: float, clock: Clock, say: Callable[[str], None]) -> None:
        self.folder = folder
        self._broker = broker
        self._rate = rate
        self._clock = clock
        self._say = say
        self._began = clock.monotonic()
        self._stack = AsyncExitStack()
        # One thread for questions to the nodes, which can take seconds while they are down, and one for the store.
        self._asks = ThreadPoolExecutor(1, "demo-asks")
        self._reads = ThreadPoolExecutor(1, "demo-reads")
        self._closing = threading.Event()
        self._random = Random()  # noqa: S311  # who is killed next is no secret
        self._tally = Tally(folder / "up" / "store" / "main.db")
        self.cable: Cable
        self.devices: Devices
        self.publisher: Publisher
        self.edge: NodeProcess
        self.upstream: NodeProcess

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock.monotonic() - self._began

    # -- start and stop ----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _start(self) -> None:
        ingress = free_port()
        self.devices = await self._stack.enter_async_context(Devices(self.folder, self._broker))
        self.cable = await self._stack.enter_async_context(Cable(ingress))
        ports = self.devices.ports
        self._say(f"broker: {ports.broker}; Modbus pumps on a serial line and on TCP, a balance, a CoAP tank")
        self._say("Bluetooth: 2 sensors" if ports.bluetooth else f"no Bluetooth: {ports.no_bluetooth}")
        write = write_configs, self.folder, ports, ingress, self.cable.port
        edge, upstream = await self._in(self._reads, *write)
        bus = {"DBUS_SYSTEM_BUS_ADDRESS": ports.bluetooth} if ports.bluetooth else {}
        self.edge = NodeProcess(edge, self.folder / "edge", self.folder / "edge.log", bus)
        self.upstream = NodeProcess(upstream, self.folder / "up", self.folder / "up.log")
        self._stack.push_async_callback(self._stop_nodes)
        for node in (self.upstream, self.edge):
            await self._in(self._asks, node.start, False)
        for node in (self.upstream, self.edge):
            await self._in(self._asks, node.wait_ready)
        self.publisher = Publisher(self.devices.ports.mqtt, self._rate, self._clock)
        self._stack.push_async_callback(self.publisher.abandon)
        await self._until_open()
        self._say("edge node and upstream node run: readings flow")
        self._say(f"from another terminal: rt-edge write {self.edge.data} line-1/pump-1/setpoint 4.5")
        self.publisher.start()

    async def _until_open(self) -> None:
        """Until the edge node has subscribed: what is published before that, no broker keeps."""
        until = self._clock.monotonic() + OPEN_S
        while self._clock.monotonic() < until:
            member = (await self.view()).member("adapter/broker")
            if member is not None and member.adapter is not None and member.adapter.state == "open":
                return
            await self.pause(0.1)
        raise TransientError("the edge node did not connect to the broker", f"see {self.edge.log_file}")

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()
        self._closing.set()
        for pool in (self._asks, self._reads):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _stop_nodes(self) -> None:
        """SIGTERM, as systemd would; what does not end by it, the janitor ends."""
        self._closing.set()
        nodes = (self.edge, self.upstream)
        _terminate(nodes)
        await asyncio.to_thread(self._asks.shutdown, cancel_futures=True)
        _terminate(nodes)  # one that was just being started again
        until = self._clock.monotonic() + STOP_S
        while any(node.alive for node in nodes) and self._clock.monotonic() < until:
            await self.pause(0.05)

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def _in(self, pool: Executor, work: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, lambda: work(*arguments))

    # -- what is --------------------------------------------------------------------------------------------------------

    async def view(self) -> View:
        """All there is to know now."""
        edge = await self._in(self._asks, _status, self.edge)
        upstream = await self._in(self._asks, _status, self.upstream)
        publisher = getattr(self, "publisher", None)
        # Counted before the store is read: what is acknowledged later cannot have arrived by then.
        sent, acknowledged = (publisher.sent, publisher.acknowledged) if publisher is not None else (0, 0)
        if publisher is not None and publisher.error is not None:
            raise TransientError(f"the machines of the demo have stopped: {publisher.error}")
        arrived = await self.arrived()
        return View(self.elapsed, sent, acknowledged, filtered_of(acknowledged), arrived, edge, upstream, self.cable.whole)

    async def arrived(self) -> Arrived:
        """What the upstream store holds."""
        try:
            return await self._in(self._reads, self._tally.look)
        except TransientError:
            return self._tally.count  # the store is busy; the next look counts on

    def missing(self) -> list[int]:
        """Acknowledged messages that should have arrived and have not."""
        return self._tally.missing(self.publisher.acknowledged)

    # -- what can be done to it ----------------------------------------------------------------------------------------

    async def cut(self) -> None:
        """Cut the cable; the uplink is told not to redial, so that it does so at once when the cable is mended."""
        if not self.cable.whole:
            return
        self.cable.cut()
        self._say("the uplink is cut")
        await self._command("cut-link")

    async def restore(self) -> None:
        """Mend the cable."""
        if self.cable.whole:
            return
        self.cable.mend()
        self._say("the uplink is restored")
        await self._command("restore-link")

    async def _command(self, action: str) -> None:
        """Tell the uplink; if it is down just now, it dials by itself."""
        with suppress(RtEdgeError):
            await self._in(self._asks, self.edge.ask, lambda node: node.control(action, "uplink/hq"))

    async def kill(self, name: str | None = None) -> None:
        """kill -9 of a process: `edge ISLAND`, `upstream ISLAND`, `edge main`, ...; without a name, of a random one.

        A main process is started again, as systemd would.
        """
        try:
            await self._in(self._asks, self._kill, name)
        except (RtEdgeError, ProcessLookupError) as error:
            self._say(f"nothing was killed: {error}")

    def _kill(self, name: str | None) -> None:
        if self._closing.is_set():
            return
        nodes = {"edge": self.edge, "upstream": self.upstream}
        if name is None:
            found = [f"{which} {process}" for which, node in nodes.items() for process in _pids(node)]
            if not found:
                raise TransientError("no node answers just now")
            name = self._random.choice(found)
        which, _, process = name.partition(" ")
        node = nodes[which]
        pid = _pids(node).get(process)
        if pid is None:
            raise TransientError(f"{name} does not run just now")
        if process != "main":
            os.kill(pid, signal.SIGKILL)
            self._say(f"kill -9: {name} (process {pid})")
            return
        node.kill()
        self._say(f"kill -9: {name} (process {pid}); we start it again")
        if not self._closing.is_set():
            node.start(wait=False)
            node.wait_ready()


def _status(node: NodeProcess) -> NodeStatus | None:
    try:
        return node.status()
    except NoNode:
        return None


def _terminate(nodes: Iterable[NodeProcess]) -> None:
    for node in nodes:
        if node.alive:
            with suppress(ProcessLookupError):
                os.kill(node.pid, signal.SIGTERM)


def _pids(node: NodeProcess) -> dict[str, int]:
    try:
        return node.pids()
    except NoNode:
        return {"main": node.pid} if node.alive else {}


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
