"""route_by_key: equal keys to the same branch, by consistent hashing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading
from rt_edge.streams.routing.hashing import VIRTUAL_NODES, ConsistentHashing, HashRing, hash_of
from rt_edge.streams.stage import Inlet, Outlet, StageLogic, Supervision
from rt_edge.streams.stages._common import OnError, settle_rest
from rt_edge.streams.stages._judging import check_by, judge_of
from rt_edge.streams.stages._routing import Router, RouteStage
from rt_edge.streams.stages._user_code import ElementLogic


class RouteByKey(RouteStage, frozen=True):
    """Sends all elements of one key to the same branch. When a branch cancels, only its keys move.

    Emits when: an element arrives and the branch of its key asks.
    Backpressures when: no branch asks, or the next element waits for a branch that does not.
    Completes when: upstream completes and what waits has gone out.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has).
    On restart: keeps no state between elements; what waits stays.

    Attributes:
        key: `source` (of a reading), or an expression on its fields, or a function of an element. Keys are texts, numbers,
            bytes, or tuples of these; readings without the field have one key in common, counted as `missing_field`.
        virtual_nodes: places of each branch on the ring; more spread keys more evenly.
        on_error: what happens when there is no key, or what is one cannot be one. Under `stop` the stage fails at once, and
            what waits fails with it.
    """

    kind: ClassVar[str] = "route_by_key"
    shorthand: ClassVar[str] = "key"

    key: Any = "source"
    virtual_nodes: int = VIRTUAL_NODES
    on_error: OnError = "resume"

    def __post_init__(self) -> None:
        """Refuse what is neither an expression that compiles nor a function, and a ring that makes no sense."""
        super().__post_init__()
        check_by("key", self.key)
        HashRing((), self.virtual_nodes)

    @property
    def supervision(self) -> Supervision:
        """By `on_error`."""
        return Supervision(self.on_error)

    def create_logic(self) -> StageLogic:
        """A logic with a ring."""
        return _Logic(self)


class _Logic(ElementLogic):
    def __init__(self, stage: RouteByKey) -> None:
        super().__init__(stage)
        self._run = judge_of(_source if stage.key == "source" else stage.key, stage.supervision)
        self.router = Router(self, ConsistentHashing(None, stage.virtual_nodes), stage.outlets, stage.eager_cancel)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self.router.serve()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        keys, missing, failures = self._run(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        known = {place for place, _ in failures}
        failures = [*failures, *_unfit(keys, known)]
        rest: Chunk | None = chunk
        if failures:
            failures.sort(key=lambda failure: failure[0])
            rest, keys = self.survivors(chunk, keys, failures)
        else:
            self.note_success()
        if rest is not None:
            self.router.put(rest, keys)
        self.router.serve()
        self.stop_after(failures)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self.router.finished = True
        self.router.serve()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        self.router.cancelled(outlet, cause)

    def on_stop(self, error: BaseException | None) -> None:
        settle_rest(self, self.router.take_all(), error)

    def residue(self) -> list[Chunk]:
        """What has nobody to go to so far, in order."""
        return self.router.take_all()


def _unfit(keys: Sequence[Any], known: set[int]) -> list[tuple[int, Exception]]:
    """Failures for what cannot be a key; texts and whole numbers always can."""
    found: list[tuple[int, Exception]] = []
    for place, key in enumerate(keys):
        if key.__class__ is not str and key.__class__ is not int and place not in known:
            try:
                hash_of(key)
            except TypeError as error:
                found.append((place, error))
    return found


def _source(reading: Reading) -> str:
    return reading.source
