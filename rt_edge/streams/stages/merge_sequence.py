"""merge_sequence: numbered elements, spread over several streams, in the order of their numbers."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.data.weave import emitted_again
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import discard
from rt_edge.streams.stages._fan_in import KeyedFanIn, KeyedFanInLogic
from rt_edge.streams.stages._judging import check_by
from rt_edge.streams.stages._keys import Runner
from rt_edge.streams.stages.merge_sorted import keys_of

LATE = "late"
"""The reason of an element whose number has had its turn."""


class SequenceBroken(StreamError):
    """A number is missing at all inlets, or came twice."""

    code: ClassVar[str] = "RTE615"


class MergeSequence(KeyedFanIn, frozen=True, kw_only=True):
    """Emits the elements of all inlets in the order of their numbers, each of which is at one inlet; each inlet is in order.

    It undoes what `balance` or a router did. An element without a whole number fails alone; under an expression, gap records
    and readings without the field go out with what came before them at their inlet. What an origin emits again goes out at once
    if its number has had its turn.

    Emits when: the element with the next number is there.
    Backpressures when: downstream does; an inlet that is ahead waits for the others.
    Completes when: all inlets have completed and what is held has gone out.
    Cancels when: downstream cancels; all inlets.
    On restart: keeps no state but the next number and what waits, and these stay.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
        number: expression on a reading, or function of an element, that gives its number.
        start: the first number.
        when_broken: what to do when a number is at no inlet although all have gone past it, or comes again. fail: fail the
            stage. skip: go on with the next there is (counter `missing_numbers`); what comes later is dropped, `late`.
    """

    kind: ClassVar[str] = "merge_sequence"
    shorthand: ClassVar[str] = "number"

    number: Any
    start: int = 0
    when_broken: Literal["fail", "skip"] = "fail"

    def __post_init__(self) -> None:
        """Refuse a number that is neither an expression nor a function."""
        super().__post_init__()
        check_by("number", self.number)

    def create_logic(self) -> StageLogic:
        """A logic that knows the next number."""
        return _Logic(self)


class _Logic(KeyedFanInLogic):
    def __init__(self, stage: MergeSequence) -> None:
        super().__init__(stage, _numbers(keys_of(stage.number, stage.supervision), isinstance(stage.number, str)))
        self._next = stage.start
        self._skips = stage.when_broken == "skip"

    def next_piece(self, most: int) -> Chunk | None:
        while True:
            heads = [(said[0], index) for index, said in enumerate(self.said) if said]
            for number, index in heads:
                if number is None:
                    return self.take(index, 1)
                if number == self._next:
                    return self._run(index, most)
            late = next((index for number, index in heads if number < self._next), None)
            if late is not None:
                if self._comes_again(late):
                    return self.take(late, 1)
                if not self._skips:
                    self._broken(f"number {self.said[late][0]} came again, or too late: {self._next} is next")
                    return None
                discard(self, self.take(late, 1), LATE)
            elif not heads or any(not n and not self.is_closed(inlet) for n, inlet in zip(self.n, self.inlets, strict=True)):
                return None
            else:
                smallest, index = min(heads)
                if not self._skips and not self._comes_again(index):
                    self._broken(f"number {self._next} is at no inlet, the next there is {smallest}")
                    return None
                self.ctx.count("missing_numbers", smallest - self._next)
                self._next = smallest

    def _comes_again(self, index: int) -> bool:
        """Whether the next element of an inlet is one that its origin emits again: its number has had its turn, and others
        between may be stored already."""
        return emitted_again(self.first(index)) is not None

    def _run(self, index: int, most: int) -> Chunk:
        """As many as follow each other at this inlet."""
        run = 0
        for number in self.said[index]:
            if number != self._next or run == most:
                break
            run += 1
            self._next += 1
        piece = self.take(index, run)
        self._next -= run - len(piece)  # they were in several chunks
        return piece

    def _broken(self, what: str) -> None:
        self.ctx.count("errors")
        self.give_up(SequenceBroken(f"{self.ctx.name}: {what}"))


def _numbers(run: Runner, may_say_nothing: bool) -> Runner:
    """As `run`; what is no whole number fails its element."""

    def numbers(items: Any) -> Any:
        found, missing, failures = run(items)
        known = {place for place, _ in failures}
        for place, number in enumerate(found):
            if place in known or (number is None and may_say_nothing):
                continue
            if number.__class__ is not int:
                failures.append((place, ValueError(f"{number!r} is no whole number")))
        failures.sort(key=lambda failure: failure[0])
        return found, missing, failures

    return numbers
