"""A subscriber that breaks the rule of its bug, and keeps all others: seen from its publisher, and through a probe."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from rt_edge.protocol.roles import Subscriber, Subscription
from rt_edge.testkit.tck import SubscriberBlackboxVerification, SubscriberWhiteboxVerification, WhiteboxProbe
from tests.tck.broken_publisher import SLOW_S, slowly

WITH = "with_preceding_request_call"
WITHOUT = "without_preceding_request_call"
NULL = "must_throw_null_pointer_exception_when_parameters_are_null"
AS_CANCELLED = "must_consider_the_subscription_as_cancelled_in_after_recieving_on_complete_or_on_error"
SERIAL = "must_ensure_all_calls_on_its_subscription_take_place_from_the_same_thread_or_take_care_of_synchronization"
SECOND = "must_call_subscription_cancel_if_it_already_has_an_subscription_and_receives_another_on_subscribe_signal"
AFTER_CANCEL = "must_be_prepared_to_receive_on_next_signals_after_having_called_subscription_cancel"
HAND_OVER = "must_make_sure_that_all_calls_on_its_methods_happen_before_the_processing_of_the_respective_events"

SUBSCRIBER_BUGS: dict[str, tuple[str, str, str]] = {
    # bug: (what the test is called behind its rule, rule, kind of the test)
    "asks for nothing": ("must_signal_demand_via_subscription_request", "2.1", "required"),
    "asks for zero": ("must_signal_demand_via_subscription_request", "2.1", "required"),
    "slow in on_next": ("should_asynchronously_dispatch", "2.2", "untested"),
    "cancels in on_complete": ("must_not_call_methods_on_subscription_or_publisher_in_on_complete", "2.3", "required"),
    "requests in on_complete": ("must_not_call_methods_on_subscription_or_publisher_in_on_complete", "2.3", "required"),
    "cancels in on_error": ("must_not_call_methods_on_subscription_or_publisher_in_on_error", "2.3", "required"),
    "asks after the end": (AS_CANCELLED, "2.4", "untested"),
    "cancels after the end": (AS_CANCELLED, "2.4", "untested"),
    "takes a second subscription": (SECOND, "2.5", "required"),
    "passes over a second subscription": (SECOND, "2.5", "required"),
    "lets the first go for the second": (SECOND, "2.5", "required"),
    "does not cancel": ("must_call_subscription_cancel_if_it_is_no_longer_valid", "2.6", "untested"),
    "cancels twice": ("must_call_subscription_cancel_if_it_is_no_longer_valid", "2.6", "untested"),
    "asks from a thread of its own": (SERIAL, "2.7", "untested"),
    "raises after cancel": (AFTER_CANCEL, "2.8", "required"),
    "asks after cancel": (AFTER_CANCEL, "2.8", "required"),
    "raises in on_complete after a request": (
        f"must_be_prepared_to_receive_an_on_complete_signal_{WITH}",
        "2.9",
        "required",
    ),
    "raises in on_complete before a request": (
        f"must_be_prepared_to_receive_an_on_complete_signal_{WITHOUT}",
        "2.9",
        "required",
    ),
    "raises in on_error after a request": (f"must_be_prepared_to_receive_an_on_error_signal_{WITH}", "2.10", "required"),
    "raises in on_error before a request": (f"must_be_prepared_to_receive_an_on_error_signal_{WITHOUT}", "2.10", "required"),
    "keeps its state by thread": (HAND_OVER, "2.11", "untested"),
    "raises at the same subscription": ("must_not_call_on_subscribe_more_than_once_based_on_object_equality", "2.12", "untested"),
    "asks again at the same subscription": (
        "must_not_call_on_subscribe_more_than_once_based_on_object_equality",
        "2.12",
        "untested",
    ),
    "on_subscribe takes None": (f"on_subscribe_{NULL}", "2.13", "required"),
    "on_next takes None": (f"on_next_{NULL}", "2.13", "required"),
    "on_error takes None": (f"on_error_{NULL}", "2.13", "required"),
    "raises after the end": ("failing_on_signal_invocation", "2.13", "untested"),
    "raises at the second element": ("failing_on_signal_invocation", "2.13", "untested"),
    "shares one subscription": ("must_not_be_called_outside_subscriber_context", "3.1", "untested"),
}
"""Found by the black box and by the white box."""

PROBE_BUGS: dict[str, tuple[str, str]] = {
    "reports no elements": ("test_required_exercise_whitebox_happy_path", ""),
    "turns elements round": ("test_required_exercise_whitebox_happy_path", ""),
    "reports another error": (f"test_required_spec210_must_be_prepared_to_receive_an_on_error_signal_{WITH}", "2.10"),
    "reports no completion": (f"test_required_spec209_must_be_prepared_to_receive_an_on_complete_signal_{WITHOUT}", "2.9"),
    "counts one of a request": ("test_required_spec308_request_must_register_given_number_elements_to_be_produced", "3.8"),
    "reports two ends": ("test_untested_spec213_failing_on_signal_invocation", "2.13"),
}
"""Found by the white box alone: the test, and its rule."""


def test_name(bug: str, blackbox: bool) -> str:
    """The test of the black box, or of the white box, that has to find a bug of `SUBSCRIBER_BUGS`."""
    what, rule, kind = SUBSCRIBER_BUGS[bug]
    chapter, number = rule.split(".")
    if rule == "2.8" and blackbox:
        kind = "untested"
    if rule == "2.12" and not blackbox:
        what += "_spec_violation"
    return f"test_{kind}_spec{chapter}{int(number):02}_{'blackbox_' if blackbox else ''}{what}"


class BrokenSubscriber:
    """A subscriber with a bug by name; it asks when its user does, or by itself if `eager`."""

    shared: ClassVar[Any] = None

    def __init__(self, bug: str, eager: bool, probe: WhiteboxProbe | None = None) -> None:
        self.bug = bug
        self.eager = eager
        self.probe = probe
        self.local = threading.local()
        self.kept: Any = None
        self.over = False
        self.cancelled = False
        self.asked = False
        self.came = 0

    @property
    def subscription(self) -> Any:
        if self.bug == "shares one subscription":
            return BrokenSubscriber.shared
        return self.local.kept if self.bug == "keeps its state by thread" else self.kept

    def keep(self, subscription: Any) -> None:
        self.kept = self.local.kept = BrokenSubscriber.shared = subscription

    # -- signals ----------------------------------------------------------------------------------------------------------

    def on_subscribe(self, subscription: Subscription) -> None:
        if subscription is None:
            if self.bug != "on_subscribe takes None":
                raise TypeError("None")
            return
        if self.kept is not None:
            self.again(subscription)
            return
        self.keep(subscription)
        if self.probe is not None:
            self.probe.register_on_subscribe(self)
        if self.eager:
            self.ask(1)

    def again(self, subscription: Any) -> None:
        same = subscription is self.kept
        if self.bug == "raises at the same subscription" and same:
            raise RuntimeError("again")
        if (self.bug == "takes a second subscription" and not same) or (
            self.bug == "asks again at the same subscription" and same
        ):
            subscription.request(1)
        elif self.bug == "lets the first go for the second" and not same:
            self.kept.cancel()
            self.keep(subscription)
        elif self.bug != "passes over a second subscription":
            subscription.cancel()

    def on_next(self, element: Any) -> None:
        bug = self.bug
        if element is None and bug != "on_next takes None":
            raise TypeError("None")
        if bug == "slow in on_next":
            slowly()
        if self.cancelled and bug == "raises after cancel":
            raise RuntimeError("cancelled")
        if self.cancelled and bug == "asks after cancel":
            self.subscription.request(1)
        if self.over and not self.cancelled and bug == "raises after the end":
            raise RuntimeError("over")
        self.came += 1
        if bug == "raises at the second element" and self.came == 2:
            raise RuntimeError("broken")
        if self.over:
            return
        if self.probe is not None:
            self.report(element)
        if self.eager:
            self.ask_again()

    def report(self, element: Any) -> None:
        assert self.probe is not None
        if self.bug == "turns elements round":
            element = -element
        if self.bug != "reports no elements":
            self.probe.register_on_next(element)

    def ask_again(self) -> None:
        if self.bug == "asks from a thread of its own":
            thread = threading.Thread(target=lambda: self.subscription.request(1))
            thread.start()
            thread.join()
        else:
            self.subscription.request(1)

    def on_error(self, error: BaseException) -> None:
        if error is None and self.bug != "on_error takes None":
            raise TypeError("None")
        if self.probe is not None and not self.over:
            self.probe.register_on_error(ValueError("another") if self.bug == "reports another error" else error)
        self.last("on_error")

    def on_complete(self) -> None:
        if self.probe is not None and self.bug != "reports no completion" and (not self.over or self.bug == "reports two ends"):
            self.probe.register_on_complete()
        self.last("on_complete")

    def last(self, signal: str) -> None:
        if not self.over:
            state = "after a request" if self.asked else "before a request"
            if self.bug == f"raises in {signal} {state}":
                raise RuntimeError("broken")
            if self.bug == f"cancels in {signal}":
                self.subscription.cancel()
            if self.bug == f"requests in {signal}":
                self.subscription.request(1)
        self.over = True

    # -- its user -----------------------------------------------------------------------------------------------------------

    def trigger_request(self, n: int) -> None:
        if self.bug == "asks from a thread of its own" and not self.eager:
            thread = threading.Thread(target=self.ask, args=(n,))
            thread.start()
            thread.join()
        else:
            self.ask(n)

    def ask(self, n: int) -> None:
        if self.bug == "asks for nothing" or (self.over and self.bug != "asks after the end"):
            return
        self.asked = True
        if self.bug == "asks for zero":
            self.subscription.request(0)
        self.subscription.request(1 if self.bug == "counts one of a request" else n)

    def signal_cancel(self) -> None:
        if self.over and self.bug != "cancels after the end":
            return
        self.over = self.cancelled = True
        if self.bug != "does not cancel":
            self.subscription.cancel()
        if self.bug == "cancels twice":
            self.subscription.cancel()


class OfBlackbox(SubscriberBlackboxVerification):
    """The black-box verification of a `BrokenSubscriber`."""

    bug = ""
    responsive_within = SLOW_S / 3

    def create_subscriber(self) -> Subscriber[Any]:
        lazy = self.bug.endswith("before a request")
        return BrokenSubscriber(self.bug, eager=not lazy)

    def trigger_request(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, BrokenSubscriber)
        subscriber.trigger_request(1)

    def stop(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, BrokenSubscriber)
        subscriber.signal_cancel()

    def settle(self) -> None:
        """Nothing is under way."""


class OfWhitebox(SubscriberWhiteboxVerification):
    """The white-box verification of a `BrokenSubscriber`."""

    bug = ""
    responsive_within = SLOW_S / 3

    def create_subscriber(self, probe: WhiteboxProbe) -> Subscriber[Any]:
        return BrokenSubscriber(self.bug, eager=False, probe=probe)

    def settle(self) -> None:
        """Nothing is under way."""


def of_blackbox(bug: str) -> type[SubscriberBlackboxVerification]:
    return type("OfBlackbox", (OfBlackbox,), {"bug": bug})


def of_whitebox(bug: str) -> type[SubscriberWhiteboxVerification]:
    return type("OfWhitebox", (OfWhitebox,), {"bug": bug})
