"""Readiness: what a service manager is told of a node's islands (`man sd_notify`): READY=1 once, STATUS= at every change."""

from __future__ import annotations

from collections.abc import Callable, Iterable

NAMED = 3
"""Islands that do not run are named in STATUS=, so many at most."""

REASON_LENGTH = 120
"""Characters of a reason in STATUS=: it is one line of `systemctl status`."""

STARTING = "starting"


class Readiness:
    """A node is ready when each of its islands was launched once, with whatever outcome.

    A first launch that failed counts: its island is tried again with backoff, and a dead device must not keep the node from
    becoming active. What became of it is in STATUS=.

    Args:
        islands: their names.
        say: takes `READY=1`, or `STATUS=` and a line.

    Attributes:
        ready: READY=1 was said.
    """

    def __init__(self, islands: Iterable[str], say: Callable[[str], object]) -> None:
        self._why = dict.fromkeys(islands, STARTING)  # island -> why it does not run; empty: it does
        self._first = set(self._why)
        self._say = say
        self._said = ""
        self.ready = False

    def begin(self) -> None:
        """The launches begin."""
        self._tell()

    def runs(self, island: str) -> None:
        """`island` answered that it runs."""
        self._learned(island, "")

    def fails(self, island: str, why: str) -> None:
        """`island` does not run, and is started again with backoff."""
        self._learned(island, " ".join(why.split())[:REASON_LENGTH])

    def status(self) -> str:
        """How many islands run, and why others do not; one line."""
        away = [f"{name}: {why}" for name, why in self._why.items() if why]
        more = f"; {len(away) - NAMED} more" if len(away) > NAMED else ""
        named = "".join(f"; {text}" for text in away[:NAMED])
        return f"{len(self._why) - len(away)} of {len(self._why)} islands run{named}{more}"

    def _learned(self, island: str, why: str) -> None:
        self._why[island] = why
        self._first.discard(island)
        self._tell()

    def _tell(self) -> None:
        status = f"STATUS={self.status()}"
        if status != self._said:
            self._said = status
            self._say(status)
        if not self._first and not self.ready:
            self.ready = True
            self._say("READY=1")
