"""Everything a person may want to know of a spool, in one answer."""

from __future__ import annotations

import msgspec

from rt_edge.spool.lanes import LaneState
from rt_edge.spool.opening import Finding
from rt_edge.spool.pending import Depth


class Listing(msgspec.Struct, frozen=True):
    """What `spool ls` shows."""

    lanes: list[LaneState]
    depth: Depth
    findings: list[Finding]
    set_aside: list[str]
    dead_letters: int
    dropped: dict[str, int]
    repeated: int
