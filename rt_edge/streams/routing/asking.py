"""Asking: a question to several, as a state machine: whom to ask when, and when it is over.

    scatter-gather   all at once; the first answer counts
    tail-chopping    one; another one after each `interval`, until the first answer
    everyone         all at once; when all have answered, the first answer; it fails if one of them did
    one by one       one; another one when it fails or dies (with `elsewhere`)

Events go in (`begin`, `answered`, `failed`, `gone`, `tick`), what is to be done comes out; time comes as a parameter. Late and
repeated events change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from rt_edge.data.errors import ConfigError, StreamError, TransientError

Kind = Literal["one", "scatter_gather", "everyone", "tail_chopping"]


class NoAnswer(TransientError):
    """Nobody of those who were asked has answered in time, or all of them failed."""

    code = "RTE322"


class AskPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a question is asked.

    Attributes:
        kind: see the module.
        within: seconds for all of it.
        interval: tail-chopping: seconds until the next one is asked too.
        elsewhere: one: another one is asked when the one that was asked fails or dies. The question may then be
            worked on twice.

    Raises:
        ConfigError: times that make no sense.
    """

    kind: Kind = "one"
    within: float = 5.0
    interval: float = 0.0
    elsewhere: bool = False

    def __post_init__(self) -> None:
        """Refuse times that make no sense."""
        if not self.within > 0:
            raise ConfigError(f"within is {self.within:g}, it has to be more than 0")
        if self.kind == "tail_chopping" and not 0 < self.interval < self.within:
            raise ConfigError(f"interval is {self.interval:g}, it has to be more than 0 and less than within ({self.within:g})")


class Step(msgspec.Struct, frozen=True):
    """What is to be done now.

    Attributes:
        ask: names of those to ask.
        over: the question is over: tell the asker, and forget it.
        answer: the answer, if there is one.
        error: why there is none.
    """

    ask: tuple[str, ...] = ()
    over: bool = False
    answer: Any = None
    error: BaseException | None = None


NOTHING = Step()


class Asking:
    """One question.

    Args:
        policy: how.
        names: whom to ask, in this order; who chose it decided about chance and load.
        now: monotonic time.
    """

    __slots__ = ("_answer", "_error", "_next", "_open", "_over", "_rest", "deadline", "policy")

    def __init__(self, policy: AskPolicy, names: Sequence[str], now: float) -> None:
        self.policy = policy
        self.deadline = now + policy.within
        self._rest = list(names)
        self._open: set[str] = set()
        self._next = now + policy.interval if policy.kind == "tail_chopping" else self.deadline
        self._error: BaseException | None = None
        self._answer: tuple[Any] | None = None  # the first one, while others are waited for
        self._over = False

    @property
    def is_over(self) -> bool:
        """Whether the asker was told."""
        return self._over

    @property
    def asked(self) -> frozenset[str]:
        """Who was asked and has neither answered nor failed."""
        return frozenset(self._open)

    @property
    def next_tick(self) -> float:
        """When `tick` has something to do."""
        return min(self._next, self.deadline)

    def begin(self) -> Step:
        """Whom to ask first."""
        if not self._rest:
            return self._end(StreamError("there is nobody to ask"))
        return self._ask(len(self._rest) if self.policy.kind in {"scatter_gather", "everyone"} else 1)

    def answered(self, name: str, answer: Any) -> Step:
        """`name` has answered; the first answer counts."""
        if self._over or name not in self._open:
            return NOTHING
        if self.policy.kind == "everyone":
            self._open.discard(name)
            self._answer = self._answer or (answer,)
            return self._all_heard()
        self._over = True
        return Step(over=True, answer=answer)

    def failed(self, name: str, error: BaseException) -> Step:
        """`name` could not answer."""
        if self._over or name not in self._open:
            return NOTHING
        self._open.discard(name)
        self._error = error
        if self.policy.kind == "everyone":
            return self._all_heard()
        more = self.policy.kind == "tail_chopping" or (self.policy.kind == "one" and self.policy.elsewhere)
        if more and self._rest:
            return self._ask(1)
        return NOTHING if self._open else self._end(error)

    def gone(self, name: str, error: BaseException) -> Step:
        """`name` is dead or was removed: it will neither answer nor can it be asked."""
        if name in self._rest:
            self._rest.remove(name)
        return self.failed(name, error)

    def tick(self, now: float) -> Step:
        """Time has passed."""
        if self._over:
            return NOTHING
        if now >= self.deadline:
            late = NoAnswer(f"no answer within {self.policy.within:g} s from {', '.join(sorted(self._open)) or 'anybody'}")
            late.__cause__ = self._error
            return self._end(late)
        if now >= self._next and self._rest:
            self._next = now + self.policy.interval
            return self._ask(1)
        if not self._rest:
            self._next = self.deadline
        return NOTHING

    def _all_heard(self) -> Step:
        if self._open:
            return NOTHING
        if self._error is not None or self._answer is None:
            return self._end(self._error or StreamError("nobody has answered"))
        self._over = True
        return Step(over=True, answer=self._answer[0])

    def _ask(self, n: int) -> Step:
        names, self._rest = tuple(self._rest[:n]), self._rest[n:]
        self._open.update(names)
        if not self._rest:
            self._next = self.deadline
        return Step(ask=names)

    def _end(self, error: BaseException) -> Step:
        self._over = True
        return Step(over=True, error=error)
