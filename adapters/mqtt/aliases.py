"""Topic Alias (MQTT 5, 3.3.2.3.4): a number that stands for a topic within one connection. No I/O."""

from __future__ import annotations

from adapters.mqtt.properties import TOPIC_ALIAS, number_of, two_bytes


class AliasError(ValueError):
    """An alias that was not agreed on, or never given a topic."""


class IncomingAliases:
    """What the broker's aliases stand for, in one connection.

    Args:
        most: Topic Alias Maximum that we sent; 0: it may use none.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._topics: dict[int, str] = {}

    def resolve(self, topic: str, properties: bytes) -> str:
        """The topic of a PUBLISH, which may be empty where its alias is known.

        Raises:
            AliasError: the alias is beyond what we allow, or stands for nothing.
            PropertyError: the bytes are not properties.
        """
        alias = number_of(properties, TOPIC_ALIAS)
        if alias is None:
            if not topic:
                raise AliasError("a PUBLISH with neither topic nor alias")
            return topic
        if not 1 <= alias <= self._most:
            raise AliasError(f"topic alias {alias}, where {self._most} are allowed")
        if topic:
            self._topics[alias] = topic
            return topic
        known = self._topics.get(alias)
        if known is None:
            raise AliasError(f"topic alias {alias}, which was given no topic in this connection")
        return known


class OutgoingAliases:
    """Aliases for what we publish in one connection: the first topics get one and keep it.

    Not the most recent ones: with more topics than aliases that would send each topic whole anyway, and an alias besides.

    Args:
        most: Topic Alias Maximum that the broker sent, or less.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._aliases: dict[str, int] = {}

    def use(self, topic: str) -> tuple[str, bytes]:
        """(topic to send, property to send with it) for the next PUBLISH to `topic`; it has to be sent in this order."""
        alias = self._aliases.get(topic)
        if alias is not None:
            return "", two_bytes(TOPIC_ALIAS, alias)
        if len(self._aliases) >= self._most or len(topic) < 3:  # an alias costs three bytes itself
            return topic, b""
        alias = self._aliases[topic] = len(self._aliases) + 1
        return topic, two_bytes(TOPIC_ALIAS, alias)
