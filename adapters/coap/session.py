"""Which keys may be compared: the token that outlives a process, until no device can repeat what it sent to the one before."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from adapters.coap.keys import LIFETIME_S
from rt_edge.sdk import Clock, boot_id, new_incarnation

FILE = "coap-session.json"
SAVE_EVERY = 20.0
"""Seconds between two notes that this process lives."""


class Remembered(msgspec.Struct):
    """Content of the file.

    Attributes:
        token: names the session; keys of two sessions are never compared.
        boot: the boot in which `monotonic` was read.
        monotonic: seconds, when the process last lived.
        wall: nanoseconds since 1970, the same.
    """

    token: str
    boot: str
    monotonic: float
    wall: int


class SessionFile:
    """The file.

    Args:
        folder: the adapter's data directory.
        clock: time.
        boot: id of this boot of the machine.
    """

    def __init__(self, folder: Path, clock: Clock, boot: str | None = None) -> None:
        self._path = folder / FILE
        self._clock = clock
        self._boot = boot_id() if boot is None else boot
        self._token = ""
        self._saved = clock.monotonic()

    def token(self) -> str:
        """The token of this session: that of the process before, if a device may still repeat what it sent to that one.

        Raises:
            OSError: it cannot be made durable.
        """
        if not self._token:
            self._token = self._before() or new_incarnation()
            self.save(sync=True)
        return self._token

    def lives(self) -> None:
        """Note now and then that the process lives.

        Raises:
            OSError: the file cannot be written.
        """
        if self._token and self._clock.monotonic() - self._saved >= SAVE_EVERY:
            self.save(sync=False)

    def save(self, sync: bool) -> None:
        """Write beside it and rename; `sync`: durable when it returns.

        Raises:
            OSError: the file cannot be written.
        """
        self._saved = self._clock.monotonic()
        beside = self._path.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            now = Remembered(self._token, self._boot, self._saved, self._clock.wall_ns())
            os.write(descriptor, msgspec.json.encode(now))
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.replace(self._path)

    def _before(self) -> str:
        """Its token, or nothing. When in doubt its token: a key must be equal in endpoint, token and content to count."""
        try:
            known = msgspec.json.decode(self._path.read_bytes(), type=Remembered)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return ""
        longest = LIFETIME_S + SAVE_EVERY
        if known.boot == self._boot:
            gone = self._clock.monotonic() - known.monotonic > longest
        else:
            gone = self._clock.wall_ns() - known.wall > longest * 1e9
        return "" if gone else known.token
