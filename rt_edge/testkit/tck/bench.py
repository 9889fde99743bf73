"""What all verifications share: knobs, the tests that they leave out, the environment, what is found out besides (facts)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from rt_edge.testkit.tck.environment import SIGNAL_TIMEOUT_S, ByHand, Environment, Threads

F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"test_(required|optional|stochastic|untested)_(?:spec(\d)(\d\d)_)?(.+)")
SHOULD = frozenset({"2.2", "3.4"})
"""Rules that say SHOULD: a test of one is no more than an optional one."""


def needs(**conditions: Any) -> Callable[[F], F]:
    """Say what a test needs of the knobs; a verification whose knobs do not give it leaves the test out, with a reason.

    Args:
        conditions: understood by `reason_against` of the verification: elements, completion, subscribers, ...
    """

    def note(test: F) -> F:
        test.__tck_needs__ = conditions  # type: ignore[attr-defined]
        return test

    return note


def rule_of(test: str) -> str:
    """The number of the rule that a test is named for, as `3.17`; empty if it is named for none."""
    match = _NAME.match(test)
    return f"{match[2]}.{int(match[3])}" if match and match[2] else ""


def kind_of(test: str) -> str:
    """required, optional, stochastic or untested (the kit for the JVM leaves it untested); empty for another name."""
    match = _NAME.match(test)
    return match[1] if match else ""


def is_optional(test: str) -> bool:
    """Whether an implementation may fail this test and still keep the specification."""
    return kind_of(test) == "optional" or (kind_of(test) == "untested" and rule_of(test) in SHOULD)


class Verification:
    """Base of all verifications: subclass one of them as `Test...`, override what makes the thing under test, set the knobs.

    An implementation without threads overrides `settle`; it is then driven by hand and no time passes. One with threads, or a
    loop in a thread, leaves it alone: the test waits up to `signal_timeout`. One on asyncio in the test's thread overrides
    `create_environment` with an `OnLoop`.

    Attributes:
        signal_timeout: seconds that an expected signal may take.
        no_signal_timeout: seconds without a signal that prove there will be none; None: as `signal_timeout`.
        gc_timeout: seconds until references have to be dropped.
        responsive_within: seconds that `request`, `cancel` and `on_next` may keep their caller (rules 2.2, 3.4, 3.5).
        strict: whether what fails an optional test is an error as any other.
        declined: test -> why it makes no sense here. It is not collected.
        left_out: test -> why the knobs leave it out, and what was declined; made by the class itself.
    """

    signal_timeout: ClassVar[float] = SIGNAL_TIMEOUT_S
    no_signal_timeout: ClassVar[float | None] = None
    gc_timeout: ClassVar[float] = 0.3
    responsive_within: ClassVar[float] = 0.1
    strict: ClassVar[bool] = False
    declined: ClassVar[dict[str, str]] = {}
    left_out: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, abstract: bool = False) -> None:
        """Take out what is declined and what the knobs do not allow; nothing of a class that is `abstract`."""
        super().__init_subclass__()
        if abstract:
            return
        cls.left_out = {}
        for name, reason in cls.declined.items():
            if _definition(cls, name) is None:
                raise TypeError(f"{cls.__name__} declines {name}, which is no test of it")
            if not reason.strip():
                raise TypeError(f"{cls.__name__} declines {name} without a reason")
        # in the order of definition: the same in every process of a run
        for name in dict.fromkeys(name for base in cls.__mro__ for name in vars(base) if name.startswith("test_")):
            test = _definition(cls, name)
            if test is None:
                continue
            reason = cls.declined.get(name) or cls.reason_against(**getattr(test, "__tck_needs__", {}))
            if reason:
                cls.left_out[name] = reason
                setattr(cls, name, None)
            elif getattr(cls, name) is None:  # a base class had left it out
                setattr(cls, name, test)

    @classmethod
    def reason_against(cls, **needed: Any) -> str:  # noqa: ARG003  # overridden
        """Why a test with these needs makes no sense here; empty if it does."""
        return ""

    # -- to be overridden -------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring to its end all that is under way; overriding this says that nothing happens unless it is called."""

    def check_idle(self) -> None:
        """Called after a stream has ended or was cancelled: raise if timers, tasks or threads of it are left (rule 1.6)."""

    def create_environment(self) -> Environment:
        """How this test waits."""
        if type(self).settle is not Verification.settle:
            return ByHand(self.settle)
        return Threads(self.signal_timeout, self.no_signal_timeout)

    # -- tools ------------------------------------------------------------------------------------------------------------

    @cached_property
    def env(self) -> Environment:
        """The environment of this test."""
        return self.create_environment()

    @cached_property
    def facts(self) -> dict[str, str]:
        """What this test found out about permissions: rule -> the choice that was seen."""
        return {}

    def until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """`condition` has to come true in time."""
        assert self.env.until(condition), otherwise

    def is_prompt(self, call: Callable[[], Any], rule: str, what: str) -> None:
        """`call` must not keep its caller: the best of three counts, since a busy machine is no fault of the callee."""
        best = min(self.env.took(call) for _ in range(3))
        assert best <= self.responsive_within, f"rule {rule}: {what} kept its caller for {best:.3f} s"


def _definition(cls: type[Any], name: str) -> Any:
    """The test `name` as the nearest class defines it, passing over those that only left it out."""
    return next((vars(base)[name] for base in cls.__mro__ if vars(base).get(name) is not None), None)
