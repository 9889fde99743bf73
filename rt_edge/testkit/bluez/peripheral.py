"""Peripheral: one Bluetooth device as the stand-in shows it, with the faults a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from dbus_fast import DBusError

from rt_edge.testkit.bluez.objects import Characteristic, Device, Service

if TYPE_CHECKING:
    from rt_edge.testkit.bluez.stand_in import BluezStandIn


class Value:
    """One characteristic.

    Args:
        value: what it reads as.
        flags: what can be done with it, in BlueZ's words.
        on_read: makes the value at each read.

    Attributes:
        written: what was written, in order.
        keeps: whether it reads as what was written last.
        fail: message of the error that reads, writes and StartNotify end with; empty: they succeed.
        notifying: whether a client listens.
    """

    def __init__(
        self,
        value: bytes = b"",
        flags: Sequence[str] = ("read", "write", "notify"),
        on_read: Callable[[], bytes] | None = None,
    ) -> None:
        self.uuid = ""
        self.value = value
        self.flags = list(flags)
        self.on_read = on_read
        self.written: list[bytes] = []
        self.keeps = True
        self.fail = ""
        self.notifying = False
        self._shown: Characteristic | None = None

    def show(self, uuid: str, device: Peripheral, service_path: str) -> Characteristic:
        """Its object on D-Bus."""
        self.uuid = uuid
        self._shown = Characteristic(self, device, service_path)
        return self._shown

    def notify(self, value: bytes) -> bool:
        """The device says a new value; whether somebody listened."""
        self.value = value
        if self.notifying and self._shown is not None:
            self._shown.emit_properties_changed({"Value": value})
        return self.notifying


class Peripheral:
    """One device.

    Args:
        address: like C0:FF:EE:00:00:01.
        name: as it calls itself; may be empty.
        services: UUID -> (UUID -> characteristic), in full.

    Attributes:
        fail: (error name, message) that a connection ends with; None: it succeeds.
        hang: connecting takes for ever.
        connects: attempts to connect so far.
    """

    def __init__(self, address: str, name: str = "", services: dict[str, dict[str, Value]] | None = None) -> None:
        self.address = address
        self.name = name
        self.services = services or {}
        self.uuids = list(self.services)
        self.rssi = -60
        self.manufacturer: dict[int, bytes] = {}
        self.service: dict[str, bytes] = {}
        self.connected = self.resolved = self.paired = False
        self.fail: tuple[str, str] | None = None
        self.hang = False
        self.connects = 0
        self.controller_path = ""
        self._bluez: BluezStandIn | None = None
        self._shown: Device | None = None

    @property
    def path(self) -> str:
        """Of its object."""
        return f"{self.controller_path}/dev_{self.address.replace(':', '_')}"

    def hears(self, bluez: BluezStandIn) -> None:
        """Come into the air around a controller."""
        self._bluez = bluez

    def show(self, controller_path: str) -> Iterator[tuple[str, Device | Service | Characteristic]]:
        """Its objects on D-Bus, by path."""
        self.controller_path = controller_path
        self._shown = Device(self)
        yield self.path, self._shown
        for i, (service_uuid, characteristics) in enumerate(self.services.items()):
            service_path = f"{self.path}/service{i * 16 + 16:04x}"
            yield service_path, Service(service_uuid, self.path)
            for j, (uuid, value) in enumerate(characteristics.items()):
                yield f"{service_path}/char{i * 16 + 17 + j:04x}", value.show(uuid, self, service_path)

    def hidden(self) -> None:
        """BlueZ has forgotten it."""
        self._shown = None
        self.connected = self.resolved = False

    def advertise(
        self, manufacturer: dict[int, bytes] | None = None, service: dict[str, bytes] | None = None, rssi: int | None = None
    ) -> bool:
        """Send an advertisement; whether somebody scanned."""
        bluez = self._bluez
        if bluez is None or not bluez.scanning:
            return False
        changed = ["RSSI"]
        self.rssi = self.rssi if rssi is None else rssi
        if manufacturer is not None:
            self.manufacturer = manufacturer
            changed.append("ManufacturerData")
        if service is not None:
            self.service = service
            changed.append("ServiceData")
        if self._shown is None:
            bluez.show(self)  # says all of it
        else:
            self._shown.changed(*changed)
        return True

    async def connect(self) -> None:
        """See `DeviceState`."""
        self.connects += 1
        await asyncio.sleep(0)
        if self.hang:
            await asyncio.get_running_loop().create_future()
        if self.fail is not None:
            raise DBusError(*self.fail)
        if self._shown is None or self._bluez is None:
            raise DBusError("org.freedesktop.DBus.Error.UnknownObject", "it was removed")
        self.connected = True
        self._bluez.most_connected = max(self._bluez.most_connected, self._bluez.connected)
        self._shown.changed("Connected")
        self.resolved = True
        self._shown.changed("ServicesResolved")
        self._bluez.bell.ring()

    def drop(self) -> None:
        """The connection ends, from either side."""
        self.connected = self.resolved = False
        for characteristics in self.services.values():
            for value in characteristics.values():
                value.notifying = False
        if self._shown is not None:
            self._shown.changed("ServicesResolved", "Connected")
        if self._bluez is not None:
            self._bluez.bell.ring()
