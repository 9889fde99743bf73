"""drop_repeated: an element only when it differs from the one before it."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading, is_gap
from rt_edge.data.weave import emitted_again
from rt_edge.streams.stage import Inlet, StageLogic, Supervision
from rt_edge.streams.stages._common import ReadingCode
from rt_edge.streams.stages._judging import check_by, judge_of
from rt_edge.streams.stages._keys import Laps
from rt_edge.streams.stages.filter import MaskLogic

NOTHING = object()
"""The key before the first element."""


class DropRepeated(ReadingCode, frozen=True):
    """Lets an element pass if its key differs from the key of the one before it; the others are settled as dropped, `filtered`.

    Under an expression a missing field counts as false (counter `missing_field`), and gap records pass and change nothing. What a
    source emits again because it could not be stored passes, and the next element after it, also when it begins a new life.

    Emits when: an element arrives with another key than the one before it.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: the next element passes.

    Attributes:
        by: expression on a reading, or function of an element, that gives its key; None: the element itself.
    """

    kind: ClassVar[str] = "drop_repeated"
    shorthand: ClassVar[str] = "by"

    by: Any = None

    def __post_init__(self) -> None:
        """Refuse what is neither an expression nor a function."""
        if self.by is not None:
            check_by("by", self.by)

    def create_logic(self) -> StageLogic:
        """A logic with the last key."""
        return _Logic(self)


class _Logic(MaskLogic):
    def __init__(self, stage: DropRepeated) -> None:
        super().__init__(stage)
        self._is_expression = isinstance(stage.by, str)
        self._judge = judge_of(stage.by if stage.by is not None else _itself, stage.supervision)
        self._last: Any = NOTHING
        self._laps = Laps(lives=True)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if self._laps.have_turned(chunk):
            self.ctx.count("replayed")
            self._last = NOTHING
        again = emitted_again(chunk)
        keys, missing, failures = self._judge(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        failed = {place for place, _ in failures}
        mask = []
        for place, key in enumerate(keys):
            if place in failed:
                mask.append(False)
                if self._policy is Supervision.RESTART:
                    self._last = NOTHING
            elif self._is_expression and key is False and _is_gap(chunk.items[place]):
                mask.append(True)
            elif again is not None and again[place]:
                mask.append(True)
                self._last = NOTHING
            else:
                mask.append(self._last is NOTHING or bool(key != self._last))
                self._last = key
        self.push_masked(chunk, mask, failures)


def _itself(element: Any) -> Any:
    return element


def _is_gap(item: Any) -> bool:
    return isinstance(item, Reading) and is_gap(item)
