"""Reason codes (MQTT 5, 2.4; v3.1.1, 3.2.2.3) -> what to do about them.

A refusal that the broker's side can mend (credentials, access lists, quotas, restarts) is transient: an unattended gateway that
stopped for good because a broker came up before its password database would be worse than one that asks again with backoff. Fatal
is only what no broker of that kind will ever accept: protocol version, client id, a malformed filter.
"""

from __future__ import annotations

from rt_edge.sdk import FatalAdapterError, RtEdgeError, TransientError

_TEXTS = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorised",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep alive timeout",
    0x8E: "session taken over: another client has connected with our client id",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x92: "packet identifier not found",
    0x93: "receive maximum exceeded",
    0x94: "topic alias invalid",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
    0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}
_V311 = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
_CREDENTIALS = frozenset({0x86, 0x87, 0x8A, 0x8C})
_FATAL_CONNECT = frozenset({0x84, 0x85})
_FATAL_SUBSCRIBE = frozenset({0x8F, 0x9E, 0xA1, 0xA2})
_FATAL_PUBLISH = frozenset({0x90, 0x9A, 0x9B})


def text_of(code: int) -> str:
    """The code in words, with its number."""
    return f"{_TEXTS.get(code, 'unknown reason')} (0x{code:02x})"


def v5_code(connack: int, version: int) -> int:
    """A CONNACK's code as a v5 reason code; v3.1.1 has codes of its own."""
    return connack if version == 5 else _V311.get(connack, 0x80)


def connect_error(code: int, address: str) -> RtEdgeError:
    """The error for a refused CONNECT (a v5 code)."""
    message = f"{address} refused the connection: {text_of(code)}"
    if code in _CREDENTIALS:
        return TransientError(message, "check username, password and the broker's access list; it is tried again with backoff")
    if code in _FATAL_CONNECT:
        hint = "set `version` to what the broker speaks" if code == 0x84 else "set another `client_id`"
        return FatalAdapterError(message, hint)
    return TransientError(message)


def unanswered_error(error: RtEdgeError, address: str, secure: bool) -> RtEdgeError:
    """The error for a connection that ended before a CONNACK.

    With TLS 1.3 our handshake is over before the broker judges our certificate (RFC 8446, 4.4.2.4): a refusal is an alert or a
    closed connection by then, which the TLS library calls many things.
    """
    if not secure:
        return error
    message = f"{address} ended the connection before it answered the CONNECT"
    return TransientError(message, "a broker that asks for client certificates does so: check tls.certificate and tls.key")


def subscribe_error(code: int, filter_: str) -> RtEdgeError:
    """The error for a filter refused in a SUBACK; v3.1.1 knows only 0x80."""
    message = f"the broker refused the subscription {filter_!r}: {text_of(code)}"
    if code in _FATAL_SUBSCRIBE:
        return FatalAdapterError(message, "change or remove the subscription")
    return TransientError(message, "check the broker's access list for this user; it is tried again with backoff")


def publish_error(code: int, topic: str) -> RtEdgeError:
    """The error for a PUBACK that says no."""
    message = f"the broker did not take a message for {topic!r}: {text_of(code)}"
    if code in _FATAL_PUBLISH:
        return FatalAdapterError(message, "change `publish`")
    return TransientError(message, "check the broker's access list and quotas; it is tried again with backoff")


def disconnect_error(code: int, address: str) -> RtEdgeError:
    """The error for a DISCONNECT from the broker."""
    hint = "give each client an id of its own" if code == 0x8E else ""
    return TransientError(f"{address} closed the connection: {text_of(code)}", hint)
