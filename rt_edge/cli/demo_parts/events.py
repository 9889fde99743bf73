"""What has happened between two looks, in words: links that went and came, processes that died and are back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rt_edge.cli.demo_parts.plant import View
from rt_edge.telemetry.status import NodeStatus

KEPT = 50


class Events:
    """The last events, each with the second it happened at.

    Args:
        now: seconds since the start.
        echo: called with each, as it comes.
    """

    def __init__(self, now: Callable[[], float], echo: Callable[[float, str], None] | None = None) -> None:
        self._now = now
        self._echo = echo
        self._pids: dict[str, int] = {}
        self._link = ""
        self._adapters: dict[str, str] = {}
        self.last: deque[tuple[float, str]] = deque(maxlen=KEPT)

    def say(self, text: str) -> None:
        """Something happened."""
        self.last.append((self._now(), text))
        if self._echo is not None:
            self._echo(self._now(), text)

    def compare(self, view: View) -> None:
        """Say what is different from the view before."""
        for name, node in (("edge", view.edge), ("upstream", view.upstream)):
            if node is not None:
                self._processes(name, node)
        member = view.member("uplink/hq")
        if member is not None and member.uplink is not None and member.uplink.link != self._link:
            if self._link or member.uplink.link == "session open":
                open_ = member.uplink.link == "session open"
                if open_ or self._link == "session open":
                    self.say("the uplink's session is open" if open_ else f"the uplink has no session: {member.uplink.link}")
            self._link = member.uplink.link
        for island in view.edge.islands if view.edge is not None else []:
            for one in island.members:
                if one.adapter is not None:
                    was = self._adapters.get(one.name)
                    self._adapters[one.name] = one.adapter.state
                    if was is not None and was != one.adapter.state:
                        self.say(f"{one.name}: {one.adapter.state}" + (f", {one.adapter.error}" if one.adapter.error else ""))

    def _processes(self, name: str, node: NodeStatus) -> None:
        fresh = []
        for what, pid in (("guardian", node.pid), *((island.name, island.pid) for island in node.islands)):
            key = f"{name} {what}"
            was = self._pids.get(key, 0)
            if pid and was and pid != was:
                fresh.append(f"{key} is back (process {pid})")
            if pid:
                self._pids[key] = pid
        if len(fresh) > 2:
            self.say(f"{name}: {len(fresh)} processes are back")
        else:
            for text in fresh:
                self.say(text)
