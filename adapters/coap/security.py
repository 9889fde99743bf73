"""From settings to keys: secrets are revealed here, when a connection is made, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.coap.seam import Security, Unanswered
from rt_edge.sdk import FatalAdapterError, TransientError

if TYPE_CHECKING:
    from adapters.coap.oscore import OscoreContext
    from rt_edge.sdk.settings import Secret

HEX = "hex:"
"""Begins a secret that is written as hexadecimal digits."""
MISSING = "install what OSCORE needs: pip install 'rt-edge[coap]'"


def secret_bytes(secret: Secret) -> bytes:
    """A key: its text, or the bytes behind `hex:`.

    Raises:
        FatalAdapterError: it is not there, or no hexadecimal number.
    """
    text = secret.reveal()
    if not text.startswith(HEX):
        return text.encode()
    try:
        return bytes.fromhex(text.removeprefix(HEX))
    except ValueError:
        raise FatalAdapterError(
            f"secret: what stands behind {HEX} is not hexadecimal ({secret.origin})", "like hex:00ff17"
        ) from None


class Keyring:
    """The keys of one adapter, and its OSCORE contexts, which live as long as it does.

    Args:
        folder: where sequence numbers are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contexts: dict[str, OscoreContext] = {}

    def of_host(self, name: str, settings: Any) -> Security:
        """For a host.

        Raises:
            FatalAdapterError: a secret or a library is not there.
            TransientError: the sequence numbers cannot be written.
        """
        oscore = None if settings.oscore is None else self.context(name, settings.oscore)
        if settings.psk is None:
            return Security(oscore=oscore)
        return Security(settings.psk.identity, secret_bytes(settings.psk.key), oscore)

    def for_channel(self, name: str, settings: Any) -> Security:
        """`of_host` for a connection that is made.

        Raises:
            Unanswered: there is no key.
        """
        try:
            return self.of_host(name, settings)
        except (FatalAdapterError, TransientError) as error:
            raise Unanswered(error.message, False) from None

    def context(self, name: str, settings: Any) -> OscoreContext:
        """An OSCORE context.

        Raises:
            FatalAdapterError: a secret or the library is not there.
            TransientError: the sequence numbers cannot be written.
        """
        if name not in self._contexts:
            try:
                from adapters.coap.oscore import Keys, OscoreContext
            except ImportError as error:
                raise FatalAdapterError(f"there is no OSCORE here: {error}", MISSING) from None
            keys = Keys(
                name,
                bytes.fromhex(settings.sender_id),
                bytes.fromhex(settings.recipient_id),
                secret_bytes(settings.secret),
                b"" if settings.salt is None else secret_bytes(settings.salt),
                None if settings.id_context is None else bytes.fromhex(settings.id_context),
                settings.algorithm,
            )
            try:
                self._contexts[name] = OscoreContext(keys, self._folder)
            except OSError as error:
                raise TransientError(f"OSCORE's sequence numbers in {self._folder}: {error.strerror}") from None
        return self._contexts[name]

    def close(self) -> str:
        """No number that was not used is wasted; what went wrong. The contexts stay: they know what was received."""
        problem = ""
        for context in self._contexts.values():
            try:
                context.close()
            except OSError as error:
                problem = str(error.strerror)
        return problem
