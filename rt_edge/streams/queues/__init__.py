"""Queues: the ends of a stream that other threads and coroutines hold: what they offer is a source, what they pull is a sink."""

from rt_edge.streams.queues.offers import Offered, OfferQueue, Promise
from rt_edge.streams.queues.pulls import PullQueue

__all__ = ["OfferQueue", "Offered", "Promise", "PullQueue"]
