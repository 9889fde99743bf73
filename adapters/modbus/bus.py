"""The arbiter of one physical channel, without I/O: who may ask what, when. One transaction at a time, for all units together.

Commands come before polls, polls by lane and deadline (`Schedule`), decided again after each request. A poll begins only when
somebody asked for a Reading. Its times are fixed multiples of its period; what passed meanwhile is one poll, not several. A unit
that does not answer is left to its breaker; what it refuses is `Learned`.

What a reply decides for the schedule is done at once (`answered`); decoding and emitting waits until the next request has gone
out (`settle`): the wire does not wait for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import ceil

from adapters.modbus.address import of_a_manual
from adapters.modbus.blocks import Block
from adapters.modbus.breaker import Breaker, BreakerLimits, unanswered
from adapters.modbus.framing import Framing
from adapters.modbus.jobs import Job
from adapters.modbus.late import Shape, other_shape
from adapters.modbus.pdu import ILLEGAL_FUNCTION, SPLITTABLE, TABLES, UNREACHABLE, ModbusException, Request, data_of, read
from adapters.modbus.plan import UnitPlan
from adapters.modbus.publish import Publisher
from adapters.modbus.schedule import Schedule
from adapters.modbus.stats import BusStats
from adapters.modbus.transaction import Transaction
from adapters.modbus.unit import Poll, Unit
from rt_edge.sdk import AdapterContext, CodecError

MAX_JOBS = 64
"""Commands that wait; one more is refused."""

PAUSE = 10.0
"""Seconds without demand after which the stream is told, by a gap record, why it has a hole."""

_TABLE_OF = {function: table for table, function in TABLES.items()}


class Bus:
    """The schedule of one channel; lives as long as its adapter, over all connections.

    Args:
        units: what to ask.
        breaker: for every unit.
        context: counters, clock, randomness, and where Readings go.
    """

    def __init__(self, units: Sequence[UnitPlan], breaker: BreakerLimits, context: AdapterContext) -> None:
        self._context = context
        self.units = {plan.name: Unit(plan, Breaker(breaker, context.random), context) for plan in units}
        self.credits = 0
        self._dry_since: float | None = None
        for unit in self.units.values():
            unit.polls = [Poll(unit, plan) for plan in unit.plan.polls]
        self._schedule = Schedule(poll for unit in self.units.values() for poll in unit.polls)
        self._jobs: deque[Job] = deque(maxlen=MAX_JOBS)
        self._job: Job | None = None
        self._framing: Framing | None = None
        self._current: Transaction | None = None
        self.stats = BusStats(context)
        self.publisher = Publisher(context)
        self.cut: tuple[int, float] | None = None
        """Unit and time-out of a request that a connection left behind: nothing is asked before its reply, or that time."""

    # -- from the runtime --------------------------------------------------------------------------------------------

    def demand(self, n: int) -> None:
        """`n` more Readings are wanted."""
        if self.credits == 0 and self._dry_since is not None:
            now = self._context.clock.monotonic()
            if now - self._dry_since >= PAUSE:
                wall = self._context.clock.wall_ns()
                for unit in self.units.values():
                    if any(poll.deadline < now for poll in unit.polls):
                        unit.presence.paused(wall)
            self._dry_since = None
        self.credits += n

    def submit(self, job: Job) -> bool:
        """Queue a command; False if too many wait."""
        if len(self._jobs) >= MAX_JOBS:
            return False
        self._jobs.append(job)
        return True

    # -- from the link -----------------------------------------------------------------------------------------------

    def start(self, framing: Framing, now: float) -> None:
        """A connection is there: spread the first polls over their periods."""
        self._framing = framing
        self._schedule.start(now)
        for unit in self.units.values():
            unit.breaker.reset(now)

    def next(self, now: float) -> Transaction | None:
        """What to ask now; None if nothing is due, nothing is wanted, or something is on the wire."""
        if self._framing is None or self._current is not None:
            return None
        if self._job is not None or self._jobs:
            job = self._next_job(now)
            if job is not None and job.current is not None:
                return self._ask(self.units[job.unit], job.current, job, now)
        while (poll := self._next_poll(now)) is not None:
            block = self._next_block(poll, now)
            if block is None:
                self._finish(poll, "refused", now)
                continue
            return self._ask(poll.unit, block.request, poll, now)
        return None

    def wake(self, now: float) -> float | None:
        """When `next` may have something to ask, if nothing happens before; None: only after an event."""
        if self._framing is None or self._current is not None:
            return None
        if self._jobs or self._job or self._schedule.runs:
            return now
        if self.credits == 0:
            if self._dry_since is None:
                self._dry_since = now
            return None
        due = self._schedule.next_due()
        return due if due is None else max(due, now)

    def settle(self) -> bool:
        """Decode and emit what `answered` left until the next request has gone out; True if there is more to ask now."""
        if self.publisher.settle():
            return False
        self._give_back(1)
        return True

    def _give_back(self, n: int) -> None:
        """Demand for `n` Readings that did not come of it."""
        if n and not self.credits:
            self._dry_since = None
        self.credits += n

    def answered(self, tx: Transaction, pdu: bytes, now: float) -> None:
        """`pdu` is the reply to `tx`; `settle` has to follow."""
        self._current = None
        self.stats.transaction(tx.started, now, answered=True)
        learned = tx.unit.learned
        if learned.measures and learned.took(len(tx.request.pdu), len(pdu), now - tx.started):
            known = [unit.learned.turnaround for unit in self.units.values() if unit.learned.turnaround is not None]
            self._context.gauge("turnaround_s", max(known))
        if len(pdu) == 2 and pdu[0] & 0x80 and pdu[1] in UNREACHABLE:
            self._context.count("exceptions")
            self._fail(tx, now)
            return
        if tx.unit.breaker.succeeded():
            self._context.log("info", "unit answers again", unit=tx.unit.source)
            self._count_down()
        owner = tx.owner
        if tx.sync:
            self._again(owner)
        elif isinstance(owner, Job):
            owner.answer(pdu)
            self._job = owner if owner.current else None
        else:
            self._poll_answered(owner, pdu, now)

    def unanswered(self, tx: Transaction, now: float) -> None:
        """No reply to `tx` came in time."""
        self._current = None
        self.stats.transaction(tx.started, now, answered=False)
        self._context.count("timeouts")
        self._fail(tx, now)

    def stop(self, now: float, reason: str) -> None:
        """The connection is gone: what was under way is given up, what was asked for is still wanted."""
        wall = self._context.clock.wall_ns()
        tx, self._current, self._framing = self._current, None, None
        if tx is not None and isinstance(tx.owner, Poll):
            tx.owner.started = False
            self._give_back(1)
        self._give_back(self._schedule.stop())
        if self._job is not None:
            self._job.unanswered(reason)
            self._job = None
        while self._jobs:
            self._jobs.popleft().finish("failed", reason)
        for unit in self.units.values():
            unit.presence.silent("disconnected", now, wall)

    # -- commands ----------------------------------------------------------------------------------------------------

    def _next_job(self, now: float) -> Job | None:
        if self._job is None and self._jobs and self._schedule.owed(now, self.credits > 0):
            return None
        while self._job is None and self._jobs:
            job = self._jobs.popleft()
            breaker = self.units[job.unit].breaker
            if now >= job.expires:
                job.finish("failed", "expired before it could be sent")
            elif not breaker.allows(now):
                job.finish("failed", f"{job.unit} does not answer; next try in {breaker.retry_at - now:.1f} s")
            else:
                job.start()
                self._job = job if job.current else None
        return self._job

    # -- polls -------------------------------------------------------------------------------------------------------

    def _next_poll(self, now: float) -> Poll | None:
        """The poll that goes on or begins, of a unit that is not given up."""
        while (poll := self._schedule.pick(now, self.credits > 0)) is not None:
            if poll.unit.breaker.allows(now):
                if not poll.started:
                    self._begin(poll, now)
                return poll
            if poll.started:
                self._finish(poll, "timeout", now)
            else:
                self._shun(poll, now)
        return None

    def _begin(self, poll: Poll, now: float) -> None:
        self.credits -= 1
        if not poll.unit.presence.good:
            poll.unit.presence.wanted(self._context.clock.wall_ns())
        missed = poll.begin(now)
        if missed:
            self._context.count("slots_coalesced", missed)

    def _shun(self, poll: Poll, now: float) -> None:
        """Its unit is given up: wait for the first slot after the next probe."""
        slots = max(1, ceil((poll.unit.breaker.retry_at - poll.due) / poll.every))
        self._context.count("polls_skipped", slots)
        poll.unit.presence.silent("timeout", now, self._context.clock.wall_ns())
        poll.due += slots * poll.every
        self._schedule.wait(poll)

    def _next_block(self, poll: Poll, now: float) -> Block | None:
        while poll.at < len(poll.blocks):
            block = poll.blocks[poll.at]
            if not poll.unit.learned.refuses(block, now):
                return block
            poll.miss(block)
            poll.at += 1
        return None

    def _ask(self, unit: Unit, request: Request, owner: Poll | Job, now: float) -> Transaction | None:
        assert self._framing is not None
        late = self._framing.late(unit.id, now)
        sync = bool(late) and Shape(request.function, request.reply) in late
        if sync:
            place = other_shape(unit.places, late)
            if place is None:
                self._context.count("sync_impossible")
                self._give_up(owner, unit, now)
                return None
            self._context.count("syncs")
            request = read(_TABLE_OF[place[0]], place[1], place[2])
        elif isinstance(owner, Job) and request.function > 4:
            owner.sent_write = True
        self._schedule.served(owner.rank, self.credits > 0)
        self._current = Transaction(unit, request, owner, sync, now)
        return self._current

    def _again(self, owner: Poll | Job) -> None:
        """`owner` goes on with the request it has not made yet."""
        if isinstance(owner, Poll):
            self._schedule.go_on(owner)

    def _poll_answered(self, poll: Poll, pdu: bytes, now: float) -> None:
        block = poll.blocks[poll.at]
        try:
            data = data_of(block.request, pdu)
        except CodecError as error:
            self._poll_refused(poll, block, error, now)
            return
        poll.unit.learned.answered(block)
        poll.at += 1
        last = poll.at >= len(poll.blocks)
        if not last:
            poll.plan_rest()
        self.publisher.hold(poll, block, data, last, now, self._context.clock.wall_ns())
        if last:
            poll.end()
            self._schedule.wait(poll)
        else:
            self._schedule.go_on(poll)

    def _poll_refused(self, poll: Poll, block: Block, error: CodecError, now: float) -> None:
        """The reply is an exception, or does not answer the request."""
        learned = poll.unit.learned
        if isinstance(error, ModbusException):
            self._context.count("exceptions")
            parts = learned.refused(block, now) if error.exception in SPLITTABLE else []
            if parts:
                poll.blocks[poll.at : poll.at + 1] = parts
                self._context.count("blocks_split")
                self._again(poll)
                return
            if error.exception == ILLEGAL_FUNCTION:
                learned.forbidden(block, now)
            if error.exception == ILLEGAL_FUNCTION or error.exception in SPLITTABLE:
                names = ", ".join(block.names[:4])
                reason = f"{error}{of_a_manual(block.table, block.address)}"
                self._context.log("warning", "unit refuses points", unit=poll.unit.source, points=names, reason=reason)
        else:
            self._context.count("bad_replies")
            self._context.log("debug", "bad reply", unit=poll.unit.source, reason=str(error))
        poll.miss(block)
        poll.at += 1
        poll.plan_rest()
        if poll.at < len(poll.blocks):
            self._again(poll)
        else:
            self._finish(poll, "refused", now)

    def _fail(self, tx: Transaction, now: float) -> None:
        """The unit did not answer `tx`."""
        if unanswered(tx.unit.breaker, now, now - tx.started):
            self._context.count("breaker_opened")
            self._context.log("warning", "unit does not answer, others go on without it", unit=tx.unit.source)
            self._count_down()
        self._give_up(tx.owner, tx.unit, now)

    def _count_down(self) -> None:
        self._context.gauge("units_down", sum(unit.breaker.state != "closed" for unit in self.units.values()))

    def _give_up(self, owner: Poll | Job, unit: Unit, now: float) -> None:
        if isinstance(owner, Job):
            self._job = None
            owner.unanswered(f"{owner.unit} did not answer within {unit.timeout:g} s")
        else:
            self._finish(owner, "timeout", now)

    def _finish(self, poll: Poll, reason: str, now: float) -> None:
        """Emit what was read so far, although the last request gave nothing; the next slot is planned."""
        self.settle()
        for block in poll.blocks[poll.at :]:
            poll.miss(block)
        fields, missing = poll.fields, poll.missing
        poll.fields, poll.missing = {}, {}
        poll.end()
        self._schedule.wait(poll)
        why = "timeout" if reason == "timeout" else "refused"
        if not self.publisher.publish(poll.unit, fields, missing, why, now, self._context.clock.wall_ns()):
            self._give_back(1)
