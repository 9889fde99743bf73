"""Questions: what a member asks about points of other members, through the actor and the guardian; answered on the loop."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from rt_edge.actors.command_messages import PointProgress, PointResult, ReadPoint, WritePoint
from rt_edge.commands.command import Outcome

MAX_OPEN = 512
"""Questions without an answer; the oldest is forgotten for one more, and who asked asks again."""


class Questions:
    """The open questions of an island.

    Attributes:
        send: hands a message to the actor, for the guardian; set before the members start.
    """

    def __init__(self) -> None:
        self.send: Callable[[ReadPoint | WritePoint], None] | None = None
        self._open: OrderedDict[int, Callable[[Outcome], None]] = OrderedDict()
        self._number = 0

    def ask(self, question: ReadPoint | WritePoint, tell: Callable[[Outcome], None]) -> None:
        """Ask the guardian; `tell` hears of every answer, unless the one who has it dies."""
        if self.send is None:
            return
        self._number += 1
        self._open[self._number] = tell
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        self.send(msgspec.structs.replace(question, number=self._number))

    def answered(self, message: PointProgress | PointResult) -> None:
        """An answer came, perhaps a second time."""
        last = isinstance(message, PointResult)
        tell = self._open.pop(message.number, None) if last else self._open.get(message.number)
        if tell is not None:
            tell(msgspec.msgpack.decode(message.body, type=Outcome))
