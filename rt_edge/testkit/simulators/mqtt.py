"""A fleet of MQTT devices that publish to a broker, each its own topic, numbered."""

from __future__ import annotations

import asyncio
import json
import math
import os
import ssl
from random import Random
from types import TracebackType
from typing import Any, Self

from rt_edge.data.clock import Clock
from rt_edge.data.errors import TransientError
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient

STEP_S = 0.05
BACKOFF_S = 5.0


class MqttFleet:
    """Devices on one connection: `plant/device-7/telemetry` carries `{"n": 12, "ts": ..., "temperature": 21.4}`.

    Args:
        clock: time of the values.
        random: jitter of reconnects, and the client id.
        host, port: of the broker.
        devices: how many.
        rate: messages a second, of all together.
        username, password: for the broker; None: none.
        tls: how the broker's certificate is checked, and ours; None: no TLS.
        ca_file: for the printed configuration.
    """

    def __init__(
        self,
        clock: Clock,
        random: Random,
        host: str,
        port: int,
        devices: int = 10,
        rate: float = 10.0,
        username: str | None = None,
        password: bytes | None = None,
        tls: ssl.SSLContext | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._clock = clock
        self._random = random
        self._where = (host, port)
        self._devices = devices
        self._rate = rate
        self._user = (username, password)
        self._tls = tls
        self._ca_file = ca_file
        self._id = f"rt-edge-fleet-{random.getrandbits(48):012x}"
        self._task: asyncio.Task[None] | None = None
        self._published = [0] * devices
        self._acknowledged = self._reconnects = 0

    async def __aenter__(self) -> Self:
        client = await self._connect()
        self._task = asyncio.create_task(self._run(client), name="fleet")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _connect(self) -> RawClient:
        host, port = self._where
        username, password = self._user
        client = RawClient(port, p.Connect(self._id, keepalive=0, username=username, password=password), host, self._tls)
        try:
            await client.open()
        except ssl.SSLCertVerificationError as error:
            raise TransientError(f"{host}:{port}: {error.verify_message}", "--ca-file names who signed its certificate") from None
        except ssl.SSLError as error:
            raise TransientError(f"{host}:{port}: {error.reason or error}", "does the broker want TLS on this port?") from None
        except OSError as error:
            # asyncio's own words are "Connect call failed ('127.0.0.1', 1883)"
            reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else error.strerror or error
            raise TransientError(f"{host}:{port}: {reason}", "is a broker there? `mosquitto -p PORT` is one") from None
        if client.code != 0:
            await client.close()
            raise TransientError(f"{host}:{port} refuses the fleet (code 0x{client.code & 255:02x})", "check user and password")
        return client

    async def _run(self, client: RawClient) -> None:
        while True:
            try:
                await self._publish(client)
            except (OSError, TimeoutError, KeyError):  # the connection went: what is not acknowledged is published again
                pass
            finally:
                await client.close()
            client = await self._again()

    async def _again(self) -> RawClient:
        while True:
            await asyncio.sleep(self._random.uniform(0.1, BACKOFF_S))
            try:
                client = await self._connect()
            except TransientError:  # still away
                continue
            self._reconnects += 1
            return client

    async def _publish(self, client: RawClient) -> None:
        """Publish what is due, until the connection ends; never more than a second's worth at a time."""
        began, sent = self._clock.monotonic(), 0
        while not client.ended:
            due = int((self._clock.monotonic() - began) * self._rate)
            if due - sent > self._rate + 1:
                began += (due - sent) / self._rate  # the broker holds us back: what is too late is not made up for
                continue
            by_device: dict[int, list[bytes]] = {}
            for turn in range(sent, due):
                device = turn % self._devices
                mine = by_device.setdefault(device, [])
                mine.append(self._payload(device, self._published[device] + len(mine)))
            for device, payloads in by_device.items():
                await client.publish_many(f"plant/device-{device + 1}/telemetry", payloads)
                self._published[device] += len(payloads)
                self._acknowledged += len(payloads)
            sent = due
            await asyncio.sleep(max(STEP_S, 1 / self._rate / 2))

    def _payload(self, device: int, n: int) -> bytes:
        celsius = 21.5 + 2.5 * math.sin(n / 30 + device)
        return json.dumps({"n": n, "ts": self._clock.wall_ns() // 1_000_000, "temperature": round(celsius, 2)}).encode()

    def says(self) -> list[str]:
        """See `Simulator`."""
        host, port = self._where
        return [f"{self._devices} devices publish {self._rate:g} messages a second to {host}:{port}, plant/device-N/telemetry"]

    def adapters(self) -> dict[str, Any]:
        """See `Simulator`."""
        host, port = self._where
        topics = [{"filter": "plant/+/telemetry", "qos": 1, "topic": "plant/{device}/telemetry", "codec": "json", "time": "ts"}]
        scheme = "mqtts" if self._tls is not None else "mqtt"
        checked = {"tls": {"ca": self._ca_file}} if self._ca_file is not None else {}
        return {"fleet": {"kind": "mqtt", "url": f"{scheme}://{host}:{port}", **checked, "subscribe": topics}}

    def environment(self) -> dict[str, str]:
        """See `Simulator`."""
        return {}

    def counts(self) -> dict[str, int]:
        """See `Simulator`."""
        return {"acknowledged": self._acknowledged, "reconnects": self._reconnects}
