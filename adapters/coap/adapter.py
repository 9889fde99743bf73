"""CoapAdapter: settings, life and which side works: client.py asks hosts, push.py takes what devices bring."""

from __future__ import annotations

import errno
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from adapters.coap.security import Keyring, secret_bytes
from rt_edge.sdk import (
    AdapterContext,
    Advice,
    Capability,
    DeviceAdapter,
    FatalAdapterError,
    PointInfo,
    ProbeResult,
    RefusedError,
    ScanReport,
    TransientError,
    Value,
    WriteResult,
    writable,
)
from rt_edge.sdk.answers import Answers
from rt_edge.sdk.closing import Closing

if TYPE_CHECKING:
    from adapters.coap.client import Client
    from adapters.coap.guard import Guard
    from adapters.coap.push import Intake
    from adapters.coap.seam import Channel, MakeChannel, Security, Server, Tuning
    from adapters.coap.session import SessionFile

COMMANDS = 4
"""Commands, to different points, at a time."""


def aiocoap_channel(host: str, port: int, tuning: Tuning, security: Callable[[], Security]) -> Channel:
    """The channel of a running node; aiocoap is imported here and not before."""
    from adapters.coap.transport import AiocoapChannel

    return AiocoapChannel(host, port, tuning, security)


class CoapAdapter(DeviceAdapter):
    """CoAP hosts that are asked, or an address that devices push to.

    Args:
        settings: a `CoapSettings`, or an object with its attributes.
        context: the runtime.
        make_channel: makes the way to one host; a fake in tests.
    """

    kind: ClassVar[str] = "coap"

    def __init__(self, settings: Any, context: AdapterContext, make_channel: MakeChannel = aiocoap_channel) -> None:
        super().__init__(settings, context)
        self._make_channel = make_channel
        self._client: Client | None = None
        self._intake: Intake | None = None
        self._session: SessionFile | None = None
        self._server: Server | None = None
        self._waiting_credits = 0
        self._said_bad = False
        self._keyring = Keyring(context.data)
        self._answers = Answers(context)
        self._closing = Closing(f"coap {context.name} closes")

    @classmethod
    def settings_model(cls) -> type[Any]:
        """See `DeviceAdapter`."""
        from adapters.coap.settings import CoapSettings

        return CoapSettings

    @classmethod
    def scan_model(cls) -> type[Any]:
        """See `DeviceAdapter`."""
        from adapters.coap.scan_settings import CoapScan

        return CoapScan

    @classmethod
    async def scan(cls, settings: Any, report: ScanReport) -> None:
        """See `DeviceAdapter`."""
        from adapters.coap.scan import scan

        await scan(settings, report)

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        """Pushes are redelivering; what is asked for is polled; what hosts say by themselves is volatile."""
        if settings.listen is not None:
            return Capability("redelivering", "withhold_ack", window=settings.listen.window_readings)
        observed = any(resource.observe for host in settings.hosts.values() for resource in host.resources.values())
        writes = writable(cls.points(settings))
        if observed:
            return Capability("volatile", "bounded_drop", writes, commands=COMMANDS)
        return Capability("polled", "native", writes, commands=COMMANDS)

    @classmethod
    def points(cls, settings: Any) -> Mapping[str, PointInfo]:
        """Every resource of every host, as `HOST/RESOURCE`."""
        from adapters.coap.points import points_of

        return points_of(settings)

    @classmethod
    def advice(cls, settings: Any) -> Sequence[Advice]:
        """An acknowledgement at once leaves a hole."""
        if settings.listen is None or settings.listen.ack_after > 0:
            return ()
        what = "ack_after: 0s: a device's message layer does not repeat what was not yet durable when this process dies"
        return (Advice(what, "leave it at 1s unless the device cannot wait so long", ("listen", "ack_after")),)

    @classmethod
    def claims(cls, settings: Any) -> dict[str, tuple[str | int, ...]]:
        """The address that is listened on, and each OSCORE key as its sender: two would use the same numbers."""
        from adapters.coap.oscore_claims import used_as

        claimed: dict[str, tuple[str | int, ...]] = {}
        contexts: dict[tuple[str, ...], Any] = {("hosts", n, "oscore"): host.oscore for n, host in settings.hosts.items()}
        if settings.listen is not None:
            contexts = {("listen", "oscore", n): keys for n, keys in settings.listen.oscore.items()}
            if settings.listen.address.port:
                claimed[f"the UDP address {settings.listen.address}"] = ("listen", "address")
        for at, keys in contexts.items():
            if keys is not None:
                claimed[f"the OSCORE key {used_as(keys)} as sender {keys.sender_id or 'without ID'}"] = at
        return claimed

    @classmethod
    def preload(cls, settings: Any) -> None:
        """See `DeviceAdapter`: the side that works."""
        for name in ("client", "transport") if settings.listen is None else ("push", "server", "session"):
            importlib.import_module(f"adapters.coap.{name}")

    @property
    def port(self) -> int:
        """The UDP port that is listened on; 0 when none is."""
        return self._server.port if self._server is not None else 0

    async def open(self) -> None:
        """See `DeviceAdapter`."""
        await self._closing.ended()
        if self.settings.listen is not None:
            await self._listen()
            return
        for name, host in self.settings.hosts.items():
            self._keyring.of_host(name, host)  # a key that is not there is no silence of its host
        await self._make_client().open()

    def _make_client(self) -> Client:
        """The asking side; kept over reconnects, with the demand and what is known of each silence."""
        from adapters.coap.client import Client

        if self._client is None:
            self._client = Client(self.settings, self.context, self._make_channel, self._keyring)
            self._client.demand(self._waiting_credits)
        return self._client

    def _make_intake(self) -> Intake:
        from adapters.coap.push import Intake

        if self._intake is None:
            self._intake = Intake(self.settings.listen, self.context)
            self._intake.demand(self._waiting_credits)
        return self._intake

    async def _listen(self) -> None:
        from adapters.coap.seam import Tuning
        from adapters.coap.server import AiocoapServer
        from adapters.coap.session import SessionFile

        if self._server is not None:
            return
        listen = self.settings.listen
        intake = self._make_intake()
        if self._session is None:
            self._session = SessionFile(self.context.data, self.context.clock)
        try:
            token = self._session.token()
        except OSError as error:
            raise TransientError(f"the session file in {self.context.data} cannot be written: {error.strerror}") from None
        self.context.session(token)
        links = ",".join(f"<{one.path}>" for one in listen.paths if "{" not in one.path)
        host, port = listen.address.host, listen.address.port
        host = "127.0.0.1" if host == "localhost" else host
        clock = self.context.clock
        settings = self.settings
        tuning = Tuning(settings.ack_timeout, settings.retransmits, settings.timeout, settings.max_payload)
        after, now = listen.ack_after, clock.monotonic
        server = AiocoapServer(host, port, intake.take, tuning, after, now, links, self._bad_datagram, self._guard(listen))
        try:
            await server.open()
        except OSError as error:
            where = f"{listen.address} cannot be listened on: {(error.strerror or str(error)).lower()}"
            if error.errno in (errno.EADDRNOTAVAIL, errno.EACCES):
                raise FatalAdapterError(where, "name an address of this host, and a port above 1023") from None
            raise TransientError(where) from None
        self._server = server

    def _guard(self, listen: Any) -> Guard | None:
        """Who may push."""
        from adapters.coap.guard import Guard

        if not listen.clients and not listen.oscore:
            return None
        for secret in listen.clients.values():
            secret_bytes(secret)

        def key_of(identity: str) -> bytes | None:
            secret = listen.clients.get(identity)
            try:
                return None if secret is None else secret_bytes(secret)
            except FatalAdapterError as error:
                self.context.log("warning", "a key cannot be read", identity=identity, why=error.message)
                return None

        contexts = {name: self._keyring.context(name, keys) for name, keys in listen.oscore.items()}
        return Guard(key_of if listen.clients else None, contexts, lambda why: self.context.count(f"refused_{why}"))

    def _bad_datagram(self, error: Exception) -> None:
        self.context.count("bad_datagrams")
        if not self._said_bad:
            self._said_bad = True
            self.context.log("warning", "a datagram could not be read; further ones are only counted", why=repr(error)[:200])

    def demand(self, n: int) -> None:
        """See `DeviceAdapter`."""
        side = self._client or self._intake
        if side is None:
            self._waiting_credits += n
        else:
            side.demand(n)

    def settled(self, through: int) -> None:
        """See `DeviceAdapter`."""
        if self._client is not None:
            self._client.settled(through)
        if self._intake is None:
            return
        self._intake.settled(through)
        try:
            if self._session is not None:
                self._session.lives()
        except OSError as error:
            self.context.count("session_problems")
            self.context.log("debug", "the session file cannot be written", why=error.strerror)

    async def read(self, point: str) -> Value:
        """See `DeviceAdapter`."""
        if self._client is None:
            if self.settings.listen is not None:
                raise RefusedError("devices that push cannot be read", f"{point} comes with its readings")
            raise TransientError("not connected")
        return await self._client.points.read(point)

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        """Set `HOST/RESOURCE`, beside the polls.

        `confirmed`: the host said 2.04 and has it (`verify`); `sent`: it may have been done; `failed`: not done, or refused.
        """
        client = self._client
        if client is None:
            return WriteResult("failed", "not connected")
        return await self._answers.once(key, lambda: client.points.write(point, value))

    async def close(self) -> None:
        """See `DeviceAdapter`."""
        await self._closing.run(self._close)

    async def _close(self) -> None:
        problem = self._keyring.close()
        if problem:
            self.context.log("warning", "OSCORE's sequence numbers cannot be written; some are wasted", why=problem)
        if self._client is not None:
            await self._client.close()
        server, self._server = self._server, None
        if server is not None:
            await server.close()
            try:
                if self._session is not None:
                    self._session.save(sync=False)
            except OSError as error:
                self.context.log("debug", "the session file cannot be written", why=error.strerror)

    async def probe(self) -> ProbeResult:
        """Ping each host, or bind the address."""
        await self._closing.ended()
        try:
            if self.settings.listen is not None:
                await self._listen()
                return ProbeResult(True, f"{self.settings.listen.address} is free")
            found = await self._make_client().probe()
        finally:
            await self.close()
        silent = [f"{name}: {said}" for name, said in found.items() if said != "answers"]
        words = f"{len(found) - len(silent)} of {len(found)} hosts answered"
        return ProbeResult(not silent, f"{words}; {'; '.join(silent[:20])}" if silent else words, dict(found))
