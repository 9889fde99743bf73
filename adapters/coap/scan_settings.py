"""What `rt-edge scan coap` can be told."""

from __future__ import annotations

from adapters.coap.address import host_address
from rt_edge.sdk import ConfigError, Duration
from rt_edge.sdk.settings import DurationField, Field, SettingError, Settings, field_validator


class CoapScan(Settings):
    """Asking a host for its resources (RFC 6690)."""

    target: str
    """The host: coap://host[:port]."""
    duration: DurationField = Field(default=Duration(10.0), gt=0, le=300)
    """How long the whole answer may take."""
    ack_timeout: DurationField = Field(default=Duration(2.0), gt=0, le=60)
    """Time before the first retransmission."""
    retransmits: int = Field(default=4, ge=0, le=10)
    """Retransmissions of the question."""

    @field_validator("target")
    @classmethod
    def _url(cls, text: str) -> str:
        full = text if "://" in text else f"coap://{text}"
        try:
            host_address(full)
        except ConfigError as error:
            raise SettingError(error.message, error.hint) from None
        return full
