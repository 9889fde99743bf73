"""What a subscription makes of the properties of its messages: tags by an allow-list, and what has expired. Pure."""

from __future__ import annotations

from typing import Any

from adapters.mqtt.properties import EXPIRY, PropertyError, number_of, told_by

MAX_TAG = 1024
"""Characters of a tag that is taken from a message."""


class PropertyRules:
    """Of one subscription.

    Args:
        settings: a `Subscribe`.

    Attributes:
        drops: whether what has expired is dropped, and not only called stale.
    """

    def __init__(self, settings: Any) -> None:
        self._tags = tuple(settings.tags.items())
        self._expires = settings.expired != "keep"
        self.drops = settings.expired == "drop"

    def late(self, properties: bytes, waited_s: float) -> bool:
        """Whether the message has expired, `waited_s` after its arrival."""
        if not self._expires:
            return False
        try:
            expiry = number_of(properties, EXPIRY)
        except PropertyError:
            return False
        return expiry is not None and waited_s > expiry

    def tags(self, properties: bytes, tags: dict[str, str]) -> dict[str, str]:
        """`tags` with those that the properties say; what they do not say is left out."""
        if not self._tags:
            return tags
        try:
            told = told_by(properties)
        except PropertyError:
            return tags
        found = dict(tags)
        for tag, source in self._tags:
            if source.startswith("user."):
                value = told.user.get(source[5:], "")
            elif source == "expiry_s":
                value = "" if told.expiry_s is None else str(told.expiry_s)
            elif source == "correlation":
                value = (told.correlation or b"").hex()
            else:
                value = told.content_type if source == "content_type" else told.response_topic
            if value:
                found[tag] = value[:MAX_TAG]
        return found
