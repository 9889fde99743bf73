"""What a broker keeps of one client: subscriptions, what waits, what is in flight. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec.structs import replace

from rt_edge.testkit.mqtt_broker.packets import Publish, Wanted


class Session:
    """One client's state (MQTT 5, 4.1).

    Args:
        client_id: whose.
        most: messages that may wait; the newest beyond are dropped and counted.

    Attributes:
        subscriptions: filter -> (options, subscription identifier).
        incoming: identifiers of QoS 2 messages received and not released.
        in_flight: identifier -> message sent and not acknowledged; None once only its PUBREL is outstanding.
        most_in_flight: the most there ever were.
        acknowledged: identifiers in the order of their PUBACK or PUBREC, the last 100,000.
        dropped: messages dropped because too many waited.
        expiry: seconds it outlives its connection; None: for ever.
    """

    def __init__(self, client_id: str, most: int) -> None:
        self.client_id = client_id
        self.subscriptions: dict[str, tuple[Wanted, int]] = {}
        self.incoming: set[int] = set()
        self.in_flight: dict[int, Publish | None] = {}
        self.most_in_flight = 0
        self.acknowledged: deque[int] = deque(maxlen=100_000)
        self.dropped = 0
        self.expiry: float | None = 0
        self.next_mid = 1
        self._most = most
        self._held: deque[Publish] = deque(maxlen=most)
        self._loose: deque[Publish] = deque(maxlen=most)

    @property
    def waiting(self) -> int:
        """Messages not sent so far."""
        return len(self._held) + len(self._loose)

    def add(self, publish: Publish) -> None:
        """A message for this client."""
        queue = self._held if publish.qos else self._loose
        if len(queue) >= self._most:
            self.dropped += 1
        else:
            queue.append(publish)

    def disconnected(self) -> None:
        """QoS 0 does not wait for who is away."""
        self._loose.clear()

    def to_send(self, quota: int) -> Iterator[Publish]:
        """What may go out now with at most `quota` in flight; what comes out is in flight."""
        while self._loose:
            yield self._loose.popleft()
        while self._held and len(self.in_flight) < quota:
            publish = replace(self._held.popleft(), mid=self._identifier())
            self.in_flight[publish.mid] = publish
            self.most_in_flight = max(self.most_in_flight, len(self.in_flight))
            yield publish

    def to_resend(self) -> Iterator[Publish | int]:
        """After a reconnect, in the order first sent: messages with DUP, or the identifier of an outstanding PUBREL (4.4)."""
        for mid, publish in self.in_flight.items():
            yield mid if publish is None else replace(publish, dup=True)

    def received(self, mid: int) -> bool:
        """PUBACK, or PUBREC of QoS 2: the client has the message; False for an identifier that is not in flight."""
        self.acknowledged.append(mid)
        publish = self.in_flight.get(mid)
        if publish is None:
            return False
        if publish.qos == 2:
            self.in_flight[mid] = None
        else:
            del self.in_flight[mid]
        return True

    def completed(self, mid: int) -> None:
        """PUBCOMP."""
        if self.in_flight.get(mid, self) is None:
            del self.in_flight[mid]

    def _identifier(self) -> int:
        while self.next_mid in self.in_flight:
            self.next_mid = self.next_mid % 65_535 + 1
        mid = self.next_mid
        self.next_mid = mid % 65_535 + 1
        return mid
