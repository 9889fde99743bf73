"""Publishing as a stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.hubs._sides import ToHubLogic, into_hub
from rt_edge.streams.hubs.ports import Port
from rt_edge.streams.pubsub.broker import check_broker
from rt_edge.streams.pubsub.message import Message
from rt_edge.streams.pubsub.topics import check_topic
from rt_edge.streams.stage import Hold, Inlet, Outlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import Settle, UserCode
from rt_edge.streams.stages._user_code import ElementLogic, attempt


class ToTopic(UserCode, frozen=True, kw_only=True):
    """Publishes all elements. An element has the outcome that the subscribers give it; without any it is dropped.

    Emits when: -
    Backpressures when: a subscriber of the topic has no room, and back-pressures; or too much has no outcome.
    Completes when: upstream completes, the broker has taken everything, and all has its outcome.
    Cancels when: the broker has ended.
    On restart: keeps no state between elements; what waits stays.

    Attributes:
        broker: the broker.
        topic: a topic, or a function of an element that gives one; None: the elements are `Message`s.
        retain: the last message of each topic is kept for those who subscribe later: a copy, without receipt.
        settle: end: see above. early: what the broker has taken is settled as stored, and volatile.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    broker: Any
    topic: str | Callable[[Any], str] | None = None
    retain: bool = False
    settle: Settle = "end"

    def __post_init__(self) -> None:
        """Refuse what is no broker, or no topic."""
        check_broker(self.broker)
        if isinstance(self.topic, str):
            check_topic(self.topic)

    def holds(self) -> Hold:
        """What is with the broker, and waits in front of it; it does not wait for further elements."""
        return into_hub(self.broker, self.settle)

    @property
    def label(self) -> str:
        """Its name in a graph."""
        return "to_topic"

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A publisher."""
        return _ToLogic(self)


class _ToLogic(ToHubLogic, ElementLogic):
    def __init__(self, stage: ToTopic) -> None:
        ToHubLogic.__init__(self, stage.broker, stage.settle)
        ElementLogic.__init__(self, stage)
        self._stage = stage

    def enter(self, wake: Callable[[], None]) -> Port:
        port = super().enter(wake)
        if isinstance(self._stage.topic, str):
            self._stage.broker.publish_under(port, self._stage.topic)
        return port

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        topic, retain = self._stage.topic, self._stage.retain
        rest: Chunk | None = chunk
        failures: Sequence[tuple[int, Exception]] = ()
        if isinstance(topic, str):
            messages: list[Any] = [Message(topic, item, retain) for item in chunk.items]
        else:
            make = _as_message if topic is None else _under(topic, retain)
            messages, failures = attempt(make, chunk.items, self._policy)
            if failures:
                rest, messages = self.survivors(chunk, messages, failures)
            else:
                self.note_success()
        if rest is not None:
            super().on_push(inlet, rest.replace(messages))
        if failures and self._policy is Supervision.STOP:
            self.fail_stage(failures[0][1])
        elif failures:
            self.on_timer(None)

    def residue(self) -> list[Chunk]:
        """What the broker had no room for, as it came."""
        held = super().residue()
        if self._stage.topic is None:
            return held
        return [chunk.replace([message.payload for message in chunk.items]) for chunk in held]


def _as_message(element: Any) -> Message:
    if not isinstance(element, Message):
        raise TypeError(f"{type(element).__name__} is no Message, and no topic is given")
    check_topic(element.topic)
    return element


def _under(topic: Callable[[Any], str], retain: bool) -> Callable[[Any], Message]:
    return lambda element: Message(check_topic(topic(element)), element, retain)
