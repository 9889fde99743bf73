"""Windows in event time as a value: which window an element belongs to, when a window closes, what is made of its elements.

No I/O, no clock of its own and no streams: the stages `tumbling_window`, `sliding_window` and `session_window` drive it.
"""

from rt_edge.streams.windows.aggregates import AGGREGATES, Folded, ReadingAggregate, read_aggregates
from rt_edge.streams.windows.assigners import Assigner, Session, Sliding, Tumbling
from rt_edge.streams.windows.machine import AHEAD, LATE, Windows
from rt_edge.streams.windows.window import Window

__all__ = [
    "AGGREGATES",
    "AHEAD",
    "LATE",
    "Assigner",
    "Folded",
    "ReadingAggregate",
    "Session",
    "Sliding",
    "Tumbling",
    "Window",
    "Windows",
    "read_aggregates",
]
