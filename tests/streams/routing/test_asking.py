"""Questions to several, and the size of pools: state machines without I/O."""

from __future__ import annotations

from random import Random

import pytest

from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.streams.routing.asking import Asking, AskPolicy, NoAnswer, Step
from rt_edge.streams.routing.resizer import Resizer

SCATTER = AskPolicy(kind="scatter_gather", within=2.0)
EVERYONE = AskPolicy(kind="everyone", within=2.0)
CHOP = AskPolicy(kind="tail_chopping", within=2.0, interval=0.5)
NAMES = ("a", "b", "c")


def test_first_answer_counts_when_scattered() -> None:
    """All are asked at once; later answers change nothing."""
    one = Asking(SCATTER, NAMES, 0.0)
    assert one.begin() == Step(ask=NAMES)
    assert one.failed("a", StreamError("x")) == Step()
    assert one.answered("b", 7) == Step(over=True, answer=7)
    assert one.answered("c", 8) == one.answered("b", 7) == one.failed("c", StreamError("y")) == one.tick(99.0) == Step()
    assert one.is_over


def test_question_fails_when_all_who_were_asked_fail() -> None:
    """At once, with the last error."""
    one = Asking(SCATTER, NAMES, 0.0)
    one.begin()
    last = StreamError("c")
    assert one.failed("a", StreamError("a")) == one.gone("b", StreamError("b")) == Step()
    assert one.failed("c", last) == Step(over=True, error=last)


def test_answer_waits_for_all_when_everyone_is_asked() -> None:
    """All are asked at once; the first answer is given when the last one has answered, and only once."""
    one = Asking(EVERYONE, NAMES, 0.0)
    assert one.begin() == Step(ask=NAMES)
    assert one.answered("b", 7) == one.answered("b", 8) == one.answered("a", None) == Step()
    assert not one.is_over
    assert one.answered("c", 9) == Step(over=True, answer=7)
    assert one.answered("c", 9) == one.failed("a", StreamError("y")) == one.tick(99.0) == Step()


@pytest.mark.parametrize("order", ["abc", "bca", "cab"])
def test_question_fails_when_one_of_everyone_has_failed(order: str) -> None:
    """When all were heard, whoever was first: what one has not done is not done."""
    one = Asking(EVERYONE, NAMES, 0.0)
    one.begin()
    error = StreamError("b")
    steps = [one.failed(name, error) if name == "b" else one.answered(name, name) for name in order]
    assert steps == [Step(), Step(), Step(over=True, error=error)]


def test_next_is_asked_after_each_interval_when_tails_are_chopped() -> None:
    """One at the start, one more each half second, nobody twice; the first answer ends it, whoever gives it."""
    one = Asking(CHOP, NAMES, 10.0)
    assert one.begin() == Step(ask=("a",))
    assert one.next_tick == 10.5
    assert one.tick(10.4) == Step()
    assert one.tick(10.5) == Step(ask=("b",))
    assert one.tick(11.0) == Step(ask=("c",))
    assert one.next_tick == 12.0
    assert one.asked == {"a", "b", "c"}
    assert one.answered("a", "late but first") == Step(over=True, answer="late but first")


def test_next_is_asked_at_once_when_the_one_before_failed() -> None:
    """Tail-chopping does not wait for its interval then."""
    one = Asking(CHOP, NAMES, 0.0)
    one.begin()
    assert one.failed("a", StreamError("x")) == Step(ask=("b",))
    assert one.gone("c", StreamError("dead")) == Step()
    last = StreamError("y")
    assert one.failed("b", last) == Step(over=True, error=last)


@pytest.mark.parametrize("policy", [SCATTER, EVERYONE, CHOP, AskPolicy(within=2.0)])
def test_question_fails_when_time_is_over(policy: AskPolicy) -> None:
    """With who was silent, and what failed before."""
    one = Asking(policy, ("a", "b"), 0.0)
    one.begin()
    while not (step := one.tick(one.next_tick)).over:
        assert one.next_tick <= 2.0
    assert isinstance(step.error, NoAnswer)
    assert "within 2 s from a" in str(step.error)


def test_another_is_asked_when_one_by_one_and_elsewhere() -> None:
    """Only where the policy says so."""
    one = Asking(AskPolicy(elsewhere=True), NAMES, 0.0)
    assert one.begin().ask == ("a",)
    assert one.gone("a", StreamError("dead")) == Step(ask=("b",))
    error = StreamError("dead")
    plain = Asking(AskPolicy(), NAMES, 0.0)
    plain.begin()
    assert plain.gone("a", error) == Step(over=True, error=error)


def test_question_fails_at_once_when_there_is_nobody() -> None:
    """Nobody to ask is an error, not a wait."""
    assert isinstance(Asking(SCATTER, (), 0.0).begin().error, StreamError)


def test_question_ends_once_when_events_come_in_any_order() -> None:
    """Whatever happens, in whatever order and however often: one end, and nobody is asked twice."""
    for seed in range(300):
        random = Random(seed)
        policy = random.choice([SCATTER, CHOP, AskPolicy(within=2.0), AskPolicy(within=2.0, elsewhere=True)])
        one = Asking(policy, NAMES, 0.0)
        asked = list(one.begin().ask)
        ends = 0
        now = 0.0
        for _ in range(60):
            now += random.random() * 0.3
            name = random.choice(NAMES)
            call = random.randint(0, 9)
            if call < 1:
                step = one.answered(name, 1)
            elif call < 3:
                step = one.failed(name, StreamError("x"))
            elif call < 5:
                step = one.gone(name, StreamError("y"))
            else:
                step = one.tick(now)
            asked += step.ask
            ends += step.over
            assert not (step.over and step.ask)
        assert ends == 1, seed
        assert len(asked) == len(set(asked)), seed


@pytest.mark.parametrize("kwargs", [{"within": 0.0}, {"kind": "tail_chopping"}, {"kind": "tail_chopping", "interval": 9.0}])
def test_times_are_refused_when_they_make_no_sense(kwargs: dict[str, object]) -> None:
    """Before anything is asked."""
    with pytest.raises(ConfigError):
        AskPolicy(**kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "busy", "waiting", "wanted"),
    [
        (5, 5, 0, 6),
        (5, 5, 9, 6),
        (10, 10, 9, 10),
        (5, 3, 0, 5),
        (5, 1, 0, 4),
        (5, 1, 3, 5),
        (1, 0, 0, 1),
        (0, 0, 0, 1),
        (20, 6, 0, 10),
    ],
)
def test_pool_follows_the_pressure_when_it_is_resized(size: int, busy: int, waiting: int, wanted: int) -> None:
    """It grows when all are busy, shrinks when few are and nothing waits, and keeps to its bounds."""
    assert Resizer(least=1, most=10).size(size, busy, waiting) == wanted


@pytest.mark.parametrize(
    "kwargs", [{"least": 0}, {"least": 5, "most": 4}, {"grow_above": 0.2}, {"grow_by": 0.0}, {"every": 0.0}, {"grow_above": 1.5}]
)
def test_resizer_is_refused_when_it_makes_no_sense(kwargs: dict[str, float]) -> None:
    """Bounds, shares and times."""
    with pytest.raises(ConfigError):
        Resizer(**kwargs)  # type: ignore[arg-type]
