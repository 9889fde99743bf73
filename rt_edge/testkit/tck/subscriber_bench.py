"""What the white-box and the black-box tests of subscribers share: a subscriber in a test's hands, the bodies of the tests."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest

from rt_edge.protocol.roles import Subscriber
from rt_edge.testkit.tck.bench import Verification
from rt_edge.testkit.tck.probe import WhiteboxProbe
from rt_edge.testkit.tck.recording import RecordingSubscription

OVERLAP_S = 0.02
"""How long a call of a subscription is held up where a test looks for calls that overlap it."""


class UnderTest:
    """One subscriber under test, with the subscription that it was given."""

    def __init__(self, bench: SubscriberBench, subscriber: Subscriber[Any], subscription: RecordingSubscription) -> None:
        self._bench = bench
        self.subscriber = subscriber
        self.subscription = subscription
        self.probe: WhiteboxProbe | None = None
        self.downstream: Any = None
        self.sent = 0

    def begin(self) -> None:
        """Give it its subscription."""
        self.subscriber.on_subscribe(self.subscription)
        self._bench.env.settle()
        self._bench.has_begun(self)

    def ask(self, n: int = 1) -> None:
        """Make it ask, and see that it does."""
        self._bench.make_it_ask(self, n)
        self._bench.env.settle()
        self._bench.until(lambda: bool(self.subscription.demand), "rule 2.1: nothing was requested")

    def send(self, elements: int = 1) -> None:
        """Send elements that were asked for, or make it ask for more."""
        for _ in range(elements):
            if not self.subscription.demand:
                self.ask()
            self.subscription.demand.take()
            self.subscriber.on_next(self._bench.create_element(self.sent))
            self.sent += 1
            self._bench.env.settle()

    def stop(self) -> None:
        """Make it need no more elements."""
        self._bench.make_it_stop(self)
        self._bench.env.settle()
        self._bench.until(lambda: self.subscription.cancels > 0, "rule 2.6: it was not cancelled")

    def end(self, error: BaseException | None = None) -> None:
        """The last signal, in which it must call nothing (rule 2.3), nor after it (2.4)."""
        self._bench.env.quiet()  # what it is about to ask for does not come after the end
        self.subscription.closed = True
        self.subscription.forbidden = "on_complete" if error is None else "on_error"
        if error is None:
            self.subscriber.on_complete()
        else:
            self.subscriber.on_error(error)
        self.subscription.forbidden = ""
        self._bench.env.quiet()

    def check(self, cancels: int = 0) -> None:
        """Nothing forbidden was called, and so many cancels came."""
        assert not self.subscription.violations, self.subscription.violations
        assert self.subscription.cancels == cancels, f"{self.subscription.cancels} cancels came, not {cancels}"


class SubscriberBench(Verification, abstract=True):
    """A subscriber under test; `WhiteboxBench` and `BlackboxBench` say how it is made and played."""

    def create_element(self, index: int) -> Any:
        """An element that it takes; not None."""
        return index

    def make(self) -> Subscriber[Any]:
        """A fresh subscriber."""
        raise NotImplementedError

    def make_it_ask(self, tested: UnderTest, n: int) -> None:
        """Play its user: more elements are wanted."""
        raise NotImplementedError

    def make_it_stop(self, tested: UnderTest) -> None:
        """Play its user: no more elements are wanted."""
        raise NotImplementedError

    def has_begun(self, tested: UnderTest) -> None:
        """Its on_subscribe was called."""

    # -- tools ------------------------------------------------------------------------------------------------------------

    def under_test(self, overlap: float = 0.0) -> UnderTest:
        """A fresh subscriber and a subscription that it has not got yet."""
        return UnderTest(self, self.make(), RecordingSubscription(self.env.ring, overlap))

    def subscribed(self) -> UnderTest:
        """A subscriber with a subscription."""
        tested = self.under_test()
        tested.begin()
        return tested

    def asking(self, n: int = 1) -> UnderTest:
        """A subscriber that has asked for elements."""
        tested = self.subscribed()
        tested.ask(n)
        return tested

    def refuses_none(self, call: Any) -> None:
        """`call(None)` raises TypeError to its caller (rule 2.13)."""
        with pytest.raises(TypeError):
            call(None)

    # -- bodies -----------------------------------------------------------------------------------------------------------

    def calls_nothing_in(self, error: BaseException | None) -> None:
        """Rule 2.3: inside the last signal nothing of the subscription is called."""
        tested = self.asking()
        tested.end(error)
        tested.check()

    def is_over_after(self, error: BaseException | None) -> None:
        """Rule 2.4: after the last signal neither request nor cancel is called any more, though its user goes on."""
        tested = self.asking()
        tested.end(error)
        self.env.quiet()
        calls = len(tested.subscription.calls)
        for play, more in ((self.make_it_ask, (tested, 1)), (self.make_it_stop, (tested,))):
            with contextlib.suppress(NotImplementedError):  # a black box may have no user to be played
                play(*more)
            self.env.quiet()
        assert len(tested.subscription.calls) == calls, tested.subscription.violations
        tested.check()

    def copes_with_end(self, error: BaseException | None, asked: bool) -> UnderTest:
        """Rules 2.9, 2.10: the last signal returns normally, whether anything was asked for or not."""
        tested = self.asking() if asked else self.subscribed()
        try:
            tested.end(error)
        except Exception as raised:
            raise AssertionError(f"rule 2.{9 if error is None else 10}: the last signal raised {raised!r}") from raised
        assert tested.subscription.cancels == 0, "rule 2.4: cancel after the last signal"
        return tested

    def cancels_second(self) -> None:
        """Rule 2.5: a second subscription is cancelled once and nothing is asked of it; the first goes on."""
        tested = self.asking()
        second = RecordingSubscription(self.env.ring)
        tested.subscriber.on_subscribe(second)
        self.env.settle()
        self.until(lambda: second.cancels > 0, "rule 2.5: the second subscription was not cancelled")
        assert second.cancels == 1, f"rule 2.5: the second subscription was cancelled {second.cancels} times"
        assert not second.requests, "rule 2.5: elements were asked of the second subscription"
        tested.send()
        tested.check()

    def copes_after_cancel(self) -> UnderTest:
        """Rule 2.8: elements that were under way when it cancelled raise nothing and call nothing; the end neither."""
        tested = self.asking()
        tested.stop()
        self.env.quiet()
        calls = len(tested.subscription.calls)
        try:
            tested.subscriber.on_next(self.create_element(0))
            self.env.quiet()
            tested.subscriber.on_complete()
        except Exception as raised:
            raise AssertionError(f"rule 2.8: a signal after the cancel raised {raised!r}") from raised
        self.env.quiet()
        assert len(tested.subscription.calls) == calls, f"called after cancel: {tested.subscription.calls[calls:]}"
        return tested

    def same_subscription_again(self) -> None:
        """Rule 2.12: on_subscribe with the subscription that it has raises nothing and asks for nothing twice."""
        tested = self.asking()
        self.env.quiet()  # it may have more to ask for by itself
        asked = list(tested.subscription.requests)
        try:
            tested.subscriber.on_subscribe(tested.subscription)
        except Exception as raised:
            raise AssertionError(f"rule 2.12: on_subscribe raised {raised!r}") from raised
        self.env.quiet()
        assert tested.subscription.requests == asked, f"rule 2.12: asked again: {tested.subscription.requests[len(asked) :]}"
        assert tested.subscription.cancels <= 1, f"rule 2.12: {tested.subscription.cancels} cancels"

    def stays_with_its_own(self) -> None:
        """Rule 3.1: what one subscriber is told and asked for never moves the subscription of another."""
        first, second = self.under_test(), self.under_test()
        first.begin()
        second.begin()
        self.env.quiet()  # each may ask by itself
        late = self._moved(first, second, 2)
        assert not late, f"rule 3.1: signals to one subscriber made calls to the subscription of another: {late}"
        late = self._moved(second, first, 1)
        assert not late, f"rule 3.1: the first subscription was called for the second subscriber: {late}"

    def _moved(self, told: UnderTest, other: UnderTest, elements: int) -> list[Any]:
        """Calls to the subscription of `other` when `told` is asked and gets elements. What `other` does by itself, later than
        silence lasts, it does not do every time: the best of three counts."""
        late: list[Any] = []
        for _ in range(3):
            before = len(other.subscription.calls)
            told.ask(elements)
            told.send(elements)
            told.ask()
            self.env.quiet()
            late = other.subscription.calls[before:]
            if not late:
                break
        return late

    def calls_are_serial(self) -> None:
        """Rule 2.7: while its user asks and elements come, no call to the subscription overlaps another."""
        tested = self.under_test(0.0 if self.env.by_hand else OVERLAP_S)
        if self.env.by_hand:
            tested.subscription.threads = {threading.get_ident()}
        tested.begin()
        tested.ask()
        for _ in range(3):
            tested.send()
            self.make_it_ask(tested, 1)  # while it may be about to ask by itself
        self.env.quiet()
        tested.check()

    def takes_signals_of_any_thread(self) -> UnderTest:
        """Rule 2.11: each signal from a thread of its own, one after the other: nothing is lost and nothing raised."""
        tested = self.under_test()
        self.env.elsewhere(lambda: tested.subscriber.on_subscribe(tested.subscription))
        self.env.settle()
        self.has_begun(tested)
        tested.ask(3)
        for _ in range(3):
            if not tested.subscription.demand:
                tested.ask()
            tested.subscription.demand.take()
            element = self.create_element(tested.sent)
            self.env.elsewhere(lambda element=element: tested.subscriber.on_next(element))  # type: ignore[misc]
            tested.sent += 1
            self.env.settle()
        self.env.quiet()
        tested.check()
        return tested

    def is_quick(self) -> None:
        """Rule 2.2: on_next gives its caller back soon."""
        tested = self.asking()
        waits = []
        for _ in range(3):
            if not tested.subscription.demand:
                tested.ask()
            tested.subscription.demand.take()
            element = self.create_element(tested.sent)
            waits.append(self.env.took(lambda element=element: tested.subscriber.on_next(element)))  # type: ignore[misc]
            tested.sent += 1
            self.env.settle()
        assert min(waits) <= self.responsive_within, f"rule 2.2: on_next kept its caller for {min(waits):.3f} s"

    def cancels_when_done(self) -> None:
        """Rule 2.6: when it needs no more, its publisher sees exactly one cancel, and no request after it."""
        tested = self.asking()
        tested.stop()
        self.env.quiet()
        tested.check(cancels=1)
        assert tested.subscription.calls[-1][0] == "cancel", f"rule 3.6: {tested.subscription.calls[-1][0]} after cancel"
