"""What `rt-edge scan coap` can be told."""

from __future__ import annotations

from adapters.coap.address import host_address, is_secure
from rt_edge.sdk import ConfigError, Duration
from rt_edge.sdk.settings import DurationField, Field, SettingError, Settings, field_validator, model_validator


class CoapScan(Settings):
    """Asking a host for its resources (RFC 6690)."""

    target: str | None = None
    """The host: coap://host[:port]; without it all hosts on `interface` are asked."""
    interface: str | None = None
    """Network interface, eth0: all CoAP nodes on it are asked (multicast to 224.0.1.187 and ff02::fd)."""
    port: int = Field(default=5683, ge=1, le=65_535)
    """Where they listen."""
    duration: DurationField = Field(default=Duration(10.0), gt=0, le=300)
    """How long the whole answer may take; on an interface, how long is listened: hosts take up to 5 s by default."""
    ack_timeout: DurationField = Field(default=Duration(2.0), gt=0, le=60)
    """Time before the first retransmission."""
    retransmits: int = Field(default=4, ge=0, le=10)
    """Retransmissions of the question."""

    @field_validator("target")
    @classmethod
    def _url(cls, text: str | None) -> str | None:
        if text is None:
            return None
        full = text if "://" in text else f"coap://{text}"
        try:
            host_address(full)
        except ConfigError as error:
            raise SettingError(error.message, error.hint) from None
        return full

    @model_validator(mode="after")
    def _somewhere(self) -> CoapScan:
        if (self.target is None) == (self.interface is None):
            raise SettingError(
                "a scan asks one host, or all on an interface", "coap://HOST, or --set interface=eth0", ("target",)
            )
        if self.target is not None and is_secure(self.target):
            raise SettingError("a scan has no key for coaps://", "ask it without, or see its manual", ("target",))
        return self
