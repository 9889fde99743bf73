"""The same work by a hand script, as a process, to be measured in the same run.

python benchmarks/harness/peers.py paho PORT QOS
python benchmarks/harness/peers.py bare PORT QOS
python benchmarks/harness/peers.py pymodbus PORT SECONDS EVERY
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from time import monotonic

UNITS, REGISTERS = 100, 10


def paho(port: int, qos: int) -> None:
    """Subscribe, decode, filter, add a field, publish: what a script of twenty lines does with paho-mqtt."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    north = Client(CallbackAPIVersion.VERSION2, "north", protocol=MQTTProtocolVersion.MQTTv5)
    north.max_inflight_messages_set(2000)
    north.connect("127.0.0.1", port)
    north.loop_start()

    def on_message(_client: object, _user: object, message: object) -> None:
        reading = json.loads(message.payload)  # type: ignore[attr-defined]
        if reading["temp"] > 20:
            reading["temp_f"] = reading["temp"] * 1.8 + 32
            north.publish("out", json.dumps(reading), qos)

    south = Client(CallbackAPIVersion.VERSION2, "south", protocol=MQTTProtocolVersion.MQTTv5)
    south.on_message = on_message
    south.on_connect = lambda *_: south.subscribe("plant/+/telemetry", qos)
    properties = Properties(PacketTypes.CONNECT)
    properties.ReceiveMaximum = 2000
    south.connect("127.0.0.1", port, properties=properties)
    south.loop_forever()


def bare(port: int, qos: int) -> None:
    """The client library by itself: subscribe, acknowledge, forget."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    south = Client(CallbackAPIVersion.VERSION2, "south", protocol=MQTTProtocolVersion.MQTTv5)
    south.on_connect = lambda *_: south.subscribe("plant/+/telemetry", qos)
    properties = Properties(PacketTypes.CONNECT)
    properties.ReceiveMaximum = 2000
    south.connect("127.0.0.1", port, properties=properties)
    south.loop_forever()


async def pymodbus(port: int, seconds: float, every: float) -> None:
    """Read 10 registers of each of 100 units, every so many seconds, or again and again (0); says what it did and used."""
    from pymodbus.client import AsyncModbusTcpClient

    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    used = resource.getrusage(resource.RUSAGE_SELF)
    start, cpu = monotonic(), used.ru_utime + used.ru_stime
    polls, last, gaps = 0, {}, []
    turn = 0
    while monotonic() - start < seconds:
        for unit in range(1, UNITS + 1):
            reply = await client.read_holding_registers(0, count=REGISTERS, device_id=unit)
            reading = {f"r{i}": value for i, value in enumerate(reply.registers)}
            now = monotonic()
            if unit in last:
                gaps.append((now - last[unit]) * 1000)
            last[unit] = now
            polls += bool(reading)
        turn += 1
        if every:
            await asyncio.sleep(max(0.0, start + turn * every - monotonic()))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps({"polls": polls, "s": monotonic() - start, "cpu": used.ru_utime + used.ru_stime - cpu, "gaps": sorted(gaps)})
    )
    client.close()


if __name__ == "__main__":
    if sys.argv[1] in ("paho", "bare"):
        {"paho": paho, "bare": bare}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    else:
        asyncio.run(pymodbus(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
