"""Campaign: kills at seeded moments of the load, with who was killed and what the system was doing."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from urllib.parse import quote

from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import decode_readings
from rt_edge.data.errors import InternalError
from rt_edge.testkit.node_process import wait_until
from rt_edge.testkit.spine.feeder import Feeder
from rt_edge.testkit.spine.supervised import SupervisedNode

BETWEEN = "between commit and PUBACK"
GRAPH = "graph-telemetry"
ATTEMPTS = 10
SOME = 600
"""Messages that the load goes on by while a moment between commit and PUBACK is looked for."""
UP_S = 40.0


class Campaign:
    """Kills processes of two nodes while a feeder runs.

    Args:
        edge, upstream: the nodes.
        feeder: the load.
        random: moments and order; seeded.

    Attributes:
        kills: victim -> kills that hit.
        idle: kills that hit when the load had ended: none are wanted.
    """

    def __init__(self, edge: SupervisedNode, upstream: SupervisedNode, feeder: Feeder, random: Random) -> None:
        self._edge = edge
        self._upstream = upstream
        self._feeder = feeder
        self._random = random
        self._clock = SystemClock()
        self.kills: Counter[str] = Counter()
        self.idle = 0
        self._most = 0

    def run(self, victims: list[str], total: int, away: float) -> None:
        """Kill `victims` (`edge NAME`, `up NAME`, and for some `between commit and PUBACK`), spread over `total`
        messages; the upstream is away for `away` seconds somewhere in the second third.

        Raises:
            InternalError: a victim did not come up.
        """
        victims = list(victims)
        self._most = int(total - total / (len(victims) + 1) / 20)
        self._random.shuffle(victims)
        leave_at = self._random.randrange(len(victims) // 3, 2 * len(victims) // 3)
        timer: threading.Timer | None = None
        slot = total / (len(victims) + 1)
        for i, victim in enumerate(victims):
            self._feeder.limit = int(slot * (i + 1.9))  # the load never ends before the last kill
            at = slot * (i + self._random.random())
            wait_until(lambda at=at: self._feeder.sent >= at, 60, "the load")  # type: ignore[misc]
            if i == leave_at:
                self._upstream.leave()
                self.kills["up main"] += 1
                timer = threading.Timer(away, self._upstream.come_back)
                timer.start()
            if victim.startswith("up ") and timer is not None and timer.is_alive():
                timer.join()
            self.hit(victim)
        if timer is not None:
            timer.join()
        self._feeder.limit = total

    def hit(self, victim: str) -> None:
        """Kill one, under load."""
        node = self._upstream if victim.startswith("up ") else self._edge
        wait_until(node.running, UP_S, lambda: f"{victim} cannot be killed: its node does not run: {node.node.log()[-2000:]}")
        self.idle += self._feeder.done
        side, _, name = victim.partition(" ")
        if name.endswith(BETWEEN):
            self._between(name.removesuffix(BETWEEN).strip())
        else:
            wait_until(lambda: node.kill(name), 10, f"there is no {victim}")
        self.kills[f"{side} {name}"] += 1

    def _between(self, name: str) -> None:
        """Kill when MQTT readings have been committed whose PUBACK cannot have been sent: who hears of it first stands still.

        That is their adapter, whose broker sends them again; or their graph, if it is the victim: then the adapter emits them
        again, with the same marks. The spool is held up first, so that readings are certain to be on their way to it.
        """
        for _ in range(ATTEMPTS):
            processes = self._edge.processes()
            uplink, target = processes.get("uplink-hq", 0), processes.get(name, 0)
            deaf = target if name == GRAPH else processes.get("adapter-broker", 0)
            if not (deaf and uplink and target):
                continue
            self._feeder.limit = min(self._feeder.limit + SOME, self._most)
            self._edge.signal(uplink, signal.SIGSTOP)
            self._pause(0.3)
            stopped = self._edge.signal(deaf, signal.SIGSTOP)
            before = self._spooled()
            self._edge.signal(uplink, signal.SIGCONT)
            try:
                if stopped and before is not None:
                    wait_until(lambda before=before: (self._spooled() or 0) > before, 3, "a commit")  # type: ignore[misc]
                    self._edge.signal(target, signal.SIGKILL)
                    return
            except InternalError:
                continue  # nothing was on its way: once more
            finally:
                self._edge.signal(deaf, signal.SIGCONT)
        raise InternalError(f"{name}: no moment {BETWEEN} in {ATTEMPTS} attempts")

    def _spooled(self) -> int | None:
        """Key of the last record of MQTT readings in the spool; None while it cannot be read."""
        path = self._edge.node.data / "spool" / "hq.db"
        return last_record(path, "broker/")

    def _pause(self, seconds: float) -> None:
        wait_until(self.after(seconds), seconds + 5, "time")

    def after(self, seconds: float) -> Callable[[], bool]:
        """A condition that holds after so many seconds."""
        until = self._clock.monotonic() + seconds
        return lambda: self._clock.monotonic() >= until


def last_record(path: Path, source: str) -> int | None:
    """Key of the last record of a spool that holds a reading whose source begins with `source`; 0: none; None: not readable."""
    try:
        conn = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5.0)
    except sqlite3.Error:
        return None
    try:
        for at, payload in conn.execute("SELECT at, payload FROM record WHERE kind = 0 ORDER BY at DESC LIMIT 50"):
            if any(reading.source.startswith(source) for reading in decode_readings(payload)):
                return int(at)
    except sqlite3.Error:
        return None
    finally:
        conn.close()
    return 0
