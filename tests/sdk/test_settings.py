"""What an adapter's author gets for the settings: field types, the base model, errors with places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rt_edge.data.errors import ConfigError
from rt_edge.sdk.address import Address, parse_address
from rt_edge.sdk.settings import Duration, DurationField, Field, HostPort, Name, Secret, SecretField, Settings, SizeField
from rt_edge.settings.schema import _Generator


class Sample(Settings):
    """A sample."""

    every: DurationField = Field(default=Duration(1.0), gt=0, le=60)
    """Period."""
    plain: DurationField | None = Field(default=0.5, ge=0)
    """A default written in seconds."""
    size: SizeField = Field(default=1000, ge=10)
    """Size."""
    at: HostPort | None = None
    """Address."""
    secret: SecretField | None = None
    """Secret."""
    name: Name = "x"
    """Name."""


def test_parses_what_people_write_when_it_is_right() -> None:
    """Durations are seconds, sizes bytes, addresses host and port, secrets masked objects."""
    sample = Sample.model_validate({"every": "250ms", "size": "64kB", "at": "[::1]:7", "secret": {"env": "X"}, "name": "a-1"})
    assert (sample.every, sample.plain, sample.size, sample.at, sample.secret, sample.name) == (
        0.25,
        0.5,
        64_000,
        Address("::1", 7),
        Secret(env="X"),
        "a-1",
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"every": 1.0},
        {"every": "0s"},
        {"every": "2min"},
        {"plain": 1},
        {"size": "9B"},
        {"size": "-1B"},
        {"size": 64_000},
        {"size": "64000"},
        {"at": "x"},
        {"secret": 3},
        {"secret": ""},
        {"name": "A"},
        {"nmae": "a"},
    ],
)
def test_refuses_what_people_write_when_it_is_wrong(bad: dict[str, object]) -> None:
    """A bare number is no duration and no size, bounds hold, unknown keys are errors."""
    with pytest.raises(ValidationError):
        Sample.model_validate(bad)


def test_default_has_a_unit_when_an_author_writes_it_without() -> None:
    """A user has to write one, and sees one in the schema."""
    assert Sample().size == 1000
    schema = Sample.model_json_schema(schema_generator=_Generator)["properties"]
    assert (schema["size"]["default"], schema["plain"]["default"]) == ("1kB", "500ms")


def test_is_immutable_when_made() -> None:
    """Settings do not change."""
    with pytest.raises(ValidationError, match="frozen"):
        Sample().size = 3


def test_is_refused_when_a_field_has_no_words() -> None:
    """A settings model without a docstring under a field cannot even be defined."""
    with pytest.raises(TypeError, match="Silent: no docstring under dark"):

        class Silent(Settings):
            lit: int = 1
            """Said."""
            dark: int = 2


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("a:1", Address("a", 1)),
        ("10.0.0.7:502", Address("10.0.0.7", 502)),
        ("[fe80::1]:65535", Address("fe80::1", 65535)),
        ("up-a.example:0", Address("up-a.example", 0)),
    ],
)
def test_reads_an_address_when_it_is_host_and_port(text: str, address: Address) -> None:
    """Names, IPv4 and bracketed IPv6 addresses, and back."""
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "a", ":1", "a:", "a:65536", "a:-1", "a:\uff11", "::1:7", "[::1]", "[x]:1", "a b:1", "a:1:2", 7, None]
)
def test_refuses_an_address_when_it_is_not_one(text: object) -> None:
    """No host, no port, or a port that is none."""
    with pytest.raises(ConfigError):
        parse_address(text)


def test_takes_the_default_port_when_none_is_written() -> None:
    """Where there is a default the port may be left out."""
    assert parse_address("a", 502) == Address("a", 502)
    assert parse_address("[::1]", 502) == Address("::1", 502)


@given(st.text(max_size=30))
def test_never_fails_otherwise_when_an_address_is_any_text(text: str) -> None:
    """Any text is an address that reads back the same, or a ConfigError."""
    try:
        address = parse_address(text)
    except ConfigError:
        return
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a", False)],
)
def test_knows_loopback_when_it_sees_it(host: str, local: bool) -> None:
    """Only loopback addresses and `localhost` stay on this host."""
    assert Address(host, 1).is_loopback is local
