"""Asking an instrument, one request at a time, on demand only; an answer that is late is never taken for another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from adapters.serial.asks import FAILURES, Asked, Asks, is_reply
from adapters.serial.codec import FrameError, Parsed
from adapters.serial.complaints import Complaints
from adapters.serial.echo import Echo
from adapters.serial.frames import Cutter
from adapters.serial.jobs import Job, Jobs
from adapters.serial.late import Lates
from adapters.serial.reads import read_job
from adapters.serial.seams import Handle, Port, Timers
from rt_edge.sdk import AdapterContext, Reading
from rt_edge.sdk.presence import Presence

PAUSED_S = 10.0
"""Time without demand from which on it is a gap."""
PIECE_S = 0.05
"""Before a request, so long nothing may have come of a frame that is begun: it would be taken for the answer's beginning."""


class _Pending(NamedTuple):
    poll: Asked
    begins: bytes
    deadline: float


class _Commanded(NamedTuple):
    job: Job
    deadline: float


class Poller:
    """Everything that is asked on one line.

    Args:
        context: the runtime.
        asks: what is asked.
        cutter: makes frames of what comes.
        verified: whether a frame's checksum was verified: then what begins right is the answer, even if it cannot be read.
        late_limit: seconds after its time-out in which an answer may still come.
        pause: seconds between an answer and the next request.
        local_echo: whether the line returns what is sent.
        byte_s: seconds that a byte takes on the line.
        emitted: called for each Reading with source and time.
    """

    def __init__(
        self,
        context: AdapterContext,
        asks: Sequence[Asks],
        cutter: Cutter,
        verified: bool,
        late_limit: float,
        pause: float,
        local_echo: bool,
        byte_s: float,
        emitted: Callable[[str, int], None],
    ) -> None:
        self._context = context
        self._clock = context.clock
        self._cutter = cutter
        self._verified = verified
        self._late_limit = late_limit
        self._pause = pause
        self._byte_s = byte_s
        self._emitted = emitted
        self._complaints = Complaints(context)
        self.polls = {one.name: Asked(one, Presence(context, one.source)) for one in asks}
        self._credits = 0
        self._paused_at: float | None = None
        self._sequence = 0
        self._pending: _Pending | _Commanded | None = None
        self._lates = Lates()
        self._jobs = Jobs()
        self._echo = Echo(local_echo, context.count)
        self._last = 0.0  # when something came
        self._rest_until = 0.0
        self._out_until = 0.0  # what has no reply is on the line so long: whoever would reply must not be asked meanwhile
        self._wait_until = 0.0
        self._port: Port | None = None
        self._timers: Timers | None = None
        self._timer: Handle | None = None
        self._inside = False

    def owe(self) -> None:
        """Somebody else has asked on this line before, nobody knows what: until its reply can no longer come nothing is asked."""
        timeouts = [poll.asks.timeout for poll in self.polls.values()]
        until = self._clock.monotonic() + max(timeouts, default=0.0) + self._late_limit
        self._lates.expect((b"",), until, lambda _: False)

    @property
    def owed(self) -> bool:
        """Whether a reply may still come."""
        return self._lates.awaited(self._clock.monotonic())

    def start(self, port: Port, timers: Timers) -> None:
        """The port is open."""
        now = self._clock.monotonic()
        self._port, self._timers = port, timers
        self._cutter.restart(whole=True)
        self._echo.reset()
        for poll in self.polls.values():
            poll.due = max(poll.due, now)
        if not self._credits:
            self._paused_at = now
        self._pump()

    def stop(self) -> None:
        """The port is closed; the answer to what was asked may still come on the next one."""
        if self._port is None:
            return
        now, wall = self._clock.monotonic(), self._clock.wall_ns()
        pending, self._pending = self._pending, None
        self._port = None
        self._arm(None, now)
        if isinstance(pending, _Commanded):
            self._expect_reply(pending.job, now + pending.job.timeout)
            pending.job.ended("sent", "the line was lost before the reply")
        elif pending is not None:
            self._expect_late(pending, now + pending.poll.asks.timeout)
        self._jobs.fail("the line was lost before it was sent")
        for poll in self.polls.values():
            poll.presence.silent("disconnected", now, wall)

    def demand(self, n: int) -> None:
        """So many more Readings may be emitted."""
        now, wall = self._clock.monotonic(), self._clock.wall_ns()
        if not self._credits:
            long_enough = self._paused_at is not None and now - self._paused_at >= PAUSED_S
            for poll in self.polls.values():
                if long_enough:
                    poll.presence.paused(wall)
                poll.presence.wanted(wall)
            self._paused_at = None
        self._credits += n
        self._pump()

    def submit(self, job: Job) -> bool:
        """Send a command as soon as the line is free, ahead of all requests and readings; False if too many wait."""
        if not self._jobs.add(job):
            return False
        self._pump()
        return True

    def read(self, name: str, expires: float, done: Callable[[Parsed | None, str], None]) -> bool:
        """Ask for `name` ahead of all polls, as a command; False if too many wait.

        Args:
            name: of what is asked.
            expires: when it fails if it could not be asked until then (monotonic seconds).
            done: called once, with what came, or with None and why nothing did.
        """
        asks = self.polls[name].asks
        self._sequence += 1
        return self.submit(read_job(asks, self._sequence - 1, self._verified, self._complaints, expires, done))

    # -- what comes ----------------------------------------------------------------------------------------------------

    def on_data(self, data: bytes) -> None:
        """Bytes came."""
        self._last = self._clock.monotonic()
        for payload in self._cutter.feed(self._echo.without(data)):
            self._frame(payload)
        self._pump()

    def _frame(self, payload: bytes) -> None:
        pending = self._pending
        if isinstance(pending, _Commanded):
            if payload.startswith(pending.job.begins + pending.job.refusals) and (result := pending.job.reply(payload)):
                self._pending = None
                self._rest_until = self._clock.monotonic() + self._pause
                pending.job.done(result)
                return
        elif pending is not None and payload.startswith(pending.begins):
            poll = pending.poll
            try:
                parsed = poll.asks.parser(payload)
            except FrameError as error:
                self._complaints.frame(poll.asks.source, error)
                if pending.begins or self._verified:  # it is the answer; else it may be noise, and the answer still comes
                    self._unread(pending)
                return
            self._answered(pending, parsed)
            return
        self._context.count("late_frames" if self._lates.take(payload) else "unasked_frames")

    def _answered(self, pending: _Pending, parsed: Parsed | None) -> None:
        if parsed is None or not parsed.fields:
            self._context.count("dropped_no_value")
            self._unread(pending)
            return
        poll, wall = pending.poll, self._clock.wall_ns()
        self._end(pending)
        if poll.failures >= FAILURES:
            self._context.log("info", f"{poll.asks.source} answers again")
        poll.failures = 0
        poll.presence.spoke(wall)
        self._credits -= 1
        if not self._credits:
            self._paused_at = self._clock.monotonic()
        tags = {**poll.asks.tags, **parsed.tags}
        self._context.count("polls_ok")
        self._emitted(poll.asks.source, wall)
        self._inside = True  # whoever takes it may ask for more at once: not in the middle of this
        try:
            self._context.emit([Reading(poll.asks.source, wall, parsed.fields, tags=tags, received=wall)])
        finally:
            self._inside = False

    def _unread(self, pending: _Pending) -> None:
        """There was an answer, and nothing in it."""
        self._end(pending)
        self._context.count("polls_failed")
        pending.poll.presence.silent("unreadable", self._clock.monotonic(), self._clock.wall_ns())

    def _end(self, pending: _Pending) -> None:
        self._pending = None
        self._rest_until = self._clock.monotonic() + self._pause
        pending.poll.due += pending.poll.asks.every

    # -- what goes out -------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Ask the next, if there is demand, the line is free and something is due; else be woken when it is."""
        if self._inside or self._port is None:
            return
        now = self._clock.monotonic()
        if self._pending is not None:
            self._arm(self._pending.deadline, now)
            return
        job = self._jobs.first(now)
        if job is not None:
            at = self._lates.free_at(job.begins + job.refusals, now)
            if job.begins or job.refusals:
                at = max(at, self._out_until)
            at = self._quiet_at(at, now)
            if at <= now:
                self._jobs.pop()
                self._command(job, now)
            else:
                self._arm(min(at, job.expires), now)
            return
        if self._credits <= 0 or not self.polls:
            self._arm(None, now)
            return
        at, poll = min(((self._free(poll, now), poll) for poll in self.polls.values()), key=lambda one: (one[0], one[1].due))
        at = self._quiet_at(max(at, self._out_until), now)
        if at <= now:
            self._ask(poll, now)
        else:
            self._arm(at, now)

    def _quiet_at(self, at: float, now: float) -> float:
        """From when on something may be sent that may be from `at` on: not in the middle of a frame that is coming."""
        at = max(at, self._rest_until)
        if at > now:
            return at
        if self._cutter.begun and now < self._last + PIECE_S:
            self._wait_until = self._wait_until or now + self._late_limit  # a line that is never quiet must not stop everything
            return min(self._last + PIECE_S, self._wait_until)
        self._wait_until = 0.0
        return at

    def _free(self, poll: Asked, now: float) -> float:
        """From when on it may be asked: when it is due, and no late answer can be taken for its own."""
        return max(poll.due, self._lates.free_at((poll.asks.begins.render(self._sequence),), now))

    def _command(self, job: Job, now: float) -> None:
        self._cutter.restart(whole=True)
        self._echo.expect(job.frame)
        if job.begins or job.refusals:
            self._pending = _Commanded(job, now + job.timeout)
            self._arm(now + job.timeout, now)
        else:
            self._out_until = max(now, self._out_until) + len(job.frame) * self._byte_s
            self._rest_until = now + self._pause
            self._arm(self._rest_until, now)
        self._write(job.frame)
        if self._pending is None:
            job.ended("sent", "no reply is waited for")

    def _write(self, frame: bytes) -> None:
        assert self._port is not None
        self._port.write(frame)

    def _ask(self, poll: Asked, now: float) -> None:
        asks = poll.asks
        missed = poll.catch_up(now)
        if missed:
            self._context.count("slots_coalesced", missed)
        begins = asks.begins.render(self._sequence)
        frame = asks.frame(asks.request.render(self._sequence))
        self._sequence += 1
        self._cutter.restart(whole=True)
        self._echo.expect(frame)
        self._pending = _Pending(poll, begins, now + asks.timeout)
        self._arm(now + asks.timeout, now)
        self._write(frame)

    def _timed_out(self, pending: _Pending, now: float) -> None:
        poll = pending.poll
        self._context.count("timeouts")
        if self._port is not None:
            self._port.forget_unsent()
        self._end(pending)
        self._expect_late(pending, now)
        poll.presence.silent("timeout", now, self._clock.wall_ns())
        if poll.failed(now):
            self._context.log("warning", f"{poll.asks.source} did not answer {FAILURES} times within {poll.asks.timeout:g} s")

    def _expect_late(self, pending: _Pending, now: float) -> None:
        reads = partial(is_reply, pending.poll.asks, pending.begins, self._verified)
        self._lates.expect((pending.begins,), now + self._late_limit, reads)

    def _expect_reply(self, job: Job, now: float) -> None:
        self._lates.expect(job.begins + job.refusals, now + self._late_limit, lambda reply: job.reply(reply) is not None)

    # -- one timer -----------------------------------------------------------------------------------------------------

    def _arm(self, at: float | None, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at is not None and self._timers is not None:
            self._timer = self._timers.call_later(max(0.0, at - now), self._fired)

    def _fired(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        pending = self._pending
        if isinstance(pending, _Commanded) and now >= pending.deadline:
            self._pending = None
            self._expect_reply(pending.job, now)
            pending.job.ended("sent", f"no reply within {pending.job.timeout:g} s: it may have been done")
        elif isinstance(pending, _Pending) and now >= pending.deadline:
            self._timed_out(pending, now)
        self._pump()
