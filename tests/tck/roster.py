"""Which stage of the DSL is tested as what: every one that is there, found by its shape and its parameters, or by a line here.

A stage is tried out with plausible parameters, and those of its own contract test, under a virtual clock:

    one inlet, one outlet   passes its elements unchanged: as identity processor, which has all tests of publisher and subscriber.
                            Else as publisher, if n elements in front of it, or some more, give n behind it, and as subscriber.
    several inlets          as publisher and as processor of its first inlet, the others being empty or as long
    several outlets         as subscriber, and as processor of its first outlet, the others being ignored
    a sink                  as subscriber
    a source                as publisher: it needs a line

`SPECIAL` has a line for a stage that this does not find, or finds wrongly; `python -m tests.tck.roster` shows what is found.
A stage without a way to be tested, and without a reason, makes `test_roster.py` fail.
"""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

from rt_edge.data.errors import RtEdgeError
from rt_edge.streams.dsl import METHODS, Flow, Graph, Sink, Source
from rt_edge.streams.queues import OfferQueue, PullQueue
from rt_edge.streams.stage import Stage
from rt_edge.testkit.tck import ListPublisher
from tests.tck.candidates import candidates, last, reading
from tests.tck.trial import gives_exactly, is_identity, passes_failures, takes

NEVER = 2**63 - 1
"""max_elements_from_publisher of what does not complete."""


class _Echo:
    """Answers with the question, at once."""

    def credit(self) -> int:
        return 1000

    def ask(self, question: Any, told: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        told(question, None)
        return lambda: None

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


class Roles(NamedTuple):
    """As what a stage is tested; each is a factory of what is tested.

    Attributes:
        identity: a flow that passes its elements unchanged and in order.
        publisher: so many elements -> a source of exactly so many.
        failed: a source that fails at once, with the stage in it.
        subscriber: a sink with the stage in it.
        element: number -> an element that it takes.
        settle_s: seconds of virtual time that pass whenever a test lets happen what is under way.
        most: max_elements_from_publisher.
        tolerated: optional tests that it need not hold -> why.
        reason: why it is not tested as a publisher (or not at all).
        recovers: why a failure of upstream does not reach downstream as it is (rule 4.2 permits it).
        real: it works with threads or tasks of its own: an asyncio loop instead of the virtual clock.
    """

    identity: Callable[[], Flow[Any, Any]] | None = None
    publisher: Callable[[int], Source[Any]] | None = None
    failed: Callable[[], Source[Any]] | None = None
    subscriber: Callable[[], Sink[Any]] | None = None
    element: Callable[[int], Any] = int
    settle_s: float = 0.0
    most: int = NEVER - 1
    tolerated: dict[str, str] = {}
    reason: str = ""
    real: bool = False
    recovers: str = ""

    @property
    def left_out(self) -> dict[str, str]:
        """Tests that are declined, with the reason."""
        return dict.fromkeys(OF_FAILURES, self.recovers) if self.recovers else {}

    @property
    def is_whole(self) -> bool:
        """Whether both of its sides are tested, or a reason says why not."""
        return bool(self.identity or (self.publisher and self.subscriber) or self.reason)


OF_FAILURES = (
    "test_optional_spec104_must_signal_on_error_when_fails",
    (
        "test_required_spec109_may_reject_calls_to_subscribe_if_publisher_is_unable_or_unwilling_to_serve_them_"
        "rejection_must_trigger_on_error_after_on_subscribe"
    ),
    "test_required_spec210_must_be_prepared_to_receive_an_on_error_signal_with_preceding_request_call",
    "test_required_spec210_must_be_prepared_to_receive_an_on_error_signal_without_preceding_request_call",
    "test_required_spec402_must_immediately_pass_on_on_error_events_received_from_its_upstream_to_its_downstream",
    "test_untested_spec213_failing_on_signal_invocation",
)
"""Tests of a processor that look for upstream's error downstream."""

LOSSY = "how many elements come out depends on when they are asked for: no number of them can be promised"
NOT_EMPTY = {
    "test_optional_spec105_empty_stream_must_terminate_by_signalling_on_complete": "it is never without an element",
    "test_optional_spec105_empty_stream_completes_without_a_request": "it is never without an element",
}
ONE_BY_ONE = (
    "test_optional_spec111_multicast_must_produce_the_same_elements_in_the_same_sequence_to_all_of_its_subscribers_"
    "when_requesting_one_by_one"
)

SEVERAL = (
    ONE_BY_ONE,
    "test_optional_spec111_may_support_multi_subscribe",
    ONE_BY_ONE.replace("one_by_one", "many_upfront"),
    ONE_BY_ONE.replace("one_by_one", "many_upfront_and_complete_as_expected"),
    "test_optional_spec111_registered_subscribers_must_receive_on_next_or_on_complete_signals",
)


def numbers(n: int) -> Source[Any]:
    return Source.from_iterable(range(n))


def two_halves(n: int) -> Source[Any]:
    return numbers(n // 2).merge(Source.from_iterable(range(n // 2, n)))


def offered(n: int) -> Source[Any]:
    queue: OfferQueue[int] = OfferQueue(max(1, n))
    for number in range(n):
        queue.offer(number)
    queue.complete()
    return Source.queue(queue)


def frame(index: int) -> bytes:
    return b"frame %d" % index


async def soon_last(_: Any, element: Any) -> Any:
    return element


class Counting:
    """So many numbers, asynchronously, as often as one likes."""

    def __init__(self, n: int) -> None:
        self.n = n

    async def __aiter__(self) -> AsyncIterator[int]:
        for index in range(self.n):
            yield index


def source(publisher: Callable[[int], Source[Any]], **more: Any) -> Roles:
    """A stage without inlets: `publisher` makes so many elements."""
    return Roles(publisher=publisher, reason="a source takes no elements", **more)


def flow(make: Callable[[], Flow[Any, Any]], **more: Any) -> Roles:
    """A stage that passes its elements unchanged if it is made like this."""
    return Roles(identity=make, failed=lambda: Source.failed(ValueError("a test")).via(make()), **more)


def sized(make: Callable[[int], Source[Any]], behind: Callable[[], Flow[Any, Any]], **more: Any) -> Roles:
    """A stage that changes elements: `make` has so many with it in it, `behind` is it alone."""
    return Roles(publisher=make, subscriber=lambda: behind().to(Sink.ignore()), **more)


def lossy(make: Callable[[], Flow[Any, Any]], why: str = LOSSY, **more: Any) -> Roles:
    """A stage of which nobody can say how many elements come out: as subscriber alone."""
    return Roles(subscriber=lambda: make().to(Sink.ignore()), reason=why, **more)


SPECIAL: dict[str, Roles] = {
    # sources
    "Iterate": source(numbers),
    "FromPublisher": source(
        lambda n: Source.from_publisher(ListPublisher(range(n))),
        failed=lambda: Source.from_publisher(ListPublisher([], ValueError("a test"))),
    ),
    "FromAsyncIterable": source(lambda n: Source.from_async_iterable(Counting(n)), real=True),
    "Single": source(lambda n: Source.single("one"), most=1, tolerated=NOT_EMPTY),
    "Empty": source(lambda n: Source.empty(), most=0),
    "Failed": source(lambda n: Source.empty(), failed=lambda: Source.failed(ValueError("a test")), most=0),
    "Never": Roles(reason="it never signals more than on_subscribe"),
    "UnfoldResource": source(
        lambda n: Source.unfold_resource(lambda: iter(range(n)), lambda numbers: next(numbers, None), list), real=True
    ),
    "FromQueue": source(offered, most=1000, tolerated=dict.fromkeys(SEVERAL, "a queue feeds one run")),
    "Tick": source(lambda n: Source.tick(0.001), settle_s=1.0, most=NEVER),
    # one inlet, one outlet
    "Conflate": lossy(lambda: Flow().conflate(per="stream")),
    "DelayWith": flow(lambda: Flow().delay_with(lambda _: 0.001), settle_s=1.0),
    "AggregateWithBoundary": flow(lambda: Flow().aggregate_with_boundary(int, lambda _, n: (n, True), lambda n: n)),
    "Batch": lossy(lambda: Flow().batch(10)),
    "BatchWeighted": lossy(lambda: Flow().batch_weighted(10, lambda _: 1)),
    "ConflateWithSeed": lossy(lambda: Flow().conflate_with_seed(str, lambda text, _: text)),
    "Expand": flow(lambda: Flow().expand(lambda n: [n])),
    "Deadband": flow(lambda: Flow().deadband("value", absolute=0.5), element=reading),
    "Fold": sized(lambda n: numbers(5).fold(0, last), lambda: Flow().fold(0, last), most=1, tolerated=NOT_EMPTY),
    "FoldWhile": sized(
        lambda n: numbers(5).fold_while(0, lambda _: True, last),
        lambda: Flow().fold_while(0, lambda _: True, last),
        most=1,
        tolerated=NOT_EMPTY,
    ),
    "Intersperse": sized(lambda n: numbers(n).intersperse("and").take(n), lambda: Flow().intersperse("and")),
    "LatestPerKey": lossy(lambda: Flow().latest_per_key(every=1.0), element=reading),
    "Reduce": sized(lambda n: numbers(3 * n).reduce(last), lambda: Flow().reduce(last), most=1, tolerated=NOT_EMPTY),
    "SelectFields": flow(lambda: Flow().select_fields(keep=["value"]), element=reading),
    "StatefulMap": flow(lambda: Flow().stateful_map(list, lambda state, element: (state, element))),
    "StatefulMapConcat": flow(lambda: Flow().stateful_map_concat(lambda: lambda element: [element])),
    "ScanAsync": sized(
        lambda n: numbers(max(0, n - 1)).scan_async(0, soon_last), lambda: Flow().scan_async(0, soon_last), tolerated=NOT_EMPTY
    ),
    "FoldAsync": sized(
        lambda n: numbers(3).fold_async(0, soon_last), lambda: Flow().fold_async(0, soon_last), most=1, tolerated=NOT_EMPTY
    ),
    "Scan": sized(lambda n: numbers(max(0, n - 1)).scan(0, last), lambda: Flow().scan(0, last), tolerated=NOT_EMPTY),
    "Ask": flow(lambda: Flow().ask(_Echo())),
    "MapBlocking": flow(lambda: Flow().map_blocking(last), real=True),
    "Throttle": flow(lambda: Flow().throttle(1_000_000, burst=10_000)),
    "CobsDecode": flow(lambda: Flow().cobs_encode().cobs_decode(), element=frame),
    "DelimiterDecode": flow(lambda: Flow().delimiter_encode().delimiter_decode(), element=frame),
    "LengthFieldDecode": flow(lambda: Flow().length_field_encode().length_field_decode(), element=frame),
    "SlipDecode": flow(lambda: Flow().slip_encode().slip_decode(), element=frame),
    "CrcAppend": flow(lambda: Flow().crc_append("CRC-16/MODBUS").crc_check("CRC-16/MODBUS"), element=frame),
    "CrcCheck": flow(lambda: Flow().crc_append("CRC-16/MODBUS").crc_check("CRC-16/MODBUS"), element=frame),
    "Gzip": sized(lambda n: numbers(n).map(frame).gzip().take(n), lambda: Flow().gzip(), element=frame),
    "Deflate": sized(lambda n: numbers(n).map(frame).deflate().take(n), lambda: Flow().deflate(), element=frame),
    "Gunzip": flow(lambda: Flow().map(gzip.compress).gunzip(), element=frame),
    "Inflate": flow(lambda: Flow().map(zlib.compress).inflate(), element=frame),
    "FlatMapMerge": flow(lambda: Flow().flat_map_merge(Source.single)),
    "SwitchMap": lossy(lambda: Flow().switch_map(Source.single)),
    "RetryFlow": flow(lambda: Flow().retry_flow(Flow().map(last))),
    "RestartFlow": flow(lambda: Flow().restart_flow(Flow().map(int))),
    "LazySource": source(lambda n: Source.lazy_source(lambda: numbers(n))),
    "RestartSource": source(lambda n: Source.restart_source(numbers(n), only_failures=True)),
    "LazySink": Roles(subscriber=lambda: Sink.lazy_sink(Sink.ignore), reason="a sink has no elements"),
    "RestartSink": Roles(subscriber=lambda: Sink.restart_sink(Sink.ignore), reason="a sink has no elements"),
    "PrefixAndTail": lossy(
        lambda: Flow().prefix_and_tail(1).flat_map_concat(lambda pair: pair[1]), "it emits one pair, whatever comes in"
    ),
    # hubs: both ends are needed
    "FromHub": Roles(reason="tests/streams/hubs/test_hub_tck.py has it, with a producer at the other end"),
    "ToHub": Roles(reason="tests/streams/hubs/test_hub_tck.py has it, with a consumer at the other end"),
    "FromTopic": Roles(reason="tests/streams/pubsub/test_topic_tck.py has it, with a publisher at the other end"),
    "ToTopic": Roles(reason="tests/streams/pubsub/test_topic_tck.py has it, with a subscriber at the other end"),
    # sinks that take fewer than the 3 elements that the tests of subscribers need
    "Cancelled": Roles(reason="it cancels at once"),
    "Head": Roles(reason="it takes one element and cancels"),
    "HeadOption": Roles(reason="it takes one element and cancels"),
    "Unwilling": Roles(reason="it never asks"),
    "ToPath": Roles(reason="tests/tck/test_ends.py has it, which ends what the kit leaves unfinished"),
    "ToSubscriber": Roles(reason="it is what every stage here is handed out with"),
    "ToQueue": Roles(subscriber=lambda: Sink.queue(PullQueue(1000)), reason="a sink has no elements for others"),
    # several inlets
    "MergeLatest": lossy(lambda: Flow().merge_latest(Source.single(0))),
    "Merge": Roles(publisher=two_halves, subscriber=lambda: Flow().merge(Source.empty()).to(Sink.ignore()),
                   tolerated={ONE_BY_ONE: "the order of a merge depends on the demand"}),
}  # fmt: skip
"""Class of a stage -> as what it is tested."""


RECOVERS: dict[str, str] = {
    "MapError": "it makes another error of it",
    "OnErrorComplete": "it completes instead",
    "Recover": "it has an element instead, and completes",
    "RecoverWith": "it goes on with another source",
}
"""Identities that do not hand on failures: the tests that look for upstream's error downstream are left out for them."""


def stages() -> list[type[Stage]]:
    """Every stage that the DSL can make, by name."""
    return sorted(METHODS, key=lambda stage: stage.__name__)


def roles_of(stage: type[Stage]) -> Roles:
    """As what a stage is tested; `Roles()` if that is not known."""
    if stage.__name__ in SPECIAL:
        return SPECIAL[stage.__name__]
    best = Roles()
    for made, element in candidates(stage):
        for settle_s in (0.0, 60.0):
            found = _by_shape(made, element, settle_s)
            if found.is_whole:
                return found._replace(recovers=RECOVERS.get(stage.__name__, ""))
            if found.subscriber and not best.subscriber:
                best = found
    return best


def _by_shape(stage: Stage, element: Callable[[int], Any], settle_s: float) -> Roles:
    shape = (len(stage.inlets), len(stage.outlets))
    if shape == (1, 0):
        if not takes(lambda: Sink(stage), element, settle_s):
            return Roles()
        return Roles(
            subscriber=lambda: Sink(stage), element=element, settle_s=settle_s, reason="a sink has no elements for others"
        )
    if shape[0] == 0:
        return Roles()
    for wired in _flows(stage, element):
        found = _of_flow(wired, element, settle_s)
        if found.is_whole:
            return found
    for wired in _flows(stage, element):
        if takes(lambda wired=wired: wired().to(Sink.ignore()), element, settle_s):  # type: ignore[misc]
            return Roles(subscriber=lambda: wired().to(Sink.ignore()), element=element, settle_s=settle_s)  # noqa: B023  # it returns
    return Roles()


def _flows(stage: Stage, element: Callable[[int], Any]) -> Iterator[Callable[[], Flow[Any, Any]]]:
    """Flows through the first inlet and the first outlet of a stage; what other inlets get differs."""
    more: list[Callable[[], Source[Any]]] = [Source.empty]
    if len(stage.inlets) > 1:
        more += [lambda: Source.from_iterable([element(index) for index in range(1300)]), Source.never]
    ends: list[Callable[[], Sink[Any]]] = [lambda: Flow().take(0).to(Sink.ignore())]  # one that cancels at once
    if len(stage.outlets) > 1:
        ends += [Sink.ignore]
    for other, end in itertools.product(more, ends):

        def make(other: Callable[[], Source[Any]] = other, end: Callable[[], Sink[Any]] = end) -> Flow[Any, Any]:
            graph = Graph()
            node = graph.add(stage)
            for inlet in range(1, len(stage.inlets)):
                graph.connect(graph.add(other()), node, inlet=inlet)
            for outlet in range(1, len(stage.outlets)):
                graph.connect(node, graph.add(end()), outlet=outlet)
            return graph.as_flow()

        yield make


def _of_flow(make: Callable[[], Flow[Any, Any]], element: Callable[[int], Any], settle_s: float) -> Roles:
    def source(elements: int) -> Source[Any]:
        return Source.from_iterable([element(index) for index in range(elements)]).via(make())

    def failed() -> Source[Any]:
        return Source.failed(ValueError("a test")).via(make())

    try:
        may_fail = failed if passes_failures(failed, settle_s) else None
        if is_identity(make, element, settle_s):
            return Roles(identity=make, failed=may_fail, element=element, settle_s=settle_s)
        for factor, more in itertools.product((1, 2, 3), range(4)):
            if all(gives_exactly(source(factor * n + more), n, settle_s) for n in (0, 1, 2, 3, 5, 10, 40)):

                def publisher(n: int, factor: int = factor, more: int = more) -> Source[Any]:
                    return source(factor * n + more)

                return Roles(None, publisher, may_fail, lambda: make().to(Sink.ignore()), element, settle_s)
    except (RtEdgeError, AssertionError):
        pass
    return Roles()


def main() -> None:
    """Print the roster."""
    import logging
    import sys

    logging.disable(logging.CRITICAL)  # wrong guesses fail
    for stage in stages():
        roles = roles_of(stage)
        parts = [name for name in ("identity", "publisher", "failed", "subscriber") if getattr(roles, name)]
        waits = f" (lets {roles.settle_s:g} s pass)" if roles.settle_s else ""
        line = f"{stage.__name__:24} {', '.join(parts) or '-'}{waits} {roles.reason}"
        sys.stdout.write(line.rstrip() + ("" if roles.is_whole else "   NEEDS A LINE") + "\n")


if __name__ == "__main__":
    main()
