"""unit_conversion: fields in other units."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.physical_units import Conversion, conversion
from rt_edge.data.reading import Reading
from rt_edge.streams.expression.functions import is_number
from rt_edge.streams.stage import OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._user_code import PassLogic


class UnitConversion(Stage, frozen=True, kw_only=True):
    """Converts fields of each reading from one unit to another of the same kind; the rest stays as it was.

    A field that is no number stays (counter `not_a_number`), a missing one is counted (`missing_field`). Units are those of
    `rt_edge.data.physical_units`: temperature, pressure, flow, length, area, volume, mass, energy, power, speed and more.

    Emits when: a reading arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        fields: name of a field -> `from -> to`, like `degF -> degC`, or {from: degF, to: degC}.
    """

    kind: ClassVar[str] = "unit_conversion"
    shorthand: ClassVar[str] = "fields"

    fields: dict[str, str | dict[str, str]]

    def __post_init__(self) -> None:
        """Refuse units that do not exist, or that do not fit."""
        if not self.conversions:
            raise ConfigError("no field is given", "like: {temperature: degF -> degC}")

    @property
    def conversions(self) -> dict[str, Conversion]:
        """By the names of the fields."""
        return {name: _read(name, written) for name, written in self.fields.items()}

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


def _read(name: str, written: str | dict[str, str]) -> Conversion:
    if isinstance(written, str):
        parts = [part.strip() for part in written.split("->")]
        units = dict(zip(("from", "to"), parts, strict=False)) if len(parts) == 2 else {}
    else:
        units = written
    if units.keys() != {"from", "to"}:
        raise ConfigError(f"{name}: {written!r} is no conversion", "like: degF -> degC, or {from: degF, to: degC}")
    try:
        return conversion(units["from"], units["to"])
    except ConfigError as error:
        raise ConfigError(f"{name}: {error.message}", error.hint) from error


class _Logic(PassLogic):
    def __init__(self, stage: UnitConversion) -> None:
        self._conversions = list(stage.conversions.items())

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.push(OUT, chunk.replace([self._converted(item) for item in chunk.items]))

    def _converted(self, reading: Any) -> Any:
        if not isinstance(reading, Reading) or not reading.fields:
            return reading
        fields = dict(reading.fields)
        for name, convert in self._conversions:
            value = fields.get(name)
            if is_number(value):
                fields[name] = value * convert.scale + convert.offset  # type: ignore[operator]  # a number
            else:
                self.ctx.count("missing_field" if value is None else "not_a_number")
        return msgspec.structs.replace(reading, fields=fields)
