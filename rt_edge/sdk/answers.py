"""What became of the commands of late, by idempotency key: one that comes again is answered, and not repeated.

    known = self._answers.known(key)
    if known is not None:
        return await known.result()
    ...                                        # refusals, for which nothing is remembered
    answer = self._answers.begin(key)
    queue.append(Job(frame, answer.settle))    # called later, with what became of it
    return await answer.result()

An adapter that writes in one coroutine needs `once` alone.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from rt_edge.sdk.adapter import AdapterContext, WriteResult

ANSWERS = 1024
"""Commands whose result is kept; far more than an adapter lets wait, so that the oldest was answered long ago."""


class Answer:
    """What becomes of one command.

    Args:
        forget: called if it may be tried again under its key.
        count: called with `writes_STATUS`.
    """

    def __init__(self, forget: Callable[[], None], count: Callable[[str], None]) -> None:
        self._forget, self._count = forget, count
        self._future: asyncio.Future[WriteResult] = asyncio.get_running_loop().create_future()

    def settle(self, result: WriteResult, reached: bool | None = None) -> None:
        """Say what became of it; only the first time counts.

        Args:
            result: for whoever asks.
            reached: whether the device may have got it; then it must not be tried again under the same key. If not given, by the
                status: `confirmed` and `sent` did.
        """
        if self._future.done():
            return
        self._future.set_result(result)
        self._count(f"writes_{result.status}")
        if not (result.status in ("confirmed", "sent") if reached is None else reached):
            self._forget()

    async def result(self) -> WriteResult:
        """What became of it, once that is known; whoever stops waiting stops nothing."""
        return await asyncio.shield(self._future)


class Answers:
    """The commands of one adapter, the newest `most`.

    Args:
        context: where results are counted, as `writes_STATUS`.
        most: commands to remember.
    """

    def __init__(self, context: AdapterContext, most: int = ANSWERS) -> None:
        self._context, self._most = context, most
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def __len__(self) -> int:
        """Commands that are remembered."""
        return len(self._answers)

    def known(self, key: str) -> Answer | None:
        """The command of this key, if there was one; perhaps it is still on its way."""
        return self._answers.get(key)

    def begin(self, key: str) -> Answer:
        """A new command of this key, which is not `known`."""

        def forget() -> None:
            if self._answers.get(key) is answer:
                del self._answers[key]

        answer = self._answers[key] = Answer(forget, self._context.count)
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)
        return answer

    async def once(self, key: str, write: Callable[[], Awaitable[WriteResult]]) -> WriteResult:
        """Do `write`, unless a command of this key was done or is being done: then what becomes of that."""
        answer = self.known(key)
        if answer is None:
            answer = self.begin(key)
            try:
                answer.settle(await write())
            except BaseException:
                answer.settle(WriteResult("sent", "given up in the middle: it may have been done"))
                raise
        return await answer.result()
