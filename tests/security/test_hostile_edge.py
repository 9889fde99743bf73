"""A whole upstream node against an edge with a true certificate and bad manners: memory, process and other edges stay."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rt_edge.actors.transport.framing import encode_frame, encode_preface
from rt_edge.actors.transport.messages import Frame
from rt_edge.actors.transport.tls import context
from rt_edge.data.record import Record, RecordKind
from rt_edge.testkit.node_process import NodeProcess, wait_until
from rt_edge.testkit.pki import ThrowAwayCa
from rt_edge.uplink import frames

pytestmark = pytest.mark.e2e

UP = """
node: {{id: up-1, data: {data}}}
stores: {{main: {{kind: sqlite, path: main.db}}}}
ingress: {{listen: "127.0.0.1:0", store: main, tls: {{ca: {tls.ca}, cert: {tls.certificate}, key: {tls.key}}}}}
"""
GROWTH_MIB = 40
"""What one hostile edge may make the node hold, at most: its windows and a link's buffers."""


class Edge:
    """A TLS client with a true certificate."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self.sock = tls.wrap_socket(socket.create_connection(("127.0.0.1", port), 10))
        self.sock.settimeout(10)
        self.sock.sendall(encode_preface())
        self._take(6)
        self.session = 7

    def _take(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def read(self) -> frames.Message:
        """The next message."""
        (size,) = struct.unpack(">I", self._take(4))
        body = self._take(size)
        message = frames.decode(body[9 : 9 + body[0]].decode(), body[9 + body[0] :])
        if isinstance(message, frames.Welcome):
            self.session = message.session
        return message

    def bytes_of(self, message: frames.Message) -> bytes:
        """A frame of this session."""
        kind, data = frames.encode(message)
        return encode_frame(Frame(kind, self.session, data))

    def hello(self, **changed: Any) -> frames.Message:
        """Say Hello, with lies; the answer."""
        lane = frames.LaneHello(0, "hq", "main", b"e" * 16, 0, 0, 0)
        true = {
            "version": 1,
            "oldest": 1,
            "node": "evil",
            "instance": os.urandom(8).hex(),
            "host": "h",
            "store": "",
            "lanes": [lane],
        }
        self.sock.sendall(self.bytes_of(frames.Hello(**{**true, **changed})))
        return self.read()


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[tuple[NodeProcess, int, ThrowAwayCa]]:
    """A running node with an ingress."""
    ca = ThrowAwayCa(tmp_path / "pki")
    config = tmp_path / "up.yaml"
    config.write_text(UP.format(data=tmp_path / "up", tls=ca.issue("upstream", "up-1")))
    node = NodeProcess(config, tmp_path / "up", tmp_path / "log")
    node.start()
    try:
        wait_until(lambda: port_of(node) > 0, 20, "listening")
        yield node, port_of(node), ca
    finally:
        node.stop()


def port_of(node: NodeProcess) -> int:
    """Where it listens; 0 so far."""
    member = node.member("ingress")
    return 0 if member is None or member.ingress is None else int(member.ingress.listen.rpartition(":")[2])


def peak_mib(pid: int) -> int:
    """The most memory the process ever had."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def flood(edge: Edge, payload: bytes, records: int, times: int) -> int:
    """Batches without regard to the window, until the node hangs up; how many went out."""
    sent, number = 0, 1
    with suppress(OSError):
        for _ in range(times):
            batch = [Record(number + i, number + i, RecordKind.DATA, 1, payload) for i in range(records)]
            number += records
            edge.sock.sendall(edge.bytes_of(frames.Batch(0, batch)))
            sent += 1
    return sent


def flood_of(edge: Edge, data: bytes, times: int) -> int:
    """The same bytes again and again, nothing read, until the node hangs up; how often they went out."""
    sent = 0
    with suppress(OSError):
        for _ in range(times):
            edge.sock.sendall(data)
            sent += 1
    return sent


def test_node_lives_and_stays_small_when_an_edge_with_a_true_certificate_is_hostile(
    upstream: tuple[NodeProcess, int, ThrowAwayCa],
) -> None:
    """Floods beyond the window, of pings, of lies and of connections end in closed sessions; a good edge comes in after each."""
    node, port, ca = upstream
    evil, good = context(ca.issue("edge", "evil"), server=False), context(ca.issue("edge", "good"), server=False)
    pid = node.pids()["ingress"]
    start = peak_mib(pid)

    def good_edge_comes_in() -> None:
        edge = Edge(port, good)
        assert isinstance(edge.hello(node="good"), frames.Welcome)
        edge.sock.close()

    for payload, records, times in ((b"z" * 900_000, 1, 300), (b"", 1000, 1000)):
        edge = Edge(port, evil)
        assert isinstance(edge.hello(), frames.Welcome)
        assert flood(edge, payload, records, times) < times, "nobody stopped it"
        edge.sock.close()
        good_edge_comes_in()

    edge = Edge(port, evil)
    edge.hello()
    pings = b"".join(edge.bytes_of(frames.Ping(n + 1)) for n in range(2000))
    assert flood_of(edge, pings, 1000) < 1000, "nobody stopped it"
    edge.sock.close()
    good_edge_comes_in()

    lane = frames.LaneHello(0, "hq", "main", b"e" * 16, 5, 9, 1)
    for lie in ({"node": "good"}, {"version": 99, "oldest": 99}, {"lanes": [lane]}, {"lanes": [lane, lane]}):
        edge = Edge(port, evil)
        assert isinstance(edge.hello(**lie), frames.Refuse), lie
        edge.sock.close()

    silent = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(300)]
    good_edge_comes_in()
    for sock in silent:
        sock.close()

    assert node.pids()["ingress"] == pid, "the island was started again"
    assert peak_mib(pid) - start < GROWTH_MIB
    assert "Traceback" not in node.log()
