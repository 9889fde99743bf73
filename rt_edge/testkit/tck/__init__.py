"""The compatibility kit of Reactive Streams 1.0.4 as pytest classes, driven by hand: no thread, no sleeping, no time-outs.

    class TestMyPublisher(PublisherVerification):
        def create_publisher(self, elements: int) -> Publisher[Any]:
            return MyPublisher(range(elements))

Names are `test_required_spec_1_01_<what>` for what must hold, `test_optional_spec_...` for what may hold but does for whoever
runs it, and `test_required_<what>` where no single rule is meant. A test that does not make sense for an implementation is
declined by name and with a reason (`declined`): it is not collected, and `facts` lists it, beside the rules that no test can
decide. Nothing is ever skipped.

What an implementation has under way is brought to its end by `settle`; the default suits an implementation without threads and
loops of its own. One under a virtual clock overrides it with `host.settle()`.
"""

from rt_edge.testkit.tck.facts import UNTESTED, Fact, fact_sheet, rules_covered
from rt_edge.testkit.tck.processor import IdentityProcessorAsSubscriberVerification, IdentityProcessorVerification
from rt_edge.testkit.tck.publisher import PublisherVerification
from rt_edge.testkit.tck.recording import ListPublisher, RecordingSubscriber, RecordingSubscription
from rt_edge.testkit.tck.subscriber import SubscriberBlackboxVerification

__all__ = [
    "UNTESTED",
    "Fact",
    "IdentityProcessorAsSubscriberVerification",
    "IdentityProcessorVerification",
    "ListPublisher",
    "PublisherVerification",
    "RecordingSubscriber",
    "RecordingSubscription",
    "SubscriberBlackboxVerification",
    "fact_sheet",
    "rules_covered",
]
