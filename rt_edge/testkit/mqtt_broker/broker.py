"""TestBroker: a small MQTT broker in the test's own event loop, v5 and v3.1.1, QoS 0 to 2, that does wrong on request.

What it has: sessions with expiry, DUP redelivery with the same identifiers, Receive Maximum, retained messages, wills,
subscription identifiers, shared subscriptions, user and password. What it has not: topic aliases, access lists, a store on disk
(`stop` and `start` keep its sessions). It passes the same contract as mosquitto (`tests/testkit/test_broker_contract.py`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Self

from msgspec.structs import replace

from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_broker.connection import Connection
from rt_edge.testkit.mqtt_broker.faults import Faults
from rt_edge.testkit.mqtt_broker.session import Session
from rt_edge.testkit.waiting import Bell

MAX_RETAINED = 10_000
MAX_SESSIONS = 1000


class TestBroker:
    """The broker.

    Args:
        users: name -> password; None lets everybody in.
        max_queued: messages that may wait for one client.
        inflight_v311: most unacknowledged messages to a v3.1.1 client.
        max_packet: largest packet it takes, bytes.
        tls: server context for TLS.

    Attributes:
        port: where it listens on 127.0.0.1; kept over `stop` and `start`.
        faults: what it does wrong.
        sessions: client id -> session.
        connections: client id -> connection.
        bell: rung at every change, for `until`.
        notes: why connections ended, the last 100.
    """

    __test__ = False  # not a test class, whatever its name

    def __init__(
        self,
        users: dict[str, str] | None = None,
        max_queued: int = 100_000,
        inflight_v311: int = 20,
        max_packet: int = 16_777_216,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.users = users
        self.inflight_v311 = inflight_v311
        self.max_packet = max_packet
        self._max_queued = max_queued
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._retained: dict[str, p.Publish] = {}
        self._turns: dict[str, int] = {}
        self._assigned = 0
        self.port = 0
        self.faults = Faults()
        self.sessions: dict[str, Session] = {}
        self.connections: dict[str, Connection] = {}
        self.bell = Bell()
        self.notes: deque[str] = deque(maxlen=100)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut all connections and listen no more; sessions and retained messages stay. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in list(self.connections.values()):
            connection.cut()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        for timer in self._expiries.values():
            timer.cancel()
        self._expiries.clear()
        if server is not None:
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await Connection(self, reader, writer).run()
        except asyncio.CancelledError:
            pass  # by `stop`; the stream machinery of 3.11 would log it
        finally:
            self._tasks.discard(task)
            writer.close()

    # -- for tests -------------------------------------------------------------------------------------------------------

    def publish(
        self, topic: str, payload: bytes, qos: int = 0, retain: bool = False, properties: p.Properties | None = None
    ) -> None:
        """A message from nowhere."""
        self.route(p.Publish(topic, payload, qos, retain, properties=properties or {}))

    def session(self, client_id: str | None = None) -> Session:
        """The session of a client; without a name, of the only one."""
        return self.sessions[client_id] if client_id is not None else next(iter(self.sessions.values()))

    def connection(self, client_id: str | None = None) -> Connection:
        """The connection of a client; without a name, of the only one."""
        return self.connections[client_id] if client_id is not None else next(iter(self.connections.values()))

    def note(self, text: str) -> None:
        """Remember why something ended."""
        self.notes.append(text)

    # -- for connections -------------------------------------------------------------------------------------------------

    def admit(self, connect: p.Connect) -> int:
        """0, or the CONNACK code that refuses (of the client's version)."""
        v5 = connect.version == 5
        if connect.version not in (4, 5):
            return 0x01
        if self.faults.refusals > 0:
            self.faults.refusals -= 1
            return self.faults.refuse
        if self.users is not None:
            wanted = self.users.get(connect.username or "")
            if wanted is None or wanted.encode() != connect.password:
                return 0x86 if v5 else 5
        if not connect.client_id and not v5 and not connect.clean:
            return 2
        return 0 if len(self.sessions) < MAX_SESSIONS else (0x97 if v5 else 3)

    def take_session(self, connection: Connection, connect: p.Connect) -> tuple[Session, bool, bool]:
        """(session, whether it was there, whether the client id was made up) for a client that was admitted (3.1.4)."""
        client_id, assigned = connect.client_id, not connect.client_id
        if assigned:
            self._assigned += 1
            client_id = f"assigned-{self._assigned}"
        before = self.connections.pop(client_id, None)
        if before is not None:
            before.cut(0x8E)
        timer = self._expiries.pop(client_id, None)
        if timer is not None:
            timer.cancel()
        if connect.clean or self.faults.forget_session:
            self.faults.forget_session = False
            self.sessions.pop(client_id, None)
        present = client_id in self.sessions
        session = self.sessions.setdefault(client_id, Session(client_id, self._max_queued))
        if connect.version == 5:
            expiry = connect.properties.get(p.SESSION_EXPIRY, 0)
            session.expiry = None if expiry == 0xFFFFFFFF else expiry
        else:
            session.expiry = 0 if connect.clean else None
        self.connections[client_id] = connection
        self.bell.ring()
        return session, present, assigned

    def left(self, connection: Connection, will: p.Publish | None) -> None:
        """A connection ended; `will` is said unless it ended in order."""
        session = connection.session
        if session is None:
            return
        if self.connections.get(session.client_id) is connection:
            del self.connections[session.client_id]
            session.disconnected()
            if session.expiry is not None:
                expire = asyncio.get_running_loop().call_later(session.expiry, self.sessions.pop, session.client_id, None)
                self._expiries[session.client_id] = expire
        if will is not None:
            self.route(will)
        self.bell.ring()

    def subscribe(self, session: Session, wanted: list[p.Wanted], identifier: int) -> list[int]:
        """Codes of a SUBACK; retained messages follow it (3.8.4)."""
        codes = []
        for one in wanted:
            if self.faults.grant >= 0x80:
                codes.append(self.faults.grant)
                continue
            granted = min(one.qos, self.faults.grant)
            fresh = one.filter not in session.subscriptions
            session.subscriptions[one.filter] = (replace(one, qos=granted), identifier)
            codes.append(granted)
            if one.filter.startswith("$share/") or one.retain_handling == 2 or (one.retain_handling == 1 and not fresh):
                continue
            for topic, publish in self._retained.items():
                if p.matches(one.filter, topic):
                    session.add(self._copy(publish, granted, True, [identifier] if identifier else []))
        return codes

    def route(self, publish: p.Publish) -> None:
        """Give a message to all who want it; one copy each (3.3.4)."""
        if publish.retain:
            if not publish.payload:
                self._retained.pop(publish.topic, None)
            elif publish.topic in self._retained or len(self._retained) < MAX_RETAINED:
                self._retained[publish.topic] = publish
        groups: dict[str, list[tuple[Session, p.Wanted, int]]] = {}
        for session in self.sessions.values():
            qos, keep, identifiers = -1, False, []
            for filter_, (wanted, identifier) in session.subscriptions.items():
                if filter_.startswith("$share/"):
                    if p.matches(filter_.split("/", 2)[2], publish.topic):
                        groups.setdefault(filter_, []).append((session, wanted, identifier))
                elif p.matches(filter_, publish.topic):
                    qos, keep = max(qos, wanted.qos), keep or wanted.retain_as_published
                    identifiers += [identifier] if identifier else []
            if qos >= 0:
                self._give(session, self._copy(publish, qos, publish.retain and keep, identifiers))
        for filter_, members in groups.items():
            turn = self._turns[filter_] = self._turns.get(filter_, -1) + 1
            there = [m for m in members if m[0].client_id in self.connections] or members
            session, wanted, identifier = there[turn % len(there)]
            self._give(session, self._copy(publish, wanted.qos, False, [identifier] if identifier else []))
        self.bell.ring()

    def _copy(self, publish: p.Publish, qos: int, retain: bool, identifiers: list[int]) -> p.Publish:
        properties = {k: v for k, v in publish.properties.items() if k != p.SUBSCRIPTION_ID}
        if identifiers:
            properties[p.SUBSCRIPTION_ID] = identifiers
        return replace(publish, qos=min(qos, publish.qos), retain=retain, dup=False, mid=0, properties=properties)

    def _give(self, session: Session, publish: p.Publish) -> None:
        connection = self.connections.get(session.client_id)
        if connection is None and not publish.qos:
            return
        session.add(publish)
        if connection is not None:
            connection.wake()
