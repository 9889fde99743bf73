"""Points: commands that can be given, and values that can be asked for one by one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from adapters.serial.commands import Command
from rt_edge.sdk import PointInfo, Value, WriteResult
from rt_edge.sdk.points import Kind

_KINDS = {"auto": "float", "hex": "int", "string": "str"}


def points_of(settings: Any) -> Mapping[str, PointInfo]:
    """Commands by their names, fields of replies as `REQUEST/FIELD`."""
    points = {name: Command.info(command) for name, command in settings.commands.items()}
    for name, request in (settings.poll.requests if settings.poll else {}).items():
        points.update((f"{name}/{field}", PointInfo(kind=kind)) for field, kind in fields_of(request.format).items())
    return points


def place_of(settings: Any, point: str) -> tuple[str, str] | None:
    """The request and the field that tell the value of a point; None if nothing does."""
    command = settings.commands.get(point)
    name, _, field = (point if command is None else command.read_back).partition("/")
    if settings.poll is None or name not in settings.poll.requests or field not in fields_of(settings.poll.requests[name].format):
        return None
    return name, field


def fields_of(form: Any) -> dict[str, Kind]:
    """Fields of a format that are known before anything came; an NMEA sentence can be any."""
    match form.kind:
        case "text":
            return {form.field: _kind(form.type)}
        case "bytes":
            return {form.field: "bytes"}
        case "regex":
            return {name: _of(form.fields, name) for name in re.compile(form.pattern).groupindex}
        case "csv":
            return {name: _of(form.fields, name) for name in form.columns if name}
        case "struct":
            return {name: "bool" if field.bit is not None else _kind(field.type) for name, field in form.fields.items()}
        case _:
            return {}


def _of(fields: Any, name: str) -> Kind:
    return _kind(fields[name].type) if name in fields else "float"


def _kind(name: str) -> Kind:
    plain = name.lstrip("u").rstrip("0123456789")
    return cast(Kind, _KINDS.get(plain, plain))


def judged(info: PointInfo, wanted: Value, found: Value | None, why: str, before: WriteResult) -> WriteResult:
    """What became of a command, now that it was tried to read the value back.

    Args:
        info: of the point; wanted: what was written.
        found: what was read; None: nothing, `why` says why.
        why: see `found`.
        before: what became of it before it was read back.
    """
    if found is None:
        return WriteResult(before.status, f"{before.message}; it could not be read back: {why}")
    if info.same(found, wanted):
        return WriteResult("confirmed", "read back")
    return WriteResult("failed", f"it has {found!r} and not {wanted!r}")
