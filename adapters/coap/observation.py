"""One observation at a host (RFC 7641): registered, refreshed and given up with one token, which aiocoap 0.4.17 does not do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiocoap import error
from aiocoap.message import Message
from aiocoap.numbers.types import ACK
from aiocoap.pipe import Pipe

from adapters.coap.peer import answer_of, settle, words_of
from adapters.coap.seam import Answer, BadAnswer, Target, Told, Unanswered

if TYPE_CHECKING:
    from adapters.coap.transport import AiocoapChannel

CANCEL_S = 1.0
"""Longest wait for the answer to a deregistration."""


class Observation:
    """One token at the server: registration, notifications, registration again, deregistration."""

    def __init__(self, channel: AiocoapChannel, target: Target, notified: Callable[[Told], None]) -> None:
        self._channel = channel
        self._target = target
        self._notified = notified
        self._waiting: asyncio.Future[Message] | None = None
        self._assembling: asyncio.Task[None] | None = None
        self._newer: Message | None = None
        self._over = False
        self._mid: int | None = None
        self._number = 0  # under OSCORE: of the last notification, by sequence number
        self._at = -2
        self._begin()

    def _begin(self) -> None:
        message, self._opened = self._channel.seal(self._channel.message(self._target, observe=0))
        self._pipe = self._channel.pipe(message)
        self._stop = self._pipe.on_event(self._event)

    async def register(self) -> Answer:
        """The first registration."""
        answer = await self._answered(lambda: self._channel.start(self._pipe))
        if not self._channel.sealed or answer.code != "4.01":
            return answer
        await self._channel.get(self._target)  # a server that has lost its memory has sent a challenge: this answers it
        self._stop()
        self._over = False
        self._begin()
        return await self._answered(lambda: self._channel.start(self._pipe))

    async def refresh(self) -> Answer:
        """See `seam.Observing`."""
        if not self._channel.sealed:
            return await self._answered(lambda: self._again(0))
        # Under OSCORE notifications belong to the request that they answer (RFC 8613, 4.1.3.5.2): another token. What comes for
        # the old one is answered with a reset.
        self._stop()
        self._at = -2
        self._begin()
        answer = await self.register()
        return answer._replace(direct=False)

    async def cancel(self) -> None:
        """See `seam.Observing`."""
        if self._over:
            return
        self._notified = lambda _answer: None
        try:
            async with asyncio.timeout(CANCEL_S):
                await self._answered(lambda: self._again(1))
        except (TimeoutError, Unanswered, BadAnswer):
            return  # forgotten all the same: what comes later is answered with a reset
        finally:
            self.drop()

    def drop(self) -> None:
        """See `seam.Observing`."""
        self._over = True
        if self._assembling is not None:
            self._assembling.cancel()
        self._stop()

    def _again(self, observe: int) -> None:
        message, self._opened = self._channel.seal(self._channel.message(self._target, observe=observe))
        message.token = self._pipe.request.token
        self._channel.send(message, self._reset)
        self._mid = message.mid

    def _reset(self) -> None:
        self._event(Pipe.Event(None, error.MessageError(), True))

    async def _answered(self, send: Callable[[], None]) -> Answer:
        if self._over:
            raise Unanswered("the observation is over", True)
        before = self._channel.heard
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._channel.timeout):
                send()
                first = await self._waiting
                answer = await self._channel.whole(self._target, first)
                return answer._replace(
                    observe=first.opt.observe if answer.observe is None else answer.observe,
                    direct=first.mtype is ACK and first.mid == self._mid,
                )
        except TimeoutError:
            raise self._channel.late(before) from None
        finally:
            self._waiting = None

    def _event(self, event: Any) -> bool:
        """From aiocoap: a message with our token, or the end."""
        if self._over:
            return False
        self._over = event.is_last
        message = event.message
        try:
            if message is not None:
                message = self._open(message)
        except BadAnswer as problem:
            if self._waiting is None:
                self._notified(problem)
            elif not self._waiting.done():
                self._waiting.set_exception(problem)
            return not event.is_last
        if self._waiting is not None:
            if not self._waiting.done():
                settle(self._waiting, Pipe.Event(message, event.exception, event.is_last))
        elif message is None:
            self._notified(_end(event.exception))
        else:
            self._notification(message)
        return not event.is_last

    def _open(self, message: Message) -> Message:
        """What is in it. Under OSCORE the sequence number says which is newer (RFC 8613, 4.1.3.5.2): it becomes one of ours."""
        message = self._opened(message)
        if self._channel.sealed and message.opt.observe is not None:
            if message.opt.observe > self._at:
                self._at = message.opt.observe
                self._number = (self._number + 1) % (1 << 24)
            message.opt.observe = self._number
        return message

    def _notification(self, message: Message) -> None:
        block = message.opt.block2
        if len(message.payload) > self._channel.limit:
            self._notified(BadAnswer(f"more than max_payload ({self._channel.limit} bytes)"))
        elif block is None or not block.more:
            self._notified(answer_of(message, message.payload))
        elif self._assembling is None or self._assembling.done():
            self._assembling = asyncio.get_running_loop().create_task(self._assemble(message), name="coap blocks")
        else:
            self._newer = message

    async def _assemble(self, first: Message | None) -> None:
        while first is not None:
            self._newer = None
            await self._assemble_one(first)
            first = self._newer

    async def _assemble_one(self, first: Message) -> None:
        try:
            async with asyncio.timeout(self._channel.timeout):
                answer: Answer | BadAnswer = await self._channel.whole(self._target, first)
        except (TimeoutError, Unanswered) as problem:
            answer = BadAnswer(str(problem) or "its blocks did not come in time")
        except BadAnswer as problem:
            answer = problem
        if isinstance(answer, Answer) and answer.observe is None:
            answer = answer._replace(observe=first.opt.observe)
        self._notified(answer)


def _end(problem: BaseException | None) -> Told:
    """Why there will be no more notifications."""
    if isinstance(problem, error.NetworkError):
        return Unanswered(words_of(problem), False)
    return BadAnswer("the host has reset the observation" if isinstance(problem, error.MessageError) else "it has ended")
