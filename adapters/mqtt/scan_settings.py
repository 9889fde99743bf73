"""What `rt-edge scan mqtt` can be told."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from adapters.mqtt.settings import MqttSettings, Publish, Tls
from adapters.mqtt.url import is_secure, port_of, websocket_of
from rt_edge.sdk import Duration
from rt_edge.sdk.settings import DurationField, Field, SecretField, Settings, SizeField, computed_field, model_validator


class MqttScan(Settings):
    """Listening to what a broker carries, as a guest: a session of its own, QoS 0, gone afterwards."""

    target: str
    """The broker: mqtt://host[:port], mqtts:// for TLS, ws:// and wss:// for websockets."""
    filter: str = Field(default="#", min_length=1, max_length=65_535)
    """Topics that are listened to; what begins with $ is not among those of `#`."""
    duration: DurationField = Field(default=Duration(10.0), gt=0, le=86_400)
    """How long it listens. Retained messages come at once, others when they are published."""
    version: Literal["5", "3.1.1"] = "5"
    """MQTT version."""
    client: Literal["paho", "fast"] | None = None
    """Who speaks MQTT; without it paho-mqtt where it is installed, else our own client."""
    username: str | None = None
    """User name."""
    password: SecretField | None = None
    """Password."""
    tls: Tls = Tls()
    """Certificates."""
    timeout: DurationField = Field(default=Duration(10.0), gt=0, le=300)
    """How long each step of connecting may take."""
    max_packet: SizeField = Field(default="1MB", ge=1024, le=268_435_455)  # type: ignore[assignment]  # parsed like what a user writes
    """Largest message that is looked at."""
    max_topics: int = Field(default=1000, ge=1, le=100_000)
    """Most topics that are listed."""

    @model_validator(mode="before")
    @classmethod
    def _url(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        target = given.get("target") or given.get("url")
        if isinstance(target, str) and "://" not in target:
            target = f"mqtt://{target}"
        rest = {key: value for key, value in given.items() if key not in ("url", "target")}
        return rest if target is None else {**rest, "target": target}

    @model_validator(mode="after")
    def _as_the_adapter_has_it(self) -> MqttScan:
        MqttSettings(
            url=self.target, username=self.username, password=self.password, publish=Publish(topic="scan")
        )  # raises what the adapter's own settings would
        return self

    @computed_field
    def url(self) -> str:
        """As the adapter calls it."""
        return self.target

    @computed_field
    def host(self) -> str:
        """From the url."""
        return urlsplit(self.target).hostname or ""

    @computed_field
    def port(self) -> int:
        """From the url, or that of its scheme."""
        return port_of(self.target)

    @computed_field
    def secure(self) -> bool:
        """From the url: whether it is TLS."""
        return is_secure(self.target)

    @computed_field
    def websocket(self) -> str | None:
        """From the url: path and query of the websocket; None where it is none."""
        return websocket_of(self.target)
