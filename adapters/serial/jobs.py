"""What goes out ahead of requests: commands, single reads, and readings of a graph, which are patient."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple

from rt_edge.sdk import WriteResult

MAX_JOBS = 64
"""Jobs that wait."""


class Job(NamedTuple):
    """A command on its way.

    Attributes:
        frame: what is sent.
        begins: what a reply that confirms it begins with; refusals: one that refuses it. Both empty: no reply is waited for.
        timeout: seconds to the reply.
        expires: when it fails if it could not be sent until then (monotonic seconds).
        done: called once with what became of it.
        heard: what a reply that begins right means; None: it was none. If not given, what it begins with says it.
        patient: it goes behind those that are not.
    """

    frame: bytes
    begins: tuple[bytes, ...]
    refusals: tuple[bytes, ...]
    timeout: float
    expires: float
    done: Callable[[WriteResult], None]
    heard: Callable[[bytes], WriteResult | None] | None = None
    patient: bool = False

    def reply(self, payload: bytes) -> WriteResult | None:
        """What a reply that begins right means; None: it was none."""
        if self.heard is not None:
            return self.heard(payload)
        refused = bool(self.refusals) and payload.startswith(self.refusals)
        return WriteResult("failed" if refused else "confirmed", f"the reply was {payload[:80]!r}")

    def ended(self, status: Literal["sent", "failed"], message: str) -> None:
        """It ends without a reply."""
        self.done(WriteResult(status, message))


class Jobs:
    """The jobs of one line that wait, in the order in which they are sent."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque(maxlen=MAX_JOBS)

    def add(self, job: Job) -> bool:
        """Put it behind the others, but in front of those that are patient unless it is; False if too many wait."""
        if len(self._jobs) >= MAX_JOBS:
            return False
        behind = 0 if job.patient else sum(one.patient for one in self._jobs)
        self._jobs.insert(len(self._jobs) - behind, job)
        return True

    def first(self, now: float) -> Job | None:
        """The next one; those whose time is over fail."""
        while self._jobs and self._jobs[0].expires <= now:
            self._jobs.popleft().ended("failed", "the line was not free in time: it was not sent")
        return self._jobs[0] if self._jobs else None

    def pop(self) -> None:
        """`first` is being sent."""
        self._jobs.popleft()

    def fail(self, why: str) -> None:
        """None of them will be sent."""
        while self._jobs:
            self._jobs.popleft().ended("failed", why)
