"""Status: operators that watch a stream and end it from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.kill_switch import KillSwitch
from rt_edge.streams.monitoring import StreamMonitor
from rt_edge.streams.stages.kill_switched import KillSwitched
from rt_edge.streams.stages.monitor import Monitor
from rt_edge.streams.stages.watch_termination import Termination, WatchTermination


class Status(Continuation[A]):
    """Operators that watch a stream and end it from outside."""

    @builds(KillSwitched)
    def kill_switch(self, switch: KillSwitch, name: str = "") -> Self:
        """Until `switch` is used; one switch may end many streams."""
        return self.via(KillSwitched(switch=switch), name)

    @builds(WatchTermination)
    def watch_termination(self, ended: Callable[[Termination], Any], name: str = "") -> Self:
        """`ended` is told how the stream ended."""
        return self.via(WatchTermination(ended=ended), name)

    @builds(Monitor)
    def monitor(self, monitor: StreamMonitor, name: str = "") -> Self:
        """State and counters are written to `monitor`."""
        return self.via(Monitor(monitor=monitor), name)
