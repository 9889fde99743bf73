"""`to: {command: plc/pump-1/setpoint, field: setpoint, ...}`: the end of a graph whose readings are commands to a point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import parse_duration
from rt_edge.settings.places import Path
from rt_edge.settings.wording import describe
from rt_edge.streams.model import nearest_hint

EXPIRES_S = 10.0
MOST_S = 86_400.0

KEYS = ("command", "field", "expires", "priority")

SCHEMA = {
    "type": "object",
    "required": ["command"],
    "additionalProperties": False,
    "properties": {
        "command": {"type": "string", "pattern": "^[^/]+/.+$", "description": "ADAPTER/DEVICE/POINT, which must be writable."},
        "field": {"type": "string", "description": "Field of the readings that holds the value; default: the name of the point."},
        "expires": {"type": "string", "description": "A command that was not sent for so long is not sent any more; 10s."},
        "priority": {"type": "boolean", "description": "Before commands to other points that wait."},
    },
}

Complain = Callable[[Path, str, str], None]


def read_command(value: dict[str, Any], path: Path, error: Complain) -> dict[str, Any] | None:
    """The properties of such a graph node: `name` (of the adapter), `command` (its point), `field`, `expires_s`, `priority`.

    Returns:
        None after reporting every error.
    """
    sound = True

    def wrong(key: str, message: str, hint: str = "") -> None:
        nonlocal sound
        sound = False
        error((*path, key) if key in value else path, message, hint)

    for key in value:
        if key not in KEYS:
            wrong(key, f"unknown key {key!r}", nearest_hint(str(key), KEYS))
    point = value.get("command")
    adapter, _, rest = point.partition("/") if isinstance(point, str) else ("", "", "")
    if not adapter or not rest:
        wrong("command", f"must name a point, not {describe(point)}", "command: ADAPTER/DEVICE/POINT")
    field = value.get("field", rest.rpartition("/")[2])
    if not isinstance(field, str) or (rest and not field):
        wrong("field", f"must name a field of the readings, not {describe(field)}")
    priority = value.get("priority", False)
    if not isinstance(priority, bool):
        wrong("priority", f"must be true or false, not {describe(priority)}")
    expires_s = EXPIRES_S
    if "expires" in value:
        try:
            expires_s = float(parse_duration(value["expires"]))
        except ConfigError as problem:
            wrong("expires", problem.message, problem.hint)
        if not 0 < expires_s <= MOST_S:
            wrong("expires", "must be above 0s and at most 24h")
    if not sound:
        return None
    return {"name": adapter, "command": rest, "field": field, "expires_s": expires_s, "priority": priority}
