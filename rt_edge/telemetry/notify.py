"""sd_notify: tell systemd how the node is (`man sd_notify`); nothing happens where systemd does not listen."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)


def notify(state: str) -> bool:
    """Send `state` (`READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=...`); returns whether somebody took it."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return False
    if path.startswith("@"):
        path = "\0" + path[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(state.encode(), path)
        except OSError as error:
            log.warning("systemd does not take %r: %s", state, error)
            return False
    return True
