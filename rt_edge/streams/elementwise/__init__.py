"""The element-wise face of the chunked engine: islands handed out as, or built from, Publisher, Subscriber and Processor.

Inside an island chunks travel, outside it the signals of Reactive Streams to the letter. `outward` is the end that plays the
publisher's side of a subscription, `inward` the one that plays a subscriber; `publisher` and `processor` put them around a
blueprint.
"""

from rt_edge.streams.elementwise.inward import FromPublisher, Inward
from rt_edge.streams.elementwise.outward import Outward, ToSubscriber
from rt_edge.streams.elementwise.processor import IslandProcessor, IslandSubscriber
from rt_edge.streams.elementwise.publisher import IslandPublisher
from rt_edge.streams.elementwise.running import RunnableHost, open_ports

__all__ = [
    "FromPublisher",
    "Inward",
    "IslandProcessor",
    "IslandPublisher",
    "IslandSubscriber",
    "Outward",
    "RunnableHost",
    "ToSubscriber",
    "open_ports",
]
