"""Both brokers of a gateway, in a process of their own: the south one feeds it, the north one takes what it publishes.

    python benchmarks/harness/feeder.py

Not a broker: one client on each side, no sessions. Commands are JSON lines on standard input, answers JSON lines on standard
output:

    {"port": 12345}                         printed first
    {"do": "prepare", "n": 50000, "qos": 1} n readings of about 112 bytes on 100 topics -> {"bytes": 112.3}
    {"do": "feed", "rate": 0}               n of them at the window's pace (0), or so many a second; then {"fed": seconds}
    {"do": "done", "n": 100}                what came out so far: for feeding at QoS 0, which has no window
    {"do": "north", "n": 45000}             wait until so many came out at the north broker -> {"north": n, "ms": [latencies]}

The first subscriber is the south client; who publishes is the north one.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from time import monotonic, sleep, time_ns

BLOCK = 250
QOS0_AHEAD = 1500
"""Readings that may be under way at QoS 0; an adapter's inbox holds 2,000."""
TOPICS = 100
STUCK_S = 15
"""No progress for so long is the end of a run."""


def payload(n: int, now: int) -> bytes:
    """One reading; a tenth of them is not above 20 degrees."""
    temperature = 18.05 + n * 7 % 200 / 10
    return b'{"ts":%d,"n":%d,"temp":%.2f,"hum":%.1f,"press":%.2f,"state":"running","ok":true,"cycle":%d}' % (
        now,
        n,
        temperature,
        40 + n % 17,
        1013.25 + n % 7,
        n // 100,
    )


def passes(n: int) -> bool:
    """Whether the graph lets reading `n` pass."""
    return 18.05 + n * 7 % 200 / 10 > 20


def publish_packet(n: int, body: bytes, qos: int) -> bytes:
    """MQTT 5 PUBLISH."""
    topic = b"plant/%03d/telemetry" % (n % TOPICS)
    mid = struct.pack(">H", n % 65_535 + 1) if qos else b""
    rest = struct.pack(">H", len(topic)) + topic + mid + b"\0" + body
    length = len(rest)
    size = bytes((length,)) if length < 128 else bytes((length & 127 | 128, length >> 7))
    return bytes((0x30 | qos << 1,)) + size + rest


def packets(sock: socket.socket) -> Iterator[list[tuple[int, bytes]]]:
    """What comes on a socket: for each read, the whole packets (first byte, body)."""
    buffer = b""
    while data := sock.recv(262_144):
        buffer += data
        at, found = 0, []
        while at + 2 <= len(buffer):
            length, shift, start = 0, 0, at + 1
            while start < len(buffer):
                byte = buffer[start]
                start += 1
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            else:
                break
            if start + length > len(buffer):
                break
            found.append((buffer[at], buffer[start : start + length]))
            at = start + length
        buffer = buffer[at:]
        if found:
            yield found


class Feeder:
    """The state of both sides."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.south: socket.socket | None = None
        self.window = 65_535
        self.acked = 0
        self.done = 0
        self.count = 0
        self.qos = 1
        self.blocks: list[bytes] = []
        self.north = 0
        self.latencies: list[float] = []
        self.timed = False
        self.share = 1.0

    def serve(self, sock: socket.socket) -> None:
        """One client."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for found in packets(sock):
                out = b"".join(self.answer(sock, first, body) for first, body in found)
                if out:
                    sock.sendall(out)
        except OSError:
            pass
        with self.changed:
            if sock is self.south:
                self.south = None
            self.changed.notify_all()

    def answer(self, sock: socket.socket, first: int, body: bytes) -> bytes:
        """The answer to one packet."""
        kind = first >> 4
        if kind == 4:
            with self.changed:
                self.acked += 1
                if self.acked % 50 == 0 or self.acked >= self.count:
                    self.changed.notify_all()
        elif kind == 3:
            return self.published(first, body)
        elif kind == 1:
            v5 = body[6] == 5
            at = body.find(b"\x21", 10, 40)  # Receive Maximum
            if v5 and at > 0:
                self.window = struct.unpack_from(">H", body, at + 1)[0]
            return b"\x20\x03\0\0\0" if v5 else b"\x20\x02\0\0"
        elif kind == 8:
            with self.changed:
                self.south = sock
                self.changed.notify_all()
            return b"\x90\x04" + body[:2] + b"\0" + bytes((self.qos,))
        elif kind == 12:
            return b"\xd0\0"
        return b""

    def published(self, first: int, body: bytes) -> bytes:
        """A reading has come out."""
        if self.timed:
            at = body.find(b'"ts":') + 5
            self.latencies.append((time_ns() - int(body[at : at + 20].strip(b" ,"))) / 1e6)
        with self.changed:
            self.north += 1
            self.done = int(self.north * self.share)
            if self.north % 50 == 0 or self.north >= self.count // 2:
                self.changed.notify_all()
        if first & 6:
            at = 2 + struct.unpack_from(">H", body)[0]
            return b"\x40\x02" + body[at : at + 2]
        return b""

    def prepare(self, n: int, qos: int) -> float:
        """Packets, made before the clock runs."""
        self.count, self.qos, self.acked, self.done, self.north = n, qos, 0, 0, 0
        self.share = n / sum(map(passes, range(n)))
        now = time_ns()
        bodies = [payload(i, now) for i in range(n)]
        found = [publish_packet(i, body, qos) for i, body in enumerate(bodies)]
        self.blocks = [b"".join(found[i : i + BLOCK]) for i in range(0, n, BLOCK)]
        return sum(map(len, bodies)) / n

    def feed(self, rate: float) -> float:
        """Send what was prepared; `rate` 0: as fast as it is taken. Returns the seconds it took."""
        self.latencies, self.timed = [], bool(rate)
        with self.changed:
            self.changed.wait_for(lambda: self.south is not None, 30)
        south = self.south
        if south is None:
            raise SystemExit("nobody subscribed")
        start = monotonic()
        if rate:
            for i in range(self.count):
                pause = start + i / rate - monotonic()
                if pause > 0:
                    sleep(pause)
                south.sendall(publish_packet(i, payload(i, time_ns()), self.qos))
            return monotonic() - start
        for index, block in enumerate(self.blocks):
            wanted = (index + 1) * BLOCK
            with self.changed:
                if self.qos:
                    self.changed.wait_for(lambda wanted=wanted: wanted - self.acked <= self.window or self.south is None, STUCK_S)  # type: ignore[misc]
                else:
                    self.changed.wait_for(lambda wanted=wanted: wanted - self.done <= QOS0_AHEAD or self.south is None, STUCK_S)  # type: ignore[misc]
                if self.south is None or wanted - (self.acked if self.qos else self.done) > self.window:
                    raise OSError(f"it took {self.acked} of {self.count} readings and stopped")
            south.sendall(block)
        return monotonic() - start

    def wait_north(self, n: int) -> None:
        """Until so many came out, or two seconds brought nothing."""
        with self.changed:
            last = -1
            while self.north < n and last != self.north:
                last = self.north
                self.changed.wait_for(lambda: self.north >= n, 2)


def main() -> None:
    feeder = Feeder()
    listener = socket.create_server(("127.0.0.1", 0), backlog=16)

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=feeder.serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()

    def say(answer: dict[str, object]) -> None:
        print(json.dumps(answer), flush=True)

    def feed(rate: float) -> None:
        try:
            say({"fed": feeder.feed(rate)})
        except OSError as error:
            print(f"the south client went away: {error}", file=sys.stderr)
            say({"fed": 0.0})

    say({"port": listener.getsockname()[1]})
    for line in sys.stdin:
        command = json.loads(line)
        what = command["do"]
        if what == "prepare":
            say({"bytes": feeder.prepare(command["n"], command["qos"])})
        elif what == "feed":
            threading.Thread(target=feed, args=(command["rate"],), daemon=True).start()
        elif what == "done":
            with feeder.changed:
                feeder.done = command["n"]
                feeder.changed.notify_all()
        elif what == "north":
            feeder.wait_north(command["n"])
            say({"north": feeder.north, "ms": feeder.latencies})


if __name__ == "__main__":
    main()
