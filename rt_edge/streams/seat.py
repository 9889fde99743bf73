"""Seat: a graph node's place in a running engine: its current logic, wires, counters and context."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from rt_edge.streams.stage import Stage, StageContext, StageLogic
from rt_edge.streams.wire import Wire

if TYPE_CHECKING:
    from rt_edge.streams.engine import Engine


class Seat:
    """A graph node of a running engine.

    Attributes:
        name: the graph node's name.
        stage: its description.
        logic: the logic of now; another one after a supervised restart.
        ins: wires at the inlets, by index.
        outs: wires at the outlets, by index.
        counters: name -> count, monotonic: `errors`, `restarts`, `dropped_<reason>`, and what the stage counts itself.
        stopped: it has said its last word.
    """

    __slots__ = ("context", "counters", "engine", "ins", "logic", "name", "outs", "stage", "stopped")

    def __init__(self, engine: Engine, name: str, stage: Stage) -> None:
        self.engine = engine
        self.name = name
        self.stage = stage
        self.logic: StageLogic
        self.ins: list[Wire] = [None] * len(stage.inlets)  # type: ignore[list-item]  # filled by the engine before use
        self.outs: list[Wire] = [None] * len(stage.outlets)  # type: ignore[list-item]  # filled by the engine before use
        self.counters: dict[str, int] = {}
        self.stopped = False
        self.context = SeatContext(self)

    def seat_logic(self) -> None:
        """Make a fresh logic and bind it."""
        logic = self.stage.create_logic()
        logic.bind(self, self.context, self.engine, self.ins, self.outs)
        self.logic = logic


class SeatContext(StageContext):
    """The context of one logic: timers and tasks die with it."""

    __slots__ = ("_life", "_seat", "_tasks", "_timers")

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat.engine.host.clock, seat.name)
        self._seat = seat
        self._timers: dict[object, Callable[[], None]] = {}
        self._tasks: set[Callable[[], None]] = set()
        self._life = 0

    def after(self, seconds: float, key: object) -> None:
        """One-shot timer."""
        self.cancel_timer(key)
        self._timers[key] = self._seat.engine.host.later(seconds, lambda: self._fire(key, None, 0.0))

    def every(self, seconds: float, key: object) -> None:
        """Periodic timer without drift; slots that were missed coalesce."""
        self.cancel_timer(key)
        due = self.clock.monotonic() + seconds
        self._timers[key] = self._seat.engine.host.later(seconds, lambda: self._fire(key, seconds, due))

    def _fire(self, key: object, period: float | None, due: float) -> None:
        if self._timers.pop(key, None) is None:
            return
        if period is not None:
            now = self.clock.monotonic()
            due += period * max(1.0, (now - due) // period + 1)
            delay = max(0.0, due - now)
            self._timers[key] = self._seat.engine.host.later(delay, lambda: self._fire(key, period, due))
        self._seat.engine.enter(self._seat, self._seat.logic.on_timer, key)

    def cancel_timer(self, key: object) -> None:
        """Forget it."""
        cancel = self._timers.pop(key, None)
        if cancel is not None:
            cancel()

    def spawn(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        """A task on the island's loop."""
        life = self._life
        cancel: Callable[[], None] | None = None

        def finished(result: Any, error: BaseException | None) -> None:
            if cancel is not None:
                self._tasks.discard(cancel)
            if life == self._life:
                self._seat.engine.enter(self._seat, done, result, error)

        cancel = self._seat.engine.host.spawn(work, finished)
        self._tasks.add(cancel)
        return cancel

    def callback(self, function: Callable[..., None]) -> Callable[..., None]:
        """From any thread."""
        enter = self.callback_here(function)
        host = self._seat.engine.host
        return lambda *args: host.threadsafe(lambda: enter(*args))

    def callback_here(self, function: Callable[..., None]) -> Callable[..., None]:
        """From the island's thread."""
        life = self._life
        seat = self._seat

        def enter(*args: Any) -> None:
            if life == self._life:
                seat.engine.enter(seat, function, *args)

        return enter

    def soon(self, function: Callable[[], None]) -> None:
        """In a turn of its own."""
        life = self._life

        def enter() -> None:
            if life == self._life:
                self._seat.engine.enter(self._seat, function)

        self._seat.engine.host.soon(enter)

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter of the graph node."""
        counters = self._seat.counters
        counters[name] = counters.get(name, 0) + n

    @property
    def timers(self) -> int:
        """How many timers are set."""
        return len(self._timers)

    @property
    def tasks(self) -> int:
        """How many tasks run."""
        return len(self._tasks)

    def clear(self) -> None:
        """Cancel all timers and tasks; calls that are under way are ignored."""
        self._life += 1
        for cancel in [*self._timers.values(), *self._tasks]:
            cancel()
        self._timers.clear()
        self._tasks.clear()

    def close(self) -> None:
        """The logic has stopped."""
        self.clear()
