"""Publishers, subscribers and processors that break one rule each; the kit has to catch every one."""

from __future__ import annotations

import threading
from typing import Any

from rt_edge.protocol.demand import UNBOUNDED, Demand
from rt_edge.protocol.roles import Subscriber, Subscription


class BrokenPublisher:
    """A list publisher with a bug by name."""

    def __init__(self, elements: int, bug: str, fails: bool = False) -> None:
        self.items = list(range(elements + (1 if bug == "extra element" else 0)))
        self.bug = bug
        self.fails = fails
        self.held: list[Any] = []
        self.served = 0
        self.known: dict[int, BrokenSubscription] = {}

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        if subscriber is None:
            if self.bug != "takes None":
                raise TypeError("None")
            return
        self.served += 1
        if self.bug == "serves one" and self.served > 1:
            subscription = BrokenSubscription(self, subscriber)
            subscriber.on_subscribe(subscription)
            subscription.end(ValueError("one only"))
            return
        known = self.known.get(id(subscriber))
        if known is not None and known.subscriber is subscriber and self.bug != "second stream":
            known.end(ValueError("again"))
            return
        subscription = self.known[id(subscriber)] = BrokenSubscription(self, subscriber)
        if self.bug == "holds the subscriber":
            self.held.append(subscriber)
        if self.bug == "reversed for the second" and self.served > 1:
            subscription.items = self.items[::-1]
        if self.bug == "no on_subscribe":
            return
        if self.fails and self.bug == "fails before on_subscribe":
            subscriber.on_error(ValueError("failed"))
            return
        subscription.begin()


class BrokenSubscription:
    """A stream of a `BrokenPublisher`."""

    def __init__(self, publisher: BrokenPublisher, subscriber: Subscriber[Any]) -> None:
        self.publisher, self.bug, self.items = publisher, publisher.bug, publisher.items
        self.subscriber: Any = subscriber
        self.place = 0
        self.demand = Demand()
        self.busy = self.bug not in {"nested in on_subscribe", "nested"}
        self.gone: Any = None
        self.cancels = self.requests = 0

    def begin(self) -> None:
        self.subscriber.on_subscribe(self)
        if self.bug == "on_subscribe twice":
            self.subscriber.on_subscribe(self)
        self.busy = False
        if self.bug == "deaf in on_subscribe":
            self.demand.open = 0
        self.drain()

    def request(self, n: Any) -> None:
        if self.subscriber is None:
            if self.bug == "signals after cancel" and self.gone is not None:
                self.gone.on_next("late")
            if self.bug == "completes again" and self.gone is not None:
                self.gone.on_complete()
            return
        if isinstance(n, bool) or not isinstance(n, int) or n <= 0:
            self.refuse(n)
            return
        self.requests += 1
        if self.bug == "first request counts" and self.requests > 1:
            return
        if self.bug == "overflows" and self.demand.open + n >= UNBOUNDED:
            self.end(OverflowError("too much"))
            return
        self.demand.add(n)
        self.drain()

    def refuse(self, n: Any) -> None:
        if self.bug == "wrong demand ignored":
            return
        if self.bug == "request raises":
            raise ValueError(f"rule 3.9: non-positive subscription request {n}")
        if self.bug == "goes on after on_error":
            self.subscriber.on_error(ValueError("rule 3.9"))
            self.subscriber.on_next("late")
            return
        text = "wrong" if self.bug == "unnamed error" else f"rule 3.9: non-positive subscription request {n}"
        self.end(ValueError(text))

    def cancel(self) -> None:
        self.cancels += 1
        if self.bug == "cancel raises" and self.cancels > 1:
            raise RuntimeError("cancelled already")
        if self.bug == "cancel again signals" and self.cancels > 1 and self.gone is not None:
            self.gone.on_error(RuntimeError("cancelled already"))
        if self.bug == "ignores cancel":
            return
        if self.bug in {"signals after cancel", "cancel again signals"}:
            self.gone = self.gone or self.subscriber
        if self.bug == "holds after cancel":
            self.publisher.held.append(self.subscriber)
        self.subscriber = None

    def end(self, error: BaseException | None) -> None:
        subscriber, self.subscriber = self.subscriber, None
        if self.bug in {"completes again", "holds after the end"}:
            self.gone = subscriber
        if error is not None:
            if not (self.publisher.fails and self.bug == "fails in silence"):
                subscriber.on_error(error)
        elif self.bug != "no on_complete":
            subscriber.on_complete()

    def drain(self) -> None:
        if self.busy:
            return
        self.busy = self.bug not in {"nested", "nested in on_subscribe"}
        while self.subscriber is not None and self.demand and self.place < len(self.items):
            if self.bug == "all at once":
                self.demand.open = UNBOUNDED
            self.demand.take()
            self.place += 1
            self.signal(self.items[self.place - 1])
        self.busy = False
        if self.subscriber is not None and self.place == len(self.items) and not (self.bug == "empty waits" and not self.items):
            self.end(ValueError("failed") if self.publisher.fails else None)

    def signal(self, item: Any) -> None:
        try:
            self.subscriber.on_next(item)
        except RuntimeError:
            if self.bug == "lets errors out":
                raise
            self.subscriber = None


PUBLISHER_BUGS = {
    "test_required_create_publisher_makes_exactly_as_many_elements_as_asked": "extra element",
    "test_required_spec_1_01_elements_come_only_as_requested": "all at once",
    "test_required_spec_1_02_fewer_elements_than_requested_end_the_stream": "no on_complete",
    "test_required_spec_1_03_signals_are_serial": "nested in on_subscribe",
    "test_optional_spec_1_04_failure_is_signalled": "fails in silence",
    "test_required_spec_1_05_finite_stream_completes": "no on_complete",
    "test_optional_spec_1_05_empty_stream_completes_without_request": "empty waits",
    "test_required_spec_1_06_subscription_is_cancelled_after_the_last_signal": "holds after the end",
    "test_required_spec_1_07_nothing_follows_on_complete": "completes again",
    "test_required_spec_1_07_nothing_follows_on_error": "goes on after on_error",
    "test_required_spec_1_08_signals_stop_after_a_cancel_at_any_place": "ignores cancel",
    "test_required_spec_1_09_none_as_subscriber_raises_type_error": "takes None",
    "test_required_spec_1_09_on_subscribe_comes_first": "no on_subscribe",
    "test_optional_spec_1_09_refusal_is_on_error_after_on_subscribe": "fails before on_subscribe",
    "test_optional_spec_1_10_second_subscribe_of_a_subscriber_gives_no_second_stream": "second stream",
    "test_optional_spec_1_11_several_subscribers_are_served": "serves one",
    "test_optional_spec_1_11_multicast_gives_the_same_sequence_one_by_one": "reversed for the second",
    "test_optional_spec_1_11_multicast_gives_the_same_sequence_asked_upfront": "reversed for the second",
    "test_required_spec_2_12_on_subscribe_comes_once": "on_subscribe twice",
    "test_required_spec_2_13_subscriber_that_raises_is_cancelled": "lets errors out",
    "test_required_spec_3_02_request_is_allowed_in_on_subscribe_and_on_next": "deaf in on_subscribe",
    "test_required_spec_3_03_recursion_is_bounded": "nested",
    "test_required_spec_3_05_cancel_is_idempotent_and_returns_in_every_state": "cancel raises",
    "test_required_spec_3_06_request_after_cancel_does_nothing": "signals after cancel",
    "test_required_spec_3_07_cancel_after_cancel_does_nothing": "cancel again signals",
    "test_required_spec_3_08_requests_add_up": "first request counts",
    "test_required_spec_3_09_request_of_no_positive_integer_is_on_error": "wrong demand ignored",
    "test_optional_spec_3_09_error_names_the_rule": "unnamed error",
    "test_required_spec_3_12_cancel_stops_the_publisher": "ignores cancel",
    "test_required_spec_3_13_cancel_drops_the_references_to_the_subscriber": "holds after cancel",
    "test_required_spec_3_15_cancel_returns_normally_when_repeated_inside_signals": "cancel raises",
    "test_required_spec_3_16_request_returns_normally_in_every_state": "request raises",
    "test_required_spec_3_17_demand_up_to_the_limit_and_above_is_unbounded": "overflows",
    "test_required_spec_3_17_demand_above_the_limit_in_on_next_is_no_error": "overflows",
}
"""Test -> the bug that it has to find."""


class BrokenSubscriber:
    """A subscriber of an element at a time, with a bug by name."""

    def __init__(self, bug: str) -> None:
        self.bug = bug
        self.subscription: Any = None
        self.over = False

    def on_subscribe(self, subscription: Subscription) -> None:
        if subscription is None and self.bug != "on_subscribe takes None":
            raise TypeError("None")
        if self.subscription is not None:
            if self.bug == "takes a second subscription":
                subscription.request(1)
            else:
                subscription.cancel()
            return
        self.subscription = subscription
        if self.bug != "asks for nothing" and subscription is not None:
            subscription.request(1)

    def on_next(self, element: Any) -> None:
        if element is None and self.bug != "on_next takes None":
            raise TypeError("None")
        if self.over and self.bug == "raises after cancel":
            raise RuntimeError("cancelled")
        if self.bug == "raises in on_next":
            raise RuntimeError("broken")
        if self.over:
            return
        if self.bug == "asks from a thread of its own":
            thread = threading.Thread(target=lambda: self.subscription.request(1))
            thread.start()
            thread.join()
        else:
            self.subscription.request(1)

    def on_error(self, error: BaseException) -> None:
        if error is None and self.bug != "on_error takes None":
            raise TypeError("None")
        self.last("on_error")

    def on_complete(self) -> None:
        self.last("on_complete")

    def last(self, signal: str) -> None:
        if self.bug == f"raises in {signal}":
            raise RuntimeError("broken")
        if self.bug == f"cancels in {signal}":
            self.subscription.cancel()
        self.over = self.bug != "asks after the end"

    def ask(self) -> None:
        """What a user of it calls to have an element more."""
        if not self.over and self.bug != "asks for nothing":
            self.subscription.request(1)

    def stop(self) -> None:
        self.over = True
        if self.bug != "does not cancel":
            self.subscription.cancel()


SUBSCRIBER_BUGS = {
    "test_required_exercise_the_whole_way": "raises in on_next",
    "test_required_spec_2_01_demand_is_signalled_by_request": "asks for nothing",
    "test_required_spec_2_03_on_complete_calls_nothing": "cancels in on_complete",
    "test_required_spec_2_03_on_error_calls_nothing": "cancels in on_error",
    "test_required_spec_2_04_subscription_counts_as_cancelled_after_the_last_signal": "asks after the end",
    "test_required_spec_2_05_second_subscription_is_cancelled": "takes a second subscription",
    "test_required_spec_2_06_subscription_is_cancelled_when_no_longer_needed": "does not cancel",
    "test_required_spec_2_07_calls_are_made_where_signals_come": "asks from a thread of its own",
    "test_required_spec_2_08_elements_after_cancel_are_coped_with": "raises after cancel",
    "test_required_spec_2_09_on_complete_after_request_is_coped_with": "raises in on_complete",
    "test_required_spec_2_09_on_complete_without_request_is_coped_with": "raises in on_complete",
    "test_required_spec_2_10_on_error_after_request_is_coped_with": "raises in on_error",
    "test_required_spec_2_10_on_error_without_request_is_coped_with": "raises in on_error",
    "test_required_spec_2_13_on_subscribe_of_none_raises_type_error": "on_subscribe takes None",
    "test_required_spec_2_13_on_next_of_none_raises_type_error": "on_next takes None",
    "test_required_spec_2_13_on_error_of_none_raises_type_error": "on_error takes None",
}
"""Test -> the bug that it has to find."""


class BrokenProcessor:
    """An identity processor, element by element, with a bug by name."""

    def __init__(self, bug: str) -> None:
        self.bug = bug
        self.upstream: Any = None
        self.downstream: Any = None
        self.early = 0

    # subscriber
    def on_subscribe(self, subscription: Subscription) -> None:
        self.upstream = subscription
        if self.early and self.bug != "forgets early demand":
            subscription.request(self.early)

    def on_next(self, element: Any) -> None:
        if self.downstream is not None:
            self.downstream.on_next("other" if self.bug == "changes elements" else element)

    def on_error(self, error: BaseException) -> None:
        if self.bug != "swallows errors":
            self.downstream.on_error(error)

    def on_complete(self) -> None:
        self.downstream.on_complete()

    # publisher
    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        self.downstream = subscriber
        subscriber.on_subscribe(self)

    # subscription of downstream
    def request(self, n: int) -> None:
        if self.upstream is None:
            self.early += n
        else:
            self.upstream.request(n)

    def cancel(self) -> None:
        self.downstream = None
        if self.bug != "keeps upstream":
            self.upstream.cancel()


PROCESSOR_BUGS = {
    "test_required_spec_4_01_processor_keeps_both_contracts": "changes elements",
    "test_required_spec_4_02_upstream_error_is_passed_on_at_once": "swallows errors",
    "test_required_requests_made_before_upstream_came_are_passed_on": "forgets early demand",
    "test_required_cancel_of_downstream_cancels_upstream": "keeps upstream",
}
"""Test -> the bug that it has to find."""
