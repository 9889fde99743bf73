"""The 43 rules of Reactive Streams 1.0.4 by number, and the calls to foreign code that keep them.

Whoever breaks a rule is told by `SpecViolation`, which names it and goes to the log: it never becomes an `on_error`, since that
would blame the stream for a bug of one of its users (`error_to_signal`). All calls into a foreign subscriber or subscription go
through the `signal_*` and `call_*` functions: what such a call raises comes back as a SpecViolation.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from rt_edge.data.errors import InternalError, SpecViolation
from rt_edge.protocol.roles import Subscriber, Subscription

Level = Literal["MUST", "MUST NOT", "SHOULD", "MAY"]


class Rule(NamedTuple):
    """One rule of the specification: number, level, one sentence in our words."""

    number: str
    level: Level
    text: str


_TABLE: tuple[tuple[str, Level, str], ...] = (
    ("1.1", "MUST", "A publisher signals no more elements in all than its subscriber has requested."),
    ("1.2", "MAY", "A publisher may signal fewer elements than requested, and then end the stream."),
    ("1.3", "MUST", "The signals to one subscriber are serial: one has returned before the next begins."),
    ("1.4", "MUST", "A publisher that fails signals on_error."),
    ("1.5", "MUST", "A finite stream that ends well is ended by on_complete."),
    ("1.6", "MUST", "With on_error or on_complete the subscription counts as cancelled."),
    ("1.7", "MUST", "After on_error or on_complete nothing more is signalled."),
    ("1.8", "MUST", "After a cancel the signals stop, eventually."),
    ("1.9", "MUST", "subscribe signals on_subscribe first and returns normally; None raises TypeError; refusal is on_error."),
    ("1.10", "MUST", "subscribe may be called many times, each time with another subscriber."),
    ("1.11", "MAY", "A publisher may serve several subscribers, each with a stream of its own or all with one."),
    ("2.1", "MUST", "A subscriber has to request in order to get elements."),
    ("2.2", "SHOULD", "A subscriber whose work would slow its publisher does it elsewhere."),
    ("2.3", "MUST NOT", "on_complete and on_error call no method of the subscription or the publisher."),
    ("2.4", "MUST", "After on_complete or on_error a subscriber treats its subscription as cancelled."),
    ("2.5", "MUST", "A subscriber with an active subscription cancels another one that it is given."),
    ("2.6", "MUST", "A subscriber cancels a subscription that it no longer needs."),
    ("2.7", "MUST", "The calls to one subscription are serial."),
    ("2.8", "MUST", "A subscriber copes with elements that come after it cancelled."),
    ("2.9", "MUST", "A subscriber copes with on_complete, whether it had requested or not."),
    ("2.10", "MUST", "A subscriber copes with on_error, whether it had requested or not."),
    ("2.11", "MUST", "A signal has happened before the work on it starts: what it carries is handed over safely."),
    ("2.12", "MUST", "on_subscribe is called at most once for one subscriber."),
    ("2.13", "MUST", "on_* return normally, but raise TypeError for None; a subscriber fails only by cancelling."),
    ("3.1", "MUST", "request and cancel are called by the subscription's own subscriber only."),
    ("3.2", "MUST", "request may be called from inside on_subscribe and on_next."),
    ("3.3", "MUST", "The recursion of request into on_next and back is bounded."),
    ("3.4", "SHOULD", "request returns soon: it does no heavy work."),
    ("3.5", "MUST", "cancel returns soon, may be repeated and is thread-safe."),
    ("3.6", "MUST", "request after a cancel does nothing."),
    ("3.7", "MUST", "cancel after a cancel does nothing."),
    ("3.8", "MUST", "request(n) registers n more elements to be signalled."),
    ("3.9", "MUST", "request(n) with n <= 0 is answered by on_error with a ValueError that names the rule."),
    ("3.10", "MAY", "request may call on_next before it returns."),
    ("3.11", "MAY", "request may call on_complete or on_error before it returns."),
    ("3.12", "MUST", "cancel makes the publisher stop, eventually."),
    ("3.13", "MUST", "cancel makes the publisher drop every reference to the subscriber, eventually."),
    ("3.14", "MAY", "The cancel of the last subscription may shut the publisher down."),
    ("3.15", "MUST", "cancel returns normally."),
    ("3.16", "MUST", "request returns normally."),
    ("3.17", "MUST", "Any number of requests is possible; demand goes up to 2^63-1, which may be treated as unbounded."),
    ("4.1", "MUST", "A processor keeps the contracts of publisher and subscriber."),
    ("4.2", "MAY", "A processor may recover from an upstream on_error; if it does not, it passes it on at once."),
)

RULES: dict[str, Rule] = {number: Rule(number, level, text) for number, level, text in _TABLE}
"""Number -> rule."""


def violation(number: str, seen: str) -> SpecViolation:
    """The error for a broken rule: what was seen, and the rule's sentence.

    Raises:
        KeyError: there is no such rule.
    """
    return SpecViolation(number, f"{seen} [{RULES[number].text}]")


def check_not_none(value: object, what: str, number: str) -> None:
    """Refuse None as an argument of a signal.

    Raises:
        TypeError: it is None; names the rule (1.9 or 2.13).
    """
    if value is None:
        raise TypeError(f"rule {RULES[number].number}: {what} is None")


def check_subscriber(subscriber: object) -> None:
    """Refuse what is no subscriber, as an argument of `subscribe`.

    Raises:
        TypeError: None, or methods are missing; names rule 1.9.
    """
    check_not_none(subscriber, "the subscriber", "1.9")
    if not isinstance(subscriber, Subscriber):
        raise TypeError(f"rule 1.9: {type(subscriber).__name__} has not the methods of a Subscriber")


def check_element(element: object) -> None:
    """Refuse None as an element.

    Raises:
        TypeError: names rule 2.13.
    """
    check_not_none(element, "the element", "2.13")


def check_error(error: object) -> None:
    """Refuse what is no exception, as an argument of `on_error`.

    Raises:
        TypeError: names rule 2.13.
    """
    check_not_none(error, "the error", "2.13")
    if not isinstance(error, BaseException):
        raise TypeError(f"rule 2.13: {type(error).__name__} is no exception")


def error_to_signal(error: BaseException) -> BaseException:
    """What may be signalled for `error`: a SpecViolation never is; an InternalError with it as cause is."""
    if not isinstance(error, SpecViolation):
        return error
    internal = InternalError(f"the stream ended because a rule was broken inside it: {error}")
    internal.__cause__ = error
    return internal


def signal_subscribe(subscriber: Subscriber[Any], subscription: Subscription) -> None:
    """Call `on_subscribe`.

    Raises:
        SpecViolation: it raised (rule 2.13).
    """
    try:
        subscriber.on_subscribe(subscription)
    except Exception as error:
        raise _raised("2.13", "on_subscribe", error) from error


def signal_next(subscriber: Subscriber[Any], element: Any) -> None:
    """Call `on_next`.

    Raises:
        TypeError: the element is None.
        SpecViolation: it raised (rule 2.13).
    """
    check_element(element)
    try:
        subscriber.on_next(element)
    except Exception as error:
        raise _raised("2.13", "on_next", error) from error


def signal_error(subscriber: Subscriber[Any], error: BaseException) -> None:
    """Call `on_error`; a SpecViolation is signalled as the cause of an InternalError.

    Raises:
        SpecViolation: it raised (rule 2.13).
    """
    try:
        subscriber.on_error(error_to_signal(error))
    except Exception as raised:
        raise _raised("2.13", "on_error", raised) from raised


def signal_complete(subscriber: Subscriber[Any]) -> None:
    """Call `on_complete`.

    Raises:
        SpecViolation: it raised (rule 2.13).
    """
    try:
        subscriber.on_complete()
    except Exception as error:
        raise _raised("2.13", "on_complete", error) from error


def call_request(subscription: Subscription, n: int) -> None:
    """Call `request`.

    Raises:
        SpecViolation: it raised (rule 3.16).
    """
    try:
        subscription.request(n)
    except Exception as error:
        raise _raised("3.16", "request", error) from error


def call_cancel(subscription: Subscription) -> None:
    """Call `cancel`.

    Raises:
        SpecViolation: it raised (rule 3.15).
    """
    try:
        subscription.cancel()
    except Exception as error:
        raise _raised("3.15", "cancel", error) from error


def _raised(number: str, method: str, error: Exception) -> SpecViolation:
    return violation(number, f"{method} raised {type(error).__name__}: {error}")
