"""The logic of `flat_map_merge` and `switch_map`: a substream for each element."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, FILTERED, Chunk
from rt_edge.data.receipt import Dropped, Failed
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import Expansion, NestingLogic, Substream, plain_items, read_all, source_part
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Supervision
from rt_edge.streams.stages._common import UserCode, named, note_failures, settle_rest, split

REMOVED = "removed"
"""The reason of what is left of streams that are taken out of a graph."""


class FlatMapLogic(NestingLogic):
    """Runs a substream for each element, or reads it at once, if it is a plain iterable with no more elements than are wanted.

    Args:
        stage: whose supervision counts.
        function: element -> stream.
        breadth: streams at a time.
    """

    def __init__(self, stage: UserCode, function: Callable[[Any], Any], breadth: int) -> None:
        self._policy = stage.supervision
        self._function = function
        self._breadth = breadth
        self._raw: deque[Chunk] = deque(maxlen=CHUNK_ELEMENTS + breadth)
        """What came and has no stream so far."""
        self._n = 0  # elements of these
        self._made: list[Chunk] = []  # to go out at the end of `ask`
        self._ready = 0  # elements of these
        self._each: float | None = None
        """Elements that the streams of late gave, each, if these needed no engine; then it pays to ask for many."""

    def credit(self) -> int:
        """What is about to go out is no longer wanted."""
        return super().credit() - self._ready

    def ask(self) -> None:
        """Begin streams of what came, then ask: those that run, and for elements that can have one."""
        if not self.is_free(OUT):
            self.pull_again(OUT)
            return
        failed = None
        while self._raw and len(self.nest) < self._breadth and self.credit() > 0:
            failed = self._begin()
            if failed is not None:
                break
        if failed is None and self.credit() > 0:
            self.share(list(self.nest))
            self.ask_upstream()
        made, self._made, self._ready = self._made, [], 0
        if made:
            self._put_bare()
        for chunk in made:
            self.out.put(chunk)
        if failed is not None:
            self.fail_after(failed)
        elif made and not self.is_free(OUT):
            self.pull_again(OUT)  # more may be wanted than that

    def ask_upstream(self) -> None:
        """For elements that can have a stream; for more, if these are read at once."""
        n = self._breadth - len(self.nest)
        if self._each is not None and not self.nest:
            n = max(n, int(self.credit() / max(1.0, self._each)))
        n -= self._n + self.requested(IN)
        if n > 0 and not self.upstream_done:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Each has its stream in its turn."""
        self._raw.append(chunk)
        self._n += len(chunk)
        self.proceed()
        self._finish_if_done()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """What came last may have its turn now."""
        super().on_pull(outlet, n)
        self._finish_if_done()

    def _begin(self) -> Exception | None:
        """Read as many of the first chunk's streams as need no engine and are wanted, start the next one; what ends the stage."""
        chunk = self._raw.popleft()
        groups: list[list[Any]] = []
        part: Blueprint | None = None
        error: Exception | None = None
        room = self.credit()
        for item in chunk.items:
            group: list[Any] | None = None
            try:
                rest = self._function(item)
                items = plain_items(rest)
                if items is not None:
                    group, rest = read_all(items, room)
                if group is None:
                    part = source_part(rest)
            except Exception as raised:  # noqa: BLE001 - whatever user code raises belongs to its element
                error = raised
            if group is None:
                break
            groups.append(group)
            room -= len(group)
            if room <= 0:
                break
        return self._carry_on(chunk, groups, part, error)

    def _carry_on(
        self, chunk: Chunk, groups: list[list[Any]], part: Blueprint | None, error: Exception | None
    ) -> Exception | None:
        """What was read goes out; then comes the element whose stream has to be run, or the one that failed."""
        done, rest = split(chunk, len(groups))
        if done is not None:
            self._n -= len(done)
            self._read(done, groups)
        if part is not None or error is not None:
            piece, rest = split(rest, 1)
            assert piece is not None  # the one behind those that were read
            self._n -= 1
            if part is not None:
                error = self._run(piece, part)
            if error is not None:
                note_failures(self, [(0, error)])
                piece.fail(named(self, error))
        if rest is not None:
            self._raw.appendleft(rest)
        return error if error is not None and self._supervise(error) else None

    def _read(self, chunk: Chunk, groups: list[list[Any]]) -> None:
        empty = groups.count([])
        if empty:
            self.ctx.count(f"dropped_{FILTERED}", empty)
        made = chunk.expand(groups)
        n = 0 if made is None else len(made)
        self._each = n / len(groups)
        if made is not None:
            self._made.append(made)
            self._ready += n

    def _run(self, piece: Chunk, part: Blueprint) -> Exception | None:
        self._each = None
        try:
            self.nest.start(part, Expansion(piece))
        except Exception as error:  # noqa: BLE001 - it belongs to its element
            return error
        return None

    def _supervise(self, error: BaseException) -> bool:
        """Whether the stage ends."""
        if self._policy is Supervision.RESTART:
            self.ctx.count("restarts")
            for sub in self.nest:
                self.end_sub(sub, Failed(named(self, error)))
        return self._policy is Supervision.STOP

    def fail_after(self, error: BaseException) -> None:
        """The elements whose streams run fail, and those that wait for one."""
        for chunk in self.take_raw():
            chunk.fail(named(self, error))
        for sub in self.nest:
            self.end_sub(sub, Failed(named(self, error)))
        super().fail_after(error)

    def end_sub(self, sub: Substream, outcome: Any) -> None:
        """Stop a stream; its element has this outcome, unless it is worse already."""
        error = outcome.error if isinstance(outcome, Failed) else None
        sub.stop(error)
        sub.key.close(outcome)

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """Emit it under the receipt of its element."""
        super().sub_pushed(sub, sub.key.child(chunk))

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """Make room for the next."""
        if error is not None:
            self.ctx.count("failed_substreams")
            sub.key.close(Failed(named(self, error)))
            if self._supervise(error):
                self.fail_after(error)
            return
        if not sub.key.made:
            self.ctx.count(f"dropped_{FILTERED}")
        sub.key.close()

    def nest_turned(self, rested: bool) -> None:
        """Emit, and ask for as much as there is room for now, once for all streams that have ended."""
        super().nest_turned(rested)
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self.upstream_done and not (self.finished or self.nest or self._raw):
            self.finish()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when the streams have."""
        self.upstream_done = True
        self._finish_if_done()

    def on_stop(self, error: BaseException | None) -> None:
        """The elements whose streams run are dropped, or fail."""
        running = list(self.nest)
        settle_rest(self, self.take_raw(), error)
        super().on_stop(error)
        for sub in running:
            sub.key.close(Dropped("cancelled") if error is None else Failed(named(self, error)))

    def residue(self) -> list[Chunk]:
        """What came of the streams; the rest of them is dropped. Then elements that have none so far, as they came."""
        held = self.out.take_all()
        running = list(self.nest)
        held += [sub.key.child(chunk) for sub, chunk in self.nest.residue()]
        for sub in running:
            self.ctx.count(f"dropped_{REMOVED}")
            sub.key.close(Dropped(REMOVED))
        return held + self.take_raw()

    def take_raw(self) -> list[Chunk]:
        """What has no stream so far, which is nothing afterwards."""
        raw = list(self._raw)
        self._raw.clear()
        self._n = 0
        return raw
