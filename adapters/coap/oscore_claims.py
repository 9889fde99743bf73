"""Which OSCORE keys are the same: for `check` and the claims of an adapter, without the library and without the secret."""

from __future__ import annotations

from hashlib import sha256
from typing import Any


def used_as(keys: Any) -> str:
    """Names the key material as this sender: what must be used by nobody else. By where the secret comes from, not by what it is.

    Args:
        keys: a `security_settings.Oscore`, or an object with its attributes.
    """
    salt = None if keys.salt is None else sorted(keys.salt.spec().items())
    text = repr((sorted(keys.secret.spec().items()), salt, keys.id_context, keys.sender_id))
    return sha256(text.encode()).hexdigest()[:12]
