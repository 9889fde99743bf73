"""The devices of the examples in config/, real ones on free ports, and the examples with these in the place of their own."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from base64 import b64encode
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from rt_edge.data.clock import SystemClock
from rt_edge.testkit.bluez import Advertiser, BluezStandIn, Peripheral, PrivateBus, Value, find_dbus_daemon
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit, TcpSlave, counter, float_registers
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from rt_edge.testkit.node_process import NodeProcess
from rt_edge.testkit.pki import ThrowAwayCa
from rt_edge.testkit.serial_instrument import plugged
from tests.adapters.coap.peers import AiocoapServer, free_port, libcoap_client
from tests.adapters.coap.peers import Value as CoapValue

CONFIG = Path(__file__).resolve().parents[2] / "config"
PASSWORD = "a word with spaces"


class LoopInThread:
    """An event loop beside the test, for devices that have to answer while the test waits."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of `work`."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Plant:
    """A broker that asks for a password, serial lines, a TCP device, a certificate authority, and a folder of examples."""

    def __init__(self, folder: Path, mosquitto: Path) -> None:
        self.folder = folder
        self.loop = LoopInThread()
        self._stack = AsyncExitStack()
        self._mosquitto = mosquitto
        self.password = folder / "password"
        self.password.write_text(PASSWORD)
        self.ca = ThrowAwayCa(folder / "pki")
        self.loop.run(self._open())

    async def _open(self) -> None:
        pumps = SlaveBank({unit: _pump() for unit in (11, 12)})
        meters = SlaveBank({unit: SlaveUnit(input={0: 1, 1: counter(), 2: 0, 3: 17}) for unit in (1, 255)})
        users = self.folder / "users"
        users.write_text(f"edge:{_hashed(PASSWORD)}\n")
        users.chmod(0o600)
        broker = MosquittoProcess(self._mosquitto, self.folder / "broker", [f"password_file {users}"], anonymous=False)
        self.line = await self._stack.enter_async_context(RtuSlave(pumps, self.folder / "line"))
        self.meter = await self._stack.enter_async_context(TcpSlave(meters))
        self.broker = await self._stack.enter_async_context(broker)
        self.balance = self._stack.enter_context(plugged(self.folder / "balance"))
        self.balance.talk(0.05, lambda: b"ST,+  12.345 kg\r\n")
        await self._air()
        tank = {"/level": CoapValue(b"1.25"), "/state": CoapValue(b'{"valve": true}', form=50)}
        self.tank = await self._stack.enter_async_context(AiocoapServer(tank))
        self.coap_port = free_port()
        self.baths = self._stack.enter_context(plugged(self.folder / "baths", _bath))

    async def _air(self) -> None:
        """Two sensors that advertise, and a device that is connected to."""
        program = find_dbus_daemon(CONFIG.parent / ".peers" / "bin")
        assert program is not None, "the examples need dbus-daemon: run scripts/peers dbus-daemon"
        self.d_bus = await self._stack.enter_async_context(PrivateBus(self.folder, program))
        bluez = await self._stack.enter_async_context(BluezStandIn(self.d_bus.address))
        service, battery, temperature = (f"0000{short}-0000-1000-8000-00805f9b34fb" for short in ("181a", "2a19", "2a6e"))
        values = {battery: Value(b"\x5a"), temperature: Value((2150).to_bytes(2, "little"))}
        sensors = [Peripheral(f"C0:FF:EE:00:00:0{i}") for i in range(2)]
        pump = Peripheral("C0:FF:EE:00:00:02", "pump", {service: values})
        await self._stack.enter_async_context(Advertiser(bluez, [*sensors, pump], _sensed, 0.3))

    def publish(self, topic: str, payload: bytes) -> None:
        """One message at QoS 1; returns when the broker has it."""

        async def say() -> None:
            connect = p.Connect("publisher", username="edge", password=PASSWORD.encode())
            async with RawClient(self.broker.port, connect) as client:
                await client.publish_many(topic, [payload])

        self.loop.run(say())

    def push(self, payload: bytes) -> bool:
        """One push of SenML to the node that listens on `coap_port`; whether it was answered with 2.04."""

        async def say() -> bool:
            arguments = ("-B", "2", "-m", "post", "-t", "110", "-e", payload.decode())
            return "c:2.04" in await libcoap_client(*arguments, f"coap://127.0.0.1:{self.coap_port}/push/probe-7")

        return bool(self.loop.run(say()))

    def certificate(self, role: str, node: str, name: str = "") -> None:
        """Make `pki/<name>.pem` and `.key`; without `name` they are called like the node."""
        pki = self.ca.issue(role, node)
        if name:
            pki.certificate.rename(pki.certificate.with_stem(name))
            pki.key.rename(pki.key.with_stem(name))

    def node(self, example: str, replace: dict[str, str], environment: dict[str, str] | None = None) -> NodeProcess:
        """The node of an example, not started; every text in `replace` must be in the file."""
        text = (CONFIG / example).read_text()
        for old, new in replace.items():
            assert old in text, f"{example} has no {old!r}"
            text = text.replace(old, new)
        config = self.folder / example
        config.write_text(text)
        name = config.stem
        return NodeProcess(config, self.folder / f"{name}-data", self.folder / f"{name}.log", environment)

    def close(self) -> None:
        """End the devices."""
        self.loop.run(self._stack.aclose())
        self.loop.close()


def _pump() -> SlaveUnit:
    high, low = float_registers(SystemClock(), lambda clock: 2.0 + clock.monotonic() % 1)
    return SlaveUnit(holding={100: low, 101: high, 102: counter()}, coil={3: 1})


def _bath(request: bytes) -> list[tuple[float, bytes]]:
    """What the thermometers answer."""
    return [(0.005, b">%s+21.5\r" % request[1:3])]


def _sensed(sensor: Peripheral, count: int) -> None:
    """BTHome: a packet id and a battery of 97 %."""
    bthome = "0000fcd2-0000-1000-8000-00805f9b34fb"
    sensor.advertise(service={bthome: bytes([0x40, 0x00, count % 256, 0x01, 97])} if sensor.name != "pump" else {})


def _hashed(password: str) -> str:
    """A password as mosquitto keeps it (mosquitto_passwd(1), PBKDF2 with SHA-512)."""
    salt = b"twelve bytes"
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101, 64)
    return f"$7$101${b64encode(salt).decode()}${b64encode(digest).decode()}"
