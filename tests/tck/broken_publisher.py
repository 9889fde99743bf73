"""A publisher of a list that breaks the rule of its bug, and keeps all others; without a bug it keeps all."""

from __future__ import annotations

import threading
from typing import Any

from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.protocol.roles import Publisher, Subscriber
from rt_edge.testkit.tck import Environment, PublisherVerification, Threads

PUBLISHER_BUGS: dict[str, tuple[str, str]] = {
    # bug: (test that has to find it, rule; "" for no single rule)
    "an element too many": ("test_required_create_publisher1_must_produce_a_stream_of_exactly1_element", ""),
    "an element too few": ("test_required_create_publisher3_must_produce_a_stream_of_exactly3_elements", ""),
    "says it has -1 elements": ("test_required_validate_max_elements_from_publisher", ""),
    "says its depth is 0": ("test_required_validate_bounded_depth_of_on_next_and_request_recursion", ""),
    "sends all at the first request": (
        "test_required_spec101_subscription_request_must_result_in_the_correct_number_of_produced_elements",
        "1.1",
    ),
    "sends before it is asked": (
        "test_required_spec101_subscription_request_must_result_in_the_correct_number_of_produced_elements",
        "1.1",
    ),
    "waits for the whole demand": ("test_required_spec102_may_signal_less_than_requested_and_terminate_subscription", "1.2"),
    "signals from two threads": ("test_stochastic_spec103_must_signal_on_methods_sequentially", "1.3"),
    "fails in silence": ("test_optional_spec104_must_signal_on_error_when_fails", "1.4"),
    "fails with a text": ("test_optional_spec104_must_signal_on_error_when_fails", "1.4"),
    "no on_complete": ("test_required_spec105_must_signal_on_complete_when_finite_stream_terminates", "1.5"),
    "empty stream never ends": ("test_optional_spec105_empty_stream_must_terminate_by_signalling_on_complete", "1.5"),
    "empty stream waits": ("test_optional_spec105_empty_stream_completes_without_a_request", "1.5"),
    "holds after the end": (
        "test_untested_spec106_must_consider_subscription_cancelled_after_on_error_or_on_complete_has_been_called",
        "1.6",
    ),
    "request works after on_error": (
        "test_untested_spec106_must_consider_subscription_cancelled_after_on_error_or_on_complete_has_been_called",
        "1.6",
    ),
    "completes again": ("test_required_spec107_must_not_emit_further_signals_once_on_complete_has_been_signalled", "1.7"),
    "goes on after on_error": ("test_untested_spec107_must_not_emit_further_signals_once_on_error_has_been_signalled", "1.7"),
    "completes though cancelled": (
        "test_untested_spec108_possibly_canceled_subscription_should_not_receive_on_error_or_on_complete_signals",
        "1.8",
    ),
    "deaf to cancel in on_next": (
        "test_untested_spec108_possibly_canceled_subscription_should_not_receive_on_error_or_on_complete_signals",
        "1.8",
    ),
    "on_subscribe's error comes out": ("test_untested_spec109_subscribe_should_not_throw_non_fatal_throwable", "1.9"),
    "takes None": ("test_required_spec109_subscribe_throw_npe_on_null_subscriber", "1.9"),
    "no on_subscribe": ("test_required_spec109_must_issue_on_subscribe_for_non_null_subscriber", "1.9"),
    "on_next before on_subscribe": ("test_required_spec109_must_issue_on_subscribe_for_non_null_subscriber", "1.9"),
    "fails before on_subscribe": (
        (
            "test_required_spec109_may_reject_calls_to_subscribe_if_publisher_is_unable_or_unwilling_to_serve_them_"
            "rejection_must_trigger_on_error_after_on_subscribe"
        ),
        "1.9",
    ),
    "second stream": ("test_untested_spec110_reject_a_subscription_request_if_the_same_subscriber_subscribes_twice", "1.10"),
    "serves one": ("test_optional_spec111_may_support_multi_subscribe", "1.11"),
    "second starves": ("test_optional_spec111_registered_subscribers_must_receive_on_next_or_on_complete_signals", "1.11"),
    "reversed for the second": (
        (
            "test_optional_spec111_multicast_must_produce_the_same_elements_in_the_same_sequence_to_all_of_its_subscribers_"
            "when_requesting_one_by_one"
        ),
        "1.11",
    ),
    "shuffled for the third": (
        (
            "test_optional_spec111_multicast_must_produce_the_same_elements_in_the_same_sequence_to_all_of_its_subscribers_"
            "when_requesting_many_upfront"
        ),
        "1.11",
    ),
    "second never completes": (
        (
            "test_optional_spec111_multicast_must_produce_the_same_elements_in_the_same_sequence_to_all_of_its_subscribers_"
            "when_requesting_many_upfront_and_complete_as_expected"
        ),
        "1.11",
    ),
    "on_subscribe twice": (
        "test_untested_spec212_must_not_call_on_subscribe_more_than_once_based_on_object_equality",
        "2.12",
    ),
    "lets errors out": ("test_untested_spec213_subscriber_that_raises_is_treated_as_cancelled", "2.13"),
    "goes on after a raise": ("test_untested_spec213_subscriber_that_raises_is_treated_as_cancelled", "2.13"),
    "deaf in on_subscribe": (
        "test_required_spec302_must_allow_synchronous_request_calls_from_on_next_and_on_subscribe",
        "3.2",
    ),
    "deaf in on_next": ("test_required_spec302_must_allow_synchronous_request_calls_from_on_next_and_on_subscribe", "3.2"),
    "nested": ("test_required_spec303_must_not_allow_unbounded_recursion", "3.3"),
    "nested from the tenth": ("test_required_spec303_long_stream_does_not_deepen_the_stack", "3.3"),
    "slow request": ("test_untested_spec304_request_should_not_perform_heavy_computations", "3.4"),
    "slow cancel": ("test_untested_spec305_cancel_must_not_synchronously_perform_heavy_computation", "3.5"),
    "cancel of one thread only": ("test_untested_spec305_cancel_must_not_synchronously_perform_heavy_computation", "3.5"),
    "signals after cancel": ("test_required_spec306_after_subscription_is_cancelled_request_must_be_nops", "3.6"),
    "wrong demand after cancel": ("test_required_spec306_after_subscription_is_cancelled_request_must_be_nops", "3.6"),
    "cancel again signals": (
        "test_required_spec307_after_subscription_is_cancelled_additional_cancelations_must_be_nops",
        "3.7",
    ),
    "first request counts": ("test_required_spec308_requests_add_up", "3.8"),
    "zero ignored": ("test_required_spec309_request_zero_must_signal_illegal_argument_exception", "3.9"),
    "negative ignored": ("test_required_spec309_request_negative_number_must_signal_illegal_argument_exception", "3.9"),
    "TypeError for negative": ("test_required_spec309_request_negative_number_must_signal_illegal_argument_exception", "3.9"),
    "True counts as one": ("test_required_spec309_request_of_no_integer_must_signal_value_error", "3.9"),
    "unnamed error": (
        "test_optional_spec309_request_negative_number_may_signal_illegal_argument_exception_with_specific_message",
        "3.9",
    ),
    "every other element later": ("test_untested_spec310_request_may_synchronously_call_on_next_on_subscriber", "3.10"),
    "completes twice": ("test_untested_spec311_request_may_synchronously_call_on_complete_or_on_error", "3.11"),
    "ignores cancel": ("test_required_spec312_cancel_must_make_the_publisher_to_eventually_stop_signaling", "3.12"),
    "holds after cancel": (
        "test_required_spec313_cancel_must_make_the_publisher_eventually_drop_all_references_to_the_subscriber",
        "3.13",
    ),
    "subscription holds after cancel": (
        "test_required_spec313_cancel_must_make_the_publisher_eventually_drop_all_references_to_the_subscriber",
        "3.13",
    ),
    "leaves a cycle": ("test_optional_spec313_references_are_dropped_without_the_garbage_collector", "3.13"),
    "hangs after the last cancel": (
        "test_untested_spec314_cancel_may_cause_the_publisher_to_shutdown_if_no_other_subscription_exists",
        "3.14",
    ),
    "cancel raises": ("test_untested_spec315_cancel_must_not_throw_exception_and_must_signal_on_error", "3.15"),
    "request raises": ("test_untested_spec316_request_must_not_throw_exception_and_must_on_error_the_subscriber", "3.16"),
    "overflows at the limit": ("test_required_spec317_must_support_a_pending_element_count_up_to_long_max_value", "3.17"),
    "sum overflows": ("test_required_spec317_must_support_a_cumulative_pending_element_count_up_to_long_max_value", "3.17"),
    "refuses more than the limit": ("test_required_spec317_demand_beyond_long_max_value_is_unbounded", "3.17"),
    "sum above the limit is an error": (
        "test_required_spec317_must_not_signal_on_error_when_pending_above_long_max_value",
        "3.17",
    ),
}

SLOW_S = 0.03
"""How long a slow call keeps its caller; the verification allows a third of it."""


def slowly() -> None:
    threading.Event().wait(SLOW_S)


class BrokenPublisher:
    """A list publisher with a bug by name."""

    def __init__(self, elements: int, bug: str, fails: bool = False) -> None:
        more = {"an element too many": 1, "an element too few": -1}.get(bug, 0)
        self.items = list(range(max(0, elements + more)))
        self.bug = bug
        self.fails = fails
        self.held: list[Any] = []
        self.served = 0
        self.cancelled = False
        self.known: dict[int, BrokenSubscription] = {}

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        bug = self.bug
        if subscriber is None:
            if bug != "takes None":
                raise TypeError("None")
            return
        known = self.known.get(id(subscriber))
        if known is not None and known.subscriber is subscriber and bug != "second stream":
            known.end(ValueError("again"))
            return
        self.served += 1
        subscription = self.known[id(subscriber)] = BrokenSubscription(self, subscriber)
        if bug == "no on_subscribe":
            return
        if bug == "on_next before on_subscribe":
            subscriber.on_next(0)
        if self.fails and bug == "fails before on_subscribe":
            subscriber.on_error(ValueError("failed"))
        if bug == "serves one" and self.served > 1:
            subscriber.on_subscribe(subscription)
            subscription.end(ValueError("one only"))
            return
        subscription.begin()

    def order(self) -> list[Any]:
        if self.bug == "reversed for the second" and self.served == 2:
            return self.items[::-1]
        if self.bug == "shuffled for the third" and self.served == 3:
            return self.items[1:] + self.items[:1]
        return self.items


class BrokenSubscription:
    """A stream of a `BrokenPublisher`."""

    def __init__(self, publisher: BrokenPublisher, subscriber: Subscriber[Any]) -> None:
        self.publisher, self.bug, self.items = publisher, publisher.bug, publisher.order()
        self.number = publisher.served
        self.subscriber: Any = subscriber
        self.place = 0
        self.open = 0
        self.busy = True
        self.in_next = False
        self.gone: Any = None
        self.cancels = self.requests = 0
        self.thread = threading.get_ident()

    def begin(self) -> None:
        try:
            self.subscriber.on_subscribe(self)
            if self.bug == "on_subscribe twice":
                self.subscriber.on_subscribe(self)
        except RuntimeError:
            if self.bug == "on_subscribe's error comes out":
                raise
            self.subscriber = None
        self.busy = False
        if self.bug == "deaf in on_subscribe":
            self.open = 0
        if self.bug == "sends before it is asked" and self.items:
            self.open += 1
        self.drain()

    # -- the subscription ---------------------------------------------------------------------------------------------------

    def request(self, n: Any) -> None:
        bug = self.bug
        if bug == "slow request":
            slowly()
        if self.subscriber is None:
            self.request_after_the_end(n)
            return
        counts = bug == "True counts as one" and n is True
        if not counts and (isinstance(n, bool) or not isinstance(n, int) or n <= 0):
            self.refuse(n)
            return
        self.requests += 1
        if (bug == "first request counts" and self.requests > 1) or (bug == "deaf in on_next" and self.in_next):
            return
        total = self.open + n
        wrong = {
            "overflows at the limit": n >= UNBOUNDED,
            "sum overflows": total >= UNBOUNDED and self.requests > 1,
            "refuses more than the limit": n > UNBOUNDED,
            "sum above the limit is an error": total > UNBOUNDED,
        }
        if wrong.get(bug):
            self.end(OverflowError("too much"))
            return
        self.open = min(UNBOUNDED, total)
        self.drain()

    def request_after_the_end(self, n: Any) -> None:
        bug, gone = self.bug, self.gone
        if gone is None:
            return
        if bug == "signals after cancel" or (bug == "request works after on_error" and n == 5):
            gone.on_next("late")
        if bug == "completes again":
            gone.on_complete()
        if bug == "wrong demand after cancel" and n <= 0:
            gone.on_error(ValueError("rule 3.9"))

    def refuse(self, n: Any) -> None:
        bug = self.bug
        number = isinstance(n, int)
        if (bug == "zero ignored" and n == 0) or (bug == "negative ignored" and number and n < 0):
            return
        if bug == "request raises":
            raise ValueError(f"rule 3.9: non-positive subscription request {n}")
        if bug == "goes on after on_error":
            self.subscriber.on_error(ValueError("rule 3.9"))
            self.subscriber.on_next("late")
            return
        if bug == "TypeError for negative" and number and n < 0:
            self.end(TypeError("rule 3.9: non-positive subscription request"))
            return
        text = "wrong" if bug == "unnamed error" else f"rule 3.9: non-positive subscription request {n}"
        self.end(ValueError(text))

    def cancel(self) -> None:
        bug = self.bug
        self.cancels += 1
        self.publisher.cancelled = True
        if bug == "slow cancel":
            slowly()
        if bug == "cancel of one thread only" and threading.get_ident() != self.thread:
            raise RuntimeError("another thread")
        if bug == "cancel raises" and self.cancels > 1:
            raise RuntimeError("cancelled already")
        if bug == "cancel again signals" and self.cancels > 1 and self.gone is not None:
            self.gone.on_error(RuntimeError("cancelled already"))
        if bug == "ignores cancel" or (bug == "deaf to cancel in on_next" and self.in_next):
            return
        subscriber, self.subscriber = self.subscriber, None
        if bug in {"signals after cancel", "cancel again signals", "wrong demand after cancel"}:
            self.gone = self.gone or subscriber
        if bug == "subscription holds after cancel":
            self.gone = subscriber
        if bug == "holds after cancel":
            self.publisher.held.append(subscriber)
        if bug == "leaves a cycle":
            box: list[Any] = [subscriber]
            box.append(box)
        if bug == "completes though cancelled" and self.in_next and self.place == len(self.items):
            subscriber.on_complete()

    # -- its signals ----------------------------------------------------------------------------------------------------------

    def end(self, error: BaseException | None) -> None:
        subscriber, self.subscriber = self.subscriber, None
        bug = self.bug
        if bug in {"completes again", "holds after the end", "request works after on_error"}:
            self.gone = subscriber
        if error is not None:
            if self.publisher.fails and bug == "fails in silence":
                return
            subscriber.on_error("failed" if self.publisher.fails and bug == "fails with a text" else error)
        elif bug != "no on_complete" and not (bug == "second never completes" and self.number == 2):
            subscriber.on_complete()
            if bug == "completes twice":
                subscriber.on_complete()

    def drain(self) -> None:
        if self.busy:
            return
        bug = self.bug
        if (bug == "second starves" and self.number == 2) or self.hangs():
            return
        if bug == "waits for the whole demand" and self.open > len(self.items) - self.place and self.place < len(self.items):
            return
        self.busy = bug != "nested"
        while self.subscriber is not None and self.open and self.place < len(self.items):
            if bug == "sends all at the first request":
                self.open = UNBOUNDED
            self.open -= self.open < UNBOUNDED
            self.place += 1
            if bug == "nested from the tenth" and self.place >= 10:
                self.busy = False
            self.signal(self.items[self.place - 1])
            if bug == "every other element later" and self.place % 2:
                break
        self.busy = False
        empty = not self.items
        waits = (bug == "empty stream waits" and not self.requests) or bug == "empty stream never ends"
        if self.subscriber is not None and self.place == len(self.items) and not (empty and waits):
            self.end(ValueError("failed") if self.publisher.fails else None)

    def hangs(self) -> bool:
        return self.bug == "hangs after the last cancel" and self.publisher.cancelled and self.number > 1

    def signal(self, item: Any) -> None:
        self.in_next = True
        try:
            if self.bug == "signals from two threads" and self.place == 2:
                thread = threading.Thread(target=self.subscriber.on_next, args=(item,))
                thread.start()
                self.subscriber.on_next(item)
                thread.join()
            else:
                self.subscriber.on_next(item)
        except RuntimeError:
            if self.bug == "lets errors out":
                raise
            if self.bug != "goes on after a raise":
                self.subscriber = None
        finally:
            self.in_next = False


class OfPublisher(PublisherVerification):
    """The verification of a `BrokenPublisher`; `bug` empty: of a healthy one."""

    bug = ""
    responsive_within = SLOW_S / 3

    def create_publisher(self, elements: int) -> Publisher[Any]:
        return BrokenPublisher(elements, self.bug)

    def create_failed_publisher(self) -> Publisher[Any]:
        return BrokenPublisher(0, self.bug, fails=True)

    def create_environment(self) -> Environment:
        if self.bug == "signals from two threads":
            return Threads(0.2, 0.0)
        return super().create_environment()

    def settle(self) -> None:
        """Nothing is under way."""


def of_publisher(bug: str) -> type[PublisherVerification]:
    """The verification of a publisher with this bug."""
    knobs: dict[str, Any] = {"bug": bug}
    if bug == "says it has -1 elements":
        knobs["max_elements_from_publisher"] = -1
    if bug == "says its depth is 0":
        knobs["bounded_depth_of_on_next_and_request_recursion"] = 0
    return type("OfPublisher", (OfPublisher,), knobs)
