"""One thing that an instrument is asked, as the settings say it, and when it is next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from adapters.serial.codec import FrameError, Parser
from adapters.serial.template import Template
from rt_edge.sdk.presence import Presence

FAILURES = 3
"""Unanswered requests in a row after which a poll comes more rarely, and its silence is said."""
RARELY_S = 60.0
"""Longest time between requests that nobody answers."""


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


def is_reply(asks: Asks, begins: bytes, verified: bool, payload: bytes) -> bool:
    """Whether it is a reply at all: noise must not pass for the late one that is waited for.

    Args:
        asks: what was asked; begins: what its reply begins with, which `payload` does.
        verified: whether the checksum was right.
        payload: a frame.
    """
    if begins or verified:
        return True
    try:
        asks.parser(payload)
    except FrameError:
        return False
    return True


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

    def catch_up(self, now: float) -> int:
        """It is asked now, and `due` is of this slot; how many slots have passed unused."""
        missed = max(0, int((now - self.due) / self.asks.every))
        self.due += missed * self.asks.every
        return missed

    def failed(self, now: float) -> bool:
        """It was not answered; whether that is to be said. Who does not answer is asked more rarely."""
        self.failures += 1
        if self.failures >= FAILURES:
            rarely = min(RARELY_S, self.asks.every * 2 ** min(self.failures - FAILURES + 1, 16))
            self.due = max(self.due, now + rarely)
        return self.failures == FAILURES
