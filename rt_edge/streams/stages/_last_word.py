"""Last word: what some stages emit behind the last element, when it is wanted (`intersperse`, `stateful_map`, `gzip`)."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import OUT, Inlet, Outlet, Supervision
from rt_edge.streams.stages._user_code import ElementLogic


class LastWordLogic(ElementLogic):
    """Emits what `last_word` gives when upstream has completed, then completes."""

    _word: Chunk | None = None

    def last_word(self) -> Chunk | None:
        """What comes behind the last element, without a receipt; None: nothing. Called once."""
        raise NotImplementedError

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """The last word, or as `PassLogic`."""
        if self._word is not None:
            self._say()
        else:
            super().on_pull(outlet, n)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Say the last word when it is wanted; user code that does not stop the stage when it raises goes without."""
        try:
            self._word = self.last_word()
        except Exception:
            if self._policy is Supervision.STOP:
                raise
            self.ctx.count("errors")
        self._say()

    def _say(self) -> None:
        word = self._word
        if word is None:
            self.complete_stage()
        elif self.demand(OUT) > 0:
            self._word = None
            self.push(OUT, word)
            self.complete_stage()
        elif not self.is_free(OUT):
            self.pull_again(OUT)

    def residue(self) -> list[Chunk]:
        """The last word: behind this stage, its stream ends."""
        word = self._word if self._word is not None else self.last_word()
        self._word = None
        return [] if word is None else [word]
