"""MqttAdapter: the life of its connections, and what it is asked from outside; the way of a message is in flow.py."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from adapters.mqtt.control import COMMANDS, Control, response_topic
from adapters.mqtt.flow import Flow
from adapters.mqtt.options import connect_options, window_of
from adapters.mqtt.options import words as words_of
from adapters.mqtt.point_payload import info_of
from adapters.mqtt.probing import probe_broker
from adapters.mqtt.reasons import publish_error
from adapters.mqtt.seam import Connect, Connected, Listener, Message, Transport
from adapters.mqtt.session import SessionFile
from adapters.mqtt.sink import MqttSink
from adapters.mqtt.topics import unshared
from adapters.mqtt.wanted import check_granted, check_shared, identified, remembered, subscriptions_of
from rt_edge.sdk import (
    AdapterContext,
    Capability,
    DeviceAdapter,
    FatalAdapterError,
    PointInfo,
    ProbeResult,
    Reading,
    RefusedError,
    RtEdgeError,
    ScanReport,
    TransientError,
    Value,
    WriteResult,
)
from rt_edge.sdk.answers import Answers

GOODBYE_S = 1.0
"""How long closing waits for the PUBACK of the last message about ourselves."""
MakeTransport = Callable[[Connect, Listener], Transport]


def paho_transport(options: Connect, listener: Listener) -> Transport:
    """The transport of a running node; paho is imported here and not before."""
    from adapters.mqtt.transport import PahoTransport

    return PahoTransport(options, listener)


def fast_transport(options: Connect, listener: Listener) -> Transport:
    """Our own client, `client: fast`; imports no library."""
    from adapters.mqtt.fast import FastTransport

    return FastTransport(options, listener)


CLIENTS: dict[str, MakeTransport] = {"paho": paho_transport, "fast": fast_transport}


class MqttAdapter(DeviceAdapter):
    """Source and sink on an MQTT broker.

    Args:
        settings: an `MqttSettings`, or an object with its attributes.
        context: the runtime.
        make_transport: makes one connection, instead of the client that the settings name; a fake in tests.
    """

    kind: ClassVar[str] = "mqtt"

    def __init__(self, settings: Any, context: AdapterContext, make_transport: MakeTransport | None = None) -> None:
        super().__init__(settings, context)
        self._make_transport = make_transport or CLIENTS[settings.client]
        self._transport: Transport | None = None
        self._sink: MqttSink | None = None
        self._memory: SessionFile | None = None
        self._peer = ""
        self._flow = Flow(settings, context)
        self._flow.retained.again = self._ask_again
        self._asking: asyncio.Task[None] | None = None
        self._answers = Answers(context)
        self._control: Control | None = None
        self._opening = False
        self._early: Exception | None = None

    @classmethod
    def settings_model(cls) -> type[Any]:
        """See the base class."""
        from adapters.mqtt.settings import MqttSettings

        return MqttSettings

    @classmethod
    def scan_model(cls) -> type[Any]:
        """See `DeviceAdapter`."""
        from adapters.mqtt.scan_settings import MqttScan

        return MqttScan

    @classmethod
    async def scan(cls, settings: Any, report: ScanReport) -> None:
        """See `DeviceAdapter`."""
        from adapters.mqtt.scan import scan_topics

        await scan_topics(settings, report)

    @classmethod
    def claims(cls, settings: Any) -> dict[str, tuple[str | int, ...]]:
        """A client id at a broker: of two with the same, each new connection ends the other's (MQTT 5, 3.1.4)."""
        if settings.client_id is None:
            return {}  # a random one
        return {f"the client id {settings.client_id!r} at {settings.host}:{settings.port}": ("client_id",)}

    @classmethod
    def needs_extra(cls, settings: Any | None) -> bool:
        """Only paho is a library; `client: fast` needs none."""
        return settings is not None and settings.client == "paho"

    @classmethod
    def preload(cls, settings: Any) -> None:
        """Whoever speaks MQTT: not paho where all adapters say `client: fast`."""
        importlib.import_module("adapters.mqtt.transport" if settings.client == "paho" else "adapters.mqtt.fast")

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        """Redelivering when the session is persistent and every subscription asks for QoS 1 or 2; else volatile."""
        kept = settings.session == "persistent"
        held = bool(settings.subscribe) and all(entry.qos >= 1 for entry in settings.subscribe)
        return Capability(
            delivery="redelivering" if kept and held else "volatile",
            backpressure="withhold_ack" if held else "bounded_drop",
            window=window_of(settings) if any(entry.qos >= 1 for entry in settings.subscribe) else None,
            writable=any(point.writable for point in settings.points.values()),
            commands=COMMANDS if settings.points else 1,
        )

    @classmethod
    def points(cls, settings: Any) -> Mapping[str, PointInfo]:
        """See `DeviceAdapter`."""
        return {name: info_of(point) for name, point in settings.points.items()}

    # -- life ------------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See the base class."""
        if self._transport is not None:
            return
        memory = self._memory = self._remember()
        if memory.damaged:
            self.context.log("warning", "the session file was damaged and is made anew", reason=memory.damaged)
            memory.damaged = ""
        self._flow.decoder.prepare()
        options = connect_options(self.settings, memory, self.context.name)
        if self._control is None and self.settings.points:
            self._control = self._flow.control = self._make_control(options.client_id)
        self._peer = f"{options.host}:{options.port} {options.client_id}"
        self._opening, self._early = True, None
        transport = self._transport = self._make_transport(options, self)
        self._flow.connecting(transport)
        try:
            connected = await transport.connect()
            if self._early is not None:
                raise self._early
            check_shared(self.settings, connected)
            await self._subscribe(transport, memory)
            if self._control is not None:
                self._control.opened(transport)
            if self.settings.publish is not None:
                self._sink = self._make_sink(transport, connected)
            if self.settings.birth is not None:
                await self._say(transport, self.settings.birth, self.settings.timeout)
            if self._early is not None:
                raise self._early
        except BaseException as error:
            await self.close()
            if isinstance(error, OSError):
                raise TransientError(f"the session file in {self.context.data} cannot be written: {error.strerror}") from None
            raise
        finally:
            self._opening = False
        self._flow.start()

    def _remember(self) -> SessionFile:
        try:
            return self._memory or SessionFile(self.context.data)
        except OSError as error:
            raise TransientError(f"the session file in {self.context.data} cannot be written: {error.strerror}") from None

    def on_connected(self, connected: Connected) -> None:
        """From the transport: everything that hangs on whether the broker still has our session, before its first message."""
        assert self._memory is not None
        try:
            token = self._memory.connected(self._peer, connected.session_present)
        except OSError as error:
            self._early = TransientError(f"the session file in {self.context.data} cannot be written: {error.strerror}")
            return
        self._flow.retained.open()
        self._flow.connected(connected.session_present)
        self.context.session(token)
        self.context.gauge("session_present", float(connected.session_present))
        if connected.session_expiry is not None and self.settings.session == "persistent":
            wanted = int(self.settings.session_expiry)
            if connected.session_expiry < wanted:
                kept = connected.session_expiry
                self.context.log("warning", "the broker keeps the session shorter than asked", asked_s=wanted, kept_s=kept)

    async def _subscribe(self, transport: Transport, memory: SessionFile) -> None:
        add = subscriptions_of(self.settings, self._control.subscriptions() if self._control is not None else ())
        wanted = [one.filter for one in add]
        known = list(memory.memory.filters)
        memory.subscribing(wanted)
        codes = await transport.subscribe(add, [f for f in known if f not in wanted and self._flow.session_present])
        check_granted(add, codes)
        memory.subscribed(wanted)

    def _ask_again(self) -> None:
        """From the flow: retained messages once more."""
        if self._transport is not None and self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._subscribe_again(self._transport))

    async def _subscribe_again(self, transport: Transport) -> None:
        add = remembered(self.settings, self._flow.retained.salts)
        try:
            check_granted(add, await transport.subscribe(add, ()))
        except RtEdgeError as error:
            if self._transport is transport:
                self.on_lost(error)
        if self._transport is transport:
            self._asking = None

    def _make_control(self, client_id: str) -> Control:
        settings = self.settings
        identifier = len(settings.subscribe) + 1 if identified(settings) else 0
        sources = [unshared(entry.filter) for entry in settings.subscribe]
        return Control(settings.points, response_topic(settings, client_id), identifier, settings.version == "5", sources)

    def _make_sink(self, transport: Transport, connected: Connected) -> MqttSink:
        publish = self.settings.publish
        if publish.retain and not connected.retain:
            raise FatalAdapterError("the broker keeps no messages", "set publish.retain: false")
        if publish.qos > connected.max_qos:
            raise FatalAdapterError(f"the broker takes at most QoS {connected.max_qos}", f"set publish.qos: {connected.max_qos}")
        return MqttSink(publish, transport, connected, self.context, self.settings.version == "5")

    async def _say(self, transport: Transport, words: Any, patience: float) -> None:
        """Birth, close or last will, by ourselves; an answer has to come in time."""
        try:
            async with asyncio.timeout(patience):
                said = words_of(words, self.settings.version == "5")
                code = await transport.publish(said.topic, said.payload, said.qos, said.retain, said.properties)
        except TimeoutError:
            raise TransientError(f"the broker did not acknowledge the message to {words.topic!r} in time") from None
        if code >= 0x80:
            raise publish_error(code, words.topic)

    async def close(self) -> None:
        """See the base class."""
        transport, self._transport = self._transport, None
        self._sink = None
        if self._control is not None:
            self._control.closed()
        flowing = self._flow.stop()
        self._flow.closed()
        self._flow.retained.close()
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        if transport is None:
            return
        try:
            goodbye = self.settings.close or self.settings.will
            if flowing and goodbye is not None:
                await self._say(transport, goodbye, GOODBYE_S)
        except RtEdgeError as error:
            self.context.log("debug", "the last message could not be said at closing", reason=str(error))
        finally:
            await transport.close()

    def on_lost(self, error: Exception) -> None:
        """From the transport: the connection is gone."""
        self._flow.stop()
        if self._opening:
            self._early = error
        elif self._transport is not None:
            self.context.lost(error)

    def on_messages(self, messages: list[Message]) -> bool:
        """From the transport: messages; False: read no more until `resume`."""
        return self._flow.take(messages)

    def on_acknowledged(self, through: int) -> None:
        """From the transport: the broker is known to have our acknowledgements."""
        self._flow.acknowledged(through)

    def demand(self, n: int) -> None:
        """See the base class."""
        self._flow.demand(n)

    def settled(self, through: int) -> None:
        """See the base class."""
        self._flow.settled(through)

    # -- probe and sink ------------------------------------------------------------------------------------------------

    async def probe(self) -> ProbeResult:
        """See `probe_broker`."""
        options = connect_options(self.settings, self._remember(), self.context.name)
        return await probe_broker(options, self._make_transport)

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        """See `DeviceAdapter`: `confirmed` by a response or a state, else `sent` (see README.md)."""
        if self._control is None:
            return WriteResult("refused", f"there is no point {point!r}")
        control = self._control
        return await self._answers.once(key, lambda: control.write(point, value, key))

    async def read(self, point: str) -> Value:
        """See `DeviceAdapter`: what the point's state topic shows."""
        if self._control is None:
            raise RefusedError(f"there is no point {point!r}")
        return await self._control.read(point)

    async def deliver(self, readings: Sequence[Reading]) -> None:
        """See the base class."""
        if self.settings.publish is None:
            raise FatalAdapterError(f"adapter {self.context.name} is not set up as a sink", "add `publish:` to it")
        if self._sink is None:
            raise TransientError(f"adapter {self.context.name} is not connected")
        await self._sink.deliver(readings)
