"""The words of commands: what is asked, what became of it, and what is written down of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from rt_edge.data.reading import Value

State = Literal["accepted", "sent", "confirmed", "failed", "expired", "unknown", "refused"]
"""`accepted`: it will be tried; `sent`: bytes went out; `confirmed`: the device has the value; `failed`: it has not;
`expired`: it was not sent in time, and will not be; `unknown`: it may have been carried out, and nobody can say; `refused`:
nothing was tried."""

Via = Literal["cli", "graph", "uplink"]

MAX_KEY = 128
"""Characters of an idempotency key."""

MAX_EXPIRES_S = 86_400.0
DEFAULT_EXPIRES_S = 10.0


class Command(msgspec.Struct, frozen=True, array_like=True):
    """One value for one point. The layout is append-only.

    Attributes:
        key: names the command: the same key again is the same command, answered and not repeated.
        point: as the adapter names it, `pump-1/setpoint`.
        value: what it is to hold.
        expires_s: seconds from its arrival after which it is not sent any more.
        priority: before all commands to other points that have none; never before an earlier one to its own point.
        dry_run: say what would happen, and send nothing.
        text: `value` is text that a person wrote, to be read as what the point holds.
        via, who, where: for the audit log: the way it came, who asked, and from where.
    """

    key: str
    point: str
    value: Value
    expires_s: float = DEFAULT_EXPIRES_S
    priority: bool = False
    dry_run: bool = False
    text: bool = False
    via: Via = "cli"
    who: str = ""
    where: str = ""


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What became of a command so far. The layout is append-only.

    Attributes:
        key: of the command.
        state: where it is.
        final: whether this will change any more; `sent` and, of a dry run, `accepted` can be the end of it.
        message: for a person.
        value: what the point was found to hold afterwards, or, of a read, now; None: it was not read.
        old: what it held before; None: it was not read.
        unit: unit of measure, for people.
    """

    key: str
    state: State
    final: bool
    message: str = ""
    value: Value | None = None
    old: Value | None = None
    unit: str = ""


class Row(msgspec.Struct, array_like=True):
    """A command as the journal has it. The layout is append-only.

    Attributes:
        number: order of arrival.
        command: what was asked.
        phase: `accepted`: no byte went out; `sending`: bytes may have gone out; `ended`: `state` is final.
        state, message, value, old: as in `Outcome`.
        arrived, ended: wall nanoseconds.
        boot: kernel's boot id, within which `deadline` (monotonic seconds) means something.
    """

    number: int
    command: Command
    phase: Literal["accepted", "sending", "ended"]
    state: State
    message: str
    value: Value | None
    old: Value | None
    arrived: int
    ended: int
    boot: str
    deadline: float

    def outcome(self) -> Outcome:
        """What an asker is told of it."""
        return Outcome(self.command.key, self.state, self.phase == "ended", self.message, self.value, self.old)
