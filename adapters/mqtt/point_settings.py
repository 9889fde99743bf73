"""What a user writes under `points:` of the `mqtt` adapter; never imported by a running node."""

from __future__ import annotations

from typing import Annotated, Literal

from adapters.mqtt.point_payload import info_of, template_problem
from adapters.mqtt.publish_settings import topic
from adapters.mqtt.topics import check_filter
from rt_edge.sdk.payload.json_rows import pointer
from rt_edge.sdk.settings import DurationField, Field, SettingError, Settings, field_validator, model_validator

PointName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\s/+#]+(/[^\s/+#]+)*$")]
"""DEVICE/POINT."""


class Point(Settings):
    """One value of a device that is behind the broker: where it is written, and where it shows."""

    type: Literal["bool", "int", "float", "str", "bytes"] = "float"
    """What a value of it is."""
    writable: bool = False
    """Whether `rt-edge write` and commands may set it."""
    topic: str | None = None
    """Where a value is published to set it."""
    payload: str = Field(default="{value}", max_length=65_535)
    """What is published: {value} is the value as JSON, {text} the value as text, {key} names the command."""
    on: str = "true"
    """bool: what stands for true, in {text} and in a state that is not JSON."""
    off: str = "false"
    """bool: what stands for false."""
    qos: Literal[0, 1, 2] = 1
    """QoS of what is published."""
    retain: bool = False
    """Whether the broker keeps it: a device that was away then gets it, however late."""
    expiry: DurationField | None = Field(default=None, ge=1, le=4_000_000_000)
    """MQTT 5: how long it counts at the broker: a device that was away longer does not get it."""
    confirm: Literal["broker", "response", "state"] = "broker"
    """What makes it more than sent. broker: nothing; its PUBACK only says that it is on its way. response: MQTT 5: the device
    answers to the response topic, with our correlation data. state: `state` shows the value."""
    response_at: str = ""
    """response: pointer into a JSON answer to what says how it went (`/status`); without it any answer is a good one."""
    response_ok: bool | str = True
    """response: what is found there when all went well; a number as its text."""
    state: str | None = None
    """Topic where the device publishes the value that it has; what `rt-edge read` gives."""
    at: str = ""
    """state: pointer into its JSON payload (`/setpoint`); without it the payload is the value."""
    timeout: DurationField = Field(default=5.0, gt=0, le=600)
    """How long an answer, or the state, may take."""
    unit: str = Field(default="", max_length=32)
    """Unit of measure, for people."""
    min: float | None = None
    """Least value that a command may write."""
    max: float | None = None
    """Greatest value that a command may write."""
    allowed: tuple[bool | int | float | str, ...] = ()
    """The only values that a command may write, if any are given."""

    @field_validator("topic", "state")
    @classmethod
    def _topic(cls, text: str | None) -> str | None:
        return text if text is None else topic(text)

    @field_validator("at", "response_at")
    @classmethod
    def _pointer(cls, text: str) -> str:
        try:
            pointer(text)
        except ValueError as error:
            raise SettingError(str(error)) from None
        return text

    @model_validator(mode="after")
    def _check(self) -> Point:
        if self.writable != (self.topic is not None):
            if self.writable:
                raise SettingError("a writable point without a topic to write to", "set `topic`", ("writable",))
            raise SettingError("a topic to write to, and no command may", "add `writable: true`, or remove it", ("topic",))
        if not self.writable and self.state is None:
            raise SettingError("neither written nor read", "set `topic` and `writable: true`, or `state`")
        if self.confirm == "state" and self.state is None:
            raise SettingError("confirmed by a state that is not named", "set `state`", ("confirm",))
        if self.state is not None:
            check_filter(self.state)
        problem = template_problem(self.payload, self.type)
        if problem:
            raise SettingError(problem, "{value}, {text} and {key} are known; write {{ and }} for braces", ("payload",))
        if self.on == self.off:
            raise SettingError("true and false are written alike", "change one", ("on",))
        given = [name for name in ("min", "max") if getattr(self, name) is not None]
        if given and self.type not in ("int", "float"):
            raise SettingError(f"a point of {self.type} has no {given[0]}", "use `allowed`", (given[0],))
        if self.min is not None and self.max is not None and self.min > self.max:
            raise SettingError("no value is within min and max", "widen them", ("min",))
        info = info_of(self)
        wrong = [value for value in self.allowed if self.writable and info.refusal(value)]
        if wrong:
            raise SettingError(f"allowed: the point {info.refusal(wrong[0])}", "remove it", ("allowed",))
        return self
