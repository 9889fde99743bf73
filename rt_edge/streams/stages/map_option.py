"""map_option: one element for each, or none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from operator import is_not
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import Inlet, StageLogic
from rt_edge.streams.stages._common import UserCode
from rt_edge.streams.stages._user_code import attempt
from rt_edge.streams.stages.filter import MaskLogic


class MapOption(UserCode, frozen=True):
    """Replaces each element by a function of it, or leaves it out where that is None (settled as dropped, `filtered`).

    None is no element (rule 2.13); here it is how a function says "nothing", so that `map` and `filter` are one call.

    Emits when: an element arrives for which the function is not None.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        function: element -> element, or None.
    """

    function: Callable[[Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class _Logic(MaskLogic):
    def __init__(self, stage: MapOption) -> None:
        super().__init__(stage)
        self._function = stage.function

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        results, failures = attempt(self._function, chunk.items, self._policy)
        if len(results) < len(chunk):  # it ends at the first failure, whose element goes on to fail with those behind it
            results += [None] * (len(chunk) - len(results))
        self.push_masked(chunk.replace(results), list(map(is_not, results, repeat(None))), failures)
