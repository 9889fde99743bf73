"""Reading: what a device said. One device, one time, several fields (design 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    Value = int | float | bool | str | bytes
    """What a field may hold. `None` is not a value: a field that is not known is left out."""
else:
    Value = Any  # msgspec decodes no union of str and bytes

Quality = Literal["good", "uncertain", "bad", "stale"]


class ClockState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How far the gateway's wall clock could be trusted when a reading was received.

    Attributes:
        synced: whether the clock was set by a time source in this boot.
        boot: the kernel's boot id; readings of one boot can be re-timed together.
    """

    synced: bool
    boot: str


class Reading(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One poll of one device, or one payload: many values, one object.

    The layout is array-like and append-only: a new attribute goes to the end and has a default.

    Attributes:
        source: `adapter/device`, as configured.
        ts: the source's own time, nanoseconds since 1970 UTC; the time of receipt where the source has none.
        fields: name -> value. Never re-stamped, never changed in place.
        quality: how far the values can be trusted, for the reading as a whole.
        tags: name -> text: where it comes from, what it belongs to.
        received: when the gateway had it, nanoseconds since 1970 UTC.
        clock: how far the gateway's clock could be trusted then.
        held: the value was sent before and is sent again to say that it still holds.
    """

    source: str
    ts: int
    fields: dict[str, Value]
    quality: Quality = "good"
    tags: dict[str, str] = {}
    received: int = 0
    clock: ClockState | None = None
    held: bool = False


GAP_REASON = "rt_edge.gap"
GAP_UNTIL = "rt_edge.gap_until"


def gap_reading(source: str, reason: str, start: int, end: int) -> Reading:
    """What stands in the stream for a time in which `source` could not be read: from `start` to `end`, wall nanoseconds.

    It has no fields and is not a measurement: stages that look at fields let it pass.
    """
    return Reading(source, start, {}, quality="bad", tags={GAP_REASON: reason, GAP_UNTIL: str(end)}, received=end)


def is_gap(reading: Reading) -> bool:
    """Whether `reading` is a gap record."""
    return not reading.fields and GAP_REASON in reading.tags
