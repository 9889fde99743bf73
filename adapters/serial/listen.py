"""Listening to an instrument that talks by itself: frames wait in a ring for demand, or the line is held back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from adapters.serial.codec import FrameError, Parser
from adapters.serial.complaints import Complaints
from adapters.serial.frames import Cutter
from adapters.serial.jobs import Job
from adapters.serial.ring import Heard, Lost, Ring
from adapters.serial.seams import Handle, Line, Timers
from rt_edge.sdk import AdapterContext, Reading, WriteResult

SETTLED_S = 0.1
"""A line that was quiet for this long since it was opened begins with a whole frame; else its first frame is left out."""


class Listener:
    """One instrument that talks by itself.

    Args:
        context: the runtime.
        source: of the Readings.
        tags: of all Readings.
        cutter: makes frames.
        parser: makes fields.
        ring: keeps frames for demand.
        hold: whether the line is held back by flow control when there is no demand: then the ring never overflows.
        silent_after: seconds without a frame after which the instrument counts as silent; None: never.
        emitted: called for each Reading with source and time.
    """

    def __init__(
        self,
        context: AdapterContext,
        source: str,
        tags: Mapping[str, str],
        cutter: Cutter,
        parser: Parser,
        ring: Ring,
        hold: bool,
        silent_after: float | None,
        emitted: Callable[[str, int], None],
    ) -> None:
        self._context = context
        self._source = source
        self._tags = dict(tags)
        self._cutter = cutter
        self._parser = parser
        self._ring = ring
        self._hold = hold
        self._silent_after = silent_after
        self._emitted = emitted
        self._complaints = Complaints(context)
        self._credits = 0
        self._line: Line | None = None
        self._timers: Timers | None = None
        self._timer: Handle | None = None
        self._opened: float | None = None  # until the first byte came
        self._heard = 0  # wall time of the last frame
        self._heard_at = 0.0
        self._missing: tuple[str, int] | None = None  # why nothing came, since when
        self._silent = False

    @property
    def owed(self) -> bool:
        """Whether a reply may still come: nothing is asked here."""
        return False

    @property
    def paused(self) -> bool:
        """Whether the line is not to be read now."""
        return self._hold and not self._credits

    def remember(self, wall: int) -> None:
        """Its last stored Reading, of a life before this one, was of `wall`."""
        self._missing = ("restart", wall)

    def start(self, line: Line, timers: Timers) -> None:
        """The port is open."""
        now = self._context.clock.monotonic()
        self._line, self._timers = line, timers
        self._opened = None if self.paused else now
        self._cutter.restart(whole=False)
        self._heard_at = now
        if not self._silent:
            self._watch_silence(self._silent_after)

    def stop(self) -> None:
        """The port is closed; what is in the ring stays."""
        if self._line is None:
            return
        self._line = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._missing is None and self._heard:
            self._missing = ("disconnected", self._heard)

    def demand(self, n: int) -> None:
        """So many more Readings may be emitted."""
        self._credits += n
        self._deliver()

    def submit(self, job: Job) -> bool:
        """Send a command; nothing of what the instrument says is taken for its reply."""
        if self._line is None:
            return False
        self._line.write(job.frame)
        job.done(WriteResult("sent", "no reply is waited for"))
        return True

    def on_data(self, data: bytes) -> None:
        """Bytes came."""
        now, wall = self._context.clock.monotonic(), self._context.clock.wall_ns()
        if self._opened is not None:
            opened, self._opened = self._opened, None
            if now - opened >= SETTLED_S:
                self._cutter.restart(whole=True)
        frames = self._cutter.feed(data)
        if not frames:
            return
        if self._missing is not None:
            (reason, since), self._missing = self._missing, None
            self._ring.lose(reason, since, max(since, wall))
        if self._silent:
            self._silent = False
            self._context.silent(self._source, "")
            self._context.log("info", f"{self._source} is heard again")
            self._watch_silence(self._silent_after)
        before = self._ring.dropped
        for payload in frames:
            self._ring.add(Heard(wall, payload))
        if self._ring.dropped > before:
            self._context.count("dropped_overflow", self._ring.dropped - before)
        self._heard, self._heard_at = wall, now
        self._deliver()

    def _deliver(self) -> None:
        """Emit what is there, as far as demand goes; hold the line or let it go."""
        readings: list[Reading] = []
        while len(readings) < self._credits:
            entry = self._ring.take()
            if entry is None:
                break
            if isinstance(entry, Lost):
                self._emit(readings)
                readings = []
                self._context.gap(self._source, entry.reason, entry.start, max(entry.start, entry.end))
            else:
                reading = self._reading(entry)
                if reading is not None:
                    readings.append(reading)
        self._emit(readings)
        if self._line is not None and self._hold:
            if self._credits:
                self._line.resume()
            else:
                self._line.pause()

    def _emit(self, readings: Sequence[Reading]) -> None:
        if readings:
            self._credits -= len(readings)
            self._context.count("frames_ok", len(readings))
            for reading in readings:
                self._emitted(reading.source, reading.ts)
            self._context.emit(readings)

    def _reading(self, heard: Heard) -> Reading | None:
        try:
            parsed = self._parser(heard.payload)
        except FrameError as error:
            self._complaints.frame(self._source, error)
            return None
        if parsed is None:
            self._context.count("frames_ignored")
            return None
        if not parsed.fields:
            self._context.count("dropped_no_value")
            return None
        tags = {**self._tags, **parsed.tags} if parsed.tags else self._tags
        return Reading(self._source, heard.wall, parsed.fields, tags=tags, received=heard.wall)

    def _watch_silence(self, seconds: float | None) -> None:
        if seconds is not None and self._timers is not None:
            self._timer = self._timers.call_later(seconds, self._listened)

    def _listened(self) -> None:
        """Was there a frame since? If not, the instrument is silent: said once."""
        self._timer = None
        if self._line is None or self._silent_after is None:
            return
        quiet = self._context.clock.monotonic() - self._heard_at
        if quiet < self._silent_after:
            self._watch_silence(self._silent_after - quiet)
            return
        if self.paused:
            self._watch_silence(self._silent_after)
            return
        self._silent = True
        self._context.count("silences")
        self._context.log("warning", f"{self._source} says nothing since {quiet:.3g} s")
        self._context.silent(self._source, "silent")
        if self._missing is None and self._heard:
            self._missing = ("silent", self._heard)
