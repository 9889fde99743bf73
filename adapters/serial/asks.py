"""One thing that an instrument is asked, as the settings say it, and when it is next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from adapters.serial.codec import Parser
from adapters.serial.template import Template
from rt_edge.sdk.presence import Presence


class Asks(NamedTuple):
    """One thing that is asked.

    Attributes:
        name: in the settings; source: of its Readings; tags: of them.
        request: what is sent; begins: what its answer begins with.
        frame: puts a request into what goes on the wire.
        every, timeout: seconds.
        parser: of the answer.
    """

    name: str
    source: str
    tags: Mapping[str, str]
    request: Template
    begins: Template
    frame: Callable[[bytes], bytes]
    every: float
    timeout: float
    parser: Parser


class Asked:
    """One thing that is asked, and when.

    Args:
        asks: what.
        presence: of its source.

    Attributes:
        due: from when on it is to be asked, monotonic seconds.
        failures: requests in a row that nobody answered.
    """

    __slots__ = ("asks", "due", "failures", "presence")

    def __init__(self, asks: Asks, presence: Presence) -> None:
        self.asks = asks
        self.presence = presence
        self.due = 0.0
        self.failures = 0
