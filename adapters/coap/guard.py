"""Who may push: the keys of DTLS clients, and the OSCORE contexts; what is not protected as the settings say is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from aiocoap.message import Message
from aiocoap.numbers.codes import Code

if TYPE_CHECKING:
    from adapters.coap.oscore import OscoreContext


class Came(NamedTuple):
    """A request, opened.

    Attributes:
        request: with address, message id, token and type of the message that it came in.
        identity, once, replayed: see `seam.Pushed`.
    """

    request: Message
    identity: str = ""
    once: bytes = b""
    replayed: bool = False


class Guard:
    """See the module.

    Args:
        key_of: the key of a DTLS identity; None: no DTLS.
        contexts: the OSCORE contexts; empty: none is asked for.
        refused: told of each refusal.
    """

    def __init__(
        self, key_of: Callable[[str], bytes | None] | None, contexts: Mapping[str, OscoreContext], refused: Callable[[str], None]
    ) -> None:
        self.key_of = key_of
        self._contexts = {(one.recipient_id, one.id_context): one for one in contexts.values()}
        self._refused = refused

    def judge(self, came: Came) -> tuple[Came, Callable[[Message], Message]] | Message:
        """The request and what protects its response; or the response that refuses it, ready to be sent."""
        if not self._contexts:
            return came, lambda response: response
        from aiocoap import oscore

        request = came.request
        if request.opt.oscore is None:
            return self._no(Code.UNAUTHORIZED, "OSCORE is asked for here")
        if request.code not in (Code.POST, Code.FETCH):
            return self._no(Code.METHOD_NOT_ALLOWED, "OSCORE comes as POST or FETCH")
        try:
            marks = oscore.verify_start(request)
            context = self._contexts.get((marks.get(oscore.COSE_KID), marks.get(oscore.COSE_KID_CONTEXT)))
            if context is None:
                return self._no(Code.UNAUTHORIZED, "Security context not found")  # RFC 8613, 8.2, also below
            received = context.receive(request)
        except oscore.DecodeError:
            return self._no(Code.BAD_OPTION, "Failed to decode COSE")
        except (oscore.ProtectionInvalid, IndexError):
            return self._no(Code.BAD_REQUEST, "Decryption failed")
        if isinstance(received, Message):
            self._refused("challenged")
            return received
        inner = received.inner
        inner.remote, inner.mid, inner.token, inner.mtype = request.remote, received.mid, request.token, request.mtype
        whom, key = context, received.seal

        def seal(response: Message) -> Message:
            from adapters.coap.oscore import seal_response

            return seal_response(whom, response, key)

        return Came(inner, context.name, received.once, received.replayed), seal

    def _no(self, code: Code, words: str) -> Message:
        self._refused("unprotected")
        return Message(code=code, payload=words.encode())
