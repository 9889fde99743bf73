"""AdapterRunner: the life of one adapter: open, lost, backoff, open again (design 10; the runtime retries, never the adapter)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Literal

from rt_edge.data.clock import Clock
from rt_edge.data.errors import FatalAdapterError, RtEdgeError, TransientError
from rt_edge.data.ids import new_incarnation
from rt_edge.data.reading import Reading
from rt_edge.sdk.adapter import DeviceAdapter
from rt_edge.sdk.backoff import Backoff
from rt_edge.sdk.hotplug import HotPlug

CLOSE_S = 5.0
"""An adapter that takes longer to close is left behind, with an error line."""

SILENT_MAX = 1000
"""Most sources that are said to be silent at once; further ones are not shown."""

State = Literal["new", "opening", "open", "waiting", "failed", "off", "closed"]

Startup = Literal["fail", "retry", "ignore", "probe"]
"""What becomes of an adapter whose device, bus or broker cannot be opened at the start of the node; afterwards a lost connection
is always tried again.

- `retry`: it is tried again, later each time, and the node runs meanwhile.
- `fail`: the node does not start.
- `ignore`: the adapter stays off until the node is started again, and the node runs without it.
- `probe`: as `ignore`, and the adapter's `probe` has to succeed first, which asks the device and not only its connection.
"""

EmitHook = Callable[[Sequence[Reading], Sequence[bytes], Sequence[bool]], None]


class AdapterRunner:
    """Owns one adapter and is its context; shared by its source and its sink.

    Args:
        name: the adapter's name in the configuration.
        make: builds the adapter, given its context.
        clock: time.
        random: jitter.
        data: the adapter's own directory.
        incarnation: token of this life.
        startup: what to do when it cannot be opened at first.

    Attributes:
        adapter: the adapter.
        state: where it is in its life; `off`: it was left off by its startup policy.
        on_refused: with `startup="fail"`: told why it could not be opened.
        error: why it is not open, in words; empty when it is.
        counters: name -> count. gauges: name -> value.
        silences: source that gives nothing just now -> why, and since when (monotonic); at most `SILENT_MAX`.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[AdapterRunner], DeviceAdapter],
        clock: Clock,
        random: Random,
        data: Path,
        incarnation: str = "",
        startup: Startup = "retry",
    ) -> None:
        self.name = name
        self.clock = clock
        self.random = random
        self.data = data
        self.incarnation = incarnation or new_incarnation()
        self.counters: dict[str, int] = {}
        self.gauges: dict[str, float] = {}
        self.silences: dict[str, tuple[str, float]] = {}
        self.state: State = "new"
        self.error = ""
        self.on_emit: EmitHook | None = None
        self.on_session: Callable[[str], None] | None = None
        self.on_forget: Callable[[int], None] | None = None
        self.on_gap: Callable[[str, str, int, int], None] | None = None
        self.on_state: list[Callable[[State], None]] = []
        self.on_refused: Callable[[str], None] | None = None
        self._startup: Startup = startup
        self._was_open = False  # at least once
        self._away_since: float | None = None  # monotonic; said in the log
        self._log = logging.getLogger(f"rt_edge.adapter.{name}")
        self._backoff = Backoff(random)
        self._lost: asyncio.Future[Exception] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._users = 0
        self.adapter = make(self)
        awaited = self.adapter.awaited()
        self._hotplug = None if awaited is None else HotPlug(awaited, clock, lambda why: self.log("warning", why))

    # -- used by the source and the sink -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to keep the adapter open, from the running loop; counted, so that a source and a sink may share it."""
        self._users += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._live(), name=f"adapter {self.name}")

    async def stop(self) -> None:
        """Close the adapter when its last user has stopped; returns when it is closed."""
        self._users -= 1
        if self._users > 0 or self._task is None:
            return
        task, self._task = self._task, None
        self._closing = task
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        self._closing = None

    async def closed(self) -> None:
        """Returns when the adapter has been closed."""
        while self._task is not None or self._closing is not None:
            await asyncio.wait([task for task in (self._task, self._closing) if task is not None])
            await asyncio.sleep(0)  # a task that has ended already must not keep `stop` from running

    # -- AdapterContext ----------------------------------------------------------------------------------------------

    def emit(self, readings: Sequence[Reading], keys: Sequence[bytes] = (), redelivered: Sequence[bool] = ()) -> None:
        """Hand on Readings to the source stage."""
        if self.on_emit is None:
            self.count("dropped_no_source", len(readings))
            return
        self.on_emit(readings, keys, redelivered)

    def session(self, token: str) -> None:
        """The peer's session is `token` from now on."""
        if self.on_session is not None:
            self.on_session(token)

    def forget(self, through: int) -> None:
        """The peer has our acknowledgements of the first `through` Readings."""
        if self.on_forget is not None:
            self.on_forget(through)

    def lost(self, error: Exception) -> None:
        """End the current connection; the first reason counts."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(error)

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] = self.counters.get(name, 0) + n

    def gauge(self, name: str, value: float) -> None:
        """Set a measured value."""
        self.gauges[name] = value

    def silent(self, source: str, reason: str) -> None:
        """Keep what gives nothing just now, and since when, for `status`."""
        if not reason:
            self.silences.pop(source, None)
        elif source in self.silences:
            self.silences[source] = (reason, self.silences[source][1])
        elif len(self.silences) < SILENT_MAX:
            self.silences[source] = (reason, self.clock.monotonic())

    def gap(self, source: str, reason: str, start: int, end: int) -> None:
        """Pass a gap to the source stage."""
        if self.on_gap is not None:
            self.on_gap(source, reason, start, end)

    def log(self, level: Literal["debug", "info", "warning", "error"], event: str, **fields: object) -> None:
        """One line, with the adapter's name."""
        shown = " ".join(f"{key}={value}" for key, value in fields.items())
        self._log.log(getattr(logging, level.upper()), "%s%s", event, f" {shown}" if shown else "")

    # -- the life ----------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        try:
            while True:
                ended = await self._once()
                if ended is None:
                    return
                self.count("reconnects")
                await self._wait(ended)
        finally:
            await self._close()
            self._enter(self.state if self.state in ("failed", "off") else "closed")

    async def _wait(self, seconds: float) -> None:
        """Before the next try: so long, or until what is waited for appears."""
        if self._hotplug is None:
            await asyncio.sleep(seconds)
            return
        ended = await self._hotplug.wait(seconds)
        if ended == "over":
            return
        self.count("early_tries")
        if ended == "anew":  # it may be there and not ready yet: the tries that follow come soon again
            self._backoff.failures = 0

    async def _once(self) -> float | None:
        """One connection, from open to lost; returns the seconds to wait, or None when it stays away."""
        self._enter("opening")
        self._lost = asyncio.get_running_loop().create_future()
        if self._hotplug is not None:
            self._hotplug.trying()
        error: Exception
        try:
            await self._open()
            opened = self.clock.monotonic()
            error = await self._lost
            self._backoff.lived(self.clock.monotonic() - opened)
        except RtEdgeError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001  # a bug in one adapter must not end the others; it is logged with its traceback
            if self.error != (str(raised) or repr(raised)):
                self._log.exception("adapter raised something that is not an adapter error")
            error = raised
        await self._close()
        self.error = str(error) or repr(error)
        if not self._was_open and self._startup != "retry":
            self._refuse()
            return None
        if isinstance(error, FatalAdapterError):
            self.log("error", f"adapter has failed and stays off until its settings change: {error}")
            self._enter("failed")
            return None
        delay = self._backoff.failed()
        self._say_away(delay)
        self._enter("waiting")
        return delay

    async def _open(self) -> None:
        if self._startup == "probe" and not self._was_open:
            found = await self.adapter.probe()
            if not found.ok:
                raise TransientError(found.message)
        self.silences.clear()  # what was silent on the connection before; the adapter says what is on this one
        await self.adapter.open()
        self._was_open = True
        self.error = ""
        self._enter("open")
        away, self._away_since = self._away_since, None
        again = "" if away is None else f" again after {self.clock.monotonic() - away:.0f} s"
        self.log("info", f"adapter is connected{again}", kind=self.adapter.kind)

    def _refuse(self) -> None:
        """It could not be opened at first, and its policy is not to try again."""
        if self._startup == "fail":
            self.log("error", f"adapter cannot be opened, and its startup policy ends the node: {self.error}")
            self._enter("failed")
            if self.on_refused is not None:
                self.on_refused(self.error)
            return
        self.log("warning", f"adapter cannot be opened and is left off until the node is started again: {self.error}")
        self.error = f"left off (startup: {self._startup}): {self.error}"
        self._enter("off")

    def _say_away(self, delay: float) -> None:
        """One line when it is lost, and one when it is back (`_open`), however often and for whatever reasons it is tried."""
        level: Literal["warning", "debug"] = "debug"
        if self._away_since is None:
            self._away_since = self.clock.monotonic()
            level = "warning"
        sooner = "" if self._hotplug is None else f" or when {self._hotplug.path} appears"
        self.log(level, f"adapter is not connected, next try in {delay:.1f} s{sooner}: {self.error}")

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.adapter.close()
        except TimeoutError:
            self.log("error", f"adapter did not close within {CLOSE_S:g} s and is left behind")
        except Exception:  # noqa: BLE001  # closing goes on whatever the adapter does; logged with its traceback
            self._log.exception("adapter raised while closing")

    def _enter(self, state: State) -> None:
        self.state = state
        for listener in self.on_state:
            listener(state)
