"""Asking for one value now, ahead of all polls."""

from __future__ import annotations

from collections.abc import Callable

from adapters.serial.asks import Asks
from adapters.serial.codec import FrameError, Parsed
from adapters.serial.complaints import Complaints
from adapters.serial.jobs import Job
from rt_edge.sdk import WriteResult


def read_job(
    asks: Asks,
    sequence: int,
    verified: bool,
    complaints: Complaints,
    expires: float,
    done: Callable[[Parsed | None, str], None],
) -> Job:
    """One request outside its period.

    Args:
        asks: what is asked; sequence: the number of the request.
        verified: whether a reply's checksum was verified: then what begins right is the reply, even if it cannot be read.
        complaints: told of replies that cannot be read.
        expires: when it fails if it could not be asked until then (monotonic seconds).
        done: called once, with what came, or with None and why nothing did.
    """
    begins = asks.begins.render(sequence)
    found: list[Parsed] = []

    def heard(payload: bytes) -> WriteResult | None:
        try:
            parsed = asks.parser(payload)
        except FrameError as error:
            complaints.frame(asks.source, error)
            return WriteResult("failed", error.message) if begins or verified else None  # else it may be noise
        if parsed is not None:
            found.append(parsed)
        return WriteResult("confirmed")

    def ended(result: WriteResult) -> None:
        done(found[0] if found else None, result.message or "there is no value in the reply")

    return Job(asks.frame(asks.request.render(sequence)), (begins,), (), asks.timeout, expires, ended, heard)
