"""schema_check: readings whose fields are what they should be."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import ConfigError
from rt_edge.streams.expression.functions import is_number
from rt_edge.streams.stage import OUT, Hold, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._schema_check import BAD, SchemaCheckLogic

Kind = Literal["any", "number", "integer", "boolean", "text", "bytes"]
_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "text": (str,),
    "bytes": (bytes,),
    "any": (int, float, bool, str, bytes),
}


class FieldRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a field has to be.

    Attributes:
        type: any, number, integer, boolean, text, bytes; NaN is no number, true is none either.
        required: whether it has to be there.
        min: least number.
        max: greatest number.
        enum: all that it may be.
        max_length: characters of a text, or bytes, at most; 0: any.
    """

    type: Kind = "any"
    required: bool = True
    min: float | None = None
    max: float | None = None
    enum: list[Any] | None = None
    max_length: int = 0

    def violation(self, value: Any) -> str:
        """What is wrong with a value that is there: type, range, enum, length; empty if nothing is."""
        if value.__class__ not in _TYPES[self.type] or (self.type == "number" and value != value):
            return "type"
        if self.min is not None or self.max is not None:
            if not isinstance(value, int | float) or not is_number(value):
                return "type"
            if (self.min is not None and value < self.min) or (self.max is not None and value > self.max):
                return "range"
        if self.enum is not None and not any(value == x and type(value) is type(x) for x in self.enum):
            return "enum"
        return "length" if self.max_length and isinstance(value, str | bytes) and len(value) > self.max_length else ""


class SchemaCheck(Stage, frozen=True, kw_only=True):
    """Lets pass the readings whose fields are what they should be; `on_violation` says what happens to the others.

    Counters say what was wrong: `violation_missing`, `_type`, `_range`, `_enum`, `_length`, `_extra` (the first of a reading).
    Gap records pass.

    Emits when: a reading arrives that is right, or goes on as uncertain.
    Backpressures when: downstream does, or something waits for the outlet `bad`.
    Completes when: upstream completes and what is held has gone out.
    Cancels when: downstream cancels. What is for `bad` is dropped when only that has cancelled, `branch_cancelled`.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        fields: name of a field -> what it has to be: type (any, number, integer, boolean, text, bytes), required (true), min,
            max, enum, max_length.
        extra: whether a reading may have other fields: allow, or violation.
        on_violation: drop: settled as dropped, `schema`. uncertain: goes on with that quality, unless its own is worse. outlet:
            goes to the outlet `bad`.
    """

    kind: ClassVar[str] = "schema_check"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "fields"

    fields: dict[str, FieldRule]
    extra: Literal["allow", "violation"] = "allow"
    on_violation: Literal["drop", "uncertain", "outlet"] = "drop"

    def __post_init__(self) -> None:
        """Refuse rules that nothing can meet."""
        for name, rule in self.fields.items():
            if rule.min is not None and rule.max is not None and rule.min > rule.max:
                raise ConfigError(f"{name}: min is {rule.min:g}, max is {rule.max:g}")
            if rule.enum is not None and not rule.enum:
                raise ConfigError(f"{name}: enum is empty")

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out`, and `bad` if something goes there."""
        return (OUT, BAD) if self.on_violation == "outlet" else (OUT,)

    def holds(self) -> Hold:
        """What waits for its outlet; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic without state but what waits."""
        return SchemaCheckLogic(self)
