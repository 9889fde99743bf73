"""Actors of topics for tests with processes that are killed; what they have taken is in files, which outlive them."""

# ruff: noqa: N802 - handlers are named for messages

from __future__ import annotations

import os
from collections import deque

import msgspec
from router_cast import Note

from rt_edge.actors.routers.topic_actor import TopicActor
from rt_edge.actors.routers.topic_client import TopicClient
from rt_edge.actors.routers.topic_stages import TopicStages
from rt_edge.actors.transport.serializer import register_message
from rt_edge.data.receipt import Stored
from rt_edge.streams.dsl.linear import Sink, Source
from rt_edge.streams.pubsub.message import Message

DISK = "disk"
TOPICS = 8


@register_message
class Read(msgspec.Struct):
    at: object
    path: str
    name: str = ""
    group: str = ""


@register_message
class Write(msgspec.Struct):
    at: object
    path: str
    count: int


@register_message
class Moved(msgspec.Struct):
    old: object
    new: object


class Strict(TopicActor):
    """Takes nothing before the reader and a member of the group are there."""

    required = (DISK, "group g")

    def on_Note(self, _message, sender):
        self.send(sender, Note(str(os.getpid())))


class File:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def add(self, numbers):
        os.write(self.fd, "".join(f"{number}\n" for number in numbers).encode())


class Reader(TopicClient):
    """Stores what comes a moment later, and settles it then."""

    window = 64

    def on_Read(self, message, sender):
        self.file = File(message.path)
        self.subscribe(message.at, "#", message.group, name=message.name)
        self.send(sender, Note(str(os.getpid())))

    def __init__(self):
        super().__init__()
        self.held = deque()

    def on_delivery(self, chunk):
        self.held.append(chunk)
        self.after(0.003, self.store)  # two that are due together are called in no certain order

    def store(self):
        chunk = self.held.popleft()
        self.file.add(message.payload for message in chunk.items)
        chunk.settle()

    def on_Moved(self, message, _sender):
        self.moved(message.old, message.new)


@register_message
class Pass(msgspec.Struct):
    source: object
    target: object


class Filter(TopicStages):
    """A stream on its loop, from one topic actor to another: each message under another topic."""

    def on_Pass(self, message, sender):
        loop = self.start_loop()
        hub_in = self.subscriptions(message.source, "a/#", name="filter")
        hub_out = self.publications(message.target)

        async def run():
            stream = Source.from_hub(hub_in).map(lambda m: Message(m.topic.replace("a", "b"), m.payload)).to(Sink.to_hub(hub_out))
            await stream.run_async()

        loop.to_loop(lambda: setattr(self, "task", loop.loop.create_task(run())))
        self.send(sender, Note(str(os.getpid())))

    def on_Moved(self, message, _sender):
        self.moved(message.old, message.new)


class Writer(TopicClient):
    """Publishes as there is room, and stores what it was told of."""

    def on_Write(self, message, sender):
        self.file = File(message.path)
        self.stream = self.publisher(message.at, window=256)
        self.count, self.number = message.count, 0
        self.write()
        self.send(sender, Note(str(os.getpid())))

    def write(self):
        while self.number < self.count:
            number = self.number
            if not self.stream.offer(
                Message(f"a/{number % TOPICS}", number), lambda outcome, number=number: self.told(number, outcome)
            ):
                return
            self.number += 1

    def told(self, number, outcome):
        self.file.add([number if isinstance(outcome, Stored) else f"-{number}"])
        self.write()

    def on_Moved(self, message, _sender):
        self.moved(message.old, message.new)


class ForFilter(Strict):
    """Takes nothing before the stream is there."""

    required = ("filter",)


class ForDisk(Strict):
    """Takes nothing before the reader is there."""

    required = (DISK,)
