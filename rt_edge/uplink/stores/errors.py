"""What can go wrong with a store."""

from __future__ import annotations

from rt_edge.data.errors import ConfigError, TransientError


class StoreIoError(TransientError):
    """The disk refused, or another process holds the file; nothing was kept. Worth another try, with backoff."""

    code = "RTE304"


class StoreUnusable(ConfigError):
    """Not a store, a damaged one, or a newer one: the operator has to act."""

    code = "RTE212"
