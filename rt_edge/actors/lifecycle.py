"""Lifecycle: the states of whatever is started, watched and started again: actors, islands, members, routees. One machine, and
one set of words.

    new ──► starting ──► running ──► leaving ──► stopped
                │  ▲        │
                ▼  │        ▼
             failed └── waiting      (for a restart; `failed`: it cannot work as it is)
"""

from __future__ import annotations

from typing import Literal, overload

from rt_edge.data.errors import InternalError

State = Literal["new", "starting", "running", "waiting", "leaving", "failed", "stopped"]

MOVES: dict[State, frozenset[State]] = {
    "new": frozenset({"starting", "running", "waiting", "failed", "stopped"}),
    "starting": frozenset({"running", "waiting", "leaving", "failed", "stopped"}),
    "running": frozenset({"waiting", "leaving", "failed", "stopped"}),
    "waiting": frozenset({"starting", "running", "leaving", "failed", "stopped"}),
    "leaving": frozenset({"running", "waiting", "stopped"}),
    "failed": frozenset({"starting", "waiting", "stopped"}),
    "stopped": frozenset(),
}
"""State -> those that may follow. What is stopped stays so; who leaves may be asked to stay."""


class StateOf:
    """An attribute `state` that goes only where the machine allows.

        class Island:
            state = StateOf()

    Setting it raises `InternalError` for a move that is not in `MOVES`; the state it has is always allowed. A class with slots
    has one more, `_state_now`.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        """Where the value is kept."""
        self._slot = f"_{name}_now"

    @overload
    def __get__(self, instance: None, owner: type) -> StateOf: ...

    @overload
    def __get__(self, instance: object, owner: type) -> State: ...

    def __get__(self, instance: object | None, owner: type) -> State | StateOf:
        """The state of now; `new` before the first."""
        return self if instance is None else getattr(instance, self._slot, "new")

    def __set__(self, instance: object, state: State) -> None:
        """Go there."""
        before: State = getattr(instance, self._slot, "new")
        if state != before and state not in MOVES[before]:
            raise InternalError(f"{getattr(instance, 'name', type(instance).__name__)} cannot go from {before} to {state}")
        setattr(instance, self._slot, state)
