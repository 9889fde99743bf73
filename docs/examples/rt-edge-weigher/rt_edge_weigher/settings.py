"""What a user writes for `kind: weigher`; a running node never imports this."""

from __future__ import annotations

from rt_edge.sdk.settings import DurationField, Field, HostPort, Settings


class WeigherSettings(Settings):
    """One weigher."""

    address: HostPort
    """Where it listens, as host:port."""

    every: DurationField = Field(default=1.0, gt=0, le=86_400)
    """How often it is asked for the weight."""

    timeout: DurationField = Field(default=1.0, gt=0, le=60)
    """Longest time to connect, and to a reply."""
