"""What has to be changed in Thespian before the first actor system of a process starts. Forked children inherit it."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from thespian.system import systemCommon, transport
from thespian.system.transport import TCPTransport, asyncTransportBase
from thespian.system.transport.IPBase import IPActorAddress
from thespian.system.utilis import thesplog_control

from rt_edge.actors.transport.seams import check_seams
from rt_edge.actors.transport.serializer import ALLOWED

LOOPBACK = "127.0.0.1"
TRANSMIT_TIMEOUT = timedelta(seconds=20)
MAX_PENDING_TRANSMITS = 512
_THESPLOG_SIZE = 50 * 1024
_NO_GOVERNOR = 10**9


def _loopback(address: Any) -> tuple[tuple[str, int]]:
    return ((LOOPBACK, address.bindname[1]),)


def _identify(self: Any) -> str:
    return f"{type(self).__name__}({type(self.message).__name__})"


def prepare(thesplog: Path | None = None) -> None:
    """Make Thespian safe for a node; may be called again.

    - every seam is checked first (`check_seams`);
    - all of Thespian's own sockets bind 127.0.0.1 (they bind all interfaces, even with THESPIAN_BASE_IPADDR);
    - the unpickler is the allow-list;
    - a transmit is given up after 20 s, not 5 minutes. As a variable of the environment this would be `0:20` (`20` and
      `0:00:20` are ignored), but Thespian reads it once, at import: the module's value is set instead;
    - no pause of 0.1 s above 4,480 sends a second;
    - up to 512 transmits may be pending: there is at most one a target (`outbox`), so silent targets cannot stop the others;
    - what Thespian calls itself a message in its internal log is its class: it would make the text of the whole message, three
      times a send, also for log lines that are discarded;
    - Thespian's internal log goes to `thesplog`, or nowhere: its default is a file in the folder for temporary files.

    Raises:
        InternalError: Thespian is not the version whose seams are used.
    """
    check_seams()
    transport.TransmitIntent.identify = _identify
    transport.ReceiveEnvelope.identify = _identify
    os.environ["THESPIAN_BASE_IPADDR"] = LOOPBACK
    IPActorAddress.bindArgs = property(_loopback)
    TCPTransport.serializer = ALLOWED
    transport.DEFAULT_MAX_TRANSMIT_PERIOD = TRANSMIT_TIMEOUT
    asyncTransportBase.MAX_PENDING_TRANSMITS = MAX_PENDING_TRANSMITS
    systemCommon.RATE_THROTTLE = _NO_GOVERNOR
    if thesplog is None:
        thesplog_control(logging.WARNING, False, 0)
    else:
        os.environ["THESPLOG_FILE"] = str(thesplog)
        thesplog_control(logging.WARNING, False, _THESPLOG_SIZE)
