"""Which state of each topic was taken in last: so that a retained message that comes again is told from one that is news. No I/O.

RETAIN is set on what a broker sends because of a SUBSCRIBE, and on nothing else (MQTT 5, 3.3.1.3; we do not ask for Retain As
Published; docs/adr/0016-retained-states.md says why). Such a copy is dropped if it equals the last message of its topic that was
handed on, live or copy. What is kept outlives the process (`retained_file.py`), and there a rule holds: before a topic's next
message is handed on, the file no longer says what its state is. So after a crash a state may come once more, and none is taken
for seen because it was the state before the last.

A topic is 8 bytes of BLAKE2b here, a state as many: 50,000 topics take about 10 MB of memory, and 0.8 to 2.5 MB on disk.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from adapters.mqtt.keys import key_stem
from adapters.mqtt.seam import Message

QUIET_S = 30.0
"""A topic's state is written down when it has not changed for so long: what changes all the time is not written at all."""
RAW_BYTES = 2_097_152
"""Bytes of messages whose digest is not made yet: of a topic that changes often only the last one's is ever made."""
_READ_BY = (
    *("topic", "device", "codec", "at", "fields", "field", "type", "columns", "delimiter"),
    *("time", "time_format", "descriptors", "message", "tags"),
)
"""Settings of a subscription that decide what its Readings are: where one changes, every state is news."""

StateKey = tuple[int, int]
"""Topic, and salt of the subscription that reads it."""


Taken = tuple[int, int, Message | bytes]
"""The last message of a topic that was handed on: how many Readings were ever emitted up to its end, salt, and the message, or of
a live one the stem of its redelivery key, where it has one: that is made of the same digest."""


class _Recent(msgspec.Struct, gc=False):
    """The same, a little later; `at`: when it was handed on, monotonic seconds."""

    last: int
    digest: int
    at: float


def topic_key(topic: str) -> int:
    """8 bytes that stand for a topic, never 0."""
    return int.from_bytes(blake2b(topic.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1


def digest_of(message: Message | bytes, salt: int) -> int:
    """8 bytes that stand for a state, never 0: topic, payload, and the properties that a broker may not change."""
    stem = message if isinstance(message, bytes) else key_stem(message)
    return int.from_bytes(stem[2:], "big") ^ salt or 1


def salt_of(entry: Any, broker: str) -> int:
    """What a state's digest has beside the state: the broker, and how the subscription reads it. 0: it needs no memory.

    Args:
        entry: a `Subscribe`, or an object with its attributes.
        broker: its address.
    """
    if entry.retained not in ("changed", "new") or entry.filter.startswith("$share/") or entry.codec == "sparkplug":
        return 0
    said = repr([(name, getattr(entry, name)) for name in _READ_BY])
    return int.from_bytes(blake2b(f"{broker}\n{said}".encode(), digest_size=8).digest(), "big") or 1


class StateMemory:
    """The last states of at most so many topics; the least recently used go first.

    Args:
        most: topics.

    Attributes:
        turn: what is handed on in this turn of work, filled by who does it; `handing_on` empties it.
        forgotten: topics that had to go.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._raw: dict[int, Taken] = {}
        self._raw_bytes = 0
        self._recent: dict[int, _Recent] = {}  # not in the file; in the order of their last message
        self._sure: dict[int, int] = {}  # in the file
        self.turn: dict[int, Taken] = {}
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._sure) + len(self._recent)

    def load(self, known: dict[int, int]) -> None:
        """What the life before left: topic -> digest, the oldest first. Those beyond `most` go at the next `sweep`."""
        self._sure.update(known)

    @property
    def sure(self) -> dict[int, int]:
        """What the file has."""
        return self._sure

    @property
    def unwritten(self) -> bool:
        """Whether there is something that will have to be written."""
        return bool(self._raw or self._recent)

    def same(self, key: int, message: Message, salt: int) -> bool:
        """Whether a message is what was handed on last from its topic."""
        taken = self.turn.get(key) or self._raw.get(key)
        if taken is not None:
            return digest_of(taken[2], taken[1]) == digest_of(message, salt)
        recent = self._recent.get(key)
        if recent is not None:
            return recent.digest == digest_of(message, salt)
        sure = self._sure.get(key)
        if sure is None or sure != digest_of(message, salt):
            return False
        del self._sure[key]
        self._sure[key] = sure  # used: the last to go
        return True

    def handing_on(self, now: float) -> list[int]:
        """What is in `turn` is about to be emitted; returns the topics that the file must know nothing of before that."""
        turn, sure = self.turn, self._sure
        if not turn:
            return []
        gone = [key for key in turn if key in sure] if sure else []
        for key in gone:
            del sure[key]
        self._raw.update(turn)
        self._raw_bytes += _bytes(turn)
        turn.clear()
        if self._raw_bytes >= RAW_BYTES:
            self._raw_bytes = _bytes(self._raw)  # of each topic the last message only
            if self._raw_bytes >= RAW_BYTES // 2:
                gone += self._fold(now)
        return gone

    def _fold(self, now: float) -> list[int]:
        recent = self._recent
        for key, (last, salt, message) in self._raw.items():
            recent.pop(key, None)
            recent[key] = _Recent(last, digest_of(message, salt), now)
        self._raw.clear()
        self._raw_bytes = 0
        return self._shrink()

    def _shrink(self) -> list[int]:
        gone: list[int] = []
        for _ in range(len(self._sure) + len(self._recent) - self._most):
            self.forgotten += 1
            if self._sure:
                gone.append(key := next(iter(self._sure)))
                del self._sure[key]
            else:
                del self._recent[next(iter(self._recent))]
        return gone

    def sweep(self, now: float, settled: int, quiet: float = QUIET_S) -> tuple[list[int], list[tuple[int, int]]]:
        """What is to be written now: topics to forget, then topics with their digests.

        Args:
            now: monotonic seconds.
            settled: Readings that are settled: only what is taken in counts as seen.
            quiet: seconds without a message, for the second.
        """
        gone = self._fold(now)
        found = []
        for key, one in self._recent.items():
            if now - one.at < quiet:
                break
            if one.last <= settled:
                found.append((key, one.digest))
        for key, digest in found:
            del self._recent[key]
            self._sure[key] = digest
        return gone, found

    def forget(self, key: int) -> None:
        """What was handed on of this topic was not all of a message: it comes again."""
        for kept in (self.turn, self._raw, self._recent):
            kept.pop(key, None)

    def lose(self) -> None:
        """The file is gone: what it had will have to be written again."""
        found = {key: _Recent(0, digest, float("-inf")) for key, digest in self._sure.items()}
        self._sure.clear()
        self._recent = found | self._recent


def _bytes(taken: dict[int, Taken]) -> int:
    """What they hold, about."""
    return sum([100 if isinstance(one, bytes) else len(one.payload or b"") + 200 for _, _, one in taken.values()])
