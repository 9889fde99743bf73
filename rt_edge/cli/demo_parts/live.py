"""`rt-edge demo` on a terminal: a screen twice a second, and keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from rich.console import Console
from rich.live import Live

from rt_edge.cli.demo_parts.events import Events
from rt_edge.cli.demo_parts.keys import keys
from rt_edge.cli.demo_parts.plant import Plant, View
from rt_edge.cli.demo_parts.screen import Rates, render
from rt_edge.cli.demo_parts.script import Verdict, verdict
from rt_edge.data.clock import Clock

LOOK_S = 0.5


class LiveDemo:
    """Shows the plant, and does what keys ask.

    Args:
        plant: running.
        events: what to show of what happened.
        clock: time.
        seconds: ends by itself after so long; None: at `q`.
    """

    def __init__(self, plant: Plant, events: Events, clock: Clock, seconds: float | None) -> None:
        self._plant = plant
        self._events = events
        self._clock = clock
        self._seconds = seconds
        self._rates = Rates()
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._message = ""
        self._quit = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> Verdict:
        """Until `q`, or the time is over; then everything is let arrive, and counted."""
        with Live(console=self._console, screen=True, auto_refresh=False) as live, keys(self._pressed):
            try:
                await self._watch(live)
                self._message = "quitting: waiting until everything has arrived (Ctrl-C: at once)"
                if not self._plant.cable.whole:
                    await self._plant.restore()
                return await verdict(self._plant, self._clock, lambda view: self._show(live, view))
            finally:
                for task in list(self._tasks):
                    task.cancel()

    async def _watch(self, live: Live) -> None:
        until = None if self._seconds is None else self._clock.monotonic() + self._seconds
        while not self._quit.is_set() and (until is None or self._clock.monotonic() < until):
            self._show(live, await self._plant.view())
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._quit.wait()
            except TimeoutError:
                continue

    def _show(self, live: Live, view: View) -> None:
        self._rates.add(view)
        self._events.compare(view)
        live.update(render(view, self._rates, self._events, self._console.height, self._message), refresh=True)

    def _pressed(self, key: str) -> None:
        actions: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "c": self._plant.cut,
            "r": self._plant.restore,
            "k": self._plant.kill,
        }
        if key == "q":
            self._quit.set()
        elif key in actions and not self._tasks:  # one at a time: a second kill in the middle of the first says nothing
            task = asyncio.get_running_loop().create_task(actions[key]())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
