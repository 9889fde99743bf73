"""Keys: by what a stage keeps state (a source, a field, an expression), and a table of such states with a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Origin
from rt_edge.data.weave import is_woven, runs
from rt_edge.streams.expression import compile_value
from rt_edge.streams.stage import IN, OUT, Inlet, Supervision
from rt_edge.streams.stages._common import Failures, ReadingCode, at_least
from rt_edge.streams.stages._user_code import ElementLogic, attempt

V = TypeVar("V")
Runner = Callable[[Sequence[Any]], tuple[list[Any], int, list[tuple[int, Exception]]]]
"""Elements -> (a value each, how often a field was missing, failures by place). Does not raise."""

Per = str | Callable[[Any], Hashable]
"""`source`, `stream`, an expression on a reading, or a function of an element."""

MAX_KEYS = 10_000
"""Keys that a stage remembers unless it is told otherwise."""


class ByKey(ReadingCode, frozen=True, kw_only=True):
    """Base of stages that look at a key of each element.

    Attributes:
        per: by what: source: `Reading.source`. stream: one key for all. Else an expression, like `tags['line']` (readings
            without the field share one key and are counted, `missing_field`), or a function of an element.
    """

    per: Per = "source"

    def __post_init__(self) -> None:
        """Refuse a key that is neither an expression nor a function."""
        check_value("per", self.per)


class Keyed(ByKey, frozen=True, kw_only=True):
    """Base of stages that keep state by key.

    Attributes:
        max_keys: keys remembered; the one that was used least recently is forgotten (counter `evicted`).
    """

    max_keys: int = MAX_KEYS

    def __post_init__(self) -> None:
        """Refuse no room, and a key that is none."""
        super().__post_init__()
        at_least(1, max_keys=self.max_keys)


def check_value(name: str, by: Any) -> None:
    """Raise ConfigError unless `by` is an expression that compiles, or a function."""
    if isinstance(by, str):
        compile_value(by if by != "stream" else "true")
    elif not callable(by):
        raise ConfigError(f"{name} is {by!r}, it has to be an expression", "like: source, or tags['line']")


def key_runner(per: Per, policy: Supervision) -> Runner:
    """A key for each element; see `ByKey`."""
    if per == "source":
        return _sources
    if per == "stream":
        return _stream
    if isinstance(per, str):
        return compile_value(per).run
    function = per

    def run(items: Sequence[Any]) -> tuple[list[Any], int, list[tuple[int, Exception]]]:
        keys, failures = attempt(function, items, policy)
        try:
            frozenset(keys)
        except TypeError:
            _refuse_unhashable(keys, failures)
        return keys, 0, failures

    return run


def _refuse_unhashable(keys: list[Any], failures: list[tuple[int, Exception]]) -> None:
    """Add a failure for each key that cannot be one."""
    for place, key in enumerate(keys):
        try:
            hash(key)
        except TypeError as error:
            failures.append((place, error))
    failures.sort(key=lambda failure: failure[0])


def value_runner(by: str | Callable[[Any], Any], policy: Supervision) -> Runner:
    """The value of an expression or a function for each element."""
    if isinstance(by, str):
        return compile_value(by).run

    def run(items: Sequence[Any]) -> tuple[list[Any], int, list[tuple[int, Exception]]]:
        results, failures = attempt(by, items, policy)
        return results, 0, failures

    return run


def _sources(items: Sequence[Any]) -> tuple[list[Any], int, list[tuple[int, Exception]]]:
    return [item.source if isinstance(item, Reading) else None for item in items], 0, []


def _stream(items: Sequence[Any]) -> tuple[list[Any], int, list[tuple[int, Exception]]]:
    return [None] * len(items), 0, []


class KeyTable(Generic[V]):
    """State by key, bounded: when there are too many, the one used least recently goes.

    Args:
        most: keys at most.
        evicted: told of each that goes.
    """

    __slots__ = ("_evicted", "_most", "_rows")

    def __init__(self, most: int, evicted: Callable[[Any, V], None]) -> None:
        self._most = most
        self._evicted = evicted
        self._rows: OrderedDict[Any, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: Any) -> V | None:
        """The state of `key`, which counts as use; None if there is none."""
        rows = self._rows
        found = rows.get(key)
        if found is not None:
            rows.move_to_end(key)
        return found

    def put(self, key: Any, state: V) -> None:
        """Set the state of `key`, which counts as use."""
        rows = self._rows
        if key in rows:
            rows.move_to_end(key)
        elif len(rows) >= self._most:
            self.evict()
        rows[key] = state

    def forget(self, key: Any) -> None:
        """Nothing is known of `key` any more."""
        self._rows.pop(key, None)

    def evict(self) -> None:
        """Forget the key that was used least recently."""
        self._evicted(*self._rows.popitem(last=False))

    def values(self) -> list[V]:
        """All states, the one used least recently first."""
        return list(self._rows.values())

    def clear(self) -> None:
        """Forget everything, without telling."""
        self._rows.clear()


class Laps:
    """Which lap each source is in. One that emits again what failed goes back in time: what a stage remembered since is not what
    came before, and would keep out what was never stored.

    Args:
        lives: that a source has begun a new life counts, too: its peer may send again what was lost with the old one. For stages
            that leave something out by what they remember; one that makes values of it would miss a step for nothing.
    """

    __slots__ = ("_laps", "_lives")

    def __init__(self, lives: bool = False) -> None:
        self._lives = lives
        self._laps: dict[str | tuple[str, str], tuple[str, int]] = {}

    def have_turned(self, chunk: Chunk) -> bool:
        """Whether the source of `chunk`, or one of them, has gone back since its last chunk."""
        origin = chunk.receipt.origin if chunk.receipt is not None else None
        if is_woven(origin):
            turned = [self._has_turned(one) for one, _ in runs(chunk)]  # of each: all are noted
            return any(turned)
        return self._has_turned(origin)

    def _has_turned(self, origin: Origin | None) -> bool:
        if origin is None:
            return False
        whose = origin.name if self._lives else (origin.name, origin.incarnation)
        now = (origin.incarnation, origin.lap)
        before = self._laps.get(whose)
        if before == now:
            return False
        if len(self._laps) >= MAX_KEYS and before is None:
            self._laps.clear()
        self._laps[whose] = now
        return before is not None or origin.lap > 0


class KeyedLogic(ElementLogic):
    """Finds the key of each element.

    Args:
        stage: what it runs.
    """

    def __init__(self, stage: ByKey) -> None:
        super().__init__(stage)
        self._keys = key_runner(stage.per, stage.supervision)

    def keyed(self, chunk: Chunk) -> tuple[Chunk | None, list[Any], Failures]:
        """What is left of `chunk` when those without a key have failed, the keys of what is left, and the failures."""
        keys, missing, failures = self._keys(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        if not failures:
            return chunk, keys, failures
        rest, keys = self.survivors(chunk, keys, failures)
        return rest, keys, failures


class KeyedPassLogic(KeyedLogic):
    """Passes elements on one for one, or leaves some out, by what it remembers of their key.

    Args:
        stage: what it runs.
        lives: see `Laps`.
    """

    def __init__(self, stage: ByKey, lives: bool = False) -> None:
        super().__init__(stage)
        self._laps = Laps(lives)

    def handle(self, chunk: Chunk, keys: list[Any]) -> Chunk | None:
        """What is to be pushed of `chunk`; the rest is settled."""
        raise NotImplementedError

    def forget(self) -> None:
        """Begin afresh, after a supervised restart."""

    def note_lap(self, chunk: Chunk) -> None:
        """Begin afresh if the source has gone back."""
        if self._laps.have_turned(chunk):
            self.ctx.count("replayed")
            self.forget()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Push what passes, ask again for as much as does not."""
        self.note_lap(chunk)
        came = len(chunk)
        rest, keys, failures = self.keyed(chunk)
        if failures and self._policy is Supervision.RESTART:
            self.forget()
        kept = self.handle(rest, keys) if rest is not None else None
        if kept is not None:
            self.push(OUT, kept)
        if self.stop_after(failures):
            return
        missing = came - (len(kept) if kept is not None else 0)
        if missing:
            self.request(IN, missing)

    def note_evicted(self, _key: Any, _state: Any) -> None:
        """Count a key that was forgotten."""
        self.ctx.count("evicted")
