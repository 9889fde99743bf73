"""Settings that every adapter with a serial port has; imported by a `settings.py`, never by a running node."""

from __future__ import annotations

from typing import Literal

from rt_edge.data.units import Duration
from rt_edge.sdk.settings import DurationField, Field, SettingError, Settings, model_validator

__all__ = ["Rs485"]


class Rs485(Settings):
    """How the kernel drives the RTS line of an RS-485 transceiver; only UARTs of a board can, USB converters do it themselves."""

    rts_on_send: Literal["high", "low"] = "high"
    """Level of RTS while sending."""
    rts_after_send: Literal["high", "low"] = "low"
    """Level of RTS while receiving."""
    delay_before_send: DurationField = Field(default=Duration(0.0), ge=0, le=0.1)
    """Time from switching RTS to the first bit; whole milliseconds."""
    delay_after_send: DurationField = Field(default=Duration(0.0), ge=0, le=0.1)
    """Time from the last bit to switching RTS back; whole milliseconds."""
    receive_while_sending: bool = False
    """Whether the receiver stays on while sending: then `local_echo` is needed, too."""

    @model_validator(mode="after")
    def _whole(self) -> Rs485:
        for name in ("delay_before_send", "delay_after_send"):
            if abs(1000 * getattr(self, name) - round(1000 * getattr(self, name))) > 1e-9:
                raise SettingError("the kernel counts this time in milliseconds", "write a whole number of ms", (name,))
        if self.rts_on_send == self.rts_after_send:
            raise SettingError("RTS has the same level while sending and after it", "one of them is `high`", ("rts_after_send",))
        return self
