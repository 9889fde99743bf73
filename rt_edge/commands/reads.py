"""PointReader: values of points read at the adapter, for desks, people and programs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from rt_edge.commands.command import Outcome
from rt_edge.commands.names import no_point
from rt_edge.data.errors import RtEdgeError
from rt_edge.data.reading import Value
from rt_edge.sdk.adapter import DeviceAdapter
from rt_edge.sdk.points import PointInfo

log = logging.getLogger(__name__)

READ_S = 10.0
"""A point that has not been read by then is taken as one that cannot be read now."""

MAX_READS = 64
"""Reads for people and programs under way; one more is refused."""


class PointReader:
    """Reads points of one adapter.

    Args:
        name: of the adapter.
        points: what can be asked for.

    Attributes:
        adapter: that is open now; None: none is.
    """

    def __init__(self, name: str, points: Mapping[str, PointInfo]) -> None:
        self.adapter: DeviceAdapter | None = None
        self._name = name
        self._points = points
        self._under_way = 0

    def refusal(self, point: str) -> str:
        """Why a point is not read for who asks now; empty: it is."""
        info = self._points.get(point)
        if info is None:
            return str(no_point(point, self._points))
        if not info.readable:
            return f"{point} cannot be read"
        if self._under_way >= MAX_READS:
            return f"{MAX_READS} reads wait already"
        self._under_way += 1
        return ""

    async def answer(self, point: str, key: str, tell: Callable[[Outcome], None]) -> None:
        """Read a point that was not refused; `tell` hears once."""
        try:
            value, why = await self.read(point)
        finally:
            self._under_way -= 1
        tell(Outcome(key, "failed" if value is None else "confirmed", True, why, value, None, self._points[point].unit))

    async def read(self, point: str) -> tuple[Value | None, str]:
        """The value of a point; or None, and why. Raises nothing, ends within `READ_S`."""
        adapter = self.adapter
        if adapter is None:
            return None, "the adapter is not connected"
        try:
            async with asyncio.timeout(READ_S):
                return await adapter.read(point), ""
        except TimeoutError:
            return None, f"no answer within {READ_S:g} s"
        except RtEdgeError as error:
            return None, error.message
        except Exception as error:
            log.exception("adapter %s raised something that is not an adapter error while reading", self._name)
            return None, f"{type(error).__name__}: {error}"
