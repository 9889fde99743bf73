"""Functions that run in processes of a pool."""

from __future__ import annotations

import os
import signal
import threading

import msgspec


def double(element):
    """Of a number; `die`, `hang`, `bad` and `fail` are instructions."""
    if element == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if element == "hang":
        threading.Event().wait()
    if element == "bad":
        return object()
    if element == "fail":
        raise ValueError("as told")
    if element == "pid":
        return os.getpid()
    if isinstance(element, int):
        return 2 * element
    return msgspec.structs.replace(element, fields={name: 2 * value for name, value in element.fields.items()})
