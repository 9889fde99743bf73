"""wire_tap: a look at a stream that never holds it up."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages._common import outlets, ports
from rt_edge.streams.stages._user_code import PassLogic


class WireTap(Stage, frozen=True, kw_only=True):
    """Lets all elements pass at `out0`, and gives those to the taps at `out1`, ... that they have asked for.

    An element that a tap had not asked for when it came is left out there (counter `dropped_tap`). What goes to a tap has no
    receipt: whatever becomes of it there changes nothing.

    Emits when: an element arrives.
    Backpressures when: `out0` does; a tap never.
    Completes when: upstream completes.
    Cancels when: `out0` cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: outlets, named `out0`, `out1`, ...
    """

    kind: ClassVar[str] = "wire_tap"

    count: int = 2

    def __post_init__(self) -> None:
        """Refuse a number of ports that makes no sense."""
        ports("count", self.count)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out0`, `out1`, ..."""
        return outlets(self.count)

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class _Logic(PassLogic):
    def __init__(self, stage: WireTap) -> None:
        self._main, *self._taps = stage.outlets

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if not outlet.index:
            super().on_pull(outlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        came = len(chunk)
        items = chunk.items
        self.push(self._main, chunk)
        for tap in self._taps:
            if self.is_closed(tap):
                continue
            n = min(self.demand(tap), came)
            if n:
                self.push(tap, Chunk(items[:n]))
            if n < came:
                self.ctx.count("dropped_tap", came - n)

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        if not outlet.index:
            self.cancel_stage(cause)
