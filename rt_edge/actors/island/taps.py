"""Taps of an island: opened by the first look, closed when nobody looks any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from rt_edge.actors.island.member import Member
from rt_edge.actors.tap_messages import Tap, Tapped, TappedElement
from rt_edge.data.clock import Clock
from rt_edge.data.errors import ConfigError, RtEdgeError
from rt_edge.data.reading import Reading
from rt_edge.streams import tap as streams_tap
from rt_edge.streams.engine import Engine

IDLE_S = 10.0
"""A tap through which nobody has looked for so long is closed."""

TAPS_MOST = 32
"""Open taps of an island."""

ANSWER_BYTES = 256_000
"""Bytes of one answer, about; what does not fit stays for the next look."""

TEXT_MOST = 1000
"""Characters of an element that is no Reading."""


class _Open:
    __slots__ = ("engine", "looked", "tap")

    def __init__(self, engine: Engine, tap: streams_tap.Tap) -> None:
        self.engine = engine
        self.tap = tap
        self.looked = 0.0


class Taps:
    """The open taps; all calls on the island's loop.

    Args:
        members: of the island, by name.
        clock: time.
        later: calls later, on the loop.
    """

    def __init__(self, members: Mapping[str, Member], clock: Clock, later: Callable[[float, Callable[[], None]], object]) -> None:
        self._members = members
        self._clock = clock
        self._later = later
        self._sweeping = False
        self._open: dict[tuple[str, str, str], _Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    def look(self, message: Tap) -> Tapped:
        """What has passed since the last look."""
        now = self._clock.monotonic()
        key = message.tap, message.member, message.wire
        try:
            one = self._opened(key, message)
        except RtEdgeError as error:
            return Tapped(message.number, error=str(error))
        one.looked = now
        answer = Tapped(message.number, _encoded(one.tap), one.tap.passed, one.tap.dropped)
        if message.close:
            self._open.pop(key).tap.close()
        return answer

    def _opened(self, key: tuple[str, str, str], message: Tap) -> _Open:
        member = self._members.get(message.member)
        engine = member.engine if member is not None else None
        if engine is None:
            raise ConfigError(f"{message.member!r} does not run here", "see rt-edge status")
        one = self._open.get(key)
        if one is not None and one.engine is engine:
            return one
        if one is not None:
            del self._open[key]  # its member was started again
        if len(self._open) >= TAPS_MOST:
            raise ConfigError(f"{TAPS_MOST} taps are open in this island", "end one of them")
        one = self._open[key] = _Open(engine, streams_tap.open_tap(engine, message.wire, message.most))
        if not self._sweeping:
            self._sweeping = True
            self._later(IDLE_S / 2, self._close_idle)
        return one

    def _close_idle(self) -> None:
        now = self._clock.monotonic()
        for key, one in list(self._open.items()):
            if now - one.looked >= IDLE_S:
                del self._open[key]
                one.tap.close()
        self._sweeping = bool(self._open)
        if self._sweeping:
            self._later(IDLE_S / 2, self._close_idle)


def _encoded(tap: streams_tap.Tap) -> bytes:
    found: list[TappedElement] = []
    size = 0
    while size < ANSWER_BYTES and (items := tap.take(1)):
        (item,) = items
        if isinstance(item, Reading):
            element = TappedElement(reading=msgspec.msgpack.encode(item))
        else:
            element = TappedElement(text=_text(item))
        size += len(element.reading) + 4 * len(element.text)
        found.append(element)
    return msgspec.msgpack.encode(found)


def _text(item: object) -> str:
    try:
        return repr(item)[:TEXT_MOST]
    except Exception as error:  # noqa: BLE001 - an object of user code that cannot be shown
        return f"<{type(item).__name__}: {error!r}>"[:TEXT_MOST]
