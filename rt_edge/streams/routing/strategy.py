"""Strategies: to whom of several an element goes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.routing.routee import Routee

NOBODY: tuple[int, ...] = ()
"""Nobody can be given the element now."""


class Strategy:
    """Says to whom an element goes; deterministic in what it is given.

    `choose` only looks; who has given the element away says so with `sent`. So an element that has to wait changes nothing.

    Attributes:
        waits: an element waits for the routee that was chosen, also while that one is busy (its credit is 0); otherwise
            a busy routee is never chosen.
    """

    waits: ClassVar[bool] = False

    def choose(self, element: Any, routees: Sequence[Routee]) -> Sequence[int]:
        """Places in `routees` of those who get it; NOBODY if it has to wait for somebody."""
        raise NotImplementedError

    def wanted(self, element: Any, routees: Sequence[Routee]) -> bool:
        """Whether it is for any of them at all; if not, nobody need wait for it."""
        return True

    def sent(self, chosen: Sequence[int], routees: Sequence[Routee]) -> None:
        """An element was given to the routees at the places `chosen`."""

    def capacity(self, routees: Sequence[Routee]) -> int:
        """How many elements may be asked for, so that they can be given away with the credit there is."""
        return sum(routee.credit for routee in routees)

    def deal(self, items: Sequence[Any], routees: Sequence[Routee]) -> list[int]:
        """Give away leading `items` to one routee each, as far as the credit goes; takes the credit.

        Returns:
            The place of the routee for each of them.
        """
        dealt: list[int] = []
        for item in items:
            chosen = self.choose(item, routees)
            if not chosen or routees[chosen[0]].credit <= 0:
                break
            place = chosen[0]
            routees[place].credit -= 1
            self.sent(chosen, routees)
            dealt.append(place)
        return dealt


class RoundRobin(Strategy):
    """One after the other, whether busy or not."""

    waits: ClassVar[bool] = True

    def __init__(self) -> None:
        self._next = 0

    def choose(self, element: Any, routees: Sequence[Routee]) -> Sequence[int]:
        """The one whose turn it is."""
        return (self._next % len(routees),) if routees else NOBODY

    def sent(self, chosen: Sequence[int], routees: Sequence[Routee]) -> None:
        """The turn passes on."""
        self._next = (chosen[0] + 1) % len(routees)

    def capacity(self, routees: Sequence[Routee]) -> int:
        """Until the turn comes to one that has no credit left."""
        n = len(routees)
        return min((routee.credit * n + (place - self._next) % n for place, routee in enumerate(routees)), default=0)

    def deal(self, items: Sequence[Any], routees: Sequence[Routee]) -> list[int]:
        """All at once: the turns are known."""
        n = len(routees)
        many = min(len(items), self.capacity(routees))
        if not many:
            return []
        first = self._next % n
        dealt = [(first + i) % n for i in range(many)]
        for place, routee in enumerate(routees):
            routee.credit -= (many + n - 1 - (place - first) % n) // n
        self._next = (first + many) % n
        return dealt


class Balancing(Strategy):
    """Work pulling: the next in turn of those who have asked; who is busy is passed over."""

    def __init__(self) -> None:
        self._next = 0

    def choose(self, element: Any, routees: Sequence[Routee]) -> Sequence[int]:
        """The first with credit, from the one whose turn it is."""
        n = len(routees)
        for step in range(n):
            place = (self._next + step) % n
            if routees[place].credit > 0:
                return (place,)
        return NOBODY

    def sent(self, chosen: Sequence[int], routees: Sequence[Routee]) -> None:
        """The turn passes on."""
        self._next = (chosen[0] + 1) % len(routees)


class RandomChoice(Strategy):
    """Any of those who have asked, each as likely as the other.

    Args:
        random: of the choices.
    """

    def __init__(self, random: Random) -> None:
        self._random = random

    def choose(self, element: Any, routees: Sequence[Routee]) -> Sequence[int]:
        """One with credit."""
        ready = [place for place, routee in enumerate(routees) if routee.credit > 0]
        return (self._random.choice(ready),) if ready else NOBODY


class MostDemand(Strategy):
    """The one with the most credit; of equals the one with the least load, then the one given to longest ago.

    This is the smallest mailbox where mailboxes have a size: room and demand are the same number.
    """

    def __init__(self) -> None:
        self._next = 0

    def choose(self, element: Any, routees: Sequence[Routee]) -> Sequence[int]:
        """The one with the most credit, if anybody has some."""
        n = len(routees)
        best = NOBODY
        most = (0, 0)
        for step in range(n):
            place = (self._next + step) % n
            found = (routees[place].credit, -routees[place].load)
            if found[0] > 0 and (not best or found > most):
                best, most = (place,), found
        return best

    def sent(self, chosen: Sequence[int], routees: Sequence[Routee]) -> None:
        """Of equals another one is next."""
        self._next = (chosen[0] + 1) % len(routees)


class Everyone(Strategy):
    """All of them (broadcast): the slowest sets the pace."""

    waits: ClassVar[bool] = True

    def choose(self, element: Any, routees: Sequence[Routee]) -> Sequence[int]:
        """All."""
        return tuple(range(len(routees)))

    def capacity(self, routees: Sequence[Routee]) -> int:
        """What all have asked for."""
        return min((routee.credit for routee in routees), default=0)


ASK_MOST = CHUNK_ELEMENTS
"""Elements that a router asks for at once, at most."""
