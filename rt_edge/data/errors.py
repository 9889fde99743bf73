"""Every error of rt_edge, as one tree; the family says who has to act.

    RtEdgeError
    ├── ConfigError        the operator changes the configuration; never retried
    ├── TransientError     the runtime tries again, with backoff
    ├── FatalAdapterError  the instance stops until its settings change
    ├── CodecError         bytes from outside do not mean anything; place and reason are named
    ├── RefusedError       a peer or an operator asked for something that is not allowed
    ├── StreamError        an element could not be carried to its end
    │   ├── BufferOverflow     a buffer with strategy `fail` was full
    │   ├── ReceiptLost        a receipt was garbage-collected with elements unsettled
    │   └── IslandDied         the island that held the element ended
    ├── SpecViolation      a Reactive Streams rule was broken: a bug of the caller
    └── InternalError      a bug in rt_edge

Every class pickles (errors cross Thespian processes) and carries a stable `code`.
"""

from __future__ import annotations

from typing import ClassVar


class RtEdgeError(Exception):
    """Base of all errors of rt_edge.

    Args:
        message: one sentence: what is wrong.
        hint: one sentence: what to do about it (may be empty).
    """

    code: ClassVar[str] = "RTE100"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(RtEdgeError):
    """The configuration is wrong; the operator has to change it."""

    code = "RTE200"


class TransientError(RtEdgeError):
    """Something outside is not there now; the runtime tries again with backoff."""

    code = "RTE300"


class FatalAdapterError(RtEdgeError):
    """The instance cannot work with its settings (wrong password, unknown port); it stops."""

    code = "RTE310"


class CodecError(RtEdgeError):
    """Bytes that do not mean anything: `message` names the place and the reason."""

    code = "RTE400"


class RefusedError(RtEdgeError):
    """A request that is not allowed."""

    code = "RTE500"


class StreamError(RtEdgeError):
    """An element could not be carried to its end."""

    code = "RTE600"


class BufferOverflow(StreamError):
    """A buffer with the overflow strategy `fail` was full."""

    code = "RTE601"


class ReceiptLost(StreamError):
    """A receipt was garbage-collected while elements of it were unsettled."""

    code = "RTE602"


class IslandDied(StreamError):
    """The island that held the elements ended before they were settled."""

    code = "RTE603"


class SpecViolation(RtEdgeError):
    """A Reactive Streams rule was broken by the caller; never turned into `on_error`.

    Args:
        rule: number of the rule in the specification, e.g. "1.1".
        message: what was seen.
    """

    code = "RTE900"

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message, "")
        self.args = (rule, message)
        self.rule = rule

    def __str__(self) -> str:
        return f"rule {self.rule}: {self.message}"


class InternalError(RtEdgeError):
    """A bug in rt_edge."""

    code = "RTE999"
