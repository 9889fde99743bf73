"""What is given to a stage to emit: any element from Python, a reading in a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.stage import StageContext


class GivenReading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reading that a stage makes: of the time at which it is emitted.

    Attributes:
        source: of the reading, like `hall-3/heartbeat`.
        fields: name -> number, text, true or false.
        tags: name -> text.
    """

    source: str
    fields: dict[str, bool | int | float | str]
    tags: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Refuse a reading of nothing: that is what gap records look like."""
        if not self.source or not self.fields:
            raise ConfigError(
                "a reading has a source and at least one field", "{source: hall-3/heartbeat, fields: {alive: true}}"
            )


if TYPE_CHECKING:
    Given = Any
else:
    Given = GivenReading  # as it is written in a configuration; from Python any element


def given_now(given: Any, ctx: StageContext) -> Any:
    """The element itself, or the reading as of now."""
    if given.__class__ is not GivenReading:
        return given
    now = ctx.clock.wall_ns()
    return Reading(given.source, now, dict(given.fields), tags=given.tags, received=now)
