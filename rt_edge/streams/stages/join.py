"""join: pairs of elements of two streams that have one key and come together in time."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Quality, Reading, is_gap
from rt_edge.data.units import Duration
from rt_edge.streams.stage import OUT, Hold, Inlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import Settle, at_least, bare, discard, note_failures, settle_rest
from rt_edge.streams.stages._holding import HoldingLogic
from rt_edge.streams.stages._joining import join_each
from rt_edge.streams.stages._keys import ByKey

UNPAIRED = "unpaired"
"""The reason of what no partner came for."""
LEFT = Inlet("left", 0)
RIGHT = Inlet("right", 1)
_WORST: dict[Quality, int] = {"good": 0, "uncertain": 1, "stale": 2, "bad": 3}


class Join(ByKey, frozen=True, kw_only=True):
    """Makes one reading of one of `left` and one of `right` that have the same key and whose times differ by at most `within`.

    Each is paired once, with the nearest in time that waits on the other side. The result has the source of the left one, the
    later time, all fields and tags (where both have one, the left's), and the worse quality. Gap records pass at once.

    Emits when: an element arrives whose partner waits; when the wait of one without a partner is over, if `unpaired` says so.
    Backpressures when: downstream does.
    Completes when: both inlets have completed and what is held has gone out.
    Cancels when: downstream cancels; both inlets.
    On restart: what waits fails.

    Attributes:
        within: greatest difference of the times of a pair.
        wait: how long an element waits for a partner, in time that passes here; 0: as long as `within`.
        unpaired: whose elements go out alone when no partner came; the others are settled as dropped, `unpaired`.
        right_prefix: put before the names of the right's fields.
        max_waiting: elements that wait for a partner, of all keys; beyond, the one that waits for longest waits no longer
            (counter `given_up`).
        function: (left, right) -> element, in the place of what is said above; elements that are no readings need it, and
            are paired whatever their times.
        settle: end: both are settled when their pair is. early: at once.
    """

    kind: ClassVar[str] = "join"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    combines: ClassVar[bool] = True

    within: Duration | float
    wait: Duration | float = 0.0
    unpaired: Literal["drop", "left", "right", "both"] = "drop"
    right_prefix: str = ""
    max_waiting: int = 1000
    function: Callable[[Any, Any], Any] | None = None
    settle: Settle = "end"

    def __post_init__(self) -> None:
        """Refuse no time and no room."""
        super().__post_init__()
        at_least(0.001, within=self.within)
        at_least(0, wait=self.wait)
        at_least(1, max_waiting=self.max_waiting)
        if self.function is not None and not callable(self.function):
            raise ConfigError("function has to be a function", "leave it out in a configuration")

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """`left`, `right`."""
        return (LEFT, RIGHT)

    def holds(self) -> Hold:
        """What waits for a partner, not longer than it may."""
        return Hold(0 if self.settle == "early" else self.max_waiting, float(self.wait or self.within))

    def create_logic(self) -> StageLogic:
        """A logic with what waits for a partner."""
        return _Logic(self)


class _Waiting:
    __slots__ = ("item", "key", "piece", "side", "since")

    def __init__(self, item: Any, piece: Chunk, key: Any, side: int, since: float) -> None:
        self.item = item
        self.piece = piece
        self.key = key
        self.side = side
        self.since = since


class _Logic(HoldingLogic):
    bound = 8 * CHUNK_ELEMENTS  # a chunk an inlet, gaps and pairs each by itself at worst

    def __init__(self, stage: Join) -> None:
        super().__init__(stage)
        self._stage = stage
        self._within = round(float(stage.within) * 1e9)
        self._wait = float(stage.wait or stage.within)
        self._function = stage.function or self._merged
        self._sides: tuple[dict[Any, deque[_Waiting]], ...] = ({}, {})
        self._order: OrderedDict[_Waiting, None] = OrderedDict()  # the one that waits for longest first
        self._timed = False
        self._made: tuple[list[Any], list[list[Chunk]]] = ([], [])

    def ask(self) -> None:
        most = min(CHUNK_ELEMENTS, self._stage.max_waiting)
        for inlet in (LEFT, RIGHT):
            n = most - self.requested(inlet)
            if self.demand(OUT) > self.out.elements and n > 0 and not self.is_closed(inlet):
                self.request(inlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
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
            waiting = _Waiting(item, piece, key, side, now)
            self._sides[side].setdefault(key, deque(maxlen=self._stage.max_waiting + 1)).append(waiting)
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
        if not isinstance(item, Reading):
            return waiting[0]
        nearest = min(waiting, key=lambda other: abs(other.item.ts - item.ts))
        return nearest if abs(nearest.item.ts - item.ts) <= self._within else None

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
        if not (self.is_closed(LEFT) and self.is_closed(RIGHT)):
            return
        for waiting in list(self._order):
            self._give_up(waiting)
        super().on_upstream_finish(inlet)

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, self._take_waiting(), error)

    def residue(self) -> list[Chunk]:
        """Pairs that wait, then the elements without partners, raw, the one that waits for longest first."""
        return super().residue() + self._take_waiting()
