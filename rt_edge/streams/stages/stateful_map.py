"""stateful_map: one element for each, and a state that is made anew in each run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic, Supervision
from rt_edge.streams.stages._common import UserCode
from rt_edge.streams.stages._last_word import LastWordLogic
from rt_edge.streams.stages._user_code import attempt, refuse_none


def no_last_element(state: Any) -> None:
    """Nothing comes behind the last element."""


class StatefulMap(UserCode, frozen=True):
    """Replaces each element by a function of it and of a state, which the function replaces too.

    `on_complete` is called once for each state, however the stage ends: it is the place to close what `create` opened.

    Emits when: an element arrives; upstream completes, if `on_complete` gives an element.
    Backpressures when: downstream does.
    Completes when: upstream completes and what `on_complete` gave was emitted.
    Cancels when: downstream cancels.
    On restart: `on_complete` is called with the old state (what it gives is let go), and `create` makes a new one.

    Attributes:
        create: -> first state; called when a run starts.
        function: (state, element) -> (state, element); the element is not None.
        on_complete: state -> element, or None: nothing comes behind the last.
    """

    comes_again: ClassVar[str] = "goes into the state once more"

    create: Callable[[], Any]
    function: Callable[[Any, Any], Any]
    on_complete: Callable[[Any], Any] = no_last_element

    def create_logic(self) -> StageLogic:
        """A logic with the state."""
        return _Logic(self)


class _Logic(LastWordLogic):
    def __init__(self, stage: StatefulMap) -> None:
        super().__init__(stage)
        self._stage = stage
        self._state: Any = None
        self._open = False

    def on_start(self) -> None:
        self._state = self._stage.create()
        self._open = True

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        results, failures = attempt(self._step, chunk.items, self._policy)
        refuse_none(results, failures)
        rest: Chunk | None = chunk
        if failures:
            rest, results = self.survivors(chunk, results, failures)
        else:
            self.note_success()
        if rest is not None:
            self.push(OUT, rest.replace(results))
        if failures and not self.stop_after(failures):
            self.request(IN, len(failures))

    def _step(self, item: Any) -> Any:
        try:
            self._state, result = self._stage.function(self._state, item)
        except Exception:
            if self._policy is Supervision.RESTART:
                self._close()
                self.on_start()
            raise
        return result

    def _close(self) -> Any:
        """Let go of the state; what `on_complete` gives."""
        if not self._open:
            return None
        self._open = False
        state, self._state = self._state, None
        return self._stage.on_complete(state)

    def last_word(self) -> Chunk | None:
        word = self._close()
        return None if word is None else Chunk([word])

    def on_stop(self, error: BaseException | None) -> None:
        self._close()
