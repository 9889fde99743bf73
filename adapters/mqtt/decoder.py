"""From a message to Readings with keys. What cannot be decoded is counted, said once a topic, and settles like any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from adapters.mqtt.answering import Reply, reply_to
from adapters.mqtt.codec import Decode, make_codec
from adapters.mqtt.inbox import Waiting
from adapters.mqtt.keys import PLACES, key_stem, reading_key
from adapters.mqtt.property_rules import PropertyRules
from adapters.mqtt.retained import StateKey
from adapters.mqtt.retaining import Retained
from adapters.mqtt.topics import Router
from rt_edge.sdk import AdapterContext, CodecError, Reading

NAMED_TOPICS = 256
"""Topics whose bad payloads are logged; those beyond are only counted."""
NO_KEY = bytes(10)
"""Stem of what will not come again (QoS 0, orphans): identifier 0 is never a redelivery's (MQTT 5, 2.2.1)."""

Quality = Literal["good", "stale"]


def _unsaid(topic: str, payload: bytes) -> None:
    """Nobody publishes."""


class Decoded:
    """The Readings of one message, handed on in parts if need be.

    Attributes:
        arrival: number of the message's arrival.
        mid: packet identifier.
        qos: 0 when nothing is to be acknowledged.
        reply: what to answer when all of it is settled; None: nothing.
        stem: of the keys of its Readings; `NO_KEY` where they have none.
        state: by what its topic's state is remembered; None: it is not, or there are no Readings.
    """

    __slots__ = ("_at", "_keyed", "_readings", "_redelivered", "arrival", "mid", "orphaned", "qos", "reply", "state", "stem")

    def __init__(self, waiting: Waiting, readings: list[Reading], keyed: bool, session_present: bool) -> None:
        message = waiting.message
        self.arrival = waiting.arrival
        self.mid = message.mid
        self.qos = 0 if waiting.orphan else message.qos
        self.orphaned = waiting.orphan
        self.reply: Reply | None = None
        self.state: StateKey | None = None
        self._readings = readings
        self._at = 0
        self._keyed = keyed
        self.stem = key_stem(message) if keyed and self.qos and readings else NO_KEY
        self._redelivered = bool(self.qos) and message.dup and session_present

    def orphan(self) -> None:
        """The session is gone: the rest has no key and no acknowledgement."""
        self.qos = 0
        self.orphaned = True
        self.stem = NO_KEY
        self._redelivered = False

    def take(self, most: int, readings: list[Reading], keys: list[bytes], again: list[bool]) -> bool:
        """Move up to `most` Readings with keys and flags into the lists; True when none is left."""
        ours, at = self._readings, self._at
        if len(ours) == 1 and most > 0 and not at:  # by far the most, and three times as fast
            readings.append(ours[0])
            if self._keyed:
                keys.append(reading_key(self.stem, 0))
                again.append(self._redelivered)
            self._at = 1
            return True
        end = min(len(ours), at + most)
        readings.extend(ours[at:end])
        if self._keyed:
            keys.extend([reading_key(self.stem, place) for place in range(at, end)])
            again.extend([self._redelivered] * (end - at))
        self._at = end
        return end == len(ours)


class Decoder:
    """Decodes by subscription.

    Args:
        settings: the adapter's.
        context: for counters and the log.
        keyed: whether Readings get keys.
        retained: knows the states that were handed on.
        command: publishes (topic, payload) at QoS 0: Sparkplug edge nodes are asked for their births.
    """

    def __init__(
        self,
        settings: Any,
        context: AdapterContext,
        keyed: bool,
        retained: Retained,
        command: Callable[[str, bytes], None] = _unsaid,
    ) -> None:
        entries = settings.subscribe
        self._context = context
        self._keyed = keyed
        self._router = Router(context.name, [(e.filter, e.topic, e.device) for e in entries], retained.salts)
        self._retained = retained
        self._entries = entries
        self._codecs: list[Decode | None] = []
        self._hosts: dict[int, Any] = {}  # of Sparkplug subscriptions
        self._command = command
        self._told = [PropertyRules(e) if self._uses_properties(e) else None for e in entries]
        self._unwanted = [e.retained == "never" for e in entries]
        self._identified = settings.overlap and settings.version == "5"
        self._max = settings.max_packet
        self._named: set[str] = set()
        self._answers = any(e.answer is not None for e in entries)
        self._answer: Any = None  # of the subscription of the message at hand, once that is decoded
        self._state: StateKey | None = None  # the same
        self._turn = retained.memory.turn

    @staticmethod
    def _uses_properties(entry: Any) -> bool:
        return bool(entry.tags) or entry.expired != "keep"

    def prepare(self) -> None:
        """Make the codecs, once: some read files or load more code. To be called before `decode`.

        Raises:
            FatalAdapterError: a file that cannot be used.
        """
        if len(self._codecs) == len(self._entries):
            return
        codecs: list[Decode | None] = []
        for index, entry in enumerate(self._entries):
            if entry.codec == "sparkplug":
                from adapters.mqtt.sparkplug import SparkplugHost

                self._hosts[index] = SparkplugHost(self._context, self._command, entry.rebirth)
                codecs.append(None)
            else:
                codecs.append(make_codec(entry))
        self._codecs = codecs

    def decode(self, waiting: Waiting, session_present: bool, before: int) -> Decoded:
        """The Readings of one message; none where it is dropped, which is counted by reason.

        Args:
            waiting: the message.
            session_present: whether the broker had our session when the connection began.
            before: how many Readings will ever have been handed on before them.
        """
        readings = self._readings(waiting)
        decoded = Decoded(waiting, readings, self._keyed, session_present)
        state = self._state
        if state is not None:
            decoded.state, self._state = state, None
            known = decoded.stem if decoded.stem is not NO_KEY and not waiting.message.retain else waiting.message
            self._turn[state[0]] = (before + len(readings), state[1], known)
        if self._answers and self._answer is not None:
            decoded.reply = reply_to(self._answer, waiting.message)
            self._answer = None
        return decoded

    def _readings(self, waiting: Waiting) -> list[Reading]:
        message = waiting.message
        route = self._router.route(message, self._identified)
        if route is None:
            return self._drop("unmatched", message.topic, "no subscription of ours takes it")
        if message.payload is None:
            return self._drop("too_large", message.topic, f"larger than max_packet ({self._max} bytes)")
        state = route.state
        if message.retain and (self._retained.seen(state, message) if state is not None else self._unwanted[route.index]):
            self._context.count("dropped_retained")
            return []
        codec = self._codecs[route.index]
        try:
            if codec is None:
                found: list[Reading] = self._hosts[route.index].readings(message, waiting.received)
                return found
            rows = codec(message.payload)
        except CodecError as error:
            return self._drop("bad_payload", message.topic, error.message)
        if len(rows) > PLACES:
            return self._drop("bad_payload", message.topic, f"{len(rows)} readings, more than {PLACES}")
        if not rows:
            self._context.count("dropped_empty_payload")
        received, source, tags = waiting.received, route.source, route.tags
        quality: Quality = "good"
        rules = self._told[route.index]
        if message.properties and rules is not None:
            late = rules.late(message.properties, self._context.clock.monotonic() - waiting.at)
            if late and rules.drops:
                self._context.count("dropped_expired")
                return []
            quality = "stale" if late else "good"
            tags = rules.tags(message.properties, tags)
        if rows:
            self._state = state
            if self._answers:
                self._answer = self._entries[route.index].answer
        return [Reading(source, received if ts is None else ts, fields, quality, tags, received) for ts, fields in rows]

    def _drop(self, reason: str, topic: str, why: str) -> list[Reading]:
        self._context.count(f"dropped_{reason}")
        if topic not in self._named and len(self._named) < NAMED_TOPICS:
            self._named.add(topic)
            self._context.log("warning", "a message was dropped", reason=reason, topic=topic[:200], why=why)
        return []
