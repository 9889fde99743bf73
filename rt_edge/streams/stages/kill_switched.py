"""kill_switch: a stream that can be ended from outside."""

from __future__ import annotations

from collections.abc import Callable

from rt_edge.data.chunk import Chunk
from rt_edge.streams.kill_switch import KillSwitch
from rt_edge.streams.stage import OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._user_code import PassLogic


class KillSwitched(Stage, frozen=True):
    """Passes elements until its switch is used.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes, or the switch is shut down; it fails when the switch is aborted.
    Cancels when: downstream cancels, or the switch is used.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        switch: of this stream, or of several.
    """

    switch: KillSwitch

    def create_logic(self) -> StageLogic:
        """A logic that is on the switch as long as it lives."""
        return _Logic(self.switch)


class _Logic(PassLogic):
    def __init__(self, switch: KillSwitch) -> None:
        self._switch = switch
        self._remove: Callable[[], None] | None = None

    def on_start(self) -> None:
        if self._switch.ended:
            self._end(self._switch.error)
        else:
            self._remove = self._switch.add(self.ctx.callback(self._end))

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.push(OUT, chunk)

    def _end(self, error: BaseException | None) -> None:
        if error is None:
            self.complete_stage()
        else:
            self.fail_stage(error)

    def on_stop(self, error: BaseException | None) -> None:
        if self._remove is not None:
            self._remove()
