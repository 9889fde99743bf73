"""The listening side without I/O: a push becomes Readings, and is answered when they are durable.

Without demand a push is refused at once with 5.03 and the time to come again: nothing waits here. At most one push is taken in
parts, where its Readings are more than were asked for.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Any, NamedTuple

from adapters.coap.address import split_path, variables
from adapters.coap.codec import Decode, UnknownFormatError, make_codec
from adapters.coap.keys import LIFETIME_S, PLACES, key_stem, reading_key
from adapters.coap.seam import Pushed, Reply
from rt_edge.sdk import AdapterContext, CodecError, Reading

MAX_KNOWN = 262_144
"""Pushes remembered for their lifetime: a thousand a second. Beyond, the oldest answered ones are forgotten, and counted."""
MAX_NAMED = 256
"""Senders and paths whose bad payloads are logged; those beyond are only counted."""
FORGET_EVERY = 1.0
"""Least seconds between two marks of the age of Readings."""

CHANGED = Reply("2.04")


class Route(NamedTuple):
    """An entry of the settings, ready to be compared."""

    segments: tuple[str, ...]
    names: dict[int, str]
    device: str | None
    codec: Decode


class Entry:
    """A push that was taken: when it may be forgotten, and what it is answered."""

    __slots__ = ("expires", "reply")

    def __init__(self, expires: float, reply: asyncio.Future[Reply]) -> None:
        self.expires, self.reply = expires, reply


class Rest(NamedTuple):
    """The part of a push that nobody has asked for yet."""

    readings: list[Reading]
    stem: bytes
    at: int
    entry: Entry


class Intake:
    """Takes pushes.

    Args:
        settings: a `settings.Listen`, or an object with its attributes.
        context: the runtime.
    """

    def __init__(self, settings: Any, context: AdapterContext) -> None:
        self._context = context
        self._retry_after = int(settings.retry_after)
        self._window: int = settings.window_readings
        self._routes = []
        for one in settings.paths:
            segments, _ = split_path(one.path)
            self._routes.append(Route(segments, variables(segments), one.device, make_codec(one)))
        self._born = context.clock.monotonic()
        self._known: OrderedDict[bytes, Entry] = OrderedDict()
        self._credits = 0
        self._emitted = 0
        self._settled = 0
        self._waiting: deque[tuple[int, Entry]] = deque(maxlen=self._window)  # number of its last Reading, and the push
        self._ages: deque[tuple[float, int]] = deque(maxlen=int(LIFETIME_S / FORGET_EVERY) + 2)
        self._rest: Rest | None = None
        self._named: set[tuple[str, tuple[str, ...]]] = set()

    async def take(self, pushed: Pushed) -> Reply:
        """The reply, when it is time for it."""
        self._expire()
        route = self._route(pushed.path)
        if route is None:
            self._context.count("refused_path")
            return Reply("4.04", "nothing is taken here")
        if pushed.method not in ("POST", "PUT"):
            return Reply("4.05", "PUT or POST")
        stem = key_stem(pushed)
        entry = self._known.get(stem)
        if entry is not None:
            self._context.count("pushes_repeated")
            return await asyncio.shield(entry.reply)
        if pushed.replayed:
            self._context.count("refused_replayed")
            return Reply("4.01", "it was received before")
        readings = self._read(route, pushed)
        if isinstance(readings, Reply):
            return readings
        if not readings:
            self._context.count("dropped_empty_payload")
            return CHANGED
        if self._credits <= 0 or self._rest is not None or len(self._waiting) >= self._window:
            self._context.count("refused_no_demand")
            return Reply("5.03", "come again later", self._retry_after)
        self._context.count("pushes" if pushed.confirmable else "pushes_non")
        entry = Entry(self._context.clock.monotonic() + LIFETIME_S, asyncio.get_running_loop().create_future())
        self._remember(stem, entry)
        self._rest = Rest(readings, stem, 0, entry)
        self._emit()
        return await asyncio.shield(entry.reply)

    def demand(self, n: int) -> None:
        """`n` more Readings may be emitted."""
        self._credits += n
        if self._rest is not None:
            self._emit()

    def settled(self, through: int) -> None:
        """The first `through` Readings ever emitted are settled."""
        self._settled = through
        while self._waiting and self._waiting[0][0] <= through:
            _, entry = self._waiting.popleft()
            if not entry.reply.done():
                entry.reply.set_result(CHANGED)
        self._expire()

    # -- inside ------------------------------------------------------------------------------------------------------------

    def _route(self, path: tuple[str, ...]) -> Route | None:
        for route in self._routes:
            pairs = enumerate(zip(route.segments, path, strict=False))
            if len(path) == len(route.segments) and all((i in route.names and part) or part == mine for i, (mine, part) in pairs):
                return route
        return None

    def _read(self, route: Route, pushed: Pushed) -> list[Reading] | Reply:
        received = self._context.clock.wall_ns()
        try:
            rows = route.codec(pushed.payload, pushed.content_format, received)
            if len(rows) > PLACES:
                raise CodecError(f"{len(rows)} readings, more than {PLACES}")
        except CodecError as error:
            return self._bad(pushed, error)
        tags = {name: pushed.path[index] for index, name in route.names.items()}
        if pushed.identity:
            tags["identity"] = pushed.identity
        source = f"{self._context.name}/{route.device or tags.get('device') or '/'.join(pushed.path)}"
        return [
            Reading(source, received if ts is None else ts, fields, "good", {**tags, **more}, received)
            for ts, fields, more in rows
        ]

    def _bad(self, pushed: Pushed, error: CodecError) -> Reply:
        self._context.count("dropped_bad_payload")
        who = (pushed.endpoint.rpartition(":")[0], pushed.path)
        if who not in self._named and len(self._named) < MAX_NAMED:
            self._named.add(who)
            where = "/".join(pushed.path)[:200]
            self._context.log("warning", "a push was refused", sender=pushed.endpoint, path=where, why=error.message)
        return Reply("4.15" if isinstance(error, UnknownFormatError) else "4.00", error.message[:200])

    def _emit(self) -> None:
        """As much of the push at hand as is asked for."""
        assert self._rest is not None
        readings, stem, at, entry = self._rest
        end = min(len(readings), at + self._credits)
        if end == at:
            return
        self._credits -= end - at
        self._emitted += end - at
        now = self._context.clock.monotonic()
        if end == len(readings):
            self._rest = None
            self._waiting.append((self._emitted, entry))
        else:
            self._rest = Rest(readings, stem, end, entry)
        if not self._ages or now - self._ages[-1][0] >= FORGET_EVERY:
            self._ages.append((now, self._emitted))
        else:
            self._ages[-1] = (now, self._emitted)
        # In the first lifetime of a process each push may be the repetition of one that the process before has stored.
        again = now - self._born < LIFETIME_S
        keys = [reading_key(stem, place) for place in range(at, end)]
        self._context.emit(readings[at:end], keys, [again] * (end - at))

    def _remember(self, stem: bytes, entry: Entry) -> None:
        self._known[stem] = entry
        if len(self._known) > MAX_KNOWN:
            oldest = next(iter(self._known))
            if self._known[oldest].reply.done():
                del self._known[oldest]
                self._context.count("keys_forgotten_early")

    def _expire(self) -> None:
        """Forget what no device repeats any more."""
        now, through = self._context.clock.monotonic(), 0
        while self._known and (first := next(iter(self._known.items())))[1].expires <= now and first[1].reply.done():
            del self._known[first[0]]
        while self._ages and self._ages[0][0] + LIFETIME_S <= now and self._ages[0][1] <= self._settled:
            through = self._ages.popleft()[1]
        if through:
            self._context.forget(through)
