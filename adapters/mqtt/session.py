"""What outlives a process: client id, session token, the filters the broker knows. One small file, replaced atomically."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from rt_edge.sdk import new_incarnation

FILE = "mqtt-session.json"


class Remembered(msgspec.Struct):
    """Content of the file.

    Attributes:
        client_id: random part of our client id, made once.
        peer: address and client id the token belongs to.
        token: names the session; keys of two sessions are never compared.
        filters: what may be subscribed at the broker.
    """

    client_id: str
    peer: str = ""
    token: str = ""
    filters: list[str] = []


class SessionFile:
    """The file and its content.

    Args:
        folder: the adapter's data directory.

    Attributes:
        memory: the content.
        damaged: why an existing file could not be used, empty when it could.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.damaged = ""
        self.memory = self._load()

    def client_id(self, adapter: str) -> str:
        """Our client id where the settings have none; stable, unlike any other's."""
        return f"rt-edge-{adapter}-{self.memory.client_id}"

    def connected(self, peer: str, session_present: bool) -> str:
        """The broker has said whether it has our session; returns the session's token, durable before it is used."""
        memory = self.memory
        if not session_present or memory.peer != peer or not memory.token:
            filters = memory.filters if session_present else []
            self._save(Remembered(memory.client_id, peer, new_incarnation(), filters))
        return self.memory.token

    def subscribing(self, filters: list[str]) -> None:
        """These will be subscribed now, beside those already known."""
        known = self.memory.filters
        self._keep([*known, *(f for f in filters if f not in known)])

    def subscribed(self, filters: list[str]) -> None:
        """The broker has exactly these now."""
        self._keep(filters)

    def _keep(self, filters: list[str]) -> None:
        memory = self.memory
        if filters != memory.filters:
            self._save(Remembered(memory.client_id, memory.peer, memory.token, filters))

    def _load(self) -> Remembered:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Remembered)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.damaged = str(error)
        fresh = Remembered(new_incarnation())
        self._save(fresh)
        return fresh

    def _save(self, memory: Remembered) -> None:
        """Write beside it, sync, rename, sync the folder: after a power cut there is the old or the new one."""
        beside = self._path.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(memory))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.memory = memory
