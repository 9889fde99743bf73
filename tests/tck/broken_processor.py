"""An identity processor with several subscribers that breaks the rule of its bug; without a bug it keeps all."""

from __future__ import annotations

from collections import deque
from typing import Any

from rt_edge.protocol.demand import UNBOUNDED, add_demand, check_demand, subtract_demand
from rt_edge.protocol.roles import Processor, Subscriber, Subscription
from rt_edge.protocol.rules import check_element, check_error, check_not_none, check_subscriber
from rt_edge.testkit.tck import IdentityProcessorVerification

PROCESSOR_BUGS: dict[str, tuple[str, str]] = {
    "changes elements": ("test_required_spec401_processor_keeps_both_contracts", "4.1"),
    "swallows errors": (
        "test_required_spec402_must_immediately_pass_on_on_error_events_received_from_its_upstream_to_its_downstream",
        "4.2",
    ),
    "wraps errors": (
        "test_required_spec402_must_immediately_pass_on_on_error_events_received_from_its_upstream_to_its_downstream",
        "4.2",
    ),
    "passes errors on with the next request": (
        "test_required_spec402_must_immediately_pass_on_on_error_events_received_from_its_upstream_to_its_downstream",
        "4.2",
    ),
    "tells the first of an error": (
        "test_required_spec104_must_call_on_error_on_all_its_subscribers_if_it_encounters_a_non_recoverable_error",
        "1.4",
    ),
    "waits for the second": ("test_required_must_request_from_upstream_for_elements_that_have_been_requested_long_ago", ""),
    "forgets early demand": ("test_required_must_request_from_upstream_what_was_requested_before_it_came", ""),
    "keeps upstream": (
        "test_required_must_cancel_its_upstream_subscription_if_its_last_downstream_subscription_has_been_cancelled",
        "",
    ),
    "asks for everything": ("test_required_must_request_no_more_of_upstream_than_it_can_hold", ""),
}
"""Bug: (the test that has to find it, its rule)."""


class HubProcessor:
    """Gives every element to every subscriber; each has a queue of its own, so that a slow one holds up the others late."""

    def __init__(self, buffer_size: int, bug: str = "") -> None:
        self.bug = bug
        self.size = buffer_size
        self.upstream: Any = None
        self.asked = 0
        self.early: deque[Any] = deque(maxlen=buffer_size)
        self.streams: list[HubStream] = []
        self.end: BaseException | bool | None = None
        self.left = False

    # -- subscriber -----------------------------------------------------------------------------------------------------------

    def on_subscribe(self, subscription: Subscription) -> None:
        check_not_none(subscription, "the subscription", "2.13")
        if self.upstream is not None:
            subscription.cancel()
            return
        self.upstream = subscription
        if self.bug == "forgets early demand":
            for stream in self.streams:
                stream.open = 0
        if self.bug == "asks for everything":
            self.asked = UNBOUNDED
            subscription.request(UNBOUNDED)
        self.pull()

    def on_next(self, element: Any) -> None:
        check_element(element)
        if self.end is not None or self.left:
            return
        self.asked -= 1
        if self.bug == "changes elements":
            element = (element,)
        if not self.streams:
            self.early.append(element)
        for stream in list(self.streams):
            stream.queue.append(element)
        for stream in list(self.streams):
            stream.drain()
        self.pull()

    def on_error(self, error: BaseException) -> None:
        check_error(error)
        if self.end is None and not self.left:
            self.end = RuntimeError(str(error)) if self.bug == "wraps errors" else error
            if self.bug == "swallows errors":
                return
            streams = list(self.streams)
            for stream in streams[:1] if self.bug == "tells the first of an error" else streams:
                stream.queue.clear()
                if self.bug != "passes errors on with the next request":
                    stream.drain()

    def on_complete(self) -> None:
        if self.end is None:
            self.end = True
            for stream in list(self.streams):
                stream.drain()

    # -- publisher ------------------------------------------------------------------------------------------------------------

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        check_subscriber(subscriber)
        for stream in list(self.streams):
            if stream.subscriber is subscriber:
                stream.finish(ValueError("rule 1.10: this subscriber has subscribed already"))
                return
        stream = HubStream(self, subscriber)
        stream.queue.extend(self.early)
        self.early.clear()
        self.streams.append(stream)
        stream.begin()

    def leave(self, stream: HubStream) -> None:
        if stream in self.streams:
            self.streams.remove(stream)
        if not self.streams and not self.left and self.end is None and self.upstream is not None:
            self.left = True
            if self.bug != "keeps upstream":
                self.upstream.cancel()
            self.end = True
        self.pull()

    def pull(self) -> None:
        if self.upstream is None or self.end is not None or not self.streams:
            return
        wanted = [stream.open - len(stream.queue) for stream in self.streams]
        room = self.size - max(len(stream.queue) for stream in self.streams)
        n = min(max(wanted), room) - self.asked
        if n > 0:
            self.asked += n
            self.upstream.request(n)


class HubStream:
    """One subscription of a `HubProcessor`."""

    def __init__(self, hub: HubProcessor, subscriber: Subscriber[Any]) -> None:
        self.hub = hub
        self.subscriber: Subscriber[Any] | None = subscriber
        self.queue: deque[Any] = deque(maxlen=hub.size)
        self.open = 0
        self.busy = True

    def begin(self) -> None:
        assert self.subscriber is not None
        try:
            self.subscriber.on_subscribe(self)
        except Exception:  # noqa: BLE001  # rule 2.13
            self.cancel()
        self.busy = False
        self.drain()
        self.hub.pull()

    def request(self, n: int) -> None:
        if self.subscriber is None:
            return
        try:
            self.open = add_demand(self.open, check_demand(n))
        except ValueError as error:
            self.finish(error.with_traceback(None))
            return
        self.drain()
        self.hub.pull()

    def cancel(self) -> None:
        if self.subscriber is not None:
            self.subscriber = None
            self.hub.leave(self)

    def finish(self, error: BaseException | None) -> None:
        subscriber = self.subscriber
        self.cancel()
        if subscriber is not None:
            subscriber.on_complete() if error is None else subscriber.on_error(error)

    def drain(self) -> None:
        if self.busy:
            return
        if self.hub.bug == "waits for the second" and not all(stream.open for stream in self.hub.streams):
            return
        self.busy = True
        while self.subscriber is not None and self.open and self.queue:
            self.open = subtract_demand(self.open, 1)
            try:
                self.subscriber.on_next(self.queue.popleft())
            except Exception:  # noqa: BLE001  # rule 2.13
                self.cancel()
        self.busy = False
        end = self.hub.end
        if end is not None and not self.queue:
            self.finish(None if isinstance(end, bool) else end)


class OfProcessor(IdentityProcessorVerification):
    """The verification of a `HubProcessor`."""

    bug = ""
    stochastic_runs = 10

    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        return HubProcessor(buffer_size, self.bug)

    def settle(self) -> None:
        """Nothing is under way."""


def of_processor(bug: str) -> type[IdentityProcessorVerification]:
    knobs: dict[str, Any] = {"bug": bug}
    if bug == "asks for everything":
        knobs["max_requested_ahead"] = 1024
    return type("OfProcessor", (OfProcessor,), knobs)
