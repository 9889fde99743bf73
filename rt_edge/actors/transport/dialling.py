"""Making a connection: a name into addresses on a thread of its own, then one address after the other."""

from __future__ import annotations

import os
import socket
import threading
from ipaddress import ip_address

Address = tuple[int, tuple[str, int]]
"""Address family and where to connect."""


def literal(host: str, port: int) -> Address | None:
    """The address when `host` is written as one; None when it is a name."""
    try:
        family = socket.AF_INET if ip_address(host).version == 4 else socket.AF_INET6
    except ValueError:
        return None
    return family, (host, port)


class Resolution:
    """One look-up in progress. `getaddrinfo` blocks for as long as it likes, so it has a thread; the descriptor becomes
    readable when it is done. Nobody has to wait for it: an abandoned one ends by itself.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.addresses: list[Address] = []
        self.error = ""
        self._done, self._tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        threading.Thread(target=self._run, name=f"resolve {host}", daemon=True).start()

    def fileno(self) -> int:
        """Readable when the answer is there."""
        return self._done

    def _run(self) -> None:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            self.addresses = [(family, (str(where[0]), int(where[1]))) for family, _, _, _, where in found]
        except (OSError, UnicodeError) as error:
            self.error = f"{self.host} cannot be resolved: {getattr(error, 'strerror', None) or error}"
        os.close(self._tell)  # end of file: readable

    def close(self) -> None:
        """Take no answer any more."""
        os.close(self._done)


def connect(address: Address) -> socket.socket:
    """A socket that connects.

    Raises:
        OSError: at once.
    """
    family, where = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.connect(where)
    except BlockingIOError:
        pass  # under way
    except OSError:
        sock.close()
        raise
    return sock
