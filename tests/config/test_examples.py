"""Every file of config/ runs as it stands, with real peers in the place of the ones it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rt_edge.data.reading import Reading
from rt_edge.testkit.node_process import NodeProcess, wait_until
from rt_edge.uplink.stores.errors import StoreIoError
from rt_edge.uplink.stores.query import StoreReader
from tests.config.plant import CONFIG, PASSWORD, Plant

WITHIN = 15.0
EDGES = {
    "edge-mqtt.yaml": {"broker/7", "broker/m1"},
    "edge-modbus.yaml": {"line-1/pump-1", "line-1/pump-2", "meter/main"},
    "edge-full.yaml": {"line-1/pump-1", "line-1/pump-2", "test-bench/device-1", "test-bench/device-2", "broker/7"},
}
"""What has to arrive upstream from each edge."""
LOCAL = {
    "edge-ble.yaml": {"air/fridge", "air/door", "air/pump"},
    "simulated.yaml": {"machine/device-1", "machine/device-2", "machine/device-3"},
    "edge-full.yaml": {"line-1/pump-1", "line-1/pump-2", "test-bench/device-1", "test-bench/device-2"},
    "edge-processing.yaml": {"machine/device-1", "machine/device-2", "machine/device-3"},
    "edge-coap.yaml": {"tanks/tank-1", "inbox/probe-7"},
    "edge-serial.yaml": {"balance/scale-1", "baths/inlet", "baths/outlet"},
}
"""What has to be in the store of the node itself."""
FIELDS = {
    "edge-processing.yaml": {"temperature", "temperature_mean", "temperature_count"},
    "edge-coap.yaml": {"level", "valve", "urn:dev:probe-7:depth"},
    "edge-serial.yaml": {"state", "weight", "temperature"},
}
"""Fields that have to be there, of all readings together."""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, mosquitto_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path_factory.mktemp("examples"), mosquitto_path)
    try:
        made.certificate("upstream", "up-a")
        made.certificate("upstream", "plant-west", "plant-west-upstream")
        for edge in ("hall-3", "pump-house", "plant-west"):
            made.certificate("edge", edge)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def upstream(plant: Plant) -> Iterator[tuple[NodeProcess, str]]:
    """The upstream example, running, and the address of its ingress."""
    node = plant.node("upstream.yaml", {"0.0.0.0:1900": "127.0.0.1:0"})
    try:
        node.start()
        yield node, _ingress(node)
    finally:
        code = node.stop()
    assert code == 0


def _ingress(node: NodeProcess) -> str:
    found = ""

    def listens() -> bool:
        nonlocal found
        member = node.member("ingress")
        found = member.ingress.listen if member is not None and member.ingress is not None else ""
        return bool(found) and not found.endswith(":0")

    wait_until(listens, WITHIN, lambda: f"the ingress of {node.config.name} listens: {node.log()[-800:]}")
    return found


def _stored(node: NodeProcess, sender: str) -> set[str]:
    """The sources in the store of an upstream node that came from one edge."""
    return {reading.source for reading in _readings(node, sender)}


def _readings(node: NodeProcess, sender: str) -> list[Reading]:
    """What is in the stores of a node and came from one edge."""
    readings: list[Reading] = []
    for store in (node.data / "store").glob("*.db"):
        try:
            with StoreReader(store) as reader:
                readings += [row.reading for row in reader.rows() if row.reading is not None and row.lane.node == sender]
        except StoreIoError:  # being made
            continue
    return readings


def _replacements(plant: Plant, up: str) -> dict[str, dict[str, str]]:
    """Of each example: what names a machine, and the real peer that stands in for it."""
    serial = "serial: /dev/serial/by-id/usb-FTDI_USB_RS485-if00-port0, baud: 19200, parity: even"
    line = {serial: f"serial: {plant.line.path}, baud: 19200, parity: none"}  # a pty has no parity
    broker = f"mqtt://127.0.0.1:{plant.broker.port}"
    return {
        "simulated.yaml": {},
        "edge-processing.yaml": {},
        "edge-ble.yaml": {},
        "edge-coap.yaml": {
            "coap://10.0.0.21:5683": f"coap://127.0.0.1:{plant.tank.port}",
            "address: 127.0.0.1:5683": f"address: 127.0.0.1:{plant.coap_port}",
        },
        "edge-serial.yaml": {
            "/dev/serial/by-id/usb-FTDI_USB_Serial_Converter_FT0001-if00-port0": str(plant.balance.path),
            "/dev/serial/by-id/usb-FTDI_USB_Serial_Converter_FT0002-if00-port0": str(plant.baths.path),
        },
        "edge-mqtt.yaml": {
            "up-a.example:1900": up,
            "mqtts://broker.local": broker,
            "/run/credentials/rt-edge.service/mqtt": str(plant.password),
        },
        "edge-modbus.yaml": {"up-a.example:1900": up, "10.0.0.7:502": f"127.0.0.1:{plant.meter.port}", **line},
        "edge-full.yaml": {
            "[up-a.example:1900, up-b.example:1900]": f'["{up}"]',
            "    failover: shared_store\n": "",
            "mqtts://broker.local:8883": broker,
            "0.0.0.0:1900": "127.0.0.1:0",
            **line,
        },
    }


@pytest.mark.parametrize("example", sorted({*EDGES, *LOCAL}))
def test_stores_what_its_devices_say_when_an_example_runs(example: str, plant: Plant, upstream: tuple[NodeProcess, str]) -> None:
    """Each example delivers readings of all its devices to the upstream example, or into its own store, and stops when told."""
    up, address = upstream
    node = plant.node(
        example,
        _replacements(plant, address)[example],
        {"MQTT_PASSWORD": PASSWORD, "DBUS_SYSTEM_BUS_ADDRESS": plant.d_bus.address},
    )
    node.start()
    try:
        sender = node.status().node
        if "broker/7" in EDGES.get(example, ()):
            _say_until_stored(plant, up, sender)
        if example == "edge-coap.yaml":
            _push_until_answered(plant)
        for place, wanted in ((up, EDGES.get(example, set())), (node, LOCAL.get(example, set()))):
            wait_until(
                lambda place=place, wanted=wanted: _stored(place, sender) >= wanted,
                WITHIN,
                lambda place=place, wanted=wanted: f"{wanted} stored, {_stored(place, sender)} are; {node.log()[-1500:]}",
            )
        if example in FIELDS:
            wait_until(
                lambda: {name for reading in _readings(node, sender) for name in reading.fields} >= FIELDS[example],
                WITHIN,
                lambda: f"{FIELDS[example]} are stored; {node.log()[-1500:]}",
            )
    finally:
        code = node.stop()
    assert code == 0


def _say_until_stored(plant: Plant, up: NodeProcess, sender: str) -> None:
    """Publish at each look, since the broker keeps a message only once the adapter has subscribed."""
    warmer = iter(range(1_000))

    def arrived() -> bool:
        plant.publish("plant/7/telemetry", b'{"ts": 1700000000, "temperature": %d}' % next(warmer))
        plant.publish("meter/m1/power", b"12.5")
        return "broker/7" in _stored(up, sender)

    wait_until(arrived, WITHIN, lambda: f"a message from the broker is stored, of {_stored(up, sender)}")


def _push_until_answered(plant: Plant) -> None:
    """Push at each look: before the adapter listens, or is asked for anything, nothing or a refusal comes back."""
    wait_until(
        lambda: plant.push(b'[{"bn": "urn:dev:probe-7:", "n": "depth", "u": "m", "v": 4.5}]'), WITHIN, lambda: "2.04 to a push"
    )


def test_every_example_is_run_when_the_folder_is_listed() -> None:
    """No file of config/ is left out, and the README names each."""
    names = {path.name for path in CONFIG.glob("*.yaml")}
    assert names == {*EDGES, *LOCAL, "upstream.yaml"}
    readme = (CONFIG / "README.md").read_text()
    assert [name for name in sorted(names) if f"]({name})" not in readme] == []
