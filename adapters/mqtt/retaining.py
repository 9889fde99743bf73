"""What becomes of retained messages in one adapter: the memory, its file, its timer, and when the broker is asked a second time.

A second SUBSCRIBE is sent where the first may have left an old value as the last one, or lost one:

- The broker had our session and more waiting than the window lets through. Copies of QoS 0 overtake what waits, so a message that
  is older than the state may come after it. Once nothing waits any more the state is asked for again; where it was the last
  already, the copy equals it and is dropped. Nothing waits when a PINGRESP finds at most half as much unacknowledged as the
  window lets through, or as there ever was in this connection: a broker may have a smaller window of its own.
- A copy of QoS 0 found no room in the inbox before the SUBACK was read. Later ones stop the reading of the socket instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from adapters.mqtt.retained import StateKey, StateMemory, salt_of
from adapters.mqtt.retained_file import FILE, StateFile
from adapters.mqtt.seam import Message
from rt_edge.sdk import AdapterContext, boot_id

SWEEP_S = 10.0
"""How often is looked for what has been quiet long enough to be written."""


class Retained:
    """Of one adapter, over its connections.

    Args:
        settings: an `MqttSettings`, or an object with its attributes.
        context: the runtime.
        boot: id of this boot of the machine.

    Attributes:
        salts: one a subscription; 0: its retained messages are not compared, and nothing of it is remembered.
        memory: what was handed on.
        settled: as many Readings are settled.
        due: the broker is to be asked again as soon as possible.
        catching_up: whether it may hold back messages from before this connection.
        again: asks it.
    """

    def __init__(self, settings: Any, context: AdapterContext, boot: str = "") -> None:
        self._context = context
        self._boot = boot or boot_id()
        self._most = settings.retained_topics
        self.salts = [salt_of(entry, f"{settings.host}:{settings.port}") for entry in settings.subscribe]
        self.memory = StateMemory(self._most)
        self.settled = 0
        self.due = False
        self.again: Callable[[], None] | None = None
        self._file: StateFile | None = None
        self._open = False
        self._said = False  # that the file is unusable
        self._forgotten = 0
        self._timer: asyncio.TimerHandle | None = None
        self.catching_up = False
        self._overtaken = False
        self._most_waiting = 0
        self._copied: set[int] = set()  # topics of which a copy came while catching up

    @property
    def active(self) -> bool:
        """Whether any subscription needs it."""
        return any(self.salts)

    # -- life ------------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Before a connection: read the file the first time, and say in it that a life began."""
        if not self.active:
            return
        first, self._file = self._file is None, self._file or StateFile(self._context.data, self._boot)
        try:
            if first:
                self.memory.load(self._load(self._file))
            self._file.begin()
        except OSError as error:
            self._unusable(error)
        self._open = True
        self._context.gauge("retained_topics", len(self.memory))

    def _load(self, file: StateFile) -> dict[int, int]:
        known = file.load()
        if file.damaged:
            self._context.count("retained_problems")
            self._context.log("warning", f"{FILE} was set aside, each retained state comes once more", reason=file.damaged)
        elif file.cut:
            self._context.log("info", "the machine went down without an orderly end: each retained state comes once more")
        return known

    def close(self) -> None:
        """After a connection: write what is settled. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._open and self._file is not None:
            self._open = False
            self._sweep(quiet=0.0)
            try:
                self._file.end()
            except OSError as error:
                self._unusable(error)

    # -- messages ----------------------------------------------------------------------------------------------------------

    def seen(self, state: StateKey, message: Message) -> bool:
        """Whether a copy is what was taken in last of its topic. What comes again with DUP is never: keys tell it."""
        key, salt = state
        if self.catching_up and len(self._copied) < self._most:
            self._copied.add(key)
        return not message.dup and self.memory.same(key, message, salt)

    def handing_on(self) -> None:
        """To be called before Readings are emitted: those of what is in `memory.turn`."""
        if not self.memory.turn:
            return
        if self._copied:
            later = [message for key, (_, _, message) in self.memory.turn.items() if key in self._copied]
            # a stem: live and of QoS 1 or 2
            self._overtaken |= any(isinstance(one, bytes) or (one.qos and not one.retain) for one in later)
        gone = self.memory.handing_on(self._context.clock.monotonic())
        if gone:
            self._write(gone, [])
        if self._timer is None and self._open:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._look)

    def forget(self, state: StateKey | None) -> None:
        """A message was handed on in part and will come again, whole."""
        if state is not None:
            self.memory.forget(state[0])

    # -- the second question -----------------------------------------------------------------------------------------------

    def connected(self, session_present: bool) -> None:
        """A connection begins."""
        self.due = self._overtaken = False
        self.catching_up = session_present and self.active
        self._most_waiting = 0
        self._copied.clear()

    def lost_copies(self) -> None:
        """There was no room for a copy."""
        self.due = self.active

    def waiting(self, n: int) -> None:
        """So many messages are here that the broker has no acknowledgement of; to be called while catching up."""
        self._most_waiting = max(self._most_waiting, n)

    def answered(self, waiting: int, window: int) -> None:
        """A PINGRESP came while so many were here."""
        if self.catching_up and waiting * 2 <= min(window, self._most_waiting):
            self.catching_up = False
            self._copied.clear()
            self.due |= self._overtaken

    def ask(self) -> None:
        """Ask the broker again."""
        self.due = self._overtaken = False
        if self.again is not None:
            self._context.count("retained_asked_again")
            self.again()

    # -- the file ------------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._timer = None
        self._sweep()
        if self.memory.unwritten and self._open:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._look)

    def _sweep(self, quiet: float | None = None) -> None:
        now = self._context.clock.monotonic()
        gone, states = self.memory.sweep(now, self.settled) if quiet is None else self.memory.sweep(now, self.settled, quiet)
        self._write(gone, states)
        self._context.gauge("retained_topics", len(self.memory))
        if self.memory.forgotten > self._forgotten:
            self._context.count("retained_forgotten", self.memory.forgotten - self._forgotten)
            self._forgotten = self.memory.forgotten

    def _write(self, gone: list[int], states: list[tuple[int, int]]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(gone, states, self.memory.sure)
        except OSError as error:
            self._unusable(error)
        else:
            if states and self._said:
                self._said = False
                self._context.log("info", f"{FILE} can be written again")

    def _unusable(self, error: OSError) -> None:
        """Not fatal: what the file says must not count, and is written again when that is possible."""
        hint, reason = "retained states may come once more", error.strerror
        self.memory.lose()
        try:
            if self._file is not None:
                self._file.remove()
        except OSError as again:
            hint, reason = "and not be removed: after a crash states may be missed", again.strerror
        if not self._said:
            self._said = True
            self._context.count("retained_problems")
            self._context.log("warning", f"{FILE} cannot be used, {hint}", reason=reason)
