"""The DSL: streams written down as values, run as often as one likes.

A `Source` has an open outlet, a `Sink` an open inlet, a `Flow` both; a `Graph` has none and can be run. None of them does
anything before that, and none is changed by what is made of it.

    >>> import asyncio
    >>> from rt_edge.streams.dsl import Flow, Graph, Sink, Source
    >>> squares = Source.from_iterable(range(10)).filter(lambda n: n % 2).map(lambda n: n * n)
    >>> asyncio.run(squares.to(Sink.collect()).run_async())
    [1, 9, 25, 49, 81]
    >>> pairs = Flow().grouped(2)
    >>> asyncio.run(squares.via(pairs).to(Sink.collect()).run_async())
    [[1, 9], [25, 49], [81]]

What a sink comes to is a value of the run: `run_async` waits for it, `run(host)` hands out a `Running` that will know it.

    >>> total = Source.from_iterable(range(5)).to(Sink.fold(0, lambda a, b: a + b))
    >>> asyncio.run(total.run_async())
    10

Several streams come together with `merge` and `zip`, one is divided with `broadcast`, `balance` and `partition`; what is no
tree is built with `Graph`:

    >>> both = squares.broadcast(Sink.collect(name="all"), Flow().take(1).to(Sink.collect(name="first")))
    >>> asyncio.run(both.run_async()) == {"all": [1, 9, 25, 49, 81], "first": [1]}
    True
    >>> from rt_edge.streams.stages.broadcast import Broadcast
    >>> from rt_edge.streams.stages.zip import Zip
    >>> graph = Graph()
    >>> split, joined = graph.add(Broadcast(count=2)), graph.add(Zip(count=2))
    >>> graph.connect(graph.add(squares), split)
    >>> graph.connect(split, joined)
    >>> graph.connect(split, graph.add(Flow().map(str)))
    >>> graph.connect(graph.nodes["map-2"], joined)
    >>> graph.connect(joined, graph.add(Sink.collect()))
    >>> asyncio.run(graph.run_async())[:2]
    [(1, '1'), (9, '9')]

At every edge a stream meets the roles of Reactive Streams: `Source.from_publisher`, `Source.as_publisher`, `Flow.as_processor`,
`Sink.as_subscriber`. User code that raises stops its stage, or as `on_error` says.
"""

from rt_edge.streams.dsl.graph import Graph, Node
from rt_edge.streams.dsl.linear import Flow, Sink, Source
from rt_edge.streams.dsl.operators import METHODS
from rt_edge.streams.dsl.running import Result, Running, SinkSubscriber
from rt_edge.streams.queues import OfferQueue, Promise, PullQueue

__all__ = [
    "METHODS",
    "Flow",
    "Graph",
    "Node",
    "OfferQueue",
    "Promise",
    "PullQueue",
    "Result",
    "Running",
    "Sink",
    "SinkSubscriber",
    "Source",
]
