"""Identifiers: names people write, and random ones that tell one life of a thing from the next."""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from pathlib import Path

NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?\Z")
"""What a node, adapter, graph or uplink may be called: it becomes a file name and an actor name."""

EPOCH_BYTES = 16


def is_name(text: str) -> bool:
    """Whether `text` may name a node, an adapter, a graph or an uplink."""
    return NAME.match(text) is not None


def new_incarnation() -> str:
    """A fresh 64-bit token, as 16 hex digits, for one life of an origin, an island or a session."""
    return secrets.token_hex(8)


def new_epoch() -> bytes:
    """A fresh lane epoch: 128 random bits (design 7)."""
    return secrets.token_bytes(EPOCH_BYTES)


@lru_cache(maxsize=1)
def boot_id() -> str:
    """The kernel's id of this boot, or a random one where the kernel has none; constant for a process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)
