"""What of a command's states its asker hears."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rt_edge.actors.command_messages import PointProgress, PointResult, ReadPoint, WritePoint, answer
from rt_edge.commands.command import Outcome

Reply = Callable[[PointProgress | PointResult], None]


def teller(ask: ReadPoint | WritePoint, reply: Reply) -> Callable[[Outcome], None]:
    """What of a command's states its asker hears: the last one; the first durable one if it does not wait; or all."""
    answered = False
    wait = isinstance(ask, ReadPoint) or ask.wait
    progress = isinstance(ask, WritePoint) and ask.progress

    def tell(outcome: Outcome) -> None:
        nonlocal answered
        if answered:
            return
        if outcome.final or not wait:
            answered = True
            reply(answer(ask.number, outcome))
        elif progress:
            reply(PointProgress(ask.number, msgspec.msgpack.encode(outcome)))

    return tell
