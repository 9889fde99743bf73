"""What can go wrong with a spool, and who has to act."""

from __future__ import annotations

from rt_edge.data.errors import ConfigError, RefusedError, TransientError

MAKE_ROOM = "make room, or put node.data on a larger disk"


class SpoolFull(TransientError):
    """No room now: nothing of the batch was kept, nothing is lost; there will be room after confirmations."""

    code = "RTE301"


class SpoolIoError(TransientError):
    """The disk refused; nothing of the batch was kept. Worth another try, with backoff."""

    code = "RTE302"


class SpoolRecovered(TransientError):
    """Damage was found while working; the spool set it aside and goes on. Lanes have changed: open the session again."""

    code = "RTE303"


class SpoolInUse(RefusedError):
    """Another process has this spool open."""

    code = "RTE511"


class SpoolUnusable(ConfigError):
    """The folder of the spool cannot be used at all: the operator has to change something."""

    code = "RTE211"
