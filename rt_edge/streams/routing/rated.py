"""Rated: yields that are measured, and routing in proportion to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rt_edge.streams.routing.routee import Routee
from rt_edge.streams.routing.strategy import NOBODY, Strategy
from rt_edge.streams.routing.weights import Shares

HALF_LIFE_S = 5.0
"""After so many seconds without news a yield counts half."""

LEAST_SHARE = 0.02
"""Who yields nothing still gets this share of the best: otherwise nobody would learn that it works again."""


class Yields:
    """Elements a second by name, as an average in which older news counts less.

    Args:
        half_life: seconds.
    """

    def __init__(self, half_life: float = HALF_LIFE_S) -> None:
        self._half_life = half_life
        self._rates: dict[str, tuple[float, float]] = {}  # name -> (sum with decay, when)

    def note(self, name: str, n: int, now: float) -> None:
        """`name` has yielded `n` more elements, at monotonic time `now`."""
        self._rates[name] = (self._sum(name, now) + n, now)

    def rate(self, name: str, now: float) -> float:
        """Elements a second."""
        return self._sum(name, now) * 0.6931471805599453 / self._half_life

    def forget(self, name: str) -> None:
        """It is gone."""
        self._rates.pop(name, None)

    def weights(self, names: Sequence[str], now: float) -> dict[str, float]:
        """Shares between LEAST_SHARE and 1, in proportion to the rates; equal ones while nothing is known."""
        rates = {name: self.rate(name, now) for name in names}
        best = max(rates.values(), default=0.0)
        if best <= 0:
            return dict.fromkeys(names, 1.0)
        return {name: max(LEAST_SHARE, rate / best) for name, rate in rates.items()}

    def _sum(self, name: str, now: float) -> float:
        total, when = self._rates.get(name, (0.0, now))
        return total * float(0.5 ** (max(0.0, now - when) / self._half_life))


class Rated(Strategy):
    """Of those who have asked, in proportion to what each has yielded lately.

    Whoever finishes elements says so to `yields`; who is fast is given more, who fails or stalls is only tried now and then.

    Args:
        now: monotonic time.
        yields: what is known; shared with who measures.
    """

    def __init__(self, now: Callable[[], float], yields: Yields | None = None) -> None:
        self.yields = yields or Yields()
        self._now = now
        self._shares = Shares()

    def choose(self, element: Any, routees: Sequence[Routee]) -> Sequence[int]:
        """The one whose share says it is next."""
        weights = self._weights(routees)
        if not weights:
            return NOBODY
        name = self._shares.peek(weights)
        return (next(place for place, routee in enumerate(routees) if routee.name == name),)

    def sent(self, chosen: Sequence[int], routees: Sequence[Routee]) -> None:
        """Its share is used."""
        self._shares.take(routees[chosen[0]].name, self._weights(routees, also=chosen[0]))

    def _weights(self, routees: Sequence[Routee], also: int = -1) -> dict[str, float]:
        names = [routee.name for place, routee in enumerate(routees) if routee.credit > 0 or place == also]
        return self.yields.weights(names, self._now())

    def deal(self, items: Sequence[Any], routees: Sequence[Routee]) -> list[int]:
        """All at once: the weights are those of now."""
        places = {routee.name: place for place, routee in enumerate(routees)}
        weights = self._weights(routees)
        names = self._shares.deal(weights, {name: routees[places[name]].credit for name in weights}, len(items))
        for name in weights:
            routees[places[name]].credit -= names.count(name)
        return [places[name] for name in names]


class Credits:
    """How much to ask of each of several sources: twice as much after all that was asked came, half as much for each
    half-life in which it did not. So nobody is written off: a small credit is soon used up, and doubles.

    Args:
        most: credit of each at the start, and at most.
        half_life: seconds.
    """

    def __init__(self, most: int, half_life: float = HALF_LIFE_S) -> None:
        self._most = most
        self._half_life = half_life
        self._credits: dict[str, tuple[float, float]] = {}  # name -> (credit, when it was so)

    def of(self, name: str, now: float) -> int:
        """At least 1."""
        return max(1, int(self._now(name, now)))

    def arrived(self, name: str, now: float, all_of_it: bool) -> None:
        """Elements have come; `all_of_it`: nothing that was asked for is missing."""
        credit = self._now(name, now)
        self._credits[name] = (min(float(self._most), max(1.0, credit) * 2) if all_of_it else credit, now)

    def _now(self, name: str, now: float) -> float:
        credit, when = self._credits.setdefault(name, (float(self._most), now))
        return credit * float(0.5 ** (max(0.0, now - when) / self._half_life))
