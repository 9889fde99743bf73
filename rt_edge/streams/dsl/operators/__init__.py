"""Operators: one thin method for each stage, for what has an open outlet; a module for each family."""

from __future__ import annotations

from rt_edge.streams.dsl.operators.asynchronous import Asynchronous
from rt_edge.streams.dsl.operators.combining import Combining
from rt_edge.streams.dsl.operators.compression import Compression
from rt_edge.streams.dsl.operators.continuation import METHODS, A, builds
from rt_edge.streams.dsl.operators.devices import Devices
from rt_edge.streams.dsl.operators.elements import Elements
from rt_edge.streams.dsl.operators.errors import Errors
from rt_edge.streams.dsl.operators.fan_in import FanIn
from rt_edge.streams.dsl.operators.fan_out import FanOut
from rt_edge.streams.dsl.operators.framing import Framing
from rt_edge.streams.dsl.operators.nesting import Nesting
from rt_edge.streams.dsl.operators.prefixes import Prefixes
from rt_edge.streams.dsl.operators.rate import Rate
from rt_edge.streams.dsl.operators.routing import Routing
from rt_edge.streams.dsl.operators.stateful import Stateful
from rt_edge.streams.dsl.operators.status import Status
from rt_edge.streams.dsl.operators.timers import Timers
from rt_edge.streams.dsl.operators.windows import Windows

__all__ = ["METHODS", "Operators", "builds"]


class Operators(
    Elements[A],
    Prefixes[A],
    Stateful[A],
    Combining[A],
    Rate[A],
    Timers[A],
    Asynchronous[A],
    Devices[A],
    Compression[A],
    Windows[A],
    Framing[A],
    FanIn[A],
    FanOut[A],
    Status[A],
    Errors[A],
    Nesting[A],
    Routing[A],
):
    """The methods that `Source` and `Flow` share."""
