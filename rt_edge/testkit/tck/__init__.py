"""The compatibility kit of Reactive Streams 1.0.4 for Python, as pytest classes and as a pytest plug-in.

    class TestMyPublisher(PublisherVerification):
        def create_publisher(self, elements: int) -> Publisher[Any]:
            return MyPublisher(range(elements))

or, without a file of one's own:

    python -m pytest --tck-publisher my.module:my_publisher

Names are `test_required_spec101_<what>` for what must hold, `test_optional_spec...` for what an implementation may leave undone,
`test_stochastic_spec...` for what is looked for in many runs, and `test_untested_spec...` for rules that the kit for the JVM
leaves untested: they are tested here. `test_required_<what>` means no single rule. docs/tck.md has the rest.

The names of this package are loaded when they are first used: pytest imports it in every run, for the plug-in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rt_edge.testkit.tck.bench import Verification, is_optional, kind_of, needs, rule_of
    from rt_edge.testkit.tck.environment import ByHand, Environment, OnLoop, Threads
    from rt_edge.testkit.tck.facts import PERMISSIONS, fact_sheet, names_of, rules_covered, table
    from rt_edge.testkit.tck.probe import Puppet, SubscriptionPuppet, WhiteboxProbe
    from rt_edge.testkit.tck.processor import IdentityProcessorAsSubscriberVerification, IdentityProcessorVerification
    from rt_edge.testkit.tck.publisher import PublisherVerification
    from rt_edge.testkit.tck.recording import RecordingSubscriber, RecordingSubscription
    from rt_edge.testkit.tck.reference import ListPublisher
    from rt_edge.testkit.tck.runner import Outcome, run, run_test
    from rt_edge.testkit.tck.subscriber import SubscriberBlackboxVerification
    from rt_edge.testkit.tck.whitebox import SubscriberWhiteboxVerification

__all__ = [
    "PERMISSIONS",
    "ByHand",
    "Environment",
    "IdentityProcessorAsSubscriberVerification",
    "IdentityProcessorVerification",
    "ListPublisher",
    "OnLoop",
    "Outcome",
    "PublisherVerification",
    "Puppet",
    "RecordingSubscriber",
    "RecordingSubscription",
    "SubscriberBlackboxVerification",
    "SubscriberWhiteboxVerification",
    "SubscriptionPuppet",
    "Threads",
    "Verification",
    "WhiteboxProbe",
    "fact_sheet",
    "is_optional",
    "kind_of",
    "names_of",
    "needs",
    "rule_of",
    "rules_covered",
    "run",
    "run_test",
    "table",
]

_WHERE = {
    "bench": ("Verification", "is_optional", "kind_of", "needs", "rule_of"),
    "environment": ("ByHand", "Environment", "OnLoop", "Threads"),
    "facts": ("PERMISSIONS", "fact_sheet", "rules_covered", "table", "names_of"),
    "probe": ("Puppet", "SubscriptionPuppet", "WhiteboxProbe"),
    "processor": ("IdentityProcessorAsSubscriberVerification", "IdentityProcessorVerification"),
    "publisher": ("PublisherVerification",),
    "recording": ("RecordingSubscriber", "RecordingSubscription"),
    "reference": ("ListPublisher",),
    "runner": ("Outcome", "run", "run_test"),
    "subscriber": ("SubscriberBlackboxVerification",),
    "whitebox": ("SubscriberWhiteboxVerification",),
}


def __getattr__(name: str) -> Any:
    for module, names in _WHERE.items():
        if name in names:
            import importlib

            value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
