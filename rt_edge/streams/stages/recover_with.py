"""recover_with: another stream instead of an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.nested import NestingLogic, Substream, source_part
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._failing import note_recovery


class RecoverWith(Stage, frozen=True):
    """Goes on with a stream made of the error when upstream fails, and again when that one fails.

    Emits when: an element arrives, or the stream that took upstream's place has one.
    Backpressures when: downstream does.
    Completes when: upstream or the stream in its place completes; it fails with an error for which there is no stream.
    Cancels when: downstream cancels.
    On restart: is not restarted.

    Attributes:
        function: error -> Source, Publisher or iterable; None: it fails with the error; what it raises takes its place.
        attempts: how often; -1: without end.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: Callable[[BaseException], Any]
    attempts: int = -1

    def __post_init__(self) -> None:
        """Refuse what is no number of attempts."""
        at_least(-1, attempts=self.attempts)

    def holds(self) -> Hold:
        """A chunk that came while downstream did not take it; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that knows how often it went on."""
        return _Logic(self)


class _Logic(NestingLogic):
    def __init__(self, stage: RecoverWith) -> None:
        self._function = stage.function
        self._left = stage.attempts

    def ask(self) -> None:
        if self.upstream_done:
            self.share(list(self.nest))
            return
        n = min(self.demand(OUT), CHUNK_ELEMENTS) - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.out.put(chunk)
        self.proceed()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self.upstream_done = True
        self.finish()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self.upstream_done = True
        self._go_on(error)

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        if error is None:
            self.finish()
        else:
            self._go_on(error)

    def _go_on(self, error: BaseException) -> None:
        if not self._left:
            self.fail_after(error)
            return
        try:
            source = self._function(error)
            if source is None:
                self.fail_after(error)
                return
            part = source_part(source)
        except Exception as worse:  # noqa: BLE001 - what user code raises takes the place of the error
            self.ctx.count("errors")
            self.fail_after(worse)
            return
        self._left -= self._left > 0
        note_recovery(self, error)
        self.nest.start(part)
        self.proceed()
