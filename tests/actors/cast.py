"""Actors for the tests; imported by name in their own processes."""

# ruff: noqa: N802 - handlers are named for messages

from __future__ import annotations

import os

import msgspec

from rt_edge.actors.base import BaseActor
from rt_edge.actors.transport.serializer import register_message


@register_message
class Say(msgspec.Struct):
    text: str
    payload: bytes = b""


@register_message
class Where(msgspec.Struct):
    pid: int = 0


class Echo(BaseActor):
    def on_Say(self, message, sender):
        self.send(sender, message)

    def on_Where(self, _message, sender):
        self.send(sender, Where(os.getpid()))
