"""Names of points as people write them: `plc/pump-1/setpoint`, or with dots where that is no other point."""

from __future__ import annotations

from collections.abc import Collection

from rt_edge.data.errors import RefusedError
from rt_edge.streams.model import nearest_hint


def split_point(text: str, adapters: Collection[str]) -> tuple[str, str]:
    """The adapter of a point of a node, and the point as the adapter names it.

    Raises:
        RefusedError: there is no such adapter, or no point behind it.
    """
    adapter, slash, rest = text.partition("/")
    if adapter in adapters:
        if not rest:
            raise RefusedError(f"{text!r} names an adapter and no point", f"write {adapter}/DEVICE/POINT")
        return adapter, rest
    dotted = [name for name in adapters if text.startswith(f"{name}.") and len(text) > len(name) + 1]
    if dotted:
        name = max(dotted, key=len)
        return name, text[len(name) + 1 :]
    first = adapter if slash else text.partition(".")[0]
    raise RefusedError(f"there is no adapter {first!r} for the point {text!r}", nearest_hint(first, adapters))


def no_point(point: str, points: Collection[str]) -> RefusedError:
    """What is said of a point that an adapter does not have."""
    hint = (
        nearest_hint(point, points) if points else "with these settings this adapter has none to read or write: docs/commands.md"
    )
    return RefusedError(f"there is no point {point!r}", hint)


def resolve(point: str, points: Collection[str]) -> str:
    """The name among `points` that `point` means: itself, or the only one that differs in dots for slashes.

    A name that means none is given back as it is: who knows the points says what is near.
    """
    if point in points:
        return point
    plain = point.replace(".", "/")
    meant = [name for name in points if name.replace(".", "/") == plain]
    return meant[0] if len(meant) == 1 else point
