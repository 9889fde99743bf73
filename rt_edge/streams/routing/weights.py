"""Weights: priorities that may change while they are in use, and shares in proportion to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import add
from typing import Any

from rt_edge.data.errors import ConfigError
from rt_edge.streams.listeners import Listened
from rt_edge.streams.routing.routee import Routee
from rt_edge.streams.routing.strategy import NOBODY, Strategy

MOST = 1_000_000
"""The highest priority."""


class Priorities(Listened):
    """Priorities by name: the control object of everything that obeys priorities. Any thread may read and set.

    Args:
        values: name -> priority, a whole number from 0 to 1,000,000; more is more important.
        default: of names that were not set.

    Raises:
        ConfigError: a value that is no priority.
    """

    def __init__(self, values: Mapping[str, int] | None = None, default: int = 1) -> None:
        super().__init__()
        self._default = _checked(default)
        self._values = {name: _checked(value) for name, value in (values or {}).items()}

    def of(self, name: str) -> int:
        """The priority of `name`."""
        return self._values.get(name, self._default)

    def set(self, name: str, priority: int) -> None:
        """Change one; those who use it are told.

        Raises:
            ConfigError: not a priority.
        """
        self.change(lambda: setattr(self, "_values", {**self._values, name: _checked(priority)}))

    def __repr__(self) -> str:
        return f"Priorities({self._values}, default={self._default})"


def _checked(priority: Any) -> int:
    if not isinstance(priority, int) or isinstance(priority, bool) or not 0 <= priority <= MOST:
        raise ConfigError(f"{priority!r} is no priority", f"a whole number from 0 to {MOST:,}")
    return priority


class Shares:
    """Turns in proportion to weights, evenly spread (smooth weighted round robin): 5, 1, 1 gives a a b a c a a.

    A name without a weight, or with one of 0, gets a turn only when no other is there.
    """

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def next(self, weights: Mapping[str, float]) -> str:
        """Whose turn it is, of these.

        Raises:
            LookupError: there are none.
        """
        best = self.peek(weights)
        self.take(best, weights)
        return best

    def take(self, taken: str, weights: Mapping[str, float]) -> None:
        """`taken`, which is one of these, had a turn."""
        credit = self._credit
        for name, weight in weights.items():
            credit[name] = credit.get(name, 0.0) + weight
        credit[taken] -= sum(weights.values()) or 1.0

    def deal(self, weights: Mapping[str, float], most: Mapping[str, int], n: int) -> list[str]:
        """Whose turn it is, `n` times; who has had `most` turns is not there any more. As `next` so many times, in one go.

        Returns:
            Names; fewer than `n` if nobody is left.
        """
        dealt: list[str] = []
        left = dict(weights)
        room = dict(most)
        while left and len(dealt) < n:
            self._forget_others(left)
            total = sum(left.values()) or 1.0
            there = {name: weight for name, weight in left.items() if weight > 0} or left
            names = sorted(there, key=there.__getitem__, reverse=True)  # of equal credit, the first of the greatest weight
            steps = [there[name] for name in names]
            credit = [self._credit.get(name, 0.0) for name in names]
            rooms = [room[name] for name in names]
            for _ in range(n - len(dealt)):
                credit = list(map(add, credit, steps))
                place = credit.index(max(credit))
                credit[place] -= total
                dealt.append(names[place])
                rooms[place] -= 1
                if rooms[place] <= 0:
                    del left[names[place]]
                    break
            self._credit.update(zip(names, credit, strict=True))
            room.update(zip(names, rooms, strict=True))
        return dealt

    def _forget_others(self, weights: Mapping[str, float]) -> None:
        credit = self._credit
        for name in [name for name in credit if name not in weights]:
            del credit[name]  # who comes again begins anew: turns are not saved up

    def peek(self, weights: Mapping[str, float]) -> str:
        """Whose turn it is, without taking it.

        Raises:
            LookupError: there are none.
        """
        credit = self._credit
        self._forget_others(weights)
        if not weights:
            raise LookupError("nobody is there to take a turn")
        positive = {name: weight for name, weight in weights.items() if weight > 0} or weights
        return max(positive, key=lambda name: (credit.get(name, 0.0) + weights[name], weights[name]))


class ByPriority(Strategy):
    """The most important of those who have asked; equals take turns.

    Args:
        priorities: may change at any time.
    """

    def __init__(self, priorities: Priorities) -> None:
        self.priorities = priorities
        self._next = 0

    def choose(self, element: Any, routees: Sequence[Routee]) -> Sequence[int]:
        """The one of the highest priority with credit."""
        n = len(routees)
        best = NOBODY
        most = -1
        for step in range(n):
            place = (self._next + step) % n
            routee = routees[place]
            if routee.credit > 0:
                priority = self.priorities.of(routee.name)
                if priority > most:
                    best, most = (place,), priority
        return best

    def sent(self, chosen: Sequence[int], routees: Sequence[Routee]) -> None:
        """Of equals another one is next."""
        self._next = (chosen[0] + 1) % len(routees)
