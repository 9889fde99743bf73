"""Routers and routees for the tests; imported by name in their own processes."""

# ruff: noqa: N802 - handlers are named for messages

from __future__ import annotations

import os
import signal
import threading

import msgspec

from rt_edge.actors.base import BaseActor
from rt_edge.actors.routers.actor import RouterActor
from rt_edge.actors.routers.asking import AsksRouters
from rt_edge.actors.routers.messages import RouteAnswer, Routees, Subscribe, Subscribed, Unsubscribe
from rt_edge.actors.routers.routee import RouteeActor
from rt_edge.actors.routers.settings import RouterSettings
from rt_edge.actors.routers.topic_client import TopicClient
from rt_edge.actors.transport.serializer import register_message
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.routing.resizer import Resizer


@register_message
class Note(msgspec.Struct):
    text: str = ""
    seen: list = []


class Worker(RouteeActor):
    """Answers with its process and the payload; keeps what it had."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def work(self, payload):
        if payload == "die":
            os._exit(3)
        if payload == "busy":
            threading.Event().wait(0.2)
        if payload == "fail":
            raise ValueError("as told")
        self.seen.append(payload)
        return [os.getpid(), payload]

    def on_Note(self, message, sender):
        self.send(sender, Note(str(os.getpid()), self.seen))


class Subscriber(Worker):
    """Joins and leaves a router when told to."""

    def on_Subscribe(self, message, sender):
        self.asker = sender

    def on_Join(self, message, sender):
        self.asker = sender
        self.send(message.router, Subscribe(message.name, message.where))

    def on_Subscribed(self, message, _sender):
        self.send(self.asker, Note(message.name))

    def on_Leave(self, message, sender):
        self.send(message.router, Unsubscribe())
        self.send(sender, Note("left"))


@register_message
class Join(msgspec.Struct):
    router: object
    name: str = ""
    where: str = ""


@register_message
class Leave(msgspec.Struct):
    router: object


class Pool(RouterActor):
    settings = RouterSettings(size=3)
    routee_class = Worker


class Scattered(RouterActor):
    settings = RouterSettings(size=3, asking="scatter_gather")
    routee_class = Worker


class Group(RouterActor):
    settings = RouterSettings(strategy="content", window=8)


class Asker(BaseActor):
    """Sends a router many messages and collects the answers."""

    def __init__(self):
        super().__init__()
        self.answers = {}

    def on_Ask(self, message, sender):
        self.asker, self.want = sender, len(message.messages)
        for one in message.messages:
            self.send(message.router, one)

    def on_RouteAnswer(self, message, _sender):
        self.answers.setdefault(message.operation, []).append(message)
        if len(self.answers) == self.want:
            self.send(self.asker, Answers([answers[0] for answers in self.answers.values()]))

    def on_Routees(self, message, _sender):
        self.send(self.asker, message)


@register_message
class Ask(msgspec.Struct):
    router: object
    messages: list


@register_message
class Answers(msgspec.Struct):
    answers: list


__all__ = ["RouteAnswer", "Routees", "Subscribed"]


@register_message
class Watch(msgspec.Struct):
    at: object
    topics: str
    group: str = ""


class Reader(TopicClient):
    """Subscribes when told to, and keeps what comes."""

    window = 8

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_Watch(self, message, sender):
        self.subscribe(message.at, message.topics, message.group)
        self.send(sender, Note("asked"))

    def on_Leave(self, message, sender):
        self.unsubscribe(message.router)
        self.send(sender, Note("left"))

    def on_messages(self, messages):
        self.seen += [message.payload for message in messages]

    def on_Note(self, _message, sender):
        self.send(sender, Note(str(os.getpid()), self.seen))


class Elastic(RouterActor):
    settings = RouterSettings(size=1, window=1, resizer=Resizer(least=1, most=3, every=0.05))
    routee_class = Worker


class Ranked(RouterActor):
    settings = RouterSettings(strategy="priority")


class Mortal(Worker):
    """Does what it is told only if it is meant: `["kill", pid]`, `["slow", pid]`; everybody else answers at once."""

    def work(self, payload):
        if isinstance(payload, list) and payload[1] == os.getpid():
            if payload[0] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait(0.5)
        return super().work(payload)


class SmallestMailbox(RouterActor):
    settings = RouterSettings(strategy="most_demand", size=3, window=4)
    routee_class = Mortal


class ScatterPool(RouterActor):
    settings = RouterSettings(strategy="most_demand", asking="scatter_gather", size=3, window=4)
    routee_class = Mortal


class TailChopPool(RouterActor):
    settings = RouterSettings(strategy="most_demand", asking="tail_chopping", interval=0.1, size=3, window=4)
    routee_class = Mortal


class HashedPool(RouterActor):
    settings = RouterSettings(strategy="consistent_hashing", size=3, window=4)
    routee_class = Mortal


@register_message
class RunStream(msgspec.Struct):
    router: object
    elements: list


class Streaming(AsksRouters):
    """Runs a stream on its loop, in which a router is asked about each element."""

    def on_RunStream(self, message, sender):
        loop = self.start_loop()
        asked = self.asked(message.router, window=4, timeout=5.0)

        async def run():
            stream = Source.from_iterable(message.elements).ask(asked).to(Sink.collect())
            found = await stream.run_async()
            loop.to_actor(lambda: self.send(sender, Note("done", found)))

        loop.to_loop(lambda: setattr(self, "task", loop.loop.create_task(run())))
