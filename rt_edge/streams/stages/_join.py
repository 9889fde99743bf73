"""The logic of `join`: what waits for its partner, for how long, and what the two become."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.reading import Quality, Reading, is_gap
from rt_edge.streams.stage import OUT, Inlet, Supervision
from rt_edge.streams.stages._common import bare, discard, note_failures, settle_rest
from rt_edge.streams.stages._holding import HoldingLogic
from rt_edge.streams.stages._joining import join_each

if TYPE_CHECKING:
    from rt_edge.streams.stages.join import Join

UNPAIRED = "unpaired"
"""The reason of what no partner came for."""
LEFT = Inlet("left", 0)
RIGHT = Inlet("right", 1)
_WORST: dict[Quality, int] = {"good": 0, "uncertain": 1, "stale": 2, "bad": 3}


class _Waiting:
    __slots__ = ("item", "key", "number", "piece", "side", "since", "ts")

    def __init__(self, item: Any, piece: Chunk, key: Any, side: int, since: float, number: int) -> None:
        self.item = item
        self.piece = piece
        self.key = key
        self.side = side
        self.since = since
        self.number = number
        self.ts = _time(item)


def _time(item: Any) -> int:
    return item.ts if isinstance(item, Reading) else 0


class _Same:
    """What waits on one side with one key, by time: the nearest is found without a look at the others."""

    __slots__ = ("_order", "_waiting")

    def __init__(self) -> None:
        self._order: list[tuple[int, int]] = []  # (time, number); what is of one time, in the order of its coming
        self._waiting: list[_Waiting] = []

    def __len__(self) -> int:
        return len(self._order)

    def add(self, waiting: _Waiting) -> None:
        place = bisect_left(self._order, (waiting.ts, waiting.number))
        self._order.insert(place, (waiting.ts, waiting.number))
        self._waiting.insert(place, waiting)

    def remove(self, waiting: _Waiting) -> None:
        place = bisect_left(self._order, (waiting.ts, waiting.number))
        del self._order[place], self._waiting[place]

    def nearest(self, ts: int) -> _Waiting:
        """The one nearest in time; of several, the one that came first."""
        order = self._order
        after = bisect_left(order, (ts, -1))
        before = bisect_left(order, (order[after - 1][0], -1)) if after else -1
        if before < 0 or after == len(order):
            return self._waiting[max(before, 0)]
        earlier, later = ts - order[before][0], order[after][0] - ts
        if earlier == later:
            return self._waiting[min(before, after, key=lambda place: order[place][1])]
        return self._waiting[before if earlier < later else after]


class JoinLogic(HoldingLogic):
    """Pairs elements of both sides; keeps those that wait."""

    bound = 8 * CHUNK_ELEMENTS  # a chunk an inlet, gaps and pairs each by itself at worst

    def __init__(self, stage: Join) -> None:
        super().__init__(stage)
        self._stage = stage
        self._within = round(float(stage.within) * 1e9)
        self._wait = float(stage.wait or stage.within)
        self._function = stage.function or self._merged
        self._sides: tuple[dict[Any, _Same], ...] = ({}, {})
        self._number = 0
        self._order: OrderedDict[_Waiting, None] = OrderedDict()  # the one that waits for longest first
        self._timed = False
        self._made: tuple[list[Any], list[list[Chunk]]] = ([], [])

    def ask(self) -> None:
        """Of both sides, as much as may wait."""
        most = min(CHUNK_ELEMENTS, self._stage.max_waiting)
        for inlet in (LEFT, RIGHT):
            n = most - self.requested(inlet)
            if self.demand(OUT) > self.out.elements and n > 0 and not self.is_closed(inlet):
                self.request(inlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Pair each element, or let it wait for its partner."""
        rest, keys, failures = self.keyed(chunk)
        if failures and self._policy is Supervision.RESTART:
            settle_rest(self, self._take_waiting(), failures[0][1])
        if rest is not None:
            now = self.ctx.clock.monotonic()
            for place, (item, key) in enumerate(zip(rest.items, keys, strict=True)):
                error = self._take(rest.take([place]), item, key, inlet.index, now)
                if error is not None:
                    failures = [*failures, (place, error)]
                    if self._policy is Supervision.STOP:
                        settle_rest(self, [rest.take(range(place + 1, len(rest)))], error)
                        break
            self._flush()
        if self.stop_after(failures):
            return
        self._set_timer()
        self.proceed()

    def _take(self, piece: Chunk, item: Any, key: Any, side: int, now: float) -> Exception | None:
        """Pair an element, or let it wait; returns what a function raised."""
        if isinstance(item, Reading) and is_gap(item):
            self._flush()
            self.out.put(piece)
            return None
        if self._stage.settle == "early":
            piece.settle()
            piece = Chunk(piece.items)
        partner = self._partner(item, key, 1 - side)
        if partner is None:
            self._number += 1
            waiting = _Waiting(item, piece, key, side, now, self._number)
            self._sides[side].setdefault(key, _Same()).add(waiting)
            self._order[waiting] = None
            if len(self._order) > self._stage.max_waiting:
                self.ctx.count("given_up")
                self._give_up(next(iter(self._order)))
            return None
        self._forget(partner)
        left, right = (partner.item, item) if side else (item, partner.item)
        try:
            made = self._function(left, right)
            if made is None:
                raise TypeError("None is not an element (rule 2.13)")
        except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its elements
            self._fail_pair([piece, partner.piece], error)
            return error
        self._made[0].append(made)
        self._made[1].append([bare(piece), bare(partner.piece)])
        return None

    def _fail_pair(self, pair: list[Chunk], error: Exception) -> None:
        note_failures(self, [(0, error)])
        self._failing = True
        settle_rest(self, pair, error)
        if self._policy is Supervision.RESTART:
            self.ctx.count("restarts")
            settle_rest(self, self._take_waiting(), error)

    def _partner(self, item: Any, key: Any, side: int) -> _Waiting | None:
        waiting = self._sides[side].get(key)
        if not waiting:
            return None
        ts = _time(item)
        nearest = waiting.nearest(ts)
        return nearest if abs(nearest.ts - ts) <= self._within else None

    def _forget(self, waiting: _Waiting) -> None:
        del self._order[waiting]
        same = self._sides[waiting.side][waiting.key]
        same.remove(waiting)
        if not same:
            del self._sides[waiting.side][waiting.key]

    def _merged(self, left: Reading, right: Reading) -> Reading:
        prefix = self._stage.right_prefix
        fields = {**{prefix + name: x for name, x in right.fields.items()}, **left.fields}
        quality = max(left.quality, right.quality, key=_WORST.__getitem__)
        tags = {**right.tags, **left.tags}
        return Reading(left.source, max(left.ts, right.ts), fields, quality, tags, max(left.received, right.received))

    # -- without a partner ---------------------------------------------------------------------------------------------

    def _give_up(self, waiting: _Waiting) -> None:
        self._forget(waiting)
        if self._stage.unpaired in ("both", ("left", "right")[waiting.side]):
            self._flush()
            self.out.put(waiting.piece)
        else:
            discard(self, waiting.piece, UNPAIRED)

    def _set_timer(self) -> None:
        if self._order and not self._timed:
            self._timed = True
            since = next(iter(self._order)).since
            self.ctx.after(max(0.001, since + self._wait - self.ctx.clock.monotonic()), "wait")

    def on_timer(self, key: object) -> None:
        """Give up what has waited too long."""
        self._timed = False
        now = self.ctx.clock.monotonic()
        for waiting in list(self._order):
            if now - waiting.since < self._wait - 0.0005:
                break
            self._give_up(waiting)
        self._set_timer()

    # -- out -----------------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Emit the pairs that were made."""
        items, parts = self._made
        if items:
            self._made = ([], [])
            self.out.put(join_each(items, parts))

    def _take_waiting(self) -> list[Chunk]:
        pieces = [waiting.piece for waiting in self._order]
        self._order.clear()
        for side in self._sides:
            side.clear()
        return pieces

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """When both sides have ended, what waits has no partner any more."""
        if not (self.is_closed(LEFT) and self.is_closed(RIGHT)):
            return
        for waiting in list(self._order):
            self._give_up(waiting)
        super().on_upstream_finish(inlet)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, self._take_waiting(), error)

    def residue(self) -> list[Chunk]:
        """Pairs that wait, then the elements without partners, raw, the one that waits for longest first."""
        return super().residue() + self._take_waiting()
