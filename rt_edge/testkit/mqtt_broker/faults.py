"""What a test makes the broker do wrong."""

from __future__ import annotations


class Faults:
    """Set an attribute; the broker looks at it when its moment comes. Counted ones count down and end by themselves.

    Attributes:
        cut_before_ack: the n-th PUBACK (or PUBREC) from now on is lost together with the connection.
        cut_after_ack: after the n-th one from now on is processed, the connection is cut.
        refuse: CONNACK code for the next `refusals` connects (v5 code; at v3.1.1 sent as it is).
        refusals: how many connects are refused.
        forget_session: the next connect finds no session.
        grant: highest QoS granted; 0x80 and above refuses every filter with that code.
        publish_code: PUBACK code for what clients publish.
        ignore_receive_maximum: send all that waits at once (as mosquitto 2.0.11 does with a backlog).
        deaf: nothing that clients send is read: a network that swallows.
        delay: seconds that every PUBLISH waits before it is sent.
        cut_mid_packet: the next PUBLISH is sent half, then the connection is cut.
        connack: further CONNACK properties at v5.
    """

    def __init__(self) -> None:
        self.cut_before_ack = 0
        self.cut_after_ack = 0
        self.refuse = 0x88
        self.refusals = 0
        self.forget_session = False
        self.grant = 2
        self.publish_code = 0
        self.ignore_receive_maximum = False
        self.deaf = False
        self.delay = 0.0
        self.cut_mid_packet = False
        self.connack: dict[int, int] = {}

    def take(self, name: str) -> bool:
        """Count down `name`; True when it just reached zero."""
        left = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return bool(left == 1)
