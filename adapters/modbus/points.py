"""Points of a line for reads and commands: what each takes, from its type and its settings (see `rt_edge.sdk.PointInfo`)."""

from __future__ import annotations

from typing import Any

from adapters.modbus.codec import PointCodec
from adapters.modbus.kinds import NUMBERS
from adapters.modbus.plan import point_of
from rt_edge.sdk import PointInfo

_FLOATS = {"float16": (65504.0, 1e-3), "float32": (3.4028234663852886e38, 1e-6), "float64": (1.7976931348623157e308, 1e-12)}
"""Type -> greatest value, and what rounding costs as a part of the value."""


def points_of(settings: Any) -> dict[str, PointInfo]:
    """Every point of every unit, as `UNIT/POINT`."""
    return {
        f"{unit_name}/{name}": info_of(point_of(name, point, unit.address_base).codec, point)
        for unit_name, unit in settings.units.items()
        for name, point in unit.points.items()
    }


def info_of(codec: PointCodec, settings: Any) -> PointInfo:
    """What a point takes: the range of its type in its own unit, narrowed by `min`, `max` and `allowed`."""
    common = {"writable": settings.writable, "allowed": tuple(settings.allowed), "unit": settings.unit}
    if codec.kind == "bool" or settings.coil is not None or settings.discrete is not None:
        return PointInfo(kind="bool", **common)
    if codec.kind == "string":
        return PointInfo(kind="str", max_bytes=codec.size, **common)
    if codec.kind == "bytes":
        return PointInfo(kind="bytes", max_bytes=codec.size, **common)
    if codec.kind in NUMBERS:
        plain = codec.scale == 1 and float(codec.offset).is_integer()
        ends = NUMBERS[codec.kind] if codec.bit is None else (0, 2**codec.width - 1)
        low, high = sorted(raw * codec.scale + codec.offset for raw in ends)
        low, high = narrowed(low, high, settings)
        step = 0.0 if plain else abs(codec.scale)
        return PointInfo(kind="int" if plain else "float", min=low, max=high, step=step, **common)
    most, relative = _FLOATS[codec.kind]
    span = most * abs(codec.scale)
    low, high = narrowed(-span + codec.offset, span + codec.offset, settings)
    return PointInfo(kind="float", min=low, max=high, relative=relative, **common)


def narrowed(low: float, high: float, settings: Any) -> tuple[float, float]:
    """A range within the bounds of the settings."""
    return (
        low if settings.min is None else max(low, settings.min),
        high if settings.max is None else min(high, settings.max),
    )


def bound_problem(codec: PointCodec, settings: Any) -> tuple[str, str, str] | None:
    """What is wrong with `min`, `max` and `allowed`: message, hint, the setting; None if nothing is."""
    given = [name for name in ("min", "max", "allowed") if getattr(settings, name) not in (None, ())]
    if not given:
        return None
    if not settings.writable:
        return f"{given[0]} bounds commands, and no command may go to this point", "add `writable: true`, or remove it", given[0]
    info = info_of(codec, settings)
    if info.kind in ("bool", "str", "bytes") and given != ["allowed"]:
        return f"a point of {info.kind} has no {given[0]}", "use `allowed`", given[0]
    if info.min is not None and info.max is not None and info.min > info.max:
        return "no value is within min, max and the range of the type", "widen them", given[0]
    wrong = [value for value in settings.allowed if info.refusal(value)]
    return (f"allowed: the point {info.refusal(wrong[0])}", "remove it", "allowed") if wrong else None
