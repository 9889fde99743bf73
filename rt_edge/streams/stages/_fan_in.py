"""What fan-in stages share: inlets, and what came in and waits for its turn, inlet by inlet."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.weave import weave
from rt_edge.streams.stage import OUT, Hold, Inlet, Outlet, ReceiptUse, Stage, Supervision
from rt_edge.streams.stages._common import OnError, fail_behind, inlets, named, ports, settle_rest
from rt_edge.streams.stages._keys import Runner
from rt_edge.streams.stages._latest import gather
from rt_edge.streams.stages._outbox import OutboxLogic
from rt_edge.streams.stages._user_code import ElementLogic


class FanIn(Stage, frozen=True):
    """Base of stages with `count` inlets and one outlet.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int = 2

    def __post_init__(self) -> None:
        """Refuse a number of ports that makes no sense."""
        ports("count", self.count)

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """`in0`, `in1`, ..."""
        return inlets(self.count)

    def holds(self) -> Hold:
        """What the other inlets are ahead of one; each by a chunk at most."""
        return Hold(max(1, self.count - 1) * CHUNK_ELEMENTS)


class KeyedFanIn(FanIn, frozen=True, kw_only=True):
    """Base of fan-ins that ask something of each element.

    Attributes:
        on_error: resume (the default): an element of which that cannot be said fails alone. stop, restart: as of `UserCode`.
    """

    on_error: OnError = "resume"

    @property
    def supervision(self) -> Supervision:
        """By `on_error`."""
        return Supervision(self.on_error)


class FanInLogic(OutboxLogic):
    """Asks every inlet for what is wanted, a chunk at most, and hands on what `next_piece` takes of what is held.

    Args:
        stage: whose inlets these are.
    """

    def __init__(self, stage: FanIn) -> None:
        self.bound = (stage.count + 1) * CHUNK_ELEMENTS  # type: ignore[misc]  # as many elements are asked for at most
        self.inlets = stage.inlets
        self.held: list[deque[Chunk]] = [deque(maxlen=CHUNK_ELEMENTS) for _ in self.inlets]
        self.n = [0] * stage.count
        self._gone = [0] * stage.count
        """Elements of the first chunk that were taken: to cut it each time would copy the rest each time."""
        self._failure: BaseException | None = None

    # -- to override ---------------------------------------------------------------------------------------------------

    def next_piece(self, most: int) -> Chunk | None:
        """Up to `most` elements that are next, of one inlet or of several, taken by `take` or `take_woven`; None: more has to
        come in before."""
        raise NotImplementedError

    def is_over(self) -> bool:
        """Whether nothing more can be made of what is held and of what may come."""
        return not any(self.n) and all(map(self.is_closed, self.inlets))

    # -- for subclasses ------------------------------------------------------------------------------------------------

    def has_ended(self, index: int) -> bool:
        """Whether all elements of an inlet have gone out, and no more will come."""
        return not self.n[index] and self.is_closed(self.inlets[index])

    def take(self, index: int, most: int) -> Chunk:
        """Up to `most` elements of the first chunk of an inlet that holds some."""
        chunk, start = self.held[index][0], self._gone[index]
        left = len(chunk) - start
        if left <= most:
            self.held[index].popleft()
            self._gone[index] = 0
            self.n[index] -= left
            return chunk if not start else chunk.cut(start)[1]
        self._gone[index] = end = start + most
        self.n[index] -= most
        return Chunk(chunk.items[start:end], chunk.receipt, chunk.marks and chunk.marks[start:end])

    def at_hand(self, index: int) -> int:
        """Elements of the first chunk of an inlet."""
        held = self.held[index]
        return len(held[0]) - self._gone[index] if held else 0

    def first(self, index: int) -> Chunk:
        """The next element of an inlet that holds some, which stays there."""
        return self.held[index][0].take([self._gone[index]])

    def take_woven(self, order: Sequence[int]) -> Chunk:
        """For each place, from which inlet the next element comes, which is at hand there."""
        parts: list[Chunk] = []
        places: dict[int, int] = {}
        for index, n in sorted(Counter(order).items()):
            places[index] = len(parts)
            parts.append(self.take(index, n))
        return parts[0] if len(parts) == 1 else weave(parts, list(map(places.__getitem__, order)))

    def hold(self, inlet: Inlet, chunk: Chunk) -> None:
        """Keep it for its turn."""
        self.held[inlet.index].append(chunk)
        self.n[inlet.index] += len(chunk)

    def advance(self, all_of_it: bool = False) -> None:
        """Hand on what is next and wanted (or all that can go out), then ask for more, or end."""
        if self.has_failed():
            return
        if all_of_it or self.is_free(OUT):
            room = CHUNK_ELEMENTS * len(self.inlets) if all_of_it else self.demand(OUT) - self.out.elements
            pieces: list[Chunk] = []
            while room > 0 and (piece := self.next_piece(room)) is not None:
                room -= len(piece)
                pieces.append(piece)
            for chunk in gather(pieces) if len(pieces) > 1 else pieces:
                self.out.put(chunk)
            if self.has_failed():  # `give_up`, by what was next
                self._fail_if_out()
                return
        if not self.finished and self.is_over():
            for inlet in self.inlets:
                self.cancel(inlet)
            self.finished = True
            if not self.out:
                self.complete_stage()
                return
        self.proceed()

    def fail_after_all(self, error: BaseException) -> None:
        """Cancel all inlets; the error follows what can still go out."""
        self.advance(all_of_it=True)
        if not self.has_failed():
            self.give_up(error)
            self._fail_if_out()

    def give_up(self, error: BaseException) -> None:
        """Cancel all inlets; the error follows what was given. For `next_piece`, too, which has no further one then."""
        self._failure = error
        for inlet in self.inlets:
            self.cancel(inlet, error)

    def has_failed(self) -> bool:
        """Whether an error follows what is still to go out."""
        return self._failure is not None

    def _fail_if_out(self) -> None:
        if self._failure is not None and not self.out:
            fail_behind(self, self._failure)

    # -- handlers ------------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Keep every inlet stocked with what is wanted."""
        if self.finished or self.has_failed():
            return
        wanted = min(self.demand(OUT), CHUNK_ELEMENTS)
        for inlet, held in zip(self.inlets, self.n, strict=True):
            n = wanted - held - self.requested(inlet)
            if n > 0 and not self.is_closed(inlet):
                self.request(inlet, n)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask, then hand on."""
        super().on_pull(outlet, n)
        self._fail_if_out()
        self.advance()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """It waits for its turn, which may be now."""
        self.hold(inlet, chunk)
        self.advance()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Others may be next now."""
        self.advance()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, self.take_held(), error)

    def take_held(self) -> list[Chunk]:
        """What is held, inlet by inlet; nothing is held afterwards."""
        for held, gone in zip(self.held, self._gone, strict=True):
            if gone:
                held.appendleft(held.popleft().cut(gone)[1])
        chunks = [chunk for held in self.held for chunk in held]
        for held in self.held:
            held.clear()
        self.n = [0] * len(self.n)
        self._gone = [0] * len(self.n)
        return chunks

    def residue(self) -> list[Chunk]:
        """What is ready, then what waits, raw, inlet by inlet."""
        return super().residue() + self.take_held()


class KeyedFanInLogic(FanInLogic, ElementLogic):
    """Holds something said of each element beside it: `said[index]` in step with the elements of `held[index]`.

    Args:
        stage: whose inlets these are.
        runner: says it; see `_keys.Runner`.
        most: kept of what was said, an inlet.
    """

    def __init__(self, stage: KeyedFanIn, runner: Runner) -> None:
        ElementLogic.__init__(self, stage)
        FanInLogic.__init__(self, stage)
        self._say = runner
        self.said: list[deque[Any]] = [deque(maxlen=CHUNK_ELEMENTS) for _ in self.inlets]

    def know(self, index: int, said: list[Any]) -> tuple[int, Exception | None]:
        """Keep what was said of the elements of a chunk that is going to be held: of how many, and what is wrong with the next,
        which fails the stage."""
        self.said[index].extend(said)
        return len(said), None

    def take(self, index: int, most: int) -> Chunk:
        """Forget what was said of what is taken, too."""
        chunk = super().take(index, most)
        said = self.said[index]
        for _ in range(len(chunk)):
            said.popleft()
        return chunk

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Ask of each element what has to be known; those of which it cannot be said fail."""
        said, missing, failures = self._say(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        rest: Chunk | None = chunk
        if failures:
            rest, said = self.survivors(chunk, said, failures)
        else:
            self.note_success()
        wrong = None
        if rest is not None:
            n, wrong = self.know(inlet.index, said)
            if wrong is not None:
                self.ctx.count("errors")
                rest, bad = rest.cut(n) if n else (None, rest)
                bad.fail(named(self, wrong))
        if rest is not None:
            self.hold(inlet, rest)
        if wrong is not None:
            self.fail_after_all(wrong)
            return
        if failures and self._policy is Supervision.STOP:
            self.fail_after_all(failures[0][1])
        else:
            self.advance()

    def take_held(self) -> list[Chunk]:
        """Nothing is known afterwards."""
        for said in self.said:
            said.clear()
        return super().take_held()
