"""TopicStages: the base of actors whose streams, on their loop, publish at topic actors or subscribe there, with receipts.

    stream of the actor -> to_hub -> (hub) -> wire to the topic actor
    wire from the topic actor -> (hub) -> from_hub -> stream of the actor

The streams run on the actor's loop, the ends of the wires on its main thread; a hub joins the two (docs/adr/0010). So an element
is settled at its source when all subscribers have settled it, and a message at its publisher when the stream here has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any
from uuid import uuid4

from thespian.actors import ActorAddress

from rt_edge.actors.loop_thread import LoopThread
from rt_edge.actors.routers.topic_client import TopicClient
from rt_edge.actors.routers.topic_codec import MESSAGES
from rt_edge.actors.routers.topic_messages import OpenPublisher
from rt_edge.actors.routers.topic_use import AGAIN_S
from rt_edge.data.errors import BufferOverflow
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.boundary.incoming import WireIn
from rt_edge.streams.boundary.outgoing import WireOut
from rt_edge.streams.hubs.from_hub import FromHub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.to_hub import ToHub

log = logging.getLogger(__name__)

BUFFER = 256
"""Messages that may wait in a hub."""

RETRY_S = 0.05
"""The queue to the actor's thread was full; it is tried again after this."""


class Hatch:
    """Calls from other threads to the main thread of an actor: at most one item of its queue for all that wait.

    They are few: a hub wakes each of its sides once until it has looked.
    """

    def __init__(self, loop: LoopThread, run: Callable[[Callable[[], object]], None]) -> None:
        self._loop = loop
        self._run = run
        self._lock = Lock()
        self._calls: list[Callable[[], None]] = []
        self._rung = False

    def __call__(self, call: Callable[[], None]) -> None:
        """Any thread."""
        with self._lock:
            self._calls.append(call)
            rung, self._rung = self._rung, True
        if not rung:
            self._ring()

    def _ring(self) -> None:
        try:
            self._loop.to_actor(self._take)
        except BufferOverflow:
            loop = self._loop.loop
            loop.call_soon_threadsafe(loop.call_later, RETRY_S, self._ring)

    def _take(self) -> None:
        with self._lock:
            calls, self._calls = self._calls, []
            self._rung = False
        for call in calls:
            self._run(call)


class Publications:
    """What streams of an actor publish at a topic actor: a hub, and the stream from there to the wire.

    Attributes:
        hub: `to_hub` leads there; elements are `Message`s.
        wire: of the stream, in its present life.
        name: for people; messages are known by their own origins.
        ended: it never does.
    """

    ended = False

    def __init__(self, client: TopicStages, at: Any, name: str) -> None:
        self.hub = MergeHub(BUFFER, keep_open=True)
        self.name = name
        self._client = client
        self.open(at)

    def open(self, at: Any) -> None:
        """Begin to publish."""
        self.wire = f"{self.name}>{uuid4().hex}"
        desk = self._client.desk
        blueprint = Blueprint()
        source = blueprint.add(FromHub(hub=self.hub))
        sink = blueprint.add(WireOut(wire=self.wire, post=desk.wire(self.wire, at, producing=True), codec=MESSAGES))
        blueprint.connect(source, sink)
        desk.run(self.wire, blueprint, self._has_ended)

    def _has_ended(self, error: BaseException | None) -> None:
        log.warning("%s publishes nothing for %g s: %s", self.name, AGAIN_S, error or "its stream has ended")
        self._client.after(AGAIN_S, self._client.publish_again, self)


class TopicStages(TopicClient):
    """See the module. To be used on the actor's thread, after `start_loop`."""

    def __init__(self) -> None:
        super().__init__()
        self._hubs: dict[Hashable, MergeHub] = {}  # of topic actors that are subscribed to

    def publications(self, at: ActorAddress, name: str = "") -> MergeHub:
        """Messages that streams hand in (`Sink.to_hub`) are published at a topic actor; what its subscribers say of them is their
        outcome. While the topic actor is dead they wait, and are published by the next one (`moved`)."""
        self._reach()
        publications = Publications(self, at, name or self.name)
        self._publishers.append((at, publications))
        self.send(at, OpenPublisher(publications.wire))
        self._say_again_later()
        return publications.hub

    def subscriptions(
        self, at: ActorAddress, topics: str, group: str = "", overflow: str = "backpressure", name: str = ""
    ) -> MergeHub:
        """What is published under these topics comes out of the hub (`Source.from_hub`), in one stream; it is settled when that
        stream settles it, and waits while there is none. All topics of one topic actor come out of one hub."""
        self._reach()
        hub = self._hubs.setdefault(self.key(at), MergeHub(BUFFER, keep_open=True, window=self.window))
        self.subscribe(at, topics, group, overflow, name=name)
        return hub

    def moved(self, old: ActorAddress, new: ActorAddress) -> None:
        """As of the base."""
        hub = self._hubs.pop(self.key(old), None)
        if hub is not None:
            self._hubs.setdefault(self.key(new), hub)
        super().moved(old, new)

    def publish_again(self, publications: Publications) -> None:
        """Its stream has failed: another life of it."""
        for at, each in self._publishers:
            if each is publications:
                publications.open(at)
                self.send(at, OpenPublisher(publications.wire))

    def _reach(self) -> None:
        if self.desk.elsewhere is None:
            self.desk.elsewhere = Hatch(self.loop, self.desk.soon)

    def _intake(self, at: ActorAddress, life: str, post: Any) -> Blueprint:
        hub = self._hubs.get(self.key(at))
        if hub is None:
            return super()._intake(at, life, post)
        blueprint = Blueprint()
        source = blueprint.add(WireIn(wire=life, post=post, codec=MESSAGES, outlives=True))
        blueprint.connect(source, blueprint.add(ToHub(hub=hub)))
        return blueprint
