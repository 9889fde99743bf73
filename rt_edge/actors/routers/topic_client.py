"""TopicClient: the base of actors that subscribe to topic actors, or publish there with receipts."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from thespian.actors import ActorAddress
from thespian.system.transport import TransmitIntent

from rt_edge.actors.base import BaseActor
from rt_edge.actors.node_messages import Signals
from rt_edge.actors.routers.topic_use import TopicUse
from rt_edge.actors.transport.addresses import address_key
from rt_edge.data.clock import SystemClock


class TopicClient(TopicUse, BaseActor):
    """See `TopicUse`; subclass it and override `on_messages` or `on_delivery`."""

    def __init__(self) -> None:
        super().__init__()
        self.begin(SystemClock())

    def send(self, target: ActorAddress, message: Any) -> bool:
        """As of the base."""
        return BaseActor.send(self, target, message)

    def after(self, seconds: float, function: Callable[..., object], *args: object) -> Any:
        """As of the base; returns what cancels it."""
        return BaseActor.after(self, seconds, function, *args).cancel

    def key(self, address: ActorAddress) -> Hashable:
        """The same for the same actor."""
        return address_key(address)

    def failed(self, what: str, error: Exception) -> None:
        """Counted, logged once for each kind, told to the guardian."""
        self._failed(what, error)

    def _sent(self, key: Any, result: Any, intent: TransmitIntent) -> None:
        super()._sent(key, result, intent)
        self._batch_done(intent)

    def _not_sent(self, key: Any, result: Any, intent: TransmitIntent) -> None:
        super()._not_sent(key, result, intent)
        self._batch_done(intent)

    def _batch_done(self, intent: TransmitIntent) -> None:
        if isinstance(intent.message, Signals):
            self._guarded("sent", lambda: self.desk.sent(intent.targetAddr))
