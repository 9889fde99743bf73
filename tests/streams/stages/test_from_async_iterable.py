"""from_async_iterable: contract, also of what is made of it; own cases are in tests/streams/dsl/test_async_iteration.py."""

from __future__ import annotations

from rt_edge.streams.stages.from_async_iterable import FromAsyncIterable
from rt_edge.testkit.source_contract import FedSourceContract
from rt_edge.testkit.source_contract_feed import Feed


class TestFromAsyncIterable(FedSourceContract):
    early_end = False  # an iterator does not say that it is at its end before it is asked once more
    lazy = False  # the iterator is made with the run, and advanced when asked

    def make(self, feed: Feed) -> FromAsyncIterable:
        return FromAsyncIterable(feed)


class TestFromAsyncIterableInSmallChunks(TestFromAsyncIterable):
    def make(self, feed: Feed) -> FromAsyncIterable:
        return FromAsyncIterable(feed, chunk=3)
