"""A channel to one host on aiocoap's message and token layers, over a connected socket of its own.

aiocoap gives retransmission, message ids, one outstanding confirmable message a host (NSTART), and the matching of responses.
Ours are the bounds of size and time, and observations.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any

from aiocoap.message import Message
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.codes import EMPTY, GET, POST, PUT, UNAUTHORIZED
from aiocoap.numbers.constants import TransportTuning
from aiocoap.numbers.types import CON
from aiocoap.pipe import Pipe
from aiocoap.protocol import Context
from aiocoap.tokenmanager import TokenManager

from adapters.coap.observation import Observation
from adapters.coap.peer import LOG, Peer, PeerInterface, answer_of, code_of, settle, words_of
from adapters.coap.seam import Answer, BadAnswer, Observing, Security, Target, Told, Tuning, Unanswered

RESTARTS = 2
"""How often a block-wise response is begun again because the resource changed meanwhile."""


class AiocoapChannel:
    """See `seam.Channel`.

    Args:
        host: name or address.
        port: UDP port.
        tuning: times and bounds.
        security: tells keys; asked at each opening.
    """

    def __init__(self, host: str, port: int, tuning: Tuning, security: Callable[[], Security] = Security) -> None:
        self._host, self._port = host, port
        self._security = security
        self._oscore: Any = None
        self._tuning = tuning
        self._transport_tuning = TransportTuning()
        self._transport_tuning.ACK_TIMEOUT = tuning.ack_timeout
        self._transport_tuning.MAX_RETRANSMIT = tuning.retransmits
        self._peer: Peer | None = None
        self._tokens: TokenManager | None = None
        self._messages: MessageManager | None = None

    async def open(self) -> None:
        """See `seam.Channel`."""
        loop = asyncio.get_running_loop()
        name = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        security = self._security()
        make = self._maker(name, security)
        try:
            async with asyncio.timeout(self._tuning.timeout):
                _, peer = await loop.create_datagram_endpoint(make, remote_addr=(self._host, self._port))
        except OSError as problem:  # of which a failed lookup and a time-out are kinds
            raise Unanswered(f"{name}: {problem.strerror or problem or 'the name is not found in time'}", False) from None
        context = Context(loop=loop, loggername=LOG)
        tokens = TokenManager(context)
        tokens._token = secrets.randbits(64)  # noqa: SLF001  # aiocoap's begin below 65536: too easy to guess (RFC 7252, 5.3.1)
        messages = MessageManager(tokens)
        messages.message_interface = PeerInterface(peer)
        tokens.token_interface = messages
        context.request_interfaces.append(tokens)
        peer.manager = messages
        self._peer, self._tokens, self._messages, self._oscore = peer, tokens, messages, security.oscore
        await peer.secure(self._tuning.timeout)

    def _maker(self, name: str, security: Security) -> Callable[[], Peer]:
        if not security.key:
            return lambda: Peer(name)
        from adapters.coap.secure_peer import secure_peer

        return secure_peer(name, security)

    async def close(self) -> None:
        """See `seam.Channel`."""
        tokens, peer, self._tokens, self._peer = self._tokens, self._peer, None, None
        if tokens is not None and peer is not None:
            peer.on_life = None
            await tokens.shutdown()

    async def ping(self) -> None:
        """See `seam.Channel`."""
        peer = self._need()
        assert self._messages is not None
        life: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def heard(problem: Exception | None) -> None:
            if not life.done():
                life.set_result(None) if problem is None else life.set_exception(Unanswered(words_of(problem), False))

        peer.on_life = heard
        message = Message(code=EMPTY, transport_tuning=self._transport_tuning)
        message.mtype, message.remote, message.token = CON, peer, b""
        try:
            async with asyncio.timeout(self._tuning.timeout):
                self._messages.send_message(message, lambda: None)
                await life
        except TimeoutError:
            raise Unanswered(f"no answer within {self._tuning.timeout:g} s", False) from None
        finally:
            peer.on_life = None

    def message(self, target: Target, observe: int | None = None, block: tuple[int, int] | None = None) -> Message:
        """A GET of `target`; `block` is number and size exponent of a later block."""
        message = Message(code=GET, transport_tuning=self._transport_tuning)
        message.remote = self._need()
        message.opt.uri_path, message.opt.uri_query = target.path, target.query
        if target.accept is not None:
            message.opt.accept = target.accept
        if observe is not None:
            message.opt.observe = observe
        if block is not None:
            message.opt.block2 = (block[0], False, block[1])
        return message

    async def get(self, target: Target, etag: bytes = b"") -> Answer:
        """See `seam.Channel`."""
        message = self.message(target)
        if etag:
            message.opt.etags = [etag]
        return await self._asked(target, message)

    async def put(self, target: Target, method: str, payload: bytes, content_format: int) -> Answer:
        """See `seam.Channel`."""
        message = self.message(target)
        message.code = PUT if method == "put" else POST
        message.payload, message.opt.content_format = payload, content_format
        return await self._asked(target, message)

    async def _asked(self, target: Target, message: Message) -> Answer:
        before = self._need().heard
        try:
            async with asyncio.timeout(self._tuning.timeout):
                return await self.whole(target, await self._exchange(message))
        except TimeoutError:
            raise self.late(before) from None

    async def observe(self, target: Target, notified: Callable[[Told], None]) -> tuple[Answer, Observing | None]:
        """See `seam.Channel`."""
        observing = Observation(self, target, notified)
        try:
            answer = await observing.register()
        except BaseException:
            observing.drop()
            raise
        if answer.observe is None or not answer.ok:
            observing.drop()
            return answer, None
        return answer, observing

    # -- used by observations ----------------------------------------------------------------------------------------------

    def late(self, before: int) -> Unanswered:
        """What a time-out says; `before` is what had been heard at the beginning."""
        heard = self._peer.heard if self._peer is not None else before
        return Unanswered(f"no answer within {self._tuning.timeout:g} s", heard > before)

    @property
    def heard(self) -> int:
        """Messages that came from the host."""
        return self._need().heard

    @property
    def timeout(self) -> float:
        """Seconds of an exchange."""
        return self._tuning.timeout

    @property
    def limit(self) -> int:
        """Bytes of a response."""
        return self._tuning.max_payload

    def start(self, pipe: Pipe) -> None:
        """Send the request of `pipe`."""
        assert self._tokens is not None
        self._tokens.request(pipe)

    def send(self, message: Message, reset: Callable[[], None]) -> None:
        """Send a request that has its token already."""
        if self._messages is not None and self._peer is not None:
            self._messages.send_message(message, reset)

    def pipe(self, message: Message) -> Pipe:
        """A pipe for `message`."""
        return Pipe(message, logging.getLogger(LOG))

    @property
    def sealed(self) -> bool:
        """Whether messages are protected by OSCORE."""
        return self._oscore is not None

    def seal(self, message: Message) -> tuple[Message, Callable[[Message], Message]]:
        """A request as it goes out, and what opens its responses (which raises BadAnswer)."""
        if self._oscore is None:
            return message, lambda response: response
        from adapters.coap.oscore import seal

        return seal(self._oscore, message)

    async def whole(self, target: Target, first: Message) -> Answer:
        """The response with all its blocks (RFC 7959, 2.4), at most max_payload bytes.

        Raises:
            BadAnswer: blocks that do not fit, or too many.
            Unanswered: a block that did not come.
        """
        for _ in range(RESTARTS + 1):
            payload = await self._blocks(target, first)
            if payload is not None:
                return answer_of(first, payload)
            first = await self._exchange(self.message(target))
        raise BadAnswer("it changes faster than its blocks can be read")

    async def _blocks(self, target: Target, first: Message) -> bytes | None:
        """The payload; None if the resource became another one in between."""
        block, payload = first.opt.block2, bytes(first.payload)
        etag, limit = first.opt.etag, self._tuning.max_payload
        size = None if first.opt.size2 is None else int(first.opt.size2)
        while True:
            if len(payload) > limit or (size or 0) > limit:
                raise BadAnswer(f"more than max_payload ({limit} bytes)")
            if block is None or not block.more:
                return payload
            if len(payload) % block.size or not payload:
                raise BadAnswer("a block that is not the last one is not full")
            next_ = await self._exchange(self.message(target, block=(len(payload) // block.size, block.size_exponent)))
            if not next_.code.is_successful():
                raise BadAnswer(f"a block was refused with {code_of(next_)}")
            block = next_.opt.block2
            if next_.opt.etag != etag or block is None:
                return None
            if block.start != len(payload):
                raise BadAnswer(f"block at byte {block.start} where {len(payload)} was asked for")
            payload += next_.payload

    async def _exchange(self, message: Message) -> Message:
        """One request, one response; a challenge of a server that has lost its memory (RFC 8613, B.1.2) is answered."""
        if self._oscore is None:
            return await self._one(message)
        again = message.copy()
        wire, opened = self.seal(message)
        response = opened(await self._one(wire))
        if response.code is UNAUTHORIZED and response.opt.echo is not None:
            again.opt.echo, again.remote = response.opt.echo, self._need()
            wire, opened = self.seal(again)
            response = opened(await self._one(wire))
        return response

    async def _one(self, message: Message) -> Message:
        self._need()
        done: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def event(what: Any) -> bool:
            if not done.done():
                settle(done, what)
            return False

        pipe = self.pipe(message)
        stop = pipe.on_event(event)
        try:
            self.start(pipe)
            return await done
        finally:
            stop()

    def _need(self) -> Peer:
        if self._peer is None:
            raise Unanswered("the channel is closed", False)
        return self._peer
