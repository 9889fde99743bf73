"""deadband: readings whose fields have moved."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.stage import Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._deadband import DeadbandLogic


class Deadband(Stage, frozen=True, kw_only=True):
    """Lets pass a reading if a field has moved out of its band since the last reading that passed, of the same source.

    A reading also passes when it is the first of its source, when a field appears, or changes its type or (where it is no
    number) its value, when its quality changes, when it has none of the fields, and when it is a gap record. The others are
    settled as dropped, `deadband`. After `max_silence` without an emission of a source of which readings do come, the next one
    passes, or, if none comes in time, the last one that passed is sent again: with `held` set and its own time.
    A source that has fallen silent itself is not kept alive. When a source emits again what could not be stored, or begins a new
    life, all begins anew.

    Emits when: a reading arrives and has moved, or `max_silence` has passed.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        field: the fields to look at.
        absolute: a number moves when it differs by more than this ...
        percent: ... or by more than so many percent of the value that passed last.
        max_silence: longest time without an emission of a source that sends; 0: no limit.
        max_sources: sources remembered; the one that has not emitted for longest is forgotten (counter `evicted`).
    """

    kind: ClassVar[str] = "deadband"

    field: str | list[str]
    absolute: float | None = None
    percent: float | None = None
    max_silence: Duration | float = 0.0
    max_sources: int = 10_000

    def __post_init__(self) -> None:
        """Refuse a band that is none."""
        if self.absolute is None and self.percent is None:
            raise ConfigError("neither absolute nor percent is given", "absolute: 0.05 lets pass what moved by more than 0.05")
        if not self.field:
            raise ConfigError("field names no field")
        at_least(0, absolute=self.absolute or 0.0, percent=self.percent or 0.0, max_silence=self.max_silence)
        at_least(1, max_sources=self.max_sources)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields to look at."""
        return (self.field,) if isinstance(self.field, str) else tuple(self.field)

    def create_logic(self) -> StageLogic:
        """A logic that remembers what passed."""
        return DeadbandLogic(self)
