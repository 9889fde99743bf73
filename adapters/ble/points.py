"""Points of devices for reads and commands: what each takes, from its type and its settings (`rt_edge.sdk.PointInfo`). Pure."""

from __future__ import annotations

from typing import Any

from rt_edge.sdk import PointInfo

MAX_VALUE = 512
"""Bytes of the longest attribute (Core specification 3.F, 3.2.9)."""

_INTEGERS = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
"""Type -> least and greatest raw value."""

_FLOATS = {"float32": (3.4028234663852886e38, 1e-6), "float64": (1.7976931348623157e308, 1e-12)}
"""Type -> greatest raw value, and what rounding costs as a part of the value."""


def points_of(settings: Any) -> dict[str, PointInfo]:
    """Every point of every device, as `DEVICE/POINT`."""
    return {f"{name}/{key}": info_of(point) for name, device in settings.devices.items() for key, point in device.points.items()}


def info_of(point: Any) -> PointInfo:
    """What a point takes: the range of its type in its own unit, narrowed by `min`, `max` and `allowed`."""
    common = {
        "writable": point.writable,
        "readable": point.readable,
        "allowed": tuple(point.allowed),
        "unit": point.unit,
    }
    if point.type == "bool":
        return PointInfo(kind="bool", **common)
    if point.type in ("string", "bytes"):
        return PointInfo(kind="str" if point.type == "string" else "bytes", max_bytes=MAX_VALUE, **common)
    if point.type in _INTEGERS:
        low, high = sorted(raw * point.scale + point.offset for raw in _INTEGERS[point.type])
        low, high = _narrowed(low, high, point)
        if point.scale == 1 and float(point.offset).is_integer():
            return PointInfo(kind="int", min=low, max=high, **common)
        return PointInfo(kind="float", min=low, max=high, step=abs(point.scale), **common)
    most, relative = _FLOATS[point.type]
    span = most * min(1.0, abs(point.scale))  # more would be infinite
    low, high = _narrowed(-span + point.offset, span + point.offset, point)
    return PointInfo(kind="float", min=low, max=high, relative=relative, **common)


def _narrowed(low: float, high: float, point: Any) -> tuple[float, float]:
    return (
        low if point.min is None else max(low, point.min),
        high if point.max is None else min(high, point.max),
    )


def bound_problem(point: Any) -> tuple[str, str, str] | None:
    """What is wrong with what bounds commands to a point: message, hint, the setting; None if nothing is."""
    given = [name for name in ("min", "max", "allowed") if getattr(point, name) not in (None, ())]
    if point.verify and not point.writable:
        return "verify is about commands, and no command may go to this point", "add `writable: true`, or remove it", "verify"
    if point.verify and not point.readable:
        return "what cannot be read cannot be read back", "remove verify, or readable: false", "verify"
    if not given:
        return None
    if not point.writable:
        return f"{given[0]} bounds commands, and no command may go to this point", "add `writable: true`, or remove it", given[0]
    info = info_of(point)
    if info.kind in ("bool", "str", "bytes") and given != ["allowed"]:
        return f"a point of {point.type} has no {given[0]}", "use `allowed`", given[0]
    if info.min is not None and info.max is not None and info.min > info.max:
        return "no value is within min, max and the range of the type", "widen them", given[0]
    wrong = [value for value in point.allowed if info.refusal(value)]
    return (f"allowed: the point {info.refusal(wrong[0])}", "remove it", "allowed") if wrong else None
