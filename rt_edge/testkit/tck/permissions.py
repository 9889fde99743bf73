"""PermissionVerification: the rules that permit (MAY): what was chosen is noted as a fact, what binds its user is tested."""

from __future__ import annotations

from rt_edge.testkit.tck.bench import needs
from rt_edge.testkit.tck.publisher_bench import PublisherBench
from rt_edge.testkit.tck.recording import LARGE


class PermissionVerification(PublisherBench, abstract=True):
    """The part of `PublisherVerification` that is about rules 3.10, 3.11 and 3.14."""

    @needs(elements=3)
    def test_untested_spec310_request_may_synchronously_call_on_next_on_subscriber(self) -> None:
        """Before request returns, or later: exactly the 2 elements that it asks for come."""
        subscriber = self.subscribe(self.create_publisher(3))
        subscriber.subscription.request(2)
        inside = len(subscriber.elements)
        self.facts["3.10"] = (
            "on_next is called before request returns" if inside else "on_next is called after request has returned"
        )
        assert inside in {0, 2}, f"rule 3.10: {inside} of 2 elements came before request returned"
        self.comes(subscriber, 2)
        self.stays(subscriber, 2)
        self.cancel(subscriber)

    @needs(elements=1, completion=True)
    def test_untested_spec311_request_may_synchronously_call_on_complete_or_on_error(self) -> None:
        """Before request returns, or later: on_complete comes once, behind all elements, and so does on_error."""
        subscriber = self.subscribe(self.create_publisher(1))
        subscriber.subscription.request(LARGE)
        complete = subscriber.is_over
        self.comes(subscriber, 1, "complete")
        failed = self.subscribe(self.create_publisher(1))
        failed.subscription.request(-1)
        error = failed.is_over
        self.comes(failed, 0, "error")
        words = {True: "before request returns", False: "after request has returned"}
        self.facts["3.11"] = f"on_complete is called {words[complete]}, on_error {words[error]}"

    @needs(elements=1)
    def test_untested_spec314_cancel_may_cause_the_publisher_to_shutdown_if_no_other_subscription_exists(self) -> None:
        """After the last subscription was cancelled a new subscriber is served, or refused as rule 1.9 says."""
        publisher = self.create_publisher(1)
        first = self.subscribe(publisher)
        self.cancel(first)
        self.env.quiet()
        again = self.subscribe(publisher)
        self.request(again, 1)
        self.until(lambda: len(again.signals) > 1, "rule 1.9: after the last cancel a subscriber is neither served nor refused")
        assert not again.violations, again.violations
        self.facts["3.14"] = (
            "the publisher is shut down by the cancel of its last subscription"
            if again.errors or (again.completed and not again.elements)
            else "the publisher serves on after the cancel of its last subscription"
        )
        if not again.is_over:
            self.cancel(again)
