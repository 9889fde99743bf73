"""A process of a pool: `python -m rt_edge.streams.processes.worker MODULE:FUNCTION`; standard input is a socket to the pool."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from rt_edge.data.errors import CodecError
from rt_edge.streams.processes.frames import Unpacker, pack

_PR_SET_PDEATHSIG = 1
READY = 0
"""Number of the first frame, which says that the function is there, or why not."""


def find(name: str) -> Callable[[Any], Any]:
    """The function `package.module:name`.

    Raises:
        ImportError, AttributeError, ValueError: there is none.
    """
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(f"{name!r} is not MODULE:FUNCTION")
    found: Callable[[Any], Any] = getattr(importlib.import_module(module), attribute)
    return found


def serve(connection: socket.socket, name: str) -> None:
    """Answer until the pool closes the connection."""
    try:
        function = find(name)
    except Exception as error:  # noqa: BLE001 - whatever the import of user code raises is told
        connection.sendall(pack(READY, error=f"{type(error).__name__}: {error}"))
        return
    connection.sendall(pack(READY))
    unpacker = Unpacker()
    while data := connection.recv(65_536):
        for piece in unpacker.feed(data):
            connection.sendall(_answer(function, piece.number, piece.element))


def _answer(function: Callable[[Any], Any], number: int, element: Any) -> bytes:
    try:
        return pack(number, function(element))
    except CodecError as error:
        return pack(number, error=str(error))
    except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
        return pack(number, error=f"{type(error).__name__}: {error}"[:1000])


def main() -> None:
    """Take the socket out of the way of user code, end with the pool's process, serve."""
    ctypes.CDLL(None, use_errno=True).prctl(
        _PR_SET_PDEATHSIG, signal.SIGKILL
    )  # user code that never returns must not stay behind
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pool decides
    connection = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    try:
        serve(connection, sys.argv[1])
    except (BrokenPipeError, ConnectionResetError):
        return  # the pool has ended


if __name__ == "__main__":
    main()
