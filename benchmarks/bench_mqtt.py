"""CPU a message of MQTT: stock paho, paho with buffered reads, our two transports, in and out, the whole adapter with each.

    python benchmarks/bench_mqtt.py [--messages 50000] [--repeat 3] [--only NAME] [--core N]

A second process sends prepared PUBLISH packets (60-byte JSON, 100 topics) as fast as they are taken, at QoS 1 with at most 2,000
unacknowledged; what is printed is the CPU time of the receiving process alone, in microseconds a message, the least of all runs
(the others are noise of the machine) and the rate by the wall clock of that run. Every message is acknowledged; in the rows of
the whole adapter when its receipt has settled. `--core` pins the receiver to that core, and the sender to the others.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, BinaryIO

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from adapters.mqtt import MqttAdapter
from adapters.mqtt.adapter import CLIENTS
from adapters.mqtt.seam import Connect, Connected, Message, Subscription
from adapters.mqtt.settings import MqttSettings
from rt_edge.data.clock import SystemClock
from rt_edge.testkit.adapter_harness import plain
from rt_edge.testkit.mqtt_broker import packets as p

WINDOW = 2000
BLOCK = 500


def read_packet(stream: BinaryIO) -> tuple[int, bytes]:
    """(kind, body); kind 0 at the end of the stream."""
    first, length, shift = stream.read(1), 0, 0
    while first:
        byte = stream.read(1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return first[0] >> 4, stream.read(length)
    return 0, b""


def blaster(listener: socket.socket, messages: int, qos: int, v5: bool) -> None:
    """The other process: a broker that knows one client and one stream."""
    payloads = [
        p.encode_publish(
            p.Publish(
                f"plant/{n % 100}/telemetry",
                b'{"ts":1700000000123,"temperature":21.53,"humidity":40.1,"n":%d}' % (100_000 + n),  # JSON has no leading zeros
                qos,
                mid=n + 1,
            ),
            v5,
        )
        for n in range(BLOCK * 100)
    ]
    blocks = [b"".join(payloads[n : n + BLOCK]) for n in range(0, len(payloads), BLOCK)]
    sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    read = sock.makefile("rb")

    sent = acked = 0
    while True:
        kind, body = read_packet(read)
        if kind == p.CONNECT:
            sock.sendall(p.encode_connack(False, 0, v5))
        elif kind == p.SUBSCRIBE:
            mid, wanted, _ = p.decode_subscribe(body, v5)
            sock.sendall(p.encode_codes(p.SUBACK, mid, [qos] * len(wanted), v5))
        elif kind == p.PINGREQ:
            sock.sendall(p.frame(p.PINGRESP, b""))
        elif kind in (p.PUBACK, p.PUBREC):
            acked += 1
        elif kind == p.PUBLISH and qos:
            at = 2 + int.from_bytes(body[:2], "big")
            sock.sendall(b"\x40\x02" + body[at : at + 2])
        elif kind in (0, p.DISCONNECT):
            return
        if kind not in (p.CONNECT, p.PUBLISH):
            while sent < messages and (qos == 0 or sent - acked <= WINDOW - BLOCK):
                sock.sendall(blocks[sent // BLOCK % len(blocks)])
                sent += BLOCK


class Buffered(Client):
    """paho with one change: bytes come from a buffer of 64 kB."""

    _buffer = b""

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self._buffer:
            self._buffer = super()._sock_recv(65_536)
        taken, self._buffer = self._buffer[:bufsize], self._buffer[bufsize:]
        return taken


async def with_paho(kind: type[Client], port: int, v5: bool, qos: int, messages: int) -> None:
    """paho on the loop by its socket hooks, manual acknowledgement, nothing of ours."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    version = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
    client = kind(CallbackAPIVersion.VERSION2, "bench", protocol=version, manual_ack=True)
    seen = 0

    def on_message(*about: Any) -> None:
        nonlocal seen
        message = about[2]
        seen += 1
        if message.qos:
            client.ack(message.mid, message.qos)
        if seen == messages:
            done.set()

    def read() -> None:
        client.loop_read()
        while getattr(client, "_buffer", b""):
            client.loop_read()

    client.on_message = on_message
    client.on_connect = lambda *_: client.subscribe("plant/#", qos)
    client.on_socket_open = lambda *about: loop.add_reader(about[2], read)
    client.on_socket_close = lambda *about: loop.remove_reader(about[2])
    client.on_socket_register_write = lambda *about: loop.add_writer(about[2], client.loop_write)
    client.on_socket_unregister_write = lambda *about: loop.remove_writer(about[2])
    client.connect("127.0.0.1", port)
    await done.wait()
    client.disconnect()
    client.loop_write()


class Counting:
    """Listener of the bare transport: acknowledges each batch at once."""

    def __init__(self, messages: int) -> None:
        self.left = messages
        self.seen = 0
        self.done = asyncio.Event()
        self.transport: Any = None

    def on_connected(self, connected: Connected) -> None:
        pass

    def on_messages(self, messages: list[Message]) -> bool:
        self.seen += len(messages)
        if messages[0].qos:
            self.transport.acknowledge([(m.mid, m.qos) for m in messages], self.seen)
        if self.seen == self.left:
            self.done.set()
        return True

    def on_acknowledged(self, through: int) -> None:
        pass

    def on_lost(self, error: Exception) -> None:
        raise error


async def with_transport(client: str, port: int, v5: bool, qos: int, messages: int) -> None:
    """A transport alone."""
    listener = Counting(messages)
    version = 5 if v5 else 4
    options = Connect("127.0.0.1", port, version, "bench", True, 0, WINDOW, 60, 1_000_000, 10.0)
    transport = listener.transport = CLIENTS[client](options, listener)
    await transport.connect()
    await transport.subscribe([Subscription("plant/#", qos)], [])
    await listener.done.wait()
    await transport.close()


async def publishing(client: str, port: int, v5: bool, qos: int, messages: int) -> None:
    """A transport that publishes, 100 calls at once; each waits for its PUBACK."""
    options = Connect("127.0.0.1", port, 5 if v5 else 4, "bench", True, 0, WINDOW, 60, 1_000_000, 10.0)
    transport = CLIENTS[client](options, Counting(0))
    await transport.connect()
    payload = b'{"ts":1700000000123,"temperature":21.53,"humidity":40.1,"n":123456}'

    async def caller(n: int) -> None:
        for _ in range(messages // 100):
            await transport.publish(f"plant/{n}/telemetry", payload, qos, False)

    await asyncio.gather(*(caller(n) for n in range(100)))
    await transport.close()


class Settling(SimpleNamespace):
    """Context of the whole adapter: settles what it is given in the same turn, as a durable end would a chunk later."""

    def emit(self, readings: Any, keys: Any = (), redelivered: Any = ()) -> None:
        self.seen += len(readings)
        self.loop.call_soon(self.adapter.settled, self.seen)
        self.adapter.demand(len(readings))
        self.count("", 0)

    def count(self, name: str, n: int = 1) -> None:
        """QoS 0 that came before `open` returned is dropped beyond the inbox: it counts as received. Nothing else may be
        dropped: what would be measured is the way of an error."""
        if name == "dropped_inbox_full":
            self.gone += n
        elif name.startswith("dropped_"):
            self.done.set()
            self.problem = name
        if self.seen + self.gone == self.messages:
            self.done.set()

    def nothing(self, *args: Any, **kwargs: Any) -> None:
        pass

    session = forget = gauge = gap = log = nothing


async def with_adapter(client: str, port: int, v5: bool, qos: int, messages: int) -> None:
    """The adapter: inbox, JSON, topic template into tags, time field, keys, demand, acknowledgement."""
    subscribe = [{"topic": "plant/{line}/telemetry", "qos": qos, "time": "ts"}]
    settings = MqttSettings.model_validate(
        {"url": f"mqtt://127.0.0.1:{port}", "client": client, "version": "5" if v5 else "3.1.1", "subscribe": subscribe}
    )
    with tempfile.TemporaryDirectory() as folder:
        context = Settling(
            clock=SystemClock(),
            random=Random(1),
            data=Path(folder),
            name="hub",
            incarnation="x",
            seen=0,
            gone=0,
            problem="",
            messages=messages,
            done=asyncio.Event(),
            loop=asyncio.get_running_loop(),
        )
        adapter = context.adapter = MqttAdapter(plain(settings), context)  # type: ignore[arg-type]
        adapter.demand(10_000)
        await adapter.open()
        await context.done.wait()
        await adapter.close()
        if context.problem:
            raise RuntimeError(f"{context.problem}: the adapter did not take what it was sent")


Receiver = Callable[[int, bool, int, int], Awaitable[None]]
RECEIVERS: dict[str, Receiver] = {
    "stock paho": lambda *a: with_paho(Client, *a),
    "paho, buffered reads": lambda *a: with_paho(Buffered, *a),
    "transport on paho": lambda *a: with_transport("paho", *a),
    "fast transport": lambda *a: with_transport("fast", *a),
    "publishing on paho": lambda *a: publishing("paho", *a),
    "fast publishing": lambda *a: publishing("fast", *a),
    "adapter, client: paho": lambda *a: with_adapter("paho", *a),
    "adapter, client: fast": lambda *a: with_adapter("fast", *a),
}


def measure(receiver: Receiver, v5: bool, qos: int, messages: int, core: int | None = None) -> tuple[float, float]:
    """(microseconds CPU a message, messages a second)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        other = multiprocessing.get_context("fork").Process(target=blaster, args=(listener, messages, qos, v5))
        everywhere = os.sched_getaffinity(0)
        if core is not None:
            os.sched_setaffinity(0, everywhere - {core} or everywhere)
        other.start()
        if core is not None:
            os.sched_setaffinity(0, {core})
        clock = SystemClock()
        usage, wall = resource.getrusage(resource.RUSAGE_SELF), clock.monotonic()
        asyncio.run(receiver(port, v5, qos, messages))  # type: ignore[arg-type]
        after, wall = resource.getrusage(resource.RUSAGE_SELF), clock.monotonic() - wall
        os.sched_setaffinity(0, everywhere)
        other.join()
    cpu = after.ru_utime - usage.ru_utime + after.ru_stime - usage.ru_stime
    return cpu / messages * 1e6, messages / wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="only the rows whose name has this in it")
    parser.add_argument("--core", type=int, help="pin the receiver to this core")
    options = parser.parse_args()
    messages = options.messages // BLOCK * BLOCK
    print(f"{messages} messages, microseconds CPU a message (messages/s), least of {options.repeat}")
    print(f"{'':22}" + "".join(f"{f'{version} QoS {qos}':>22}" for version in ("3.1.1", "5") for qos in (0, 1)))
    for name, receiver in RECEIVERS.items():
        if options.only not in name:
            continue
        line = f"{name:22}"
        for v5 in (False, True):
            for qos in (0, 1):
                cpu, rate = min(measure(receiver, v5, qos, messages, options.core) for _ in range(options.repeat))
                line += f"{cpu:>11.1f} ({rate:>7,.0f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
