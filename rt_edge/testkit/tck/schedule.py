"""ScheduleVerification: a cancel at every place of a small stream (rule 1.8)."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.protocol.roles import Subscription
from rt_edge.testkit.tck.bench import needs
from rt_edge.testkit.tck.publisher_bench import PublisherBench
from rt_edge.testkit.tck.recording import RecordingSubscriber

LONGEST = 10_000
"""Steps of a stream of 3 elements, at most; more is one that never comes to rest."""


class _Cancelling:
    """Counts the places that a stream passes, and cancels at one of them."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.passed = 0
        self.signals: int | None = None

    def pass_by(self, subscriber: RecordingSubscriber, subscription: Subscription) -> None:
        if self.passed == self.place and self.signals is None:
            self.signals = len(subscriber.signals)
            subscription.cancel()
        self.passed += 1


class ScheduleVerification(PublisherBench, abstract=True):
    """The part of `PublisherVerification` that tries every place of a schedule.

    Attributes:
        signals_after_cancel: signals that may still come after a cancel; None: none if driven by hand, what was asked for if not.
    """

    signals_after_cancel: ClassVar[int | None] = None

    def step(self) -> bool:
        """Override where it can be done: do the next smallest piece of what is under way; returns whether there was any."""
        return False

    @needs(elements=3)
    def test_untested_spec108_possibly_canceled_subscription_should_not_receive_on_error_or_on_complete_signals(self) -> None:
        """Cancelled inside or between any two signals, requests or steps of a stream of 3, the stream stops."""
        for one_by_one in (False, True):
            place = 0
            while self._cancelled_at(place, one_by_one):
                place += 1
        steps = 0
        while self._cancelled_after(steps):
            steps += 1
            assert steps < LONGEST, "a stream of 3 elements never comes to rest"

    def _cancelled_at(self, place: int, one_by_one: bool) -> bool:
        """One run with a cancel at a place that is in it; False if the run ended before that place."""
        plan = _Cancelling(place)

        def on_next(it: RecordingSubscriber, _element: Any) -> None:
            plan.pass_by(it, it.subscription)

        subscriber = self.subscriber(lambda subscription: plan.pass_by(subscriber, subscription), on_next)
        self.subscribe(self.create_publisher(3), subscriber)
        for n in (1, 1, 1) if one_by_one else (3,):
            plan.pass_by(subscriber, subscriber.subscription)
            subscriber.subscription.request(n)
            plan.pass_by(subscriber, subscriber.subscription)
            self.env.settle()
        if plan.signals is None:
            self.env.quiet()
            plan.pass_by(subscriber, subscriber.subscription)
        if plan.signals is None:
            self.cancel(subscriber)
            return False
        self._has_stopped(subscriber, plan.signals)
        return True

    def _cancelled_after(self, steps: int) -> bool:
        """One run with a cancel after so many steps; False if there were not so many."""
        subscriber = self.subscriber()
        self.create_publisher(3).subscribe(subscriber)
        under_way = True
        for _ in range(steps):
            if under_way and not subscriber.signals:
                under_way = self.step()
            elif under_way:
                subscriber.subscription.request(1)
                under_way = self.step()
        if not subscriber.signals:
            self.env.settle()
            return under_way
        before = len(subscriber.signals)
        over = subscriber.is_over
        subscriber.subscription.cancel()
        self._has_stopped(subscriber, before)
        return under_way and steps > 0 and not over

    def _has_stopped(self, subscriber: RecordingSubscriber, before: int) -> None:
        self.env.quiet()
        after = len(subscriber.signals)
        allowed = self.signals_after_cancel
        if allowed is None:
            allowed = 0 if self.env.by_hand else 3
        late = subscriber.signals[before:]
        assert len(late) <= allowed, f"rule 1.8: after the cancel came {late}"
        assert not subscriber.violations, subscriber.violations
        subscriber.subscription.request(3)
        self.env.quiet()
        assert len(subscriber.signals) == after, f"rule 1.8: long after the cancel came {subscriber.signals[after:]}"
