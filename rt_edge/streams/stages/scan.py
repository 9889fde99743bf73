"""scan: each intermediate result of a fold."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, islice
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, StageLogic, Supervision
from rt_edge.streams.stages._common import UserCode
from rt_edge.streams.stages._user_code import ElementLogic


class Scan(UserCode, frozen=True):
    """Emits `zero`, then for each element the result of folding all elements so far.

    Emits when: it is first asked, and when an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes; `zero` is emitted before that in any case.
    Cancels when: downstream cancels.
    On restart: the state is `zero` again; it is not emitted again.

    Attributes:
        zero: the first state; must not be changed by `function`, as all runs share it.
        function: (state, element) -> state.
    """

    comes_again: ClassVar[str] = "goes into the state once more"

    zero: Any
    function: Callable[[Any, Any], Any]

    def __post_init__(self) -> None:
        """Refuse None, which is no element."""
        if self.zero is None:
            raise ConfigError("zero is None, which is no element (rule 2.13)", "give the first state")

    def create_logic(self) -> StageLogic:
        """A logic with the state."""
        return _Logic(self)


def refusing_none(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`function`, but a state of None is the failure of its element: the next ones begin with the state before."""

    def step(state: Any, element: Any) -> Any:
        new = function(state, element)
        if new is None:
            raise TypeError("None is not an element (rule 2.13)")
        return new

    return step


class _Logic(ElementLogic):
    def __init__(self, stage: Scan) -> None:
        super().__init__(stage)
        self._zero = self._state = stage.zero
        self._function = refusing_none(stage.function)
        self._begun = False

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if not self._begun:
            self._begin()
            self.pull_again(OUT)  # what is asked for now could come before `zero` has been taken
        else:
            super().on_pull(outlet, n)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        if not self._begun:
            self._begin()
        self.complete_stage()

    def _begin(self) -> None:
        self._begun = True
        self.push(OUT, Chunk([self._zero]))

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        results, failures = self._states(chunk)
        if not failures:
            self.push(OUT, chunk.replace(results))
            self.note_success()
            return
        rest, results = self.survivors(chunk, results, failures)
        if rest is not None:
            self.push(OUT, rest.replace(results))
        if not self.stop_after(failures):
            self.request(IN, len(failures))

    def _states(self, chunk: Chunk) -> tuple[list[Any], list[tuple[int, Exception]]]:
        results: list[Any] = []
        failures: list[tuple[int, Exception]] = []
        items = iter(chunk.items)
        while len(results) < len(chunk):
            before = len(results)
            try:
                results.extend(islice(accumulate(items, self._function, initial=self._state), 1, None))
                if len(results) < len(chunk):
                    raise StreamError("user code raised StopIteration")
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                if len(results) > before:
                    self._state = results[-1]
                failures.append((len(results), error))
                results.append(None)
                if self._policy is Supervision.RESTART:
                    self._state = self._zero
            else:
                self._state = results[-1]
        return results, failures
