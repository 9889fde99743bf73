"""iterate: a source of the elements of an iterable."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import OUT, Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import at_least, has_none
from rt_edge.streams.stages._source import SourceStage, broke


class Iterate(SourceStage, frozen=True):
    """Emits the elements of an iterable, in chunks as large as the demand.

    Emits when: asked.
    Backpressures when: downstream does; the iterator is not advanced then.
    Completes when: the iterable is exhausted. What it raises fails the stage, behind the elements that came before.
    Cancels when: -; a generator is closed however the stream ends.

    Attributes:
        items: iterated anew in each run, from its start; None in it is an error (rule 2.13).
        chunk: elements of a chunk at most.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.PASS

    items: Iterable[Any]
    chunk: int = CHUNK_ELEMENTS

    def __post_init__(self) -> None:
        """Refuse empty chunks."""
        at_least(1, chunk=self.chunk)

    def create_logic(self) -> StageLogic:
        """A logic with the iterator."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: Iterate) -> None:
        self._stage = stage
        self._iterator: Iterator[Any] = iter(())
        self._left = len(stage.items) if isinstance(stage.items, list | tuple | range) else None

    def on_start(self) -> None:
        self._iterator = iter(self._stage.items)
        if self._left == 0:
            self.complete_stage()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        wanted = self.demand(OUT)
        most = min(wanted, self._stage.chunk)
        items: list[Any] = []
        raised: Exception | None = None
        try:
            items.extend(islice(self._iterator, most))
        except Exception as error:  # noqa: BLE001 - it is what the stage fails with
            raised = error
        if has_none(items):
            del items[next(place for place, item in enumerate(items) if item is None) :]
            raised = TypeError("None is not an element (rule 2.13)")
        if items:
            self.push(OUT, Chunk(items))
        if raised is not None:
            broke(self, raised)
            return
        if self._left is not None:
            self._left -= len(items)
        if len(items) < most or self._left == 0:
            self.complete_stage()
        elif wanted > most:
            self.pull_again(OUT)

    def on_stop(self, error: BaseException | None) -> None:
        iterator = self._iterator
        if isinstance(iterator, Generator):
            iterator.close()  # what it holds is let go now, not when somebody collects it
