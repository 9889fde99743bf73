"""What may be commanded: the allow-list of each point, before anything is written down or sent."""

from __future__ import annotations

from collections.abc import Mapping

from rt_edge.commands.command import MAX_KEY, Command
from rt_edge.commands.names import no_point
from rt_edge.data.errors import RefusedError
from rt_edge.data.reading import Value
from rt_edge.sdk.points import PointInfo


def checked(points: Mapping[str, PointInfo], command: Command) -> Value:
    """The value of `command`, of the kind that its point holds.

    Raises:
        RefusedError: it may not be written: no such point (with the nearest name), not writable, out of its range, and so on.
    """
    if not 0 < len(command.key) <= MAX_KEY or not command.key.isprintable():
        raise RefusedError(f"a key has 1 to {MAX_KEY} characters that can be shown")
    point = points.get(command.point)
    if point is None:
        raise no_point(command.point, points)
    value = command.value
    if point.writable and command.text and isinstance(value, str):
        try:
            value = point.parse(value)
        except RefusedError as error:
            raise RefusedError(f"{command.point}: {error.message}", error.hint) from None
    refusal = point.refusal(value)
    if refusal:
        raise RefusedError(f"{command.point} {refusal}")
    return point.plain(value)
