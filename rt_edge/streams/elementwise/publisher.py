"""IslandPublisher: a blueprint with one open outlet as a Publisher; each subscribe is a run of its own."""

from __future__ import annotations

from typing import Any

from rt_edge.data.errors import RefusedError
from rt_edge.protocol.roles import Subscriber
from rt_edge.protocol.rules import check_subscriber
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.elementwise.outward import Outward, ToSubscriber
from rt_edge.streams.elementwise.running import HostFactory, expect_open, start
from rt_edge.streams.host import AsyncioHost


class IslandPublisher:
    """A `Publisher`: every subscriber gets a stream of its own (rule 1.11, unicast).

    A subscriber that subscribes while it has a stream here breaks rule 1.10; its stream is ended by on_error, and it gets no
    second on_subscribe (rule 2.12).

    Args:
        blueprint: one outlet is open, every other port is wired; it must not be changed afterwards.
        hosts: makes the host of a run; `subscribe` is called in the thread of the host that it makes.

    Raises:
        ConfigError: another number of ports is open.
    """

    def __init__(self, blueprint: Blueprint, hosts: HostFactory = AsyncioHost) -> None:
        self._outlet = expect_open(blueprint, 0, 1, "a publisher").outlets[0]
        self._blueprint = blueprint
        self._hosts = hosts
        self._streams: dict[int, Outward] = {}

    @property
    def subscribers(self) -> int:
        """How many streams are running."""
        return len(self._streams)

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        """Start a run. When it cannot start, `subscriber` gets on_subscribe and on_error (rule 1.9).

        Raises:
            TypeError: None, or no subscriber (rule 1.9).
        """
        check_subscriber(subscriber)
        key = id(subscriber)  # valid while it is in the table: the stream holds the subscriber
        active = self._streams.get(key)
        if active is not None:
            active.refuse(RefusedError("rule 1.10: this subscriber has subscribed already, each time it has to be another one"))
            return
        end = Outward(lambda: self._forget(key))
        self._streams[key] = end
        attached = False
        try:
            host = self._hosts()
            blueprint = Blueprint()
            names = blueprint.absorb(self._blueprint)
            sink = blueprint.add(ToSubscriber(end=end))
            node, port = self._outlet
            blueprint.connect(names[node], sink, port)
            attached = True
            end.attach(subscriber)
            if not end.is_over:
                start(blueprint, host)
        except Exception as error:  # noqa: BLE001  # rule 1.9: whatever prevents the run is signalled
            if not attached:
                end.attach(subscriber)
            end.end(error)

    def _forget(self, key: int) -> None:
        self._streams.pop(key, None)
