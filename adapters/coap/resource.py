"""One resource of a host while the adapter lives: what to ask, how to read it, when the next slot is."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.coap.address import split_path
from adapters.coap.codec import make_codec
from adapters.coap.observe import Freshness
from adapters.coap.seam import Answer, Observing, Target
from rt_edge.sdk import AdapterContext, Reading
from rt_edge.sdk.presence import Presence

ACCEPTED = {"json": 50, "cbor": 60, "senml-json": 110, "senml-cbor": 112}
"""Codec -> Content-Format that is asked for."""
KEPT_BYTES = 4096
"""Longest payload that is kept so that the host need not send it again."""


class Resource:
    """State of one resource.

    Args:
        host: its host's name.
        name: its own.
        settings: a `settings.Resource`, or an object with its attributes.
        tags: of the host.
        context: the runtime.

    Attributes:
        asked: queued or under way at its host.
        waiting: Readings that wait for demand, of one answer.
        refused: the host does not observe it; it is polled.
        due: monotonic seconds of the next poll.
        skipped: slots in a row that nobody asked for.
        negotiates: the Content-Format asked for is our wish, and given up if the host cannot do that.
        known: the newest answer that has an ETag, if it is not too long to be kept.
    """

    def __init__(self, host: str, name: str, settings: Any, tags: dict[str, str], context: AdapterContext) -> None:
        self.host, self.name = host, name
        self.source = f"{context.name}/{host}"
        accept = ACCEPTED.get(settings.codec) if settings.accept is None else settings.accept
        self.target = Target(*split_path(settings.path), accept)
        self.negotiates = settings.accept is None and accept is not None
        self.known: Answer | None = None
        self.every: float = settings.every
        self.observed: bool = settings.observe
        self.span = Presence(context, self.source, name)
        self.freshness = Freshness()
        self.observing: Observing | None = None
        self.refused = False
        self.asked = False
        self.waiting: list[Reading] = []
        self.timer: asyncio.TimerHandle | None = None
        self.due = 0.0
        self.skipped = 0
        self.last: tuple[int | None, bytes] | None = None
        self._codec = make_codec(settings)
        self._tags = {**tags, "resource": name}

    @property
    def pushes(self) -> bool:
        """Whether the host is to say changes by itself."""
        return self.observed and not self.refused

    def read(self, answer: Answer, received: int) -> list[Reading]:
        """The Readings in an answer.

        Raises:
            CodecError: with place and reason.
        """
        rows = self._codec(answer.payload, answer.content_format, received)
        tags = self._tags
        return [
            Reading(self.source, received if ts is None else ts, fields, "good", {**tags, **more} if more else tags, received)
            for ts, fields, more in rows
        ]

    def keep(self, answer: Answer) -> None:
        """It is the newest one."""
        small = len(answer.payload) <= KEPT_BYTES
        self.known = answer if answer.etag and answer.ok and small and answer.code != "2.03" else None

    def disarm(self) -> None:
        """No slot is waited for."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def forget(self) -> None:
        """The connection is gone: nothing is registered, nothing under way."""
        self.disarm()
        if self.observing is not None:
            self.observing.drop()
            self.observing = None
        self.refused = self.asked = False
        self.last = None
