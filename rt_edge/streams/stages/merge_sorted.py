"""merge_sorted: streams that are in order become one that is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.streams.expression import compile_value
from rt_edge.streams.stage import StageLogic, Supervision
from rt_edge.streams.stages._fan_in import KeyedFanIn, KeyedFanInLogic
from rt_edge.streams.stages._keys import Runner, value_runner


class MergeSorted(KeyedFanIn, frozen=True, kw_only=True):
    """Emits the elements of all inlets by their key, smallest first, if each inlet is in that order; equals by inlet.

    An inlet that says nothing holds up the others. What comes out of order is emitted when its turn comes. Under an expression,
    gap records and readings without the field go out with what came before them at their inlet. Keys that cannot be compared
    fail the stage.

    Emits when: every inlet has an element, or has completed.
    Backpressures when: downstream does; an inlet that is ahead waits for the others.
    Completes when: all inlets have completed and what is held has gone out.
    Cancels when: downstream cancels; all inlets.
    On restart: keeps no state but what waits, and that stays.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
        key: expression on a reading, or function of an element, that gives its key; None: the element is the key.
    """

    kind: ClassVar[str] = "merge_sorted"
    shorthand: ClassVar[str] = "key"

    key: Any = None

    def __post_init__(self) -> None:
        """Refuse a key that is neither an expression nor a function."""
        super().__post_init__()
        if isinstance(self.key, str):
            compile_value(self.key)
        elif self.key is not None and not callable(self.key):
            raise ConfigError(f"key is {self.key!r}, it has to be an expression", "like: ts")

    def create_logic(self) -> StageLogic:
        """A logic with what waits for others, and its keys."""
        return _Logic(self)


class _Logic(KeyedFanInLogic):
    def __init__(self, stage: MergeSorted) -> None:
        super().__init__(stage, keys_of(stage.key, stage.supervision))

    def next_piece(self, most: int) -> Chunk | None:
        ready = [index for index, n in enumerate(self.n) if n]
        for index in ready:
            if self.said[index][0] is None:  # goes with what came before it
                return self.take(index, 1)
        if not ready or any(not n and not self.is_closed(inlet) for n, inlet in zip(self.n, self.inlets, strict=True)):
            return None
        try:
            first, run = self._smallest(ready, most)
        except Exception as error:  # noqa: BLE001 - keys of the user's, that cannot be compared
            self.ctx.count("errors")
            self.give_up(error)
            return None
        return self.take(first, run)

    def _smallest(self, ready: list[int], most: int) -> tuple[int, int]:
        """The inlet that is next, and how many of its elements are."""
        said = self.said
        first = min(ready, key=lambda index: said[index][0])
        if len(ready) == 1:
            return first, most
        rival = min((index for index in ready if index != first), key=lambda index: said[index][0])
        limit = said[rival][0]
        run = 1
        for key in islice(said[first], 1, most):
            if key is None or limit < key or (first > rival and not key < limit):
                break
            run += 1
        return first, run


def keys_of(by: Any, policy: Supervision) -> Runner:
    """A key for each element; None where an expression has nothing to say."""
    if by is None:
        return lambda items: (list(items), 0, [])
    run = value_runner(by, policy)
    if not isinstance(by, str):
        return run

    def keys(items: Sequence[Any]) -> tuple[list[Any], int, list[tuple[int, Exception]]]:
        found, missing, failures = run(items)
        return [None if key is False else key for key in found], missing, failures

    return keys
