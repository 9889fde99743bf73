"""ask: contract, and demand that follows the room of who answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.routing.asking import NoAnswer
from rt_edge.streams.stages.ask import Ask
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, Broken, SupervisionContract


class Desk:
    """Answers at once, or when a test says so; has room for so many questions."""

    def __init__(self, room: int = 1000, at_once: bool = True) -> None:
        self.room = room
        self.at_once = at_once
        self.open: dict[int, tuple[Any, Callable[..., None]]] = {}
        self.listeners: list[Callable[[], None]] = []
        self.asked = 0
        self.given_up = 0

    def credit(self) -> int:
        return self.room - len(self.open)

    def ask(self, question: Any, told: Callable[..., None]) -> Callable[[], None]:
        assert self.credit() > 0, "asked without room"
        self.asked += 1
        number = self.asked
        if self.at_once:
            self._say(question, told)
        else:
            self.open[number] = question, told

        def give_up() -> None:
            self.given_up += 1
            self.open.pop(number, None)

        return give_up

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(changed)
        return lambda: self.listeners.remove(changed)

    @staticmethod
    def _say(question: Any, told: Callable[..., None]) -> None:
        told(None, Broken("bad element")) if question == BAD else told(question + 1, None)

    def answer(self, number: int) -> None:
        self._say(*self.open.pop(number))
        self.changed()

    def changed(self) -> None:
        for listener in self.listeners:
            listener()


class TestAsk(SupervisionContract):
    residue_differs = "elements without an answer so far are handed on raw"

    def make(self) -> Ask:
        return Ask(asked=Desk(), parallelism=5)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[n + 1 for n in inputs[0]]]

    def make_failing(self, on_error: Any) -> Ask:
        return Ask(asked=Desk(), parallelism=3, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: Any) -> list[Any] | None:
        return [n + 1 for n in inputs if n != BAD]


def test_upstream_is_asked_for_what_there_is_room_for() -> None:
    """Three, though more are wanted; one more for each answer, five when there is room for two more, none without room."""
    desk = Desk(3, at_once=False)
    with StageBench(Ask(asked=desk)) as bench:
        bench.sink.request(100)
        assert bench.source.demand == 3
        bench.source.send(10, 20)
        assert bench.source.demand == 1
        desk.answer(2)
        bench.advance(0.0)
        bench.sink.expect_no_next()
        assert bench.source.demand == 2
        desk.answer(1)
        bench.advance(0.0)
        bench.sink.expect_next(11, 21)
        assert bench.source.demand == 3
        desk.room = 5
        desk.changed()
        bench.advance(0.0)
        assert bench.source.demand == 5
        bench.source.complete()


def test_open_questions_are_given_up_when_downstream_cancels() -> None:
    """And nobody is told of room any more."""
    desk = Desk(at_once=False)
    with StageBench(Ask(asked=desk)) as bench:
        bench.sink.request(2)
        bench.source.send(1, 2)
        bench.sink.cancel()
        assert (desk.given_up, desk.listeners) == (2, [])


def test_element_fails_alone_when_there_is_no_answer() -> None:
    """Its origin hears of it; the stream goes on."""
    desk = Desk(at_once=False)
    with StageBench(Ask(asked=desk)) as bench:
        bench.sink.request(3)
        bench.source.send(1, 2)
        desk.open.pop(1)[1](None, NoAnswer("nobody"))
        desk.answer(2)
        bench.advance(0.0)
        bench.sink.expect_next(3)
        assert bench.source.outcomes.failed() == [0]
        bench.source.complete()


def test_parameters_are_refused_when_they_make_no_sense() -> None:
    """At once."""
    for wrong in ({"parallelism": 0}, {"parallelism": 5000}, {"within": 0.0}):
        with pytest.raises(ConfigError):
            Ask(asked=Desk(), **wrong)
