"""CoapAdapter: settings, life and which side works: client.py asks hosts, push.py takes what devices bring."""

from __future__ import annotations

import errno
import importlib
from typing import TYPE_CHECKING, Any, ClassVar

from rt_edge.sdk import AdapterContext, Capability, DeviceAdapter, FatalAdapterError, ProbeResult, ScanReport, TransientError

if TYPE_CHECKING:
    from adapters.coap.client import Client
    from adapters.coap.push import Intake
    from adapters.coap.seam import Channel, MakeChannel, Server, Tuning
    from adapters.coap.session import SessionFile


def aiocoap_channel(host: str, port: int, tuning: Tuning) -> Channel:
    """The channel of a running node; aiocoap is imported here and not before."""
    from adapters.coap.transport import AiocoapChannel

    return AiocoapChannel(host, port, tuning)


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
        from adapters.coap.scan import scan_host

        await scan_host(settings, report)

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        """Pushes are redelivering; what is asked for is polled; what hosts say by themselves is volatile."""
        if settings.listen is not None:
            return Capability("redelivering", "withhold_ack", window=settings.listen.window)
        observed = any(resource.observe for host in settings.hosts.values() for resource in host.resources.values())
        return Capability("volatile" if observed else "polled", "bounded_drop" if observed else "native")

    @classmethod
    def claims(cls, settings: Any) -> dict[str, tuple[str | int, ...]]:
        """The address that is listened on."""
        if settings.listen is None or not settings.listen.address.port:
            return {}
        return {f"the UDP address {settings.listen.address}": ("listen", "address")}

    @classmethod
    def preload(cls) -> None:
        """See `DeviceAdapter`."""
        for name in ("client", "push", "server", "session", "transport"):
            importlib.import_module(f"adapters.coap.{name}")

    @property
    def port(self) -> int:
        """The UDP port that is listened on; 0 when none is."""
        return self._server.port if self._server is not None else 0

    async def open(self) -> None:
        """See `DeviceAdapter`."""
        if self.settings.listen is not None:
            await self._listen()
            return
        await self._make_client().open()

    def _make_client(self) -> Client:
        """The asking side; kept over reconnects, with the demand and what is known of each silence."""
        from adapters.coap.client import Client

        if self._client is None:
            self._client = Client(self.settings, self.context, self._make_channel)
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
        server = AiocoapServer(host, port, intake.take, tuning, after, now, links, self._bad_datagram)
        try:
            await server.open()
        except OSError as error:
            where = f"{listen.address} cannot be listened on: {(error.strerror or str(error)).lower()}"
            if error.errno in (errno.EADDRNOTAVAIL, errno.EACCES):
                raise FatalAdapterError(where, "name an address of this host, and a port above 1023") from None
            raise TransientError(where) from None
        self._server = server

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

    async def close(self) -> None:
        """See `DeviceAdapter`."""
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
        if self.settings.listen is not None:
            await self._listen()
            await self.close()
            return ProbeResult(True, f"{self.settings.listen.address} is free")
        found = await self._make_client().probe()
        silent = [f"{name}: {said}" for name, said in found.items() if said != "answers"]
        words = f"{len(found) - len(silent)} of {len(found)} hosts answered"
        return ProbeResult(not silent, f"{words}; {'; '.join(silent[:20])}" if silent else words, dict(found))
