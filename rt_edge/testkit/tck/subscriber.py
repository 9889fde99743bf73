"""SubscriberBlackboxVerification: chapter 2 of the specification, of a subscriber that is seen from its publisher only."""

from __future__ import annotations

from typing import Any

from rt_edge.protocol.roles import Subscriber
from rt_edge.testkit.tck.bench import needs
from rt_edge.testkit.tck.subscriber_bench import SubscriberBench, UnderTest


class SubscriberBlackboxVerification(SubscriberBench, abstract=True):
    """Subclass it as `Test...` and override `create_subscriber`; `trigger_request` and `stop` where they are needed."""

    @classmethod
    def reason_against(cls, **needed: Any) -> str:
        """A way to stop it."""
        if needed.get("stop") and cls.stop is SubscriberBlackboxVerification.stop:
            return "needs a way to make it cancel, `stop` is not overridden"
        return super().reason_against(**needed)

    # -- to be overridden -------------------------------------------------------------------------------------------------

    def create_subscriber(self) -> Subscriber[Any]:
        """A fresh subscriber that takes at least 3 elements."""
        raise NotImplementedError

    def trigger_request(self, subscriber: Subscriber[Any]) -> None:
        """Make it ask for elements, if it does not by itself."""

    def stop(self, subscriber: Subscriber[Any]) -> None:
        """Make it need no more elements; without an override the tests of that are left out."""
        raise NotImplementedError

    # -- how it is made and played ----------------------------------------------------------------------------------------

    def make(self) -> Subscriber[Any]:
        """A subscriber."""
        subscriber = self.create_subscriber()
        self.env.settle()
        return subscriber

    def make_it_ask(self, tested: UnderTest, n: int) -> None:
        """As far as it lets itself be asked."""
        self.trigger_request(tested.subscriber)

    def make_it_stop(self, tested: UnderTest) -> None:
        """As far as it lets itself be stopped."""
        self.stop(tested.subscriber)

    # -- required ---------------------------------------------------------------------------------------------------------

    def test_required_spec201_blackbox_must_signal_demand_via_subscription_request(self) -> None:
        """It asks, for a positive number of elements, and takes 3, asking again where it has to."""
        tested = self.asking()
        assert all(n > 0 for n in tested.subscription.requests), tested.subscription.requests
        tested.send(3)
        tested.check()

    def test_required_spec203_blackbox_must_not_call_methods_on_subscription_or_publisher_in_on_complete(self) -> None:
        """Inside on_complete no method of the subscription is called."""
        self.calls_nothing_in(None)

    def test_required_spec203_blackbox_must_not_call_methods_on_subscription_or_publisher_in_on_error(self) -> None:
        """Inside on_error no method of the subscription is called."""
        self.calls_nothing_in(ValueError("a test"))

    def test_required_spec205_blackbox_must_call_subscription_cancel_if_it_already_has_an_subscription_and_receives_another_on_subscribe_signal(  # noqa: E501
        self,
    ) -> None:
        """A subscription that comes while one is active is cancelled once; the first goes on."""
        self.cancels_second()

    def test_required_spec209_blackbox_must_be_prepared_to_receive_an_on_complete_signal_with_preceding_request_call(
        self,
    ) -> None:
        """on_complete after a request returns normally."""
        self.copes_with_end(None, asked=True)

    def test_required_spec209_blackbox_must_be_prepared_to_receive_an_on_complete_signal_without_preceding_request_call(
        self,
    ) -> None:
        """on_complete at once after on_subscribe returns normally."""
        self.copes_with_end(None, asked=False)

    def test_required_spec210_blackbox_must_be_prepared_to_receive_an_on_error_signal_with_preceding_request_call(self) -> None:
        """on_error after a request returns normally."""
        self.copes_with_end(ValueError("a test"), asked=True)

    def test_required_spec210_blackbox_must_be_prepared_to_receive_an_on_error_signal_without_preceding_request_call(
        self,
    ) -> None:
        """on_error at once after on_subscribe returns normally."""
        self.copes_with_end(ValueError("a test"), asked=False)

    def test_required_spec213_blackbox_on_subscribe_must_throw_null_pointer_exception_when_parameters_are_null(self) -> None:
        """on_subscribe(None) raises TypeError to its caller."""
        self.refuses_none(self.make().on_subscribe)

    def test_required_spec213_blackbox_on_next_must_throw_null_pointer_exception_when_parameters_are_null(self) -> None:
        """on_next(None) raises TypeError to its caller."""
        self.refuses_none(self.asking().subscriber.on_next)

    def test_required_spec213_blackbox_on_error_must_throw_null_pointer_exception_when_parameters_are_null(self) -> None:
        """on_error(None) raises TypeError to its caller."""
        self.refuses_none(self.asking().subscriber.on_error)

    # -- what the kit for the JVM leaves untested -------------------------------------------------------------------------

    def test_untested_spec202_blackbox_should_asynchronously_dispatch(self) -> None:
        """on_next gives its caller back soon."""
        self.is_quick()

    def test_untested_spec204_blackbox_must_consider_the_subscription_as_cancelled_in_after_recieving_on_complete_or_on_error(
        self,
    ) -> None:
        """After on_complete or on_error neither request nor cancel is called, whatever its user wants."""
        self.is_over_after(None)
        self.is_over_after(ValueError("a test"))

    @needs(stop=True)
    def test_untested_spec206_blackbox_must_call_subscription_cancel_if_it_is_no_longer_valid(self) -> None:
        """When it needs no more, its publisher sees exactly one cancel."""
        self.cancels_when_done()

    def test_untested_spec207_blackbox_must_ensure_all_calls_on_its_subscription_take_place_from_the_same_thread_or_take_care_of_synchronization(  # noqa: E501
        self,
    ) -> None:
        """No call to the subscription overlaps another."""
        self.calls_are_serial()

    @needs(stop=True)
    def test_untested_spec208_blackbox_must_be_prepared_to_receive_on_next_signals_after_having_called_subscription_cancel(
        self,
    ) -> None:
        """Elements that were under way when it cancelled raise nothing and call nothing."""
        self.copes_after_cancel()

    def test_untested_spec211_blackbox_must_make_sure_that_all_calls_on_its_methods_happen_before_the_processing_of_the_respective_events(  # noqa: E501
        self,
    ) -> None:
        """Signals that come each from another thread raise nothing, and it goes on asking."""
        self.takes_signals_of_any_thread()

    def test_untested_spec212_blackbox_must_not_call_on_subscribe_more_than_once_based_on_object_equality(self) -> None:
        """The same subscription once more raises nothing, and nothing is asked for twice."""
        self.same_subscription_again()

    def test_untested_spec213_blackbox_failing_on_signal_invocation(self) -> None:
        """No signal of a whole stream raises, and one after its end neither."""
        tested = self.asking()
        try:
            tested.send(2)
            tested.end(ValueError("a test"))
            tested.subscriber.on_next(self.create_element(2))
            tested.subscriber.on_complete()
        except Exception as raised:
            raise AssertionError(f"rule 2.13: a signal raised {raised!r}") from raised
        self.env.quiet()
        tested.check()

    def test_untested_spec301_blackbox_must_not_be_called_outside_subscriber_context(self) -> None:
        """A subscription is called for its own subscriber only."""
        self.stays_with_its_own()
