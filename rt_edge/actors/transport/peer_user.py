"""Which user is at the other end of a loopback TCP connection.

TCP has no SO_PEERCRED. The kernel lists every connection with the user and the inode of the socket at this end; the entry of
the peer's end is the one with the two addresses exchanged. An entry without an inode belongs to no process any more (closed,
TIME_WAIT) and shows user 0, so it proves nothing and is refused.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

PROC_TCP = Path("/proc/net/tcp")


def _encode(address: tuple[str, int]) -> bytes:
    """`("127.0.0.1", 80)` as /proc/net/tcp writes it: host in native byte order, port, both in hex."""
    (host,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return b"%08X:%04X" % (host, address[1])


def owner(table: bytes, local: tuple[str, int], remote: tuple[str, int]) -> int | None:
    """User id of the live socket `local` that is connected to `remote`.

    Args:
        table: content of /proc/net/tcp.
        local: address of the socket whose owner is asked for.
        remote: the address it is connected to.

    Returns:
        The user id; None when there is no such entry or no process holds it any more.
    """
    wanted = b" %s %s " % (_encode(local), _encode(remote))
    start = table.find(wanted)
    if start < 0:
        return None
    fields = table[start : table.find(b"\n", start)].split()
    # local, remote, state, queues, timer, retransmits, uid, timeout, inode
    return int(fields[6]) if int(fields[8]) else None


def listener_owner(table: bytes, port: int) -> int | None:
    """User id of who listens on 127.0.0.1:`port`; None when nobody does."""
    return owner(table, ("127.0.0.1", port), ("0.0.0.0", 0))  # noqa: S104 - how the kernel writes "no peer", not a bind


def peer_user(connection: socket.socket) -> int | None:
    """User id at the other end of an IPv4 loopback connection; None when it cannot be told (already closed)."""
    try:
        here, there = connection.getsockname(), connection.getpeername()
    except OSError:
        return None  # the peer has gone between accept and here
    return owner(PROC_TCP.read_bytes(), there, here)


def may_talk(user: int | None) -> bool:
    """Whether that user may talk to this process over loopback: the node's own user, or root, who could do all anyway."""
    return user is not None and user in (os.geteuid(), 0)
