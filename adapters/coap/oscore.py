"""OSCORE (RFC 8613): security contexts whose sequence numbers outlive a crash. aiocoap does the cryptography.

The sender sequence number on the disk is always ahead of the one in use: a number that was used once is never used again. The
replay window is in memory only: a new process answers the first request with a challenge (Echo, RFC 8613, B.1.2). A request
that is repeated with the answer keeps the name it had at first, so that what the process before has stored is not stored again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiocoap import oscore
from aiocoap.message import Direction, Message
from cryptography.exceptions import InvalidTag

from adapters.coap.seam import BadAnswer

AHEAD = 512
"""Sender sequence numbers that one fsync buys; a crash wastes at most as many of 2^40."""
WINDOW = 64
"""Sequence numbers that may overtake each other."""
CHALLENGES = 256
"""Challenges remembered at a time."""


class Keys(NamedTuple):
    """What both sides know.

    Attributes:
        name: for people.
        sender, recipient: IDs, ours and theirs, at most 7 bytes.
        secret, salt: master secret and salt.
        id_context: ID context; None: none.
        algorithm: as aiocoap calls it.
    """

    name: str
    sender: bytes
    recipient: bytes
    secret: bytes
    salt: bytes = b""
    id_context: bytes | None = None
    algorithm: str = "AES-CCM-16-64-128"


class _State(msgspec.Struct):
    """Content of the file: the first sequence number that was never used."""

    next: int = 0


class Received(NamedTuple):
    """A request that was protected.

    Attributes:
        inner: what is in it.
        seal: what its response has to be protected with: aiocoap's.
        mid, once: message id and name of the message that it repeats, else its own. The name: context and sequence number.
        replayed: it was received before, by this process.
    """

    inner: Message
    seal: Any
    mid: int
    once: bytes
    replayed: bool = False


class Challenged(NamedTuple):
    """A request that was answered with a challenge: its message id, and the name that it keeps when it is repeated."""

    mid: int
    once: bytes
    content: bytes


class OscoreContext(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):  # type: ignore[misc]  # untyped
    """One context.

    Args:
        keys: what both sides know.
        folder: where its numbers are kept.

    Raises:
        OSError: they cannot be made durable.
    """

    def __init__(self, keys: Keys, folder: Path) -> None:
        self.name = keys.name
        self.sender_id, self.recipient_id, self.id_context = keys.sender, keys.recipient, keys.id_context
        self.alg_aead = oscore.algorithms[keys.algorithm]
        self.hashfun = oscore.hashfunctions[oscore.DEFAULT_HASHFUNCTION]
        self.derive_keys(keys.salt, keys.secret)
        digest = hashlib.sha256(b"|".join((self.sender_key, self.recipient_key, self.common_iv, keys.sender, keys.recipient)))
        self.digest = digest.digest()[:8]
        self._path = folder / f"oscore-{self.digest.hex()}.json"
        self.sender_sequence_number, fresh = self._load()
        self._reserved = 0
        self.recipient_replay_window = oscore.ReplayWindow(WINDOW, lambda: None)
        if fresh:  # never used: nothing can have been seen
            self.recipient_replay_window.initialize_empty()
        self.echo_recovery: bytes = secrets.token_bytes(8)
        self._challenged: OrderedDict[bytes, Challenged] = OrderedDict()
        self._reserve()

    def post_seqnoincrease(self) -> None:
        """From aiocoap, before a number is used."""
        if self.sender_sequence_number > self._reserved:
            self._reserve()

    def close(self) -> None:
        """An orderly end: no number is wasted.

        Raises:
            OSError: it cannot be written; some numbers are wasted.
        """
        self._reserved = self.sender_sequence_number
        self._save()

    # -- both sides --------------------------------------------------------------------------------------------------------

    def open(self, message: Message, request: Any = None) -> tuple[Message, Any]:
        """What is in a protected message; `request`: of what it is the response. See aiocoap's `unprotect`.

        Raises:
            ReplayErrorWithEcho: a request, while nobody knows what was seen before; its `to_message` is to be sent.
            ProtectionInvalid: it is not what it should be.
        """
        try:
            return self.unprotect(message, request)  # type: ignore[no-any-return]
        except InvalidTag:
            raise oscore.ProtectionInvalid("it does not verify") from None
        except (ValueError, IndexError, AssertionError) as error:
            if isinstance(error, (oscore.ProtectionInvalid, oscore.NotAProtectedMessage)):
                raise
            raise oscore.ProtectionInvalid(f"it cannot be read: {error}") from None

    # -- server ------------------------------------------------------------------------------------------------------------

    def receive(self, message: Message) -> Received | Message:
        """A request, or the challenge to answer it with.

        Each challenge is another one, so that its answer says which message it repeats.

        Raises:
            ProtectionInvalid: it is not what it should be.
        """
        once = self.digest + bytes(oscore.verify_start(message).get(oscore.COSE_PIV, b""))
        inner, seal = self._peek(message)
        echo = b"" if inner.opt.echo is None else bytes(inner.opt.echo)
        self.echo_recovery = echo if echo in self._challenged else secrets.token_bytes(8)
        try:
            inner, seal = self.open(message)
        except oscore.ReplayErrorWithEcho as problem:
            self._challenged[self.echo_recovery] = Challenged(message.mid, once, _digest(inner))
            if len(self._challenged) > CHALLENGES:
                self._challenged.popitem(last=False)
            reply: Message = problem.to_message()
            return reply
        except oscore.ReplayError:
            return Received(inner, seal, message.mid, once, replayed=True)
        before = self._challenged.pop(echo, None)
        if before is not None and before.content == _digest(inner):
            return Received(inner, seal, before.mid, before.once)
        return Received(inner, seal, message.mid, once)

    def _peek(self, message: Message) -> tuple[Message, Any]:
        """What is in a request, without taking it."""
        window, self.recipient_replay_window = self.recipient_replay_window, oscore.ReplayWindow(WINDOW, lambda: None)
        self.recipient_replay_window.initialize_empty()
        try:
            inner, seal = self.open(message)
        finally:
            self.recipient_replay_window = window
        seal.can_reuse_nonce = False  # another response may have been sent with it
        return inner, seal

    # -- disk --------------------------------------------------------------------------------------------------------------

    def _reserve(self) -> None:
        self._reserved = self.sender_sequence_number + AHEAD
        self._save()

    def _load(self) -> tuple[int, bool]:
        """The first number that was never used, and whether there is no file."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_State).next, False
        except FileNotFoundError:
            return 0, True
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise OSError(0, f"{self._path.name} cannot be read ({error}): it is not known which numbers were used") from None

    def _save(self) -> None:
        beside = self._path.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(_State(self._reserved)))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def seal(context: OscoreContext, message: Message) -> tuple[Message, Callable[[Message], Message]]:
    """A request, protected, and what opens its responses (which raises BadAnswer)."""
    message.direction = Direction.OUTGOING
    message.remote, remote = None, message.remote
    wire, request = context.protect(message)
    wire.remote, wire.mtype, wire.token = remote, message.mtype, message.token

    def opened(response: Message) -> Message:
        try:
            inner: Message = context.open(response, request)[0]
        except oscore.NotAProtectedMessage:
            raise BadAnswer(f"answers {response.code} without OSCORE: are both sides' IDs and secrets the same?") from None
        except oscore.ProtectionInvalid as problem:
            raise BadAnswer(f"OSCORE: {problem}") from None
        inner.mtype, inner.mid, inner.token, inner.remote = response.mtype, response.mid, response.token, response.remote
        return inner

    return wire, opened


def _digest(inner: Message) -> bytes:
    """Of what a request says, its challenge aside."""
    digest = hashlib.sha256(bytes([int(inner.code)]))
    for part in (*inner.opt.uri_path, "?", *inner.opt.uri_query, str(inner.opt.content_format), str(inner.opt.block1)):
        digest.update(len(part).to_bytes(4, "big") + part.encode("utf-8", "surrogatepass"))
    digest.update(inner.payload)
    return digest.digest()


def seal_response(context: OscoreContext, response: Message, request: Any) -> Message:
    """A response, protected; `request`: what `receive` gave."""
    response.direction = Direction.OUTGOING
    wire: Message = context.protect(response, request)[0]
    wire.transport_tuning = response.transport_tuning
    return wire
