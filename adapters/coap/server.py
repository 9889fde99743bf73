"""A listening endpoint on aiocoap's udp6 transport: requests in, one reply each, large ones assembled within bounds.

aiocoap's message layer recognises a repeated message by sender and message id alone, and answers it from memory. A device that
was restarted counts from the beginning again: its new message would be acknowledged and lost. Here the token and a digest of
the whole message count too (design 7), and the memory has a bound.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from aiocoap.message import Message
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.codes import Code
from aiocoap.numbers.constants import TransportTuning
from aiocoap.numbers.types import CON
from aiocoap.pipe import Pipe
from aiocoap.protocol import Context
from aiocoap.tokenmanager import TokenManager
from aiocoap.transports.udp6 import MessageInterfaceUDP6

from adapters.coap.guard import Came, Guard
from adapters.coap.keys import LIFETIME_S
from adapters.coap.peer import LOG
from adapters.coap.seam import Pushed, Reply, TakePush, Tuning

MAX_RECENT = 65_536
"""Messages remembered for their lifetime; beyond them a new one is not heard, and comes again."""
MAX_ASSEMBLIES = 64
"""Large requests that come in blocks at a time."""
ASSEMBLY_S = 93.0
"""Seconds between two blocks of one request (MAX_TRANSMIT_WAIT, RFC 7252, 4.8.2)."""
GOODBYE_S = 0.1
"""How long closing waits for replies."""


class _Messages(MessageManager):  # type: ignore[misc]  # untyped
    """aiocoap's message layer with another memory of what was received.

    Args:
        tokens: the layer above.
        tuning: times of what is received and sent.
        now: monotonic seconds.
    """

    def __init__(self, tokens: TokenManager, tuning: TransportTuning, now: Callable[[], float]) -> None:
        super().__init__(tokens)
        self._tuning = tuning
        self._now = now
        self._seen: OrderedDict[tuple[Any, int], tuple[float, bytes, Message | None]] = OrderedDict()

    def dispatch_message(self, message: Message) -> None:
        """From the socket."""
        message.transport_tuning = self._tuning
        super().dispatch_message(message)

    def _deduplicate_message(self, message: Message) -> bool:
        """Whether `message` was had before; its response is sent again then, if there is one yet."""
        now, seen = self._now(), self._seen
        while seen and next(iter(seen.values()))[0] <= now:
            seen.popitem(last=False)
        key, digest = (message.remote, message.mid), _digest(message)
        known = seen.get(key)
        if known is not None and known[1] == digest:
            if message.mtype is CON and known[2] is not None:
                self._send_initially(known[2])
            return True
        if known is None and len(seen) >= MAX_RECENT:
            return True
        seen[key] = (now + LIFETIME_S, digest, None)
        seen.move_to_end(key)
        return False

    async def shutdown(self) -> None:
        """From above. What has no answer yet gets no acknowledgement either, now or later: it is repeated."""
        for _, handle in self._piggyback_opportunities.values():
            handle.cancel()
        self._piggyback_opportunities.clear()
        await super().shutdown()

    def _store_response_for_duplicates(self, message: Message) -> None:
        known = self._seen.get((message.remote, message.mid))
        if known is not None:
            self._seen[(message.remote, message.mid)] = (known[0], known[1], message)


class _Socket(MessageInterfaceUDP6):  # type: ignore[misc]  # untyped
    """aiocoap's socket, without the tracebacks: some malformed options raise through its decoder (a path that is not UTF-8)."""

    on_bad: Callable[[Exception], None]

    def datagram_msg_received(self, *arguments: Any) -> None:
        """From asyncio."""
        try:
            super().datagram_msg_received(*arguments)
        except Exception as error:  # noqa: BLE001  # whatever a stranger's datagram does to the decoder is counted and said by on_bad
            self.on_bad(error)


class AiocoapServer:
    """See `seam.Server`.

    Args:
        host: address to bind.
        port: UDP port; 0 takes a free one, which `port` then says.
        take: makes the reply to a request; may take its time.
        tuning: when and how often a response is repeated, and the bytes of a request, all blocks together.
        ack_after: seconds until an empty acknowledgement is sent instead of a response.
        now: monotonic seconds.
        links: what `/.well-known/core` says (RFC 6690).
        on_bad: told of a datagram that could not be read.
        guard: who may push; None: everybody who can send a datagram.
    """

    def __init__(
        self,
        host: str,
        port: int,
        take: TakePush,
        tuning: Tuning,
        ack_after: float,
        now: Callable[[], float],
        links: str,
        on_bad: Callable[[Exception], None],
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard
        self.host, self.port = host, port
        self._take = take
        self._max = tuning.max_payload
        self._tuning = TransportTuning()
        self._tuning.EMPTY_ACK_DELAY = ack_after
        self._tuning.ACK_TIMEOUT, self._tuning.MAX_RETRANSMIT = tuning.ack_timeout, tuning.retransmits
        self._now = now
        self._links = links.encode()
        self._on_bad = on_bad
        self._tokens: TokenManager | None = None
        self._busy: set[asyncio.Task[Any]] = set()
        self._parts: OrderedDict[tuple[Any, ...], tuple[float, bytearray]] = OrderedDict()

    async def open(self) -> None:
        """See `seam.Server`."""
        self._try()
        loop = asyncio.get_running_loop()
        context = Context(loop=loop, serversite=self, loggername=LOG)
        tokens = TokenManager(context)
        messages = _Messages(tokens, self._tuning, self._now)
        if self._guard is not None and self._guard.key_of is not None:
            from adapters.coap.secure_socket import listen

            host, port, key_of = self.host, self.port, self._guard.key_of
            messages.message_interface, self.port = await listen(host, port, key_of, messages, self._now, self._on_bad)
        else:
            messages.message_interface = await _Socket.create_server_transport_endpoint(
                messages, log=context.log, loop=loop, bind=(self.host, self.port), multicast=[]
            )
            messages.message_interface.on_bad = self._on_bad
            self.port = messages.message_interface.transport.get_extra_info("socket").getsockname()[1]
        tokens.token_interface = messages
        context.request_interfaces.append(tokens)
        self._tokens = tokens

    def _try(self) -> None:
        """Whether the address is free: aiocoap shares a port with others of its kind, and loses its socket when it cannot."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((self.host, self.port))

    async def close(self) -> None:
        """See `seam.Server`."""
        tokens, self._tokens = self._tokens, None
        self._parts.clear()
        if tokens is None:
            return
        if self._busy:  # what has just been settled gets its reply; what has not gets none
            await asyncio.wait(self._busy, timeout=GOODBYE_S)
        await tokens.shutdown()

    async def render_to_pipe(self, pipe: Pipe) -> None:
        """From aiocoap: one request."""
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        came = Came(pipe.request, getattr(pipe.request.remote, "identity", ""))
        seal: Callable[[Message], Message] = _as_it_is
        if self._guard is not None:
            judged = self._guard.judge(came)
            if isinstance(judged, Message):
                judged.transport_tuning = self._tuning
                pipe.add_response(judged, is_last=True)
                return
            came, seal = judged
        response = await self._response(came)
        pipe.add_response(seal(response), is_last=True)

    async def _response(self, came: Came) -> Message:
        request = came.request
        payload = bytes(request.payload)
        if request.opt.block1 is not None:
            part = self._block(came)
            if isinstance(part, Reply):
                response = self._message(part)
                if part.code == "2.31":
                    response.opt.block1 = request.opt.block1
                return response
            payload = part
        response = await self._respond(came, payload)
        if request.opt.block1 is not None and response.code.is_successful():
            response.opt.block1 = request.opt.block1
        return response

    async def _respond(self, came: Came, payload: bytes) -> Message:
        request = came.request
        path, form = tuple(request.opt.uri_path), request.opt.content_format
        if path == (".well-known", "core") and request.code is Code.GET:
            response = Message(code=Code.CONTENT, payload=self._links, transport_tuning=self._tuning)
            response.opt.content_format = 40
            return response
        if len(payload) > self._max:
            return self._message(Reply("4.13", f"at most {self._max} bytes"))
        pushed = Pushed(
            request.remote.hostinfo,
            request.mid,
            bytes(request.token),
            request.mtype is CON,
            request.code.name,
            path,
            tuple(request.opt.uri_query),
            None if form is None else int(form),
            payload,
            came.identity,
            came.once,
            came.replayed,
        )
        return self._message(await self._take(pushed))

    def _block(self, came: Came) -> bytes | Reply:
        """The whole payload with the last block, else what to reply (RFC 7959, 2.5)."""
        request = came.request
        block, now = request.opt.block1, self._now()
        key = (
            came.identity,
            request.remote.blockwise_key,
            request.code,
            tuple(request.opt.uri_path),
            tuple(request.opt.uri_query),
        )
        while self._parts and next(iter(self._parts.values()))[0] <= now:
            self._parts.popitem(last=False)
        _, have = self._parts.pop(key, (0.0, bytearray()))
        if block.block_number == 0:
            have = bytearray()
        if block.start != len(have) or (block.more and len(request.payload) != block.size):
            return Reply("4.08", "blocks are missing")
        if len(have) + len(request.payload) > self._max or (request.opt.size1 or 0) > self._max:
            return Reply("4.13", f"at most {self._max} bytes")
        have += request.payload
        if not block.more:
            return bytes(have)
        if len(self._parts) >= MAX_ASSEMBLIES:
            return Reply("5.03", "too many large requests at a time", 5)
        self._parts[key] = (now + ASSEMBLY_S, have)
        return Reply("2.31")

    def _message(self, reply: Reply) -> Message:
        class_, _, detail = reply.code.partition(".")
        code = Code((int(class_) << 5) + int(detail))
        response = Message(code=code, payload=reply.diagnostic.encode(), transport_tuning=self._tuning)
        if reply.max_age is not None:
            response.opt.max_age = reply.max_age
        if reply.code == "4.13":
            response.opt.size1 = self._max
        return response


def _as_it_is(response: Message) -> Message:
    return response


def _digest(message: Message) -> bytes:
    """Of all that the sender wrote but its type, which a repetition keeps anyway."""
    digest = blake2b(bytes([int(message.code)]) + len(message.token).to_bytes(1, "big") + bytes(message.token), digest_size=16)
    digest.update(message.opt.encode())
    digest.update(b"\xff" + message.payload)
    return digest.digest()
