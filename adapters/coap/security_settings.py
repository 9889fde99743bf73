"""What a user writes about keys: pre-shared keys of DTLS, and OSCORE's security contexts."""

from __future__ import annotations

import re
from typing import Literal

from adapters.coap.openssl import INSTALL, available
from rt_edge.sdk.settings import Field, SecretField, SettingError, Settings, model_validator

_ID = re.compile(r"(?:[0-9a-f]{2}){0,7}\Z")
_CONTEXT = re.compile(r"(?:[0-9a-f]{2}){1,64}\Z")


class Psk(Settings):
    """A pre-shared key (RFC 7252, 9.1.3.1)."""

    identity: str = Field(min_length=1, max_length=128)
    """Whom the host is to take this node for."""
    key: SecretField
    """The key: text, or `hex:` and hexadecimal digits."""


class Oscore(Settings):
    """A security context of OSCORE (RFC 8613). An ID is at most 7 bytes, in small hexadecimal digits; the empty one is one."""

    sender_id: str
    """ID of this node."""
    recipient_id: str
    """ID of the other side."""
    secret: SecretField
    """Master secret: text, or `hex:` and hexadecimal digits. Not to be used with these IDs again once the data directory of this
    node was lost or set back: sequence numbers would be used twice, and the encryption be broken."""
    salt: SecretField | None = None
    """Master salt, written as the secret."""
    id_context: str | None = None
    """ID context, in hexadecimal digits."""
    algorithm: Literal["AES-CCM-16-64-128", "A128GCM", "ChaCha20/Poly1305"] = "AES-CCM-16-64-128"
    """AEAD algorithm; the first is the one that every implementation has."""

    @model_validator(mode="after")
    def _ids_are_some(self) -> Oscore:
        for name in ("sender_id", "recipient_id"):
            if _ID.match(getattr(self, name)) is None:
                raise SettingError("an ID is at most 7 bytes in small hexadecimal digits", "like 01, 0a7f, or nothing", (name,))
        if self.sender_id == self.recipient_id:
            raise SettingError(
                "both sides have the same ID", "what is one side's sender_id is the other's recipient_id", ("sender_id",)
            )
        if self.id_context is not None and _CONTEXT.match(self.id_context) is None:
            raise SettingError(
                "an ID context is 1 to 64 bytes in small hexadecimal digits", "like 37cbf3210017a2d3", ("id_context",)
            )
        return self


def without_dtls() -> SettingError | None:
    """Why there cannot be DTLS on this machine."""
    problem = available()
    return SettingError(f"there is no DTLS on this machine: {problem}", INSTALL) if problem else None


def without_oscore() -> SettingError | None:
    """Why there cannot be OSCORE in this installation."""
    from importlib.util import find_spec

    from adapters.coap.security import MISSING

    lost = [name for name in ("aiocoap", "cryptography", "cbor2", "filelock") if find_spec(name) is None]
    return SettingError(f"there is no OSCORE in this installation: {', '.join(lost)} is missing", MISSING) if lost else None
