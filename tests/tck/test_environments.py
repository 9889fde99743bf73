"""How the kit waits: by hand, beside threads, on a loop; and what it finds where real threads are at work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from rt_edge.protocol.roles import Publisher, Subscriber, Subscription
from rt_edge.streams.dsl import Source
from rt_edge.streams.host import AsyncioHost
from rt_edge.testkit.tck import (
    ByHand,
    Environment,
    ListPublisher,
    OnLoop,
    PublisherVerification,
    RecordingSubscriber,
    SubscriberBlackboxVerification,
    SubscriberWhiteboxVerification,
    Threads,
    WhiteboxProbe,
    run,
    run_test,
)
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost
from tests.tck.threaded import ThreadedSubscriber


class Blackbox(SubscriberBlackboxVerification):
    careless = False

    def create_environment(self) -> Environment:
        return Threads(5.0, 0.02)

    def create_subscriber(self) -> Subscriber[Any]:
        return ThreadedSubscriber(careless=self.careless)

    def trigger_request(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, ThreadedSubscriber)
        subscriber.trigger_request(1)

    def stop(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, ThreadedSubscriber)
        subscriber.signal_cancel()


class Whitebox(SubscriberWhiteboxVerification):
    careless = False

    def create_environment(self) -> Environment:
        return Threads(5.0, 0.02)

    def create_subscriber(self, probe: WhiteboxProbe) -> Subscriber[Any]:
        return ThreadedSubscriber(probe, self.careless)


@pytest.mark.parametrize("verification", [Blackbox, Whitebox])
def test_subscriber_with_a_thread_passes_when_it_keeps_its_calls_serial(verification: Any) -> None:
    """A subscriber that works and asks in a thread of its own passes everything; nothing depends on who makes a call."""
    assert [outcome for outcome in run(verification) if outcome.status != "passed"] == []


@pytest.mark.parametrize(("verification", "name"), [(Blackbox, "blackbox_must"), (Whitebox, "must")])
def test_overlap_is_found_when_a_subscriber_with_a_thread_is_careless(verification: Any, name: str) -> None:
    """Calls to the subscription from two threads at a time break rule 2.7, and the test of 2.7 says so."""
    test = (
        f"test_untested_spec207_{name}_ensure_all_calls_on_its_subscription_take_place_from_the_same_thread_or_take_care_of_"
        "synchronization"
    )
    outcome = run_test(type("Careless", (verification,), {"careless": True}), test)
    assert outcome.status == "failed"
    assert "rule 2.7" in str(outcome.error)


class OnARealLoop(PublisherVerification):
    stochastic_runs = 5
    strict = True

    def setup_method(self) -> None:
        self.loop = asyncio.new_event_loop()

    def teardown_method(self) -> None:
        self.loop.close()

    def create_environment(self) -> Environment:
        return OnLoop(self.loop, 5.0, 0.005)

    def create_publisher(self, elements: int) -> Publisher[Any]:
        return Source.from_iterable(range(elements)).as_publisher(lambda: AsyncioHost(loop=self.loop))

    def create_failed_publisher(self) -> Publisher[Any]:
        return Source.failed(ValueError("a test")).as_publisher(lambda: AsyncioHost(loop=self.loop))


def test_island_passes_when_it_runs_on_a_real_loop() -> None:
    """An island on asyncio passes everything, with no other clock than the loop's."""
    assert [outcome for outcome in run(OnARealLoop) if outcome.status != "passed"] == []


class OneByOne(PublisherVerification):
    """No wait is long enough for more than one request, and so for one element."""

    def setup_method(self) -> None:
        self.asked: list[Callable[[], None]] = []

    def create_environment(self) -> Environment:
        def one() -> None:
            if self.asked:
                self.asked.pop(0)()

        return ByHand(one)

    def create_publisher(self, elements: int) -> Publisher[Any]:
        return Later(ListPublisher(range(elements)), self.asked)


class Later:
    """A publisher whose requests are done when they are taken from a list."""

    def __init__(self, inner: Publisher[Any], asked: list[Callable[[], None]]) -> None:
        self.inner, self.asked = inner, asked

    def subscribe(self, subscriber: Any) -> None:
        tell = subscriber.on_subscribe
        subscriber.on_subscribe = lambda subscription: tell(LaterSubscription(subscription, self.asked))
        self.inner.subscribe(subscriber)


class LaterSubscription:
    def __init__(self, inner: Subscription, asked: list[Callable[[], None]]) -> None:
        self.inner, self.asked = inner, asked

    def request(self, n: int) -> None:
        self.asked.append(lambda: self.inner.request(n))

    def cancel(self) -> None:
        self.inner.cancel()


def test_long_stream_may_take_its_time_when_each_signal_is_in_time() -> None:
    """The time-out is that of one signal: 1,200 elements may take 1,200 times as long."""
    assert run_test(OneByOne, "test_required_spec303_long_stream_does_not_deepen_the_stack").status == "passed"


class Tardy(SubscriberBlackboxVerification):
    """Asks again by itself, once, when there has been silence so many times."""

    silences = 0

    def setup_method(self) -> None:
        self.made: list[ListSubscriber] = []

    def create_environment(self) -> Environment:
        def settle() -> None:
            for subscriber in [it for it in self.made if it.subscription is not None]:
                subscriber.silences -= 1
                if subscriber.silences == 0:
                    subscriber.ask()

        return ByHand(settle)

    def create_subscriber(self) -> Subscriber[Any]:
        self.made.append(ListSubscriber(self.silences))
        return self.made[-1]


class ListSubscriber:
    """Asks for one element at a time."""

    def __init__(self, silences: int) -> None:
        self.silences = silences
        self.subscription: Subscription | None = None

    def ask(self) -> None:
        assert self.subscription is not None
        self.subscription.request(1)

    def on_subscribe(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.ask()

    def on_next(self, _element: Any) -> None:
        self.ask()

    def on_error(self, _error: BaseException) -> None:
        self.silences = 0

    def on_complete(self) -> None:
        self.silences = 0


@pytest.mark.parametrize("silences", range(12))
def test_late_request_is_no_stranger_when_a_subscriber_asks_by_itself(silences: int) -> None:
    """What one subscriber does by itself while another gets elements is not taken for what those have moved."""
    test = "test_untested_spec301_blackbox_must_not_be_called_outside_subscriber_context"
    assert run_test(type("Late", (Tardy,), {"silences": silences}), test).status == "passed"


def test_waiting_ends_at_once_when_a_double_rings() -> None:
    """Who waits beside threads is woken by the double: the time-out is no delay."""
    environment = Threads(60.0, 0.0)
    seen: list[int] = []

    def signal() -> None:
        seen.append(1)
        environment.ring()

    threading.Thread(target=signal).start()
    assert environment.took(lambda: environment.until(lambda: bool(seen))) < 30


def test_waiting_gives_up_when_nothing_comes_in_time() -> None:
    """By hand at once, beside threads and on a loop after the signal time-out."""
    loop = asyncio.new_event_loop()
    try:
        for environment in (ByHand(lambda: None), Threads(0.01), OnLoop(loop, 0.01)):
            assert not environment.until(lambda: False)
            environment.quiet()
    finally:
        loop.close()


def test_call_from_elsewhere_gives_back_what_it_raises_when_it_raises() -> None:
    """What a call from another thread or task raises is raised to the test."""
    loop = asyncio.new_event_loop()
    try:
        for environment in (ByHand(lambda: None), OnLoop(loop)):
            with pytest.raises(ZeroDivisionError):
                environment.elsewhere(lambda: 1 // 0)
            assert environment.elsewhere(lambda: 7) == 7
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("raised", "leaves"), [(RuntimeError, nullcontext()), (KeyboardInterrupt, pytest.raises(KeyboardInterrupt))]
)
def test_only_what_is_no_exception_leaves_when_a_subscriber_raises(raised: type[BaseException], leaves: Any) -> None:
    """An Exception of a subscriber stays inside the run, which goes on; KeyboardInterrupt goes through."""

    def break_it(_it: RecordingSubscriber, _element: Any) -> None:
        raise raised

    clock = VirtualClock()
    subscriber = RecordingSubscriber(on_next=break_it)
    Source.from_iterable(range(3)).as_publisher(lambda: VirtualHost(clock)).subscribe(subscriber)
    subscriber.subscription.request(3)
    with leaves:
        VirtualHost(clock).settle()
    assert len(subscriber.elements) == 1
