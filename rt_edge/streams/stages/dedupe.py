"""dedupe: each id once."""

from __future__ import annotations

from itertools import repeat
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading, is_gap
from rt_edge.data.receipt import Origin
from rt_edge.data.units import Duration
from rt_edge.data.weave import identities
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._ids import Seen, Watch
from rt_edge.streams.stages._keys import Keyed, KeyedPassLogic, KeyTable, Per

DUPLICATE = "duplicate"
"""The reason of what came before."""


class Dedupe(Keyed, frozen=True, kw_only=True):
    """Lets pass the first element of each id; later ones are settled as dropped, `duplicate`.

    What its own source emits again because it could not be stored is no duplicate, and passes; so does what the peer of a source
    says that it sends again to a later life of it: a durable end knows whether it has it. An id whose element has failed is
    forgotten, and what comes to a later life of a source passes as long as the outcome of the element before is not known: nobody
    would emit that again. Readings that lack the field of the id pass (counted, `missing_field`), and gap records.

    Emits when: an element arrives whose id is not remembered.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: forgets the ids.

    Attributes:
        per: the id: an expression, like `message_id` or `source`, or a function of an element.
        within: an id that was seen longer ago is new; 0: as long as it is remembered.
    """

    kind: ClassVar[str] = "dedupe"
    shorthand: ClassVar[str] = "per"

    per: Per
    within: Duration | float = 0.0

    def __post_init__(self) -> None:
        """Refuse no id and no room."""
        super().__post_init__()
        at_least(0, within=self.within)

    def create_logic(self) -> StageLogic:
        """A logic that remembers ids."""
        return _Logic(self)


class _Logic(KeyedPassLogic):
    def __init__(self, stage: Dedupe) -> None:
        super().__init__(stage)
        self._within = float(stage.within)
        self._seen: KeyTable[Seen] = KeyTable(stage.max_keys, self.note_evicted)

    def forget(self) -> None:
        self._seen.clear()

    def note_lap(self, chunk: Chunk) -> None:
        """What is emitted again is known by its mark."""

    def handle(self, chunk: Chunk, keys: list[Any]) -> Chunk | None:
        now = self.ctx.clock.monotonic()
        mask = []
        last, life = None, None
        watch = Watch() if chunk.receipt is not None else None
        bare = Seen(now, None, None) if watch is None else None  # one for all
        for item, key, own, (origin, mark) in zip(
            chunk.items, keys, chunk.marks or repeat(None), identities(chunk), strict=False
        ):
            if origin is not last:
                last, life = origin, None if origin is None else (origin.name, origin.incarnation, origin.session)
            mask.append(self._is_first(item, key, bare or Seen(now, life, mark, own, watch), origin))
        dropped = mask.count(False)
        if dropped:
            self.ctx.count(f"dropped_{DUPLICATE}", dropped)
        kept = chunk.select(mask, DUPLICATE)
        return kept if kept is None or watch is None else watch.over(kept)

    def _is_first(self, item: Any, key: Any, seen: Seen, origin: Origin | None) -> bool:
        if isinstance(item, Reading) and (is_gap(item) or (key is False and self._keys([item])[1])):
            return True  # false stands for a missing field, too
        before = self._seen.get(key)
        is_old = before is not None and self._within and seen.at - before.at >= self._within
        if before is None or is_old or before.is_lost() or before.comes_again(origin, seen):
            self._seen.put(key, seen)
            return True
        return False
