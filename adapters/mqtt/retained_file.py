"""The states taken in last, over the death of the process: `mqtt-retained.log` in the adapter's own directory.

It is appended to, 16 bytes a topic, and written anew when half of it is old. Each write is one frame with a checksum. The first
frame of a life says in which boot of the machine it was written, the last that it ended in order. What is in the file counts
after an orderly end, or if the machine has not been started since: after a power cut the last frames may be missing, and one of
them may have said that a state counts no more. Then, and if it is damaged, nothing counts, and each state comes once more.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

FILE = "mqtt-retained.log"
MAGIC = b"rtemqst1"
LARGEST = 67_108_864
"""Bytes; a larger file is not ours."""
SLACK = 4096
"""Records that may be old, beside as many as count, before the file is written anew."""
_HEAD = struct.Struct("<II")
_RECORD = struct.Struct("<QQ")
_ENDED = (0, 0)


class StateFile:
    """Reads and appends. Whoever calls looks after OSError: `remove` makes sure that an old state does not count.

    Args:
        folder: the adapter's data directory.
        boot: the kernel's id of this boot.

    Attributes:
        damaged: why an existing file was set aside; empty when it was not.
        cut: an existing file does not count, since the machine went down without an orderly end.
    """

    def __init__(self, folder: Path, boot: str) -> None:
        self._path = folder / FILE
        self._boot = int.from_bytes(blake2b(boot.encode(), digest_size=8).digest(), "little") or 1
        self._records = 0
        self.damaged = ""
        self.cut = False

    def load(self) -> dict[int, int]:
        """What counts, the oldest first: topic -> digest.

        Raises:
            OSError: it cannot be read, or not set aside.
        """
        try:
            if self._path.stat().st_size > LARGEST:
                return self._set_aside(f"larger than {LARGEST} bytes")
            data = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        found: dict[int, int] = {}
        boot, ended, at = 0, False, len(MAGIC)
        wrong = "" if data.startswith(MAGIC) else "it does not begin as it should"
        while not wrong and at < len(data):
            body = _frame(data, at)
            if body is None:
                wrong = f"the frame at byte {at} is cut off or damaged"
                break
            at += _HEAD.size + len(body)
            for key, digest in _RECORD.iter_unpack(body):
                self._records += 1
                found.pop(key, None)
                if key:
                    found[key] = digest
                    ended = False
                else:
                    boot, ended = digest or boot, not digest
        if boot and boot != self._boot and (wrong or not ended):
            self.cut = True
            self.remove()
            return {}
        if wrong:
            return self._set_aside(wrong)
        return {key: digest for key, digest in found.items() if digest}

    def _set_aside(self, why: str) -> dict[int, int]:
        self.damaged = why
        self._records = 0
        self._path.replace(self._path.with_suffix(".damaged"))
        return {}

    def begin(self) -> None:
        """A life begins; on disk when it returns: else an orderly end before it could be taken for ours.

        Raises:
            OSError: it cannot be written.
        """
        self._append([(0, self._boot)], sync=True)

    def write(self, gone: Iterable[int], states: Iterable[tuple[int, int]], sure: Mapping[int, int]) -> None:
        """These count no more, those do from now on.

        Args:
            gone: topics.
            states: topics with their digests.
            sure: everything that counts then; written anew when the file is long.

        Raises:
            OSError: it cannot be written.
        """
        records = [*((key, 0) for key in gone), *states]
        if self._records + len(records) > 2 * len(sure) + SLACK:
            self._anew(sure)
        elif records:
            self._append(records)

    def end(self) -> None:
        """An orderly end.

        Raises:
            OSError: it cannot be written.
        """
        self._append([_ENDED], sync=True)

    def remove(self) -> None:
        """Nothing counts any more.

        Raises:
            OSError: it cannot be removed.
        """
        self._records = 0
        self._path.unlink(missing_ok=True)

    def _append(self, records: list[tuple[int, int]], sync: bool = False) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            new = os.fstat(descriptor).st_size == 0
            if new and records[0][0]:
                records = [(0, self._boot), *records]
            _write(descriptor, (MAGIC if new else b"") + _framed(records))
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._records += len(records)
        if sync and new:
            _sync_folder(self._path.parent)

    def _anew(self, sure: Mapping[int, int]) -> None:
        """Beside it, then renamed: there is the old or the new one. Not synced, since neither of them has ended in order."""
        beside = self._path.with_suffix(".new")
        records = [(0, self._boot), *sure.items()]
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(descriptor, MAGIC + _framed(records))
        finally:
            os.close(descriptor)
        beside.replace(self._path)
        self._records = len(records)


def _framed(records: list[tuple[int, int]]) -> bytes:
    body = b"".join([_RECORD.pack(*record) for record in records])
    return _HEAD.pack(len(body), crc32(body)) + body


def _frame(data: bytes, at: int) -> bytes | None:
    """The body of the frame at `at`; None: it is not whole."""
    if at + _HEAD.size > len(data):
        return None
    size, check = _HEAD.unpack_from(data, at)
    body = data[at + _HEAD.size : at + _HEAD.size + size]
    return body if size and len(body) == size and size % _RECORD.size == 0 and crc32(body) == check else None


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
