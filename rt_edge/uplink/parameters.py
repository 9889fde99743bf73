"""What can be set about the delivery protocol: windows in bytes, intervals in seconds."""

from __future__ import annotations

import msgspec


class SenderParameters(msgspec.Struct, frozen=True, kw_only=True):
    """The edge's side.

    Attributes:
        window: bytes that may be sent and not confirmed; the smaller of this and the receiver's grant holds. Bytes per
            round trip, so window / round-trip time bounds the rate.
        window_records: the same in records; bounds the bookkeeping per sent record.
        batch_bytes: a frame takes records until it holds this much (one record may be larger).
        read_bytes: bytes asked of the spool at once, per lane.
        max_lanes: lanes opened in one session.
        resend_min, resend_max: without progress the sender asks where the receiver is after `resend_min`, and then
            at doubling intervals up to `resend_max`.
        keepalive: something is sent at least this often (the receiver may ask for less in its Welcome).
        idle: a link on which nothing was heard for this long is closed.
        handshake: a peer that leaves Hello, Open or Compare unanswered for this long is closed.
    """

    window: int = 512_000
    window_records: int = 8192
    batch_bytes: int = 64_000
    read_bytes: int = 128_000
    max_lanes: int = 64
    resend_min: float = 2.0
    resend_max: float = 30.0
    keepalive: float = 10.0
    idle: float = 35.0
    handshake: float = 20.0


class ReceiverParameters(msgspec.Struct, frozen=True, kw_only=True):
    """The ingress' side.

    Attributes:
        window: bytes granted beyond what is committed, per session. A record may start below the limit and reach over
            it, so a session holds at most `window` plus two records of the largest size.
        window_records: the same in records.
        total_window: bytes granted to all sessions together: with n sessions each gets total_window / n, at least
            `min_window` and at most `window`. A grant is never taken back, so a crowd that connects at once can hold more
            until its first confirmations.
        min_window: see `total_window`.
        commit_bytes: records handed to the store at once, in bytes (one record may be larger).
        max_sessions: links beyond it are refused.
        max_lanes: lanes of one session.
        roles: roles (of the peer's certificate) that may deliver.
        keepalive: what the sender is asked to obey.
        idle: a link on which nothing was heard for this long is closed.
        hello: a link that has not said Hello after this long is closed.
        probe: how long a live session may take to prove that it lives when a second one of its node appears.
        retry_min, retry_max: a commit or an open that failed for a passing reason is tried again at doubling intervals.
        resend_min, resend_max: a gap that stays is named again at doubling intervals.
        duplicate_retry: seconds a second live session of a node is told to stay away.
        max_waste: bytes of repeated or out-of-order records without progress before the session is closed, in windows.
    """

    window: int = 512_000
    window_records: int = 8192
    total_window: int = 64_000_000
    min_window: int = 64_000
    commit_bytes: int = 512_000
    max_sessions: int = 1000
    max_lanes: int = 256
    roles: tuple[str, ...] = ("edge",)
    keepalive: float = 10.0
    idle: float = 35.0
    hello: float = 10.0
    probe: float = 5.0
    retry_min: float = 1.0
    retry_max: float = 30.0
    resend_min: float = 2.0
    resend_max: float = 30.0
    duplicate_retry: float = 60.0
    max_waste: int = 32
