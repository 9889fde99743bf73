"""What a user writes about what the `mqtt` adapter publishes; never imported by a running node."""

from __future__ import annotations

import re
from typing import Literal

from rt_edge.sdk.settings import (
    Duration,
    DurationField,
    Field,
    SettingError,
    Settings,
    field_validator,
    model_validator,
)


def topic(text: str, written: str | None = None) -> str:
    """`written` (or the text itself) if the text is a topic to publish to.

    Raises:
        SettingError: it is not.
    """
    if not text or "+" in text or "#" in text or "\0" in text or len(text.encode()) > 65_535:
        raise SettingError(f"{text!r} is not a topic to publish to", "1 to 65,535 bytes without +, # and NUL")
    return text if written is None else written


class LastMessage(Settings):
    """A message about this gateway."""

    topic: str
    """Where it goes."""
    payload: str
    """What it says."""
    qos: Literal[0, 1, 2] = 1
    """Its QoS."""
    retain: bool = True
    """Whether the broker keeps it for those who subscribe later."""
    expiry: DurationField | None = Field(default=None, ge=1, le=4_000_000_000)
    """MQTT 5: how long it counts; for ever without it."""
    content_type: str = Field(default="", max_length=256)
    """MQTT 5: what the payload is, `application/json`."""
    user_properties: dict[str, str] = {}
    """MQTT 5: name -> value."""

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, text: str) -> str:
        return topic(text)


class Will(LastMessage):
    """What the broker says when we are gone without a word."""

    delay: DurationField = Field(default=Duration(0.0), ge=0, le=4_000_000_000)
    """MQTT 5: how long it waits first: a connection that is back by then was not worth a word."""


class Publish(Settings):
    """How Readings are published when the adapter is used as a sink: one message each."""

    topic: str = Field(default="rt-edge/{source}", max_length=4096)
    """Topic, with {source}, {adapter}, {device}, {tags.NAME} or {fields.NAME}; what is missing becomes `unknown`."""
    qos: Literal[0, 1, 2] = 1
    """1, 2: delivered when the broker has acknowledged (2: with PUBCOMP); 0: when it is written to the connection."""
    retain: bool = False
    """Whether the broker keeps the last one of each topic."""
    in_flight_messages: int = Field(default=100, ge=1, le=65_535)
    """Most messages without their PUBACK; the broker's Receive Maximum may be lower and counts then."""
    layout: Literal["nested", "flat"] = "nested"
    """nested: {source, ts, quality, tags, fields}; flat: the fields with `ts` beside them."""
    codec: Literal["json", "msgpack"] = "json"
    """How the payload is written."""
    expiry: DurationField | None = Field(default=None, ge=1, le=4_000_000_000)
    """MQTT 5: how long a message counts at the broker, in whole seconds; for ever without it."""
    content_type: str = Field(default="", max_length=256)
    """MQTT 5: said of each message, `application/json`."""
    user_properties: dict[str, str] = {}
    """MQTT 5: name -> value, which may use the names that `topic` may: `{tags.line}`."""
    topic_aliases: int = Field(default=64, ge=0, le=65_535)
    """MQTT 5: most topics that are replaced by a number after their first message; the broker may allow fewer."""

    @field_validator("topic")
    @classmethod
    def _template(cls, text: str) -> str:
        return topic(_names(text), text)

    @model_validator(mode="after")
    def _properties(self) -> Publish:
        for name, text in self.user_properties.items():
            try:
                _names(text)
            except SettingError as error:
                raise SettingError(error.message, error.hint, ("user_properties", name)) from None
        return self


def _names(text: str) -> str:
    """The text without the names in braces, all of which are known."""
    rest = re.sub(r"\{(source|adapter|device|(tags|fields)\.[A-Za-z0-9_.-]+)\}", "x", text)
    if "{" in rest or "}" in rest:
        raise SettingError(f"{text!r}: unknown name in braces", "source, adapter, device, tags.NAME and fields.NAME are known")
    return rest
