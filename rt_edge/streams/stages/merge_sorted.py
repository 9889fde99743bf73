"""merge_sorted: streams that are in order become one that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rt_edge.data.errors import ConfigError
from rt_edge.streams.expression import compile_value
from rt_edge.streams.stage import StageLogic, Supervision
from rt_edge.streams.stages._fan_in import KeyedFanIn
from rt_edge.streams.stages._keys import Runner, value_runner
from rt_edge.streams.stages._merge_sorted import MergeSortedLogic


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
        return MergeSortedLogic(self, keys_of(self.key, self.supervision))


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
