"""For the `settings.py` of an adapter: the base model and the field types. Imports pydantic: never import it from a running node.

    from rt_edge.sdk.settings import Duration, DurationField, Field, Settings, SettingError

    class Unit(Settings):
        \"\"\"One device on the bus.\"\"\"

        every: DurationField = Field(default=Duration(1.0), gt=0)
        \"\"\"How often it is polled.\"\"\"

A running adapter gets the same attributes as an immutable object (`rt_edge.settings.frozen`): durations as float seconds, sizes
as int bytes, addresses as `Address`, secrets as `Secret`, lists as tuples, `dict[str, Model]` as mappings, enums as their value.
Properties that it needs too are declared with `@computed_field`; methods and plain properties stay behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from rt_edge.data.errors import ConfigError
from rt_edge.data.ids import is_name
from rt_edge.data.units import Duration, Size, parse_duration, parse_size
from rt_edge.sdk.address import Address, parse_address
from rt_edge.sdk.secret import Secret

__all__ = [
    "Address",
    "Duration",
    "DurationField",
    "Field",
    "HostPort",
    "Name",
    "Secret",
    "SecretField",
    "SettingError",
    "SettingErrors",
    "Settings",
    "Size",
    "SizeField",
    "computed_field",
    "field_validator",
    "model_validator",
]

DURATION_PATTERN = r"^\s*[0-9]+(\.[0-9]+)?\s*(us|ms|s|min|m|h|d)\s*$"
SIZE_PATTERN = r"^\s*[0-9]+(\.[0-9]+)?\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)\s*$"
NAME_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$"


class Settings(BaseModel):
    """Base of every settings model: unknown keys are errors, instances are immutable, each field has a docstring under it.

    Raises:
        TypeError: when a subclass is made: a field is not documented.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a field without a docstring: it would have no line in the schema, the editor and the generated page."""
        missing = [name for name, field in cls.model_fields.items() if not field.description]
        if missing:
            raise TypeError(f"{cls.__name__}: no docstring under {', '.join(missing)}")
        # a user has to write a unit; an author may write a default in seconds or bytes
        bare = [field for field in cls.model_fields.values() if type(field.default) in {int, float}]
        seconds, sizes = ([field for field in bare if _is_parsed(field, parse)] for parse in (_duration, _size))
        for field in seconds:
            field.default = Duration(field.default)
        for field in sizes:
            field.default = Size(field.default)
        if seconds or sizes:
            cls.model_rebuild(force=True, raise_errors=False)


class SettingError(ValueError):
    """Raised by a validator: a sentence, what to do, and where below the model being validated.

    Args:
        message: what is wrong.
        hint: what to do.
        at: keys and indices from the value that the validator checks to the one that is wrong.
    """

    def __init__(self, message: str, hint: str = "", at: Iterable[str | int] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = tuple(at)


class SettingErrors(ValueError):
    """Several `SettingError`s at once, so that a cross check can name every place."""

    def __init__(self, errors: Iterable[SettingError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(e.message for e in self.errors))


class _Parsed:
    """Annotation: a value written as text and parsed by a function that raises ConfigError."""

    def __init__(self, parse: Callable[[object], object], json: dict[str, Any], *, instance: bool = False) -> None:
        self.parse = parse
        self.json = json
        self.instance = instance  # the parsed value is an object of the annotated class, not a text or a number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def parse(value: object) -> object:
            try:
                return self.parse(value)
            except ConfigError as error:
                raise SettingError(error.message, error.hint) from None

        inner = core_schema.is_instance_schema(source) if self.instance else handler(source)  # with the field's bounds
        return core_schema.no_info_before_validator_function(parse, inner)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.json)


def _is_parsed(field: FieldInfo, parse: Callable[[object], object]) -> bool:
    parts = [*field.metadata, *(part for arg in get_args(field.annotation) for part in get_args(arg))]
    return any(isinstance(part, _Parsed) and part.parse is parse for part in parts)


def _duration(value: object) -> float:
    return float(value if isinstance(value, Duration) else parse_duration(value))


def _size(value: object) -> int:
    return int(value if isinstance(value, Size) else parse_size(value))


def _address(value: object) -> Address:
    return value if isinstance(value, Address) else parse_address(value)


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        if not value:
            raise ConfigError("the secret is empty", "write {file: PATH} or {env: NAME}")
        return Secret(literal=value)
    if isinstance(value, dict) and len(value) == 1:
        (key, inner), *_ = value.items()
        if key in {"file", "env"} and isinstance(inner, str) and inner:
            return Secret(file=inner) if key == "file" else Secret(env=inner)
    raise ConfigError("not a secret", "write {file: PATH}, {env: NAME}, or the text itself in quotes")


def _name(value: object) -> str:
    if isinstance(value, str) and is_name(value):
        return value
    raise ConfigError(
        f"{value!r} is not a name", "1 to 64 small letters, digits, '.', '_', '-'; first and last a letter or digit"
    )


DurationField = Annotated[
    float,
    _Parsed(_duration, {"type": "string", "pattern": DURATION_PATTERN, "examples": ["250ms", "60s", "5min"]}),
]
"""Seconds, written with a unit: `250ms`. Bounds in seconds: `Field(gt=0, le=3600)`."""

SizeField = Annotated[
    int,
    _Parsed(_size, {"type": "string", "pattern": SIZE_PATTERN, "examples": ["64KiB", "256MB"]}),
]
"""Bytes, written with a unit: `256MB`. Bounds in bytes."""

HostPort = Annotated[
    Address,
    _Parsed(_address, {"type": "string", "pattern": r"^.+:[0-9]{1,5}$", "examples": ["10.0.0.7:502"]}, instance=True),
]
"""Host and port, written `host:port`."""

SecretField = Annotated[
    Secret,
    _Parsed(
        _secret,
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"file": {"type": "string", "description": "File with the secret."}},
                    "required": ["file"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {"env": {"type": "string", "description": "Environment variable."}},
                    "required": ["env"],
                    "additionalProperties": False,
                },
            ],
            "examples": [{"file": "/run/credentials/rt-edge/mqtt"}, {"env": "MQTT_PASSWORD"}],
        },
        instance=True,
    ),
]
"""A password or token: `{file: PATH}`, `{env: NAME}` or, with a warning, the text itself. `reveal()` reads it."""

Name = Annotated[str, _Parsed(_name, {"type": "string", "pattern": NAME_PATTERN})]
"""What a node, an adapter, a unit or a store may be called."""
