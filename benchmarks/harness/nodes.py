"""Whole nodes, as a user runs them: an edge node and its upstream, with what they cost and what the store has."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

from rt_edge.testkit.node_process import NodeProcess
from rt_edge.uplink.stores.query import Filter, StoreReader

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LOOK_S = 0.01

UPSTREAM = """
node: {{id: up-1, data: {data}}}
stores: {{main: {{kind: sqlite, path: store/main.db}}}}
ingress: {{listen: "127.0.0.1:{ingress}", store: main}}
"""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def mosquitto() -> Path:
    """The real broker's program."""
    found = shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)
    return Path(found) if found else ROOT / ".peers" / "bin" / "mosquitto"


class Feed:
    """`feeder.py` as a child process; a context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, HERE / "feeder.py"], stdin=-1, stdout=-1, text=True)
        self.port: int = self._answer()["port"]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def _say(self, command: dict[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def prepare(self, n: int, qos: int) -> float:
        """Make `n` readings; returns their mean size."""
        self._say({"do": "prepare", "n": n, "qos": qos})
        return float(self._answer()["bytes"])

    def feed(self, rate: float = 0) -> None:
        """Begin."""
        self._say({"do": "feed", "rate": rate})

    def fed(self) -> float:
        """Wait until all was sent; returns the seconds."""
        return float(self._answer()["fed"])

    def done(self, n: int) -> None:
        """So many have come out."""
        self._say({"do": "done", "n": n})

    def north(self, n: int) -> tuple[int, list[float]]:
        """Wait for `n` at the north broker; returns how many came and their latencies in ms."""
        self._say({"do": "north", "n": n})
        answer = self._answer()
        return answer["north"], answer["ms"]


class Plant:
    """An upstream node and an edge node in a folder; a context manager that stops both.

    Args:
        folder: for configurations, data and logs.
        edge: configuration of the edge node, with {data} and {ingress} and `values` to be filled in.
    """

    def __init__(self, folder: Path, edge: str, **values: object) -> None:
        self.ingress = free_port()
        self.upstream = self._node(folder, "upstream", UPSTREAM, ingress=self.ingress)
        self.edge = self._node(folder, "edge", edge, ingress=self.ingress, **values)
        self.store = folder / "upstream" / "store" / "main.db"

    def _node(self, folder: Path, name: str, text: str, **values: object) -> NodeProcess:
        config = folder / f"{name}.yaml"
        config.write_text(text.format(data=folder / name, **values))
        return NodeProcess(config, folder / name, folder / f"{name}.log")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            print(self.edge.log()[-1500:], self.upstream.log()[-1500:], file=sys.stderr)
        self.edge.stop()
        self.upstream.stop()

    def stored(self) -> int:
        """Readings in the store: a cheap look."""
        if not self.store.exists():
            return 0
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as conn:
            try:
                found = conn.execute("SELECT sum(count) FROM record WHERE kind = 0").fetchone()[0]
            except sqlite3.OperationalError:  # before its tables
                return 0
        conn.close()
        return int(found or 0)

    def wait_stored(self, n: int, seconds: float, each: Any = None, look: float = LOOK_S) -> float:
        """Until the store has `n`; returns how long that took. `each` is told every count.

        Raises:
            TimeoutError: it has not.
        """
        start = monotonic()
        while (found := self.stored()) < n:
            if each is not None:
                each(found)
            if monotonic() - start > seconds:
                raise TimeoutError(f"{found} of {n} readings are stored after {seconds:g} s")
            sleep(look)
        return monotonic() - start

    def readings(self) -> list[tuple[str, dict[str, Any], float]]:
        """(source, fields, ms from its own time to the store) of every stored reading, in order."""
        with StoreReader(self.store) as reader:
            rows = reader.rows(Filter(kinds=frozenset({"reading"})))
            return [(r.reading.source, r.reading.fields, (r.received_at - r.reading.ts) / 1e6) for r in rows if r.reading]

    def times(self) -> list[tuple[str, int, int]]:
        """(source, when it was stored, its own time; wall ns) of every stored reading, in order."""
        with StoreReader(self.store) as reader:
            rows = reader.rows(Filter(kinds=frozenset({"reading"})))
            return [(r.reading.source, r.received_at, r.reading.ts) for r in rows if r.reading]

    def names(self) -> dict[int, str]:
        """Process id -> name, of the edge node."""
        return {pid: name for name, pid in self.edge.pids().items()}
