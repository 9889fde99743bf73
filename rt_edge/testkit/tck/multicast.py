"""MulticastVerification: publishers with several subscribers (rule 1.11). All of it is optional."""

from __future__ import annotations

from rt_edge.testkit.tck.bench import needs
from rt_edge.testkit.tck.publisher_bench import PublisherBench
from rt_edge.testkit.tck.recording import RecordingSubscriber


class MulticastVerification(PublisherBench, abstract=True):
    """The part of `PublisherVerification` that needs several subscribers."""

    @needs(elements=1, subscribers=2)
    def test_optional_spec111_may_support_multi_subscribe(self) -> None:
        """Two subscribers both get an on_subscribe, and neither an on_error."""
        publisher = self.create_publisher(1)
        for subscriber in [self.subscribe(publisher) for _ in range(2)]:
            self.stays(subscriber, 0)
            self.cancel(subscriber)

    @needs(elements=1, subscribers=2)
    def test_optional_spec111_registered_subscribers_must_receive_on_next_or_on_complete_signals(self) -> None:
        """Two subscribers that ask for one element get it, or the end."""
        publisher = self.create_publisher(1)
        subscribers = [self.subscribe(publisher) for _ in range(2)]
        for subscriber in subscribers:
            self.request(subscriber, 1)
        for subscriber in subscribers:
            self.until(lambda it=subscriber: it.elements or it.completed, "rule 1.11: neither on_next nor on_complete came")  # type: ignore[misc]
            assert not subscriber.violations, subscriber.violations
            assert not subscriber.errors, f"rule 1.11: a subscriber got {subscriber.errors}"
            self.cancel(subscriber)

    @needs(elements=5, subscribers=3, completion=True)
    def test_optional_spec111_multicast_must_produce_the_same_elements_in_the_same_sequence_to_all_of_its_subscribers_when_requesting_one_by_one(  # noqa: E501
        self,
    ) -> None:
        """Three subscribers that ask in turn, for 1, 2 or 3, get the same 5 elements in the same order."""
        subscribers = self._three(5)
        first, second, third = subscribers
        turns = [(first, 1), (second, 2), (first, 1), (third, 3), (third, 1), (third, 1), (second, 3), (first, 2), (first, 1)]
        if self.does_coordinated_emission:
            turns = [(subscriber, 1) for _ in range(5) for subscriber in subscribers]
        wanted = {id(subscriber): 0 for subscriber in subscribers}
        for subscriber, n in turns:
            wanted[id(subscriber)] += n
            self.request(subscriber, n)
            if not self.does_coordinated_emission:
                total = min(5, wanted[id(subscriber)])
                self.until(lambda it=subscriber, n=total: len(it.elements) >= n, f"{total} elements did not come")  # type: ignore[misc]
        for subscriber in subscribers:
            self.request(subscriber, 1)
        self._same(subscribers, 5)

    @needs(elements=3, subscribers=3)
    def test_optional_spec111_multicast_must_produce_the_same_elements_in_the_same_sequence_to_all_of_its_subscribers_when_requesting_many_upfront(  # noqa: E501
        self,
    ) -> None:
        """Three subscribers that ask for all 3 at once get the same elements in the same order."""
        subscribers = self._three(3)
        for subscriber in subscribers:
            self.request(subscriber, 3)
        for subscriber in subscribers:
            self.until(lambda it=subscriber: len(it.elements) == 3, "rule 1.11: 3 elements did not come")  # type: ignore[misc]
            assert subscriber.elements == subscribers[0].elements, "rule 1.11: the sequences differ"
            assert not subscriber.violations, subscriber.violations
            if not subscriber.is_over:
                self.cancel(subscriber)

    @needs(elements=3, subscribers=3, completion=True)
    def test_optional_spec111_multicast_must_produce_the_same_elements_in_the_same_sequence_to_all_of_its_subscribers_when_requesting_many_upfront_and_complete_as_expected(  # noqa: E501
        self,
    ) -> None:
        """Three subscribers that ask for more than there is get the same elements in the same order, and the end."""
        subscribers = self._three(3)
        for subscriber in subscribers:
            self.request(subscriber, 4)
        self._same(subscribers, 3)

    def _three(self, elements: int) -> list[RecordingSubscriber]:
        publisher = self.create_publisher(elements)
        return [self.subscribe(publisher) for _ in range(3)]

    def _same(self, subscribers: list[RecordingSubscriber], elements: int) -> None:
        for subscriber in subscribers:
            self.comes(subscriber, elements, "complete")
            assert subscriber.elements == subscribers[0].elements, "rule 1.11: the sequences differ"
