"""The settings of what a frame says: `format`; imported by settings.py only."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from adapters.serial.codec import MAX_FIELDS
from adapters.serial.layout import size_of
from rt_edge.sdk.settings import Field, SettingError, SettingErrors, Settings, field_validator, model_validator

FieldName = Annotated[str, Field(min_length=1, max_length=64)]
Encoding = Literal["ascii", "utf-8", "latin-1"]


class _Scaled(Settings):
    scale: int | float = 1
    """value = raw * scale + offset."""
    offset: int | float = 0
    """Added after scaling."""
    unit: str = Field(default="", max_length=32)
    """Unit of measure, for people; not sent with the readings."""

    @field_validator("scale")
    @classmethod
    def _not_zero(cls, scale: float) -> float:
        if scale == 0:
            raise SettingError("a scale of 0 makes every value the same", "leave scale out for the raw value")
        return scale


class TextField(_Scaled):
    """A value that is written as text."""

    type: Literal["auto", "float", "int", "hex", "bool", "str"] = "auto"
    """What it is; auto: a number where it looks like one, else text."""
    no_value: list[str] = []
    """Texts that mean that there is no value, like "----" or "OL"; an empty text always does."""

    @model_validator(mode="after")
    def _numbers_scale(self) -> TextField:
        if self.type in ("bool", "str") and (self.scale != 1 or self.offset != 0):
            raise SettingError(f"a {self.type} cannot be scaled", "leave scale and offset out", ("type",))
        return self


class TextFormat(TextField):
    """The whole frame is one value."""

    kind: Literal["text"] = "text"
    """The whole frame is one value."""
    field: FieldName = "value"
    """Name of the field."""
    encoding: Encoding = "utf-8"
    """How text is written in bytes."""


class BytesFormat(Settings):
    """The whole frame, as bytes."""

    kind: Literal["bytes"]
    """The whole frame, as bytes."""
    field: FieldName = "data"
    """Name of the field."""


class RegexFormat(Settings):
    """Text with a regular expression."""

    kind: Literal["regex"]
    """Text with a regular expression."""
    pattern: str = Field(min_length=1, max_length=1024)
    r"""Regular expression of Python with a named group for each field, in single quotes: '^(?P<weight>[0-9.]+) kg$'."""
    fields: dict[FieldName, TextField] = {}
    """Field -> its type, scale, unit; guessed if not given."""
    encoding: Encoding = "utf-8"
    """How text is written in bytes."""

    @model_validator(mode="after")
    def _compiles(self) -> RegexFormat:
        try:
            groups = re.compile(self.pattern).groupindex
        except re.error as error:
            where = f" at character {error.pos + 1}" if error.pos is not None else ""
            message = f"not a regular expression: {error.msg}{where}"
            raise SettingError(message, "write it in single quotes", ("pattern",)) from None
        if not groups:
            raise SettingError("the pattern has no named group", "a field is (?P<name>...)", ("pattern",))
        return _known_fields(self, self.fields, list(groups), "the pattern has no group")  # type: ignore[return-value]


class CsvFormat(Settings):
    """Text in columns."""

    kind: Literal["csv"]
    """Text in columns."""
    columns: list[str] = Field(min_length=1, max_length=MAX_FIELDS)
    """Names of the columns, in order; "" skips one."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """One character between cells."""
    more_columns: Literal["refuse", "ignore"] = "refuse"
    """What to do with a line that has more columns."""
    fields: dict[FieldName, TextField] = {}
    """Field -> its type, scale, unit; guessed if not given."""
    encoding: Encoding = "utf-8"
    """How text is written in bytes."""

    @model_validator(mode="after")
    def _columns_fit(self) -> CsvFormat:
        names = [name for name in self.columns if name]
        if not names:
            raise SettingError("all columns are skipped", "name at least one", ("columns",))
        twice = [name for index, name in enumerate(names) if name in names[:index]]
        if twice:
            raise SettingError(f"the column {twice[0]!r} is here twice", 'rename one, or write "" to skip it', ("columns",))
        if self.delimiter in '"\r\n':
            raise SettingError("the delimiter is not a quote or a line end", "", ("delimiter",))
        return _known_fields(self, self.fields, names, "there is no column")  # type: ignore[return-value]


class NmeaFormat(Settings):
    """NMEA 0183 sentences."""

    kind: Literal["nmea"]
    """NMEA 0183 sentences; their talker and type become the tags `talker` and `sentence`."""
    checksum: Literal["required", "optional"] = "required"
    """Whether a sentence without checksum is dropped; a wrong one always is."""
    only: list[str] = []
    """Types of the sentences that are wanted, like GGA; all if empty."""
    sentences: dict[str, list[str]] = {}
    """Type -> names of its fields in order, "" skips one, `name:s` stays text, `name:i` is a whole number; for own sentences."""


class StructField(_Scaled):
    """A value at a fixed place of a binary frame."""

    at_byte: int = Field(ge=0, le=65_535)
    """Bytes before it."""
    type: Literal[
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float16",
        "float32",
        "float64",
        "string",
        "bytes",
    ]
    """What it is."""
    order: Literal["big", "little"] | None = None
    """Order of its bytes; that of the format if not given."""
    bit: int | None = Field(default=None, ge=0, le=63)
    """For true or false: which bit of a whole number, 0 is the least significant."""
    length_bytes: int | None = Field(default=None, ge=1, le=65_535)
    """For string and bytes: how many bytes."""

    @model_validator(mode="after")
    def _fits(self) -> StructField:
        if (self.type in ("string", "bytes")) != (self.length_bytes is not None):
            wrong = "needs `length_bytes`" if self.length_bytes is None else "has no `length_bytes` of its own"
            raise SettingError(f"a {self.type} {wrong}", "", ("type",))
        if self.bit is not None and ("int" not in self.type or self.bit >= 8 * size_of(self.type, None)):
            raise SettingError(f"a {self.type} has no bit {self.bit}", "", ("bit",))
        if (self.bit is not None or self.type in ("string", "bytes")) and (self.scale != 1 or self.offset != 0):
            raise SettingError("only a number can be scaled", "leave scale and offset out", ("scale",))
        return self


class StructFormat(Settings):
    """Binary, fields at fixed places."""

    kind: Literal["struct"]
    """Binary, fields at fixed places."""
    order: Literal["big", "little"] = "big"
    """Order of bytes, of fields that do not say."""
    length_bytes: int | None = Field(default=None, ge=1, le=65_536)
    """Bytes of a frame, without its checksum; another length is an error. At least what the fields need if not given."""
    fields: dict[FieldName, StructField] = Field(min_length=1, max_length=MAX_FIELDS)
    """Field -> where it is and what."""

    @model_validator(mode="after")
    def _inside(self) -> StructFormat:
        errors = []
        for name, field in self.fields.items():
            end = field.at_byte + size_of(field.type, field.length_bytes)
            if self.length_bytes is not None and end > self.length_bytes:
                errors.append(
                    SettingError(f"{name} ends at byte {end} of {self.length_bytes}", "", ("fields", name, "at_byte")),
                )
        if errors:
            raise SettingErrors(errors)
        return self


Format = Annotated[
    TextFormat | BytesFormat | RegexFormat | CsvFormat | NmeaFormat | StructFormat,
    Field(discriminator="kind"),
]


def _known_fields(format_: Settings, fields: dict[str, TextField], known: list[str], what: str) -> Settings:
    unknown = [name for name in fields if name not in known]
    if unknown:
        hint = f"there are {', '.join(known[:8])}"
        raise SettingErrors(SettingError(f"{what} {name!r}", hint, ("fields", name)) for name in unknown)
    return format_
