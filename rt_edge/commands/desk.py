"""Desk: which command may go to its device now, and what became of each. No I/O: time and results come in, effects go out.

    submit -> accepted --(its turn, adapter open)--> old value read -> intent durable -> sent -> read back -> result durable
                  \\-- too late: expired, at any moment before the intent has led to a byte

- Commands to one point go out in the order of their arrival, the next one after the end of the one before. A command with
  priority lifts what waits before it at its point; it passes only what goes to other points.
- The same key is the same command: answered with what became of it, for `keep_s` and the last `keep` commands.
- A command whose intent is durable and whose end is not, at a start, is in doubt: it is not sent again. The point is read, if
  it can be, and says `confirmed` or `failed`; otherwise `unknown`. Later commands to the point wait for that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import msgspec

from rt_edge.commands.allow import checked
from rt_edge.commands.command import MAX_EXPIRES_S, Command, Outcome, Row, State
from rt_edge.commands.effects import Audit, Effect, Look, Save, Send, Tell
from rt_edge.commands.entry import Entry, Phase, Turns
from rt_edge.data.clock import Clock
from rt_edge.data.errors import RefusedError
from rt_edge.data.reading import Value
from rt_edge.sdk.adapter import WriteResult
from rt_edge.sdk.points import PointInfo

MAX_WAITING = 64
"""Commands that wait or are under way; one more is refused."""

DOUBT_AGAIN_S = 2.0
"""A point that could not be read, of a command in doubt, is read again after this."""


class DeskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds and times of a desk.

    Attributes:
        at_once: commands under way, to different points.
        waiting: see `MAX_WAITING`.
        keep, keep_s: ended commands that are remembered, at most so many and so long.
        send_s: an adapter that has not answered for so long leaves its command `unknown`; the point stays taken until it answers.
        doubt_s: a command in doubt whose point cannot be read for so long is `unknown`.
    """

    at_once: int = 1
    waiting: int = MAX_WAITING
    keep: int = 4096
    keep_s: float = 86_400.0
    send_s: float = 60.0
    doubt_s: float = 60.0


class Desk:
    """The commands of one adapter.

    Args:
        points: what can be asked for.
        clock: time; deadlines are those of its monotonic seconds.
        boot: the kernel's boot id: deadlines of another one mean nothing.
        limits: bounds.

    Attributes:
        counters: ended commands by state, `repeated`, `late`.
    """

    def __init__(self, points: Mapping[str, PointInfo], clock: Clock, boot: str, limits: DeskLimits | None = None) -> None:
        self._points = points
        self._clock = clock
        self._boot = boot
        self._limits = limits or DeskLimits()
        self._open = False
        self._away = ""
        self._closing = False
        self._number = 0
        # what has ended and is still in an adapter's hand waits there beside those that have not
        self._turns = Turns(self._limits.at_once, 2 * self._limits.waiting)
        self._known: OrderedDict[str, Entry] = OrderedDict()
        self._live: dict[str, Entry] = {}
        self._dry: dict[str, Entry] = {}
        self._effects: list[Effect] = []
        self.counters: dict[str, int] = {}

    def take(self) -> list[Effect]:
        """What is to be done since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    @property
    def waiting(self) -> int:
        """Commands that have not ended."""
        return len(self._live)

    @property
    def under_way(self) -> int:
        """Commands that an adapter or the journal has in hand."""
        return self._turns.busy

    # -- what is asked -----------------------------------------------------------------------------------------------

    def submit(self, command: Command) -> Outcome:
        """A command, new or again.

        Returns:
            What became of it so far; of one that has not ended, or whose end is not durable yet, `Tell` follows.
        """
        self._forget()
        known = self._live.get(command.key) or self._known.get(command.key) or self._dry.get(command.key)
        try:
            value = checked(self._points, command)
        except RefusedError as error:
            return self.turn_away(command, "refused", str(error))
        expires_s = min(command.expires_s, MAX_EXPIRES_S)
        command = msgspec.structs.replace(command, value=value, text=False, expires_s=expires_s)
        if known is not None:
            was = known.row.command
            if (was.point, was.value, was.dry_run) != (command.point, command.value, command.dry_run):
                what = f"{'a dry run of ' if was.dry_run else ''}{was.value!r} to {was.point}"
                return self.turn_away(command, "refused", f"the key {command.key!r} was used for {what}")
            self._count("repeated")
            outcome = known.row.outcome()
            return msgspec.structs.replace(outcome, final=outcome.final and known.told)
        if not command.expires_s > 0:  # it was on its way too long: what is known of its key was said, and nothing is begun
            return self.turn_away(command, "expired", "it came after its time")
        if len(self._live) + len(self._dry) >= self._limits.waiting:
            return self.turn_away(command, "refused", f"{self._limits.waiting} commands wait already")
        if self._closing:
            return self.turn_away(command, "refused", "the node is stopping")
        self._number += 1
        deadline = self._clock.monotonic() + command.expires_s
        arrived = self._clock.wall_ns()
        row = Row(self._number, command, "accepted", "accepted", "", None, None, arrived, 0, self._boot, deadline)
        entry = Entry(row, deadline)
        if command.dry_run:
            return self._try_out(entry)
        self._live[command.key] = entry
        self._turns.add(entry)
        self._save(entry)
        self._go()
        return entry.row.outcome()

    def can_say(self, key: str) -> bool:
        """Whether an asker may be told at once where the command of this key, which has not ended, is: it is written down."""
        entry = self._live.get(key)
        return entry is not None and entry.durable

    def turn_away(self, command: Command, state: State, message: str) -> Outcome:
        """The end of a command that is not taken. Its key is not remembered: nothing was tried, and it may be asked again."""
        self._count(state)
        wall = self._clock.wall_ns()
        row = Row(0, command, "ended", state, message, None, None, wall, wall, self._boot, 0.0)
        self._effects.append(Audit(row))
        return row.outcome()

    def _try_out(self, entry: Entry) -> Outcome:
        row = entry.row
        if self._open and self._points[row.command.point].readable:
            self._dry[row.command.key] = entry
            self._effects.append(Look(row.command.key, row.command.point))
            return row.outcome()
        self._dry_end(entry, "" if self._open else "; the adapter is not connected")
        return row.outcome()

    def _dry_end(self, entry: Entry, more: str) -> None:
        row = entry.row
        value = row.command.value
        said = str(value).lower() if isinstance(value, bool) else repr(value)  # as the command line takes it
        row.phase, row.message = "ended", f"dry run: {said} would be written{more}"
        self._count("dry_run")
        self._effects += [Audit(row), Tell(row.outcome())]

    # -- what happens ------------------------------------------------------------------------------------------------

    def connected(self, is_open: bool, why: str = "") -> None:
        """The adapter was opened, or is not open (any more), and why."""
        self._open, self._away = is_open, why
        self._go()

    def restore(self, rows: Iterable[Row]) -> None:
        """What the journal has, in order of arrival; called once, before anything else."""
        now, wall = self._clock.monotonic(), self._clock.wall_ns()
        for row in rows:
            self._number = max(self._number, row.number)
            entry = Entry(row, row.deadline)
            if row.phase == "ended":
                entry.phase, entry.told = Phase.ENDED, True
                entry.forget_at = now + self._limits.keep_s - max(0.0, (wall - row.ended) / 1e9)
                self._known[row.command.key] = entry
                continue
            entry.durable = True
            self._live[row.command.key] = entry
            self._turns.add(entry)
            if row.phase == "sending":
                self._doubt(entry)
            elif row.boot != self._boot:
                self._end(entry, "expired", "the host was started again before it was sent; it was not")
            elif gone := self._refusal(row.command):
                self._end(entry, "failed", f"not sent: after a restart with other settings {gone}")
        self.tick()

    def _refusal(self, command: Command) -> str:
        point = self._points.get(command.point)
        return f"there is no point {command.point!r}" if point is None else point.refusal(command.value)

    def _doubt(self, entry: Entry) -> None:
        entry.phase, entry.deadline = Phase.DOUBT, self._clock.monotonic() + self._limits.doubt_s
        point = self._points.get(entry.row.command.point)
        if point is None or not point.readable:
            self._end(entry, "unknown", "the node was interrupted while it was sent, and the point cannot be read")

    def saved(self, key: str, phase: str, error: str = "") -> None:
        """A row is durable, or cannot be made so (`error`)."""
        entry = self._live.get(key)
        if entry is None:
            self._saved_after_the_end(key, phase)
            return
        entry.durable = entry.durable or not error
        if error and phase != "ended" and entry.phase is not Phase.SENT:
            self._end(entry, "failed", f"not sent: it cannot be written down first: {error}")
        elif phase == "accepted" and entry.phase in (Phase.WAIT, Phase.OLD):
            self._effects.append(Tell(entry.row.outcome()))
        elif phase == "sending" and entry.phase is Phase.INTENT:
            self._intent_is_durable(entry)
        self._go()

    def _saved_after_the_end(self, key: str, phase: str) -> None:
        ended = self._known.get(key)
        if ended is not None and phase == "ended" and not ended.told:
            ended.told = True
            self._effects.append(Tell(ended.row.outcome()))

    def _intent_is_durable(self, entry: Entry) -> None:
        command, now = entry.row.command, self._clock.monotonic()
        if now >= entry.deadline:
            self._expire(entry)
            return
        if not self._open:
            entry.phase, entry.row.phase = Phase.WAIT, "accepted"  # nothing went out, and it may still
            self._turns.hand_back(entry)
            self._save(entry)
            return
        entry.phase, entry.limit = Phase.SENT, now + self._limits.send_s
        entry.row.state = "sent"
        self._effects += [Send(command.key, command.point, command.value), Tell(entry.row.outcome())]

    def looked(self, key: str, value: Value | None, why: str = "") -> None:
        """What a point holds; None: it could not be read, and why."""
        dry = self._dry.pop(key, None)
        if dry is not None:
            dry.row.old = value
            self._dry_end(dry, "" if value is not None else f"; the point could not be read: {why}")
            return
        entry = self._live.get(key) or self._known.get(key)
        if entry is None or not entry.in_hand:
            return
        if entry.phase is Phase.OLD:
            entry.row.old = value
            entry.phase = Phase.INTENT
            entry.row.phase = "sending"
            self._save(entry)
        elif entry.phase in (Phase.BACK, Phase.DOUBT):
            self._judge(entry, value, why)
        else:  # it has ended meanwhile
            self._turns.leave(entry)
        self._go()

    def _judge(self, entry: Entry, value: Value | None, why: str) -> None:
        """What reading back says of a command that nobody confirmed."""
        row, before = entry.row, entry.row.message or "the node was interrupted while it was sent"
        if value is None:
            if entry.phase is Phase.DOUBT:  # it may be there soon; until `doubt_s` is over
                entry.not_before = self._clock.monotonic() + DOUBT_AGAIN_S
                self._turns.hand_back(entry)
                return
            entry.in_hand = False
            self._end(entry, "unknown", f"{before}; the point could not be read back: {why}")
            return
        row.value, entry.in_hand = value, False
        if self._points[row.command.point].same(row.command.value, value):
            self._end(entry, "confirmed", f"{before}; read back")
        else:
            self._end(entry, "failed", f"{before}; the point reads {value!r}")

    def written(self, key: str, result: WriteResult) -> None:
        """What the adapter said of a command."""
        entry = self._live.get(key) or self._known.get(key)
        if entry is None or not entry.in_hand:
            return
        row = entry.row
        if entry.phase is Phase.ENDED:  # `unknown` has been told; the log has what came after
            self._count("late")
            self._effects.append(Audit(row, f"later: {result.status} {result.message}".strip()))
            self._turns.leave(entry)
        elif result.status == "sent" and self._points[row.command.point].readable:
            entry.phase, row.message = Phase.BACK, result.message
            self._effects.append(Look(key, row.command.point))
        else:
            entry.in_hand = False
            self._end(entry, result.status, result.message)
        self._go()

    def tick(self) -> None:
        """Time has passed."""
        now = self._clock.monotonic()
        for entry in list(self._live.values()):
            if now < entry.over_at():
                continue
            if entry.phase in (Phase.WAIT, Phase.OLD, Phase.INTENT):
                self._expire(entry)
            elif entry.phase is Phase.DOUBT:
                self._end(entry, "unknown", "the node was interrupted while it was sent; the point could not be read back")
            else:
                self._end(entry, "unknown", f"no result within {self._limits.send_s:g} s")
        self._forget()
        self._go()

    def next_time(self) -> float | None:
        """When `tick` has something to do at the latest; None: not before something else happens."""
        now = self._clock.monotonic()
        return min((entry.next_time(now) for entry in self._live.values()), default=None)

    def close(self) -> None:
        """Nothing new is begun; what waits stays in the journal for the next start."""
        self._closing = True

    # -- whose turn it is --------------------------------------------------------------------------------------------

    def _go(self) -> None:
        """Begin what may begin."""
        now = self._clock.monotonic()
        while self._open and not self._closing:
            entry = self._turns.next(now)
            if entry is None:
                return
            if entry.phase is Phase.WAIT and now >= entry.deadline:
                self._expire(entry)
                continue
            self._turns.begin(entry)
            command = entry.row.command
            if entry.phase is Phase.DOUBT:
                self._effects.append(Look(command.key, command.point))
            elif self._points[command.point].readable and not command.priority:
                entry.phase = Phase.OLD
                self._effects.append(Look(command.key, command.point))
            else:
                entry.phase, entry.row.phase = Phase.INTENT, "sending"
                self._save(entry)

    def _save(self, entry: Entry) -> None:
        self._effects.append(Save(msgspec.structs.replace(entry.row)))

    def _expire(self, entry: Entry) -> None:
        away = f"the adapter is not connected{f' ({self._away})' if self._away else ''}"
        why = "it was not its turn" if self._open else away
        self._end(entry, "expired", f"not sent within {entry.row.command.expires_s:g} s: {why}")

    def _end(self, entry: Entry, state: State, message: str) -> None:
        """It has ended. An adapter that still has it in hand keeps its point taken."""
        row = entry.row
        # only an adapter keeps a point: what is on its way to the disk gets there before what follows it
        entry.in_hand = entry.in_hand and entry.phase is not Phase.INTENT
        row.phase, row.state, row.message, row.ended = "ended", state, message, self._clock.wall_ns()
        entry.phase = Phase.ENDED
        entry.forget_at = self._clock.monotonic() + self._limits.keep_s
        del self._live[row.command.key]
        self._known[row.command.key] = entry
        self._count(state)
        self._save(entry)
        self._effects.append(Audit(row))
        if not entry.in_hand:
            self._turns.leave(entry)

    def _forget(self) -> None:
        now = self._clock.monotonic()
        while self._known:
            entry = next(iter(self._known.values()))
            if len(self._known) <= self._limits.keep and now < entry.forget_at:
                return
            if entry.in_hand:  # an adapter has it; it goes to the end, and the next one is looked at
                self._known.move_to_end(entry.row.command.key)
                return
            self._known.popitem(last=False)

    def _count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1
