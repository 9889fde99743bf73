"""The SPI for people who write stages.

A `Stage` is an immutable description: parameters and ports. It makes one `StageLogic` per run, the only mutable object.
A logic is driven by the engine in one thread, one call at a time, and answers with the actions of its base class.

How demand works (the contract every stage keeps; the engine checks it):

- Demand is counted in elements. `on_pull(outlet, n)`: `n` more elements are wanted there, on top of what was announced before.
  It is called only while the outlet's slot is empty, so whatever was pushed before has been taken.
- `request(inlet, n)` asks for `n` more elements. A stage that consumed input without satisfying its outlet asks again in the
  same turn; a stage never waits to fill a chunk.
- `push(outlet, chunk)` is allowed while the outlet `is_free`. A chunk larger than the demand is cut by the engine: what
  exceeds it waits in the outlet's slot, and `on_pull` is not called before the slot is empty. So a stage may push a chunk that
  is larger than the demand (an expansion), but should stay lazy: at most one chunk waits per wire.
- Elements arrive in `on_push(inlet, chunk)`, never more than requested.
- After `complete`/`fail`/`cancel` of a port nothing more is said there. `on_upstream_finish` comes after the last element.
- What a logic discards it settles (`chunk.drop(reason)`); what it was holding when it stops is settled by `on_stop`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import InternalError

if TYPE_CHECKING:
    from rt_edge.data.clock import Clock


class ReceiptUse(enum.Enum):
    """What a stage does with the receipts of its elements (design 5); the planner sums the holds of a path."""

    PASS = "pass"
    """One for one, or filtered and settled."""
    SPLIT = "split"
    """Fan-out: every branch has to settle."""
    HOLD = "hold"
    """Keeps up to `holds()` elements unsettled."""
    INTAKE = "settle on intake"
    """Settles what comes in at once: what it makes is volatile."""
    END = "end"
    """A sink that settles."""
    ORIGIN = "origin"
    """A source that counts marks."""


class Hold(msgspec.Struct, frozen=True):
    """How much a stage keeps unsettled.

    Attributes:
        elements: at most so many; None: no bound (refused behind a source with a window).
        seconds: at most so long; None: until `elements` are there.
    """

    elements: int | None
    seconds: float | None = None


class Inlet(msgspec.Struct, frozen=True):
    """An input port; `index` counts the inlets of a stage from 0."""

    name: str
    index: int = 0


class Outlet(msgspec.Struct, frozen=True):
    """An output port; `index` counts the outlets of a stage from 0."""

    name: str
    index: int = 0


IN = Inlet("in")
OUT = Outlet("out")


class Supervision(enum.Enum):
    """What to do when user code raises."""

    STOP = "stop"
    """Fail the stage: the error goes downstream, upstream is cancelled."""
    RESUME = "resume"
    """Fail the elements concerned, keep the state, go on."""
    RESTART = "restart"
    """Fail the elements concerned and all the stage holds, start with fresh state, go on."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable description of a processing step: its fields are its parameters.

    A stage with a `kind` can be used from a configuration: its fields are then its properties, validated by type
    (`rt_edge.streams.catalogue`). The docstring of every stage has four lines: Emits when, Backpressures when, Completes when,
    Cancels when.
    """

    kind: ClassVar[str] = ""
    receipts: ClassVar[ReceiptUse] = ReceiptUse.PASS
    combines: ClassVar[bool] = False
    """Makes one element of several: needs a journal or `settle: early` behind a redelivering source."""
    comes_again: ClassVar[str] = ""
    """What an element does there that its origin emits again, where it is not told from new ones; see docs/adr/0015."""

    @property
    def label(self) -> str:
        """What the graph calls it when nobody named it."""
        return self.kind or type(self).__name__.lower()

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """Input ports, in order."""
        return (IN,)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """Output ports, in order."""
        return (OUT,)

    @property
    def supervision(self) -> Supervision:
        """What happens when user code in it raises."""
        return Supervision.STOP

    def holds(self) -> Hold:
        """How much it keeps unsettled; asked of stages whose `receipts` is HOLD."""
        return Hold(0)

    def lets_out(self) -> int | None:
        """Elements that it lets out at its first outlet and waits to see settled, at most; None: any number. To those behind it
        that is what the window of a source is."""
        return None

    def create_logic(self) -> StageLogic:
        """A fresh logic, for one run."""
        raise InternalError(f"{type(self).__name__} has no logic")


class StageContext:
    """What a logic may ask of the world; made by the engine, one per logic.

    Attributes:
        clock: time; under a virtual clock in tests.
        name: the graph node's name, for messages.
    """

    __slots__ = ("clock", "name")

    def __init__(self, clock: Clock, name: str) -> None:
        self.clock = clock
        self.name = name

    def after(self, seconds: float, key: object) -> None:
        """Call `on_timer(key)` once, that much later; replaces a timer of the same key."""
        raise NotImplementedError

    def every(self, seconds: float, key: object) -> None:
        """Call `on_timer(key)` at this period; late calls coalesce; replaces a timer of the same key."""
        raise NotImplementedError

    def cancel_timer(self, key: object) -> None:
        """Forget the timer `key`; nothing happens if there is none."""
        raise NotImplementedError

    def spawn(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        """Run `work` on the island's event loop; `done(result, error)` is called within a turn. Returns its cancel function."""
        raise NotImplementedError

    def callback(self, function: Callable[..., None]) -> Callable[..., None]:
        """A function that may be called from any thread and runs `function` within a turn, as long as the logic lives."""
        raise NotImplementedError

    def callback_here(self, function: Callable[..., None]) -> Callable[..., None]:
        """Like `callback`, for a function that is called only from the island's thread and outside a turn: runs it at once."""
        raise NotImplementedError

    def soon(self, function: Callable[[], None]) -> None:
        """Run `function` in a turn of its own, after what the island's loop has to do now; only from the island's thread."""
        raise NotImplementedError

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter of this graph node (`dropped_<reason>`, `errors`, ...); shown by `status`."""
        raise NotImplementedError


class StageLogic:
    """The mutable side of a stage; subclass it and override the handlers.

    The handlers must not block and must not be called by the logic itself. Whatever raises out of a handler goes to
    supervision (`Stage.supervision`).
    """

    ctx: StageContext
    seat: Any
    """Its place in the engine; for the engine's own use."""
    _engine: Any
    _ins: list[Any]
    _outs: list[Any]

    def bind(self, seat: Any, ctx: StageContext, engine: Any, ins: list[Any], outs: list[Any]) -> None:
        """Called once by the engine before any handler."""
        self.seat = seat
        self.ctx = ctx
        self._engine = engine
        self._ins = ins
        self._outs = outs

    # -- handlers, called by the engine ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """First call of a run; actions are allowed."""

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """`chunk` arrived; it is now this logic's to push, hold or settle."""
        raise InternalError(f"{type(self).__name__} has no on_push")

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """`n` more elements are wanted; the outlet's slot is empty."""
        raise InternalError(f"{type(self).__name__} has no on_pull")

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """No more elements will come in here. Default: complete the stage."""
        self.complete_stage()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        """Upstream failed. Default: fail the stage."""
        self.fail_stage(error)

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        """Nobody wants elements there any more. Default: cancel the stage, with the same cause."""
        self.cancel_stage(cause)

    def on_timer(self, key: object) -> None:
        """A timer of this logic fired."""

    def on_stop(self, error: BaseException | None) -> None:
        """Last call of a run: settle or fail what is still held (`error` is None after completion or a plain cancel)."""

    def residue(self) -> list[Chunk]:
        """What a stage that is being removed hands on, in front of the wire: the raw elements it holds, or what it
        would emit on completion. It holds nothing afterwards."""
        return []

    # -- actions, called by the logic (bound by the engine) -----------------------------------------------------------

    def request(self, inlet: Inlet, n: int) -> None:
        """Ask for `n` > 0 more elements."""
        self._engine.request(self._ins[inlet.index], n)

    def push(self, outlet: Outlet, chunk: Chunk) -> None:
        """Emit `chunk`; only while the outlet `is_free`."""
        self._engine.push(self._outs[outlet.index], chunk)

    def pull_again(self, outlet: Outlet) -> None:
        """Have `on_pull` called with all the demand that is open here as soon as the slot is empty: for a logic that has more
        chunks to push than fit the slot. Until then `demand` says 0."""
        self._engine.announce_again(self._outs[outlet.index])

    def complete(self, outlet: Outlet) -> None:
        """No more elements will go out here; what is in the slot is still delivered."""
        self._engine.complete(self._outs[outlet.index])

    def fail(self, outlet: Outlet, error: BaseException) -> None:
        """End this outlet with an error."""
        self._engine.fail(self._outs[outlet.index], error)

    def fail_behind(self, outlet: Outlet, error: BaseException) -> None:
        """End this outlet with an error that follows what is in the slot, however late that is taken."""
        self._engine.fail_behind(self._outs[outlet.index], error)

    def cancel(self, inlet: Inlet, cause: BaseException | None = None) -> None:
        """Nothing more is wanted here. Without a cause, elements under way are dropped; with one, they fail."""
        self._engine.cancel(self._ins[inlet.index], cause)

    def complete_stage(self) -> None:
        """Complete every outlet, cancel every inlet, stop."""
        self._engine.stop_logic(self, None, None)

    def fail_stage(self, error: BaseException) -> None:
        """Fail every outlet, cancel every inlet with `error`, stop."""
        self._engine.stop_logic(self, error, error)

    def cancel_stage(self, cause: BaseException | None) -> None:
        """Cancel every inlet with `cause`, complete every outlet still open, stop."""
        self._engine.stop_logic(self, None, cause)

    # -- queries -----------------------------------------------------------------------------------------------------

    def is_free(self, outlet: Outlet) -> bool:
        """Whether the outlet is open and its slot empty."""
        wire = self._outs[outlet.index]
        return wire.slot is None and not wire.out_closed

    def is_closed(self, port: Inlet | Outlet) -> bool:
        """Whether nothing more can be said at this port."""
        if isinstance(port, Inlet):
            return bool(self._ins[port.index].in_closed)
        return bool(self._outs[port.index].out_closed)

    def demand(self, outlet: Outlet) -> int:
        """Elements wanted at the outlet and not yet pushed; 0 while it is not free."""
        wire = self._outs[outlet.index]
        if wire.slot is not None or wire.out_closed:
            return 0
        wanted: int = wire.announced
        return wanted

    def requested(self, inlet: Inlet) -> int:
        """Elements asked for at the inlet and not yet arrived."""
        return int(self._ins[inlet.index].demand)
