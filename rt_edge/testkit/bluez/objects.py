"""What the stand-in shows on D-Bus: the interfaces of BlueZ that bleak uses (BlueZ, doc/org.bluez.*.rst), without any behaviour.

No `from __future__ import annotations` here: dbus-fast reads the annotations of methods when the class is made.
"""

# ruff: noqa: N802  # the names are BlueZ's, and its documentation says what they are

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol

from dbus_fast import DBusError, PropertyAccess, Variant
from dbus_fast.annotations import DBusBool, DBusBytes, DBusDict, DBusInt16, DBusObjectPath, DBusSignature, DBusStr, DBusUInt16
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

_READ = PropertyAccess.READ
Strings = Annotated[list[str], DBusSignature("as")]
Manufacturer = Annotated[dict[int, Variant], DBusSignature("a{qv}")]
ServiceData = Annotated[dict[str, Variant], DBusSignature("a{sv}")]


class ControllerState(Protocol):
    """What a controller shows and does; the stand-in."""

    address: str
    powered: bool
    roles: list[str]
    discovering: bool

    def start_discovery(self) -> None:
        """A client wants to scan; raises DBusError if it cannot."""

    def stop_discovery(self) -> None:
        """It no longer wants to."""

    def remove_device(self, path: str) -> None:
        """Forget a device."""

    def monitor(self, path: str, on: bool) -> None:
        """A client has registered an AdvertisementMonitor1, or unregistered it."""


class DeviceState(Protocol):
    """What a device shows and does; a peripheral."""

    address: str
    name: str
    controller_path: str
    uuids: list[str]
    rssi: int
    manufacturer: dict[int, bytes]
    service: dict[str, bytes]
    connected: bool
    resolved: bool
    paired: bool

    def connect(self) -> Awaitable[None]:
        """A client wants a connection; raises DBusError if there is none to be had."""

    def drop(self) -> None:
        """The connection ends."""


class CharacteristicState(Protocol):
    """What a characteristic shows and does."""

    uuid: str
    flags: list[str]
    value: bytes
    notifying: bool
    written: list[bytes]
    keeps: bool
    fail: str
    on_read: Callable[[], bytes] | None


class Controller(ServiceInterface):
    """org.bluez.Adapter1."""

    def __init__(self, state: ControllerState) -> None:
        super().__init__("org.bluez.Adapter1")
        self._state = state

    @dbus_property(_READ)
    def Address(self) -> DBusStr:
        """Of the device or controller."""
        return self._state.address

    @dbus_property(_READ)
    def Name(self) -> DBusStr:
        """As it calls itself."""
        return "stand-in"

    @dbus_property(_READ)
    def Roles(self) -> Strings:
        """What it can be."""
        return self._state.roles

    @dbus_property(_READ)
    def Powered(self) -> DBusBool:
        """Whether it is on."""
        return self._state.powered

    @dbus_property(_READ)
    def Discovering(self) -> DBusBool:
        """Whether a client scans."""
        return self._state.discovering

    @dbus_method()
    def SetDiscoveryFilter(self, properties: DBusDict) -> None:
        """Taken, and without effect: whoever advertises is reported."""

    @dbus_method()
    def StartDiscovery(self) -> None:
        """Scan."""
        self._state.start_discovery()

    @dbus_method()
    def StopDiscovery(self) -> None:
        """Scan no more."""
        self._state.stop_discovery()

    @dbus_method()
    def RemoveDevice(self, device: DBusObjectPath) -> None:
        """Forget a device."""
        self._state.remove_device(device)


class MonitorManager(ServiceInterface):
    """org.bluez.AdvertisementMonitorManager1."""

    def __init__(self, state: ControllerState) -> None:
        super().__init__("org.bluez.AdvertisementMonitorManager1")
        self._state = state

    @dbus_property(_READ)
    def SupportedMonitorTypes(self) -> Strings:
        """The only type BlueZ knows."""
        return ["or_patterns"]

    @dbus_property(_READ)
    def SupportedFeatures(self) -> Strings:
        """None."""
        return []

    @dbus_method()
    def RegisterMonitor(self, application: DBusObjectPath) -> None:
        """Scan passively."""
        self._state.monitor(application, True)

    @dbus_method()
    def UnregisterMonitor(self, application: DBusObjectPath) -> None:
        """Scan passively no more."""
        self._state.monitor(application, False)


class Device(ServiceInterface):
    """org.bluez.Device1."""

    def __init__(self, state: DeviceState) -> None:
        super().__init__("org.bluez.Device1")
        self._state = state

    @dbus_property(_READ)
    def Address(self) -> DBusStr:
        """Of the device or controller."""
        return self._state.address

    @dbus_property(_READ)
    def AddressType(self) -> DBusStr:
        """As most sensors have it."""
        return "random"

    @dbus_property(_READ)
    def Name(self) -> DBusStr:
        """As it calls itself."""
        return self._state.name

    @dbus_property(_READ)
    def Alias(self) -> DBusStr:
        """Its name, or its address with hyphens."""
        return self._state.name or self._state.address.replace(":", "-")

    @dbus_property(_READ)
    def Adapter(self) -> DBusObjectPath:
        """Path of its controller."""
        return self._state.controller_path

    @dbus_property(_READ)
    def UUIDs(self) -> Strings:
        """Services it lists."""
        return self._state.uuids

    @dbus_property(_READ)
    def RSSI(self) -> DBusInt16:
        """dBm."""
        return self._state.rssi

    @dbus_property(_READ)
    def ManufacturerData(self) -> Manufacturer:
        """Company number to data."""
        return {company: Variant("ay", data) for company, data in self._state.manufacturer.items()}

    @dbus_property(_READ)
    def ServiceData(self) -> ServiceData:
        """UUID to data."""
        return {uuid: Variant("ay", data) for uuid, data in self._state.service.items()}

    @dbus_property(_READ)
    def Paired(self) -> DBusBool:
        """Whether it is paired."""
        return self._state.paired

    @dbus_property(_READ)
    def Connected(self) -> DBusBool:
        """Whether there is a connection."""
        return self._state.connected

    @dbus_property(_READ)
    def ServicesResolved(self) -> DBusBool:
        """Whether its services are known."""
        return self._state.resolved

    @dbus_method()
    async def Connect(self) -> None:
        """Make a connection."""
        await self._state.connect()

    @dbus_method()
    def Disconnect(self) -> None:
        """End it."""
        self._state.drop()

    def changed(self, *names: str) -> None:
        """Tell who listens that these properties have new values."""
        properties: dict[str, Any] = {name: getattr(self, name) for name in names}
        self.emit_properties_changed(properties)


class Service(ServiceInterface):
    """org.bluez.GattService1."""

    def __init__(self, uuid: str, device_path: str) -> None:
        super().__init__("org.bluez.GattService1")
        self._uuid = uuid
        self._device_path = device_path

    @dbus_property(_READ)
    def UUID(self) -> DBusStr:
        """In full."""
        return self._uuid

    @dbus_property(_READ)
    def Primary(self) -> DBusBool:
        """Always."""
        return True

    @dbus_property(_READ)
    def Device(self) -> DBusObjectPath:
        """Path of its device."""
        return self._device_path


class Characteristic(ServiceInterface):
    """org.bluez.GattCharacteristic1."""

    def __init__(self, state: CharacteristicState, device: DeviceState, service_path: str) -> None:
        super().__init__("org.bluez.GattCharacteristic1")
        self._state = state
        self._device = device
        self._service_path = service_path

    def _ready(self) -> None:
        if not self._device.connected:
            raise DBusError("org.bluez.Error.Failed", "Not connected")
        if self._state.fail:
            raise DBusError("org.bluez.Error.Failed", self._state.fail)

    @dbus_property(_READ)
    def UUID(self) -> DBusStr:
        """In full."""
        return self._state.uuid

    @dbus_property(_READ)
    def Service(self) -> DBusObjectPath:
        """Path of its service."""
        return self._service_path

    @dbus_property(_READ)
    def Flags(self) -> Strings:
        """What can be done with it."""
        return self._state.flags

    @dbus_property(_READ)
    def Value(self) -> DBusBytes:
        """What was read or said last."""
        return self._state.value

    @dbus_property(_READ)
    def Notifying(self) -> DBusBool:
        """Whether a client listens."""
        return self._state.notifying

    @dbus_property(_READ)
    def MTU(self) -> DBusUInt16:
        """As most peripherals have it."""
        return 185

    @dbus_method()
    def ReadValue(self, options: DBusDict) -> DBusBytes:
        """Ask for it."""
        self._ready()
        if self._state.on_read is not None:
            self._state.value = self._state.on_read()
        return self._state.value

    @dbus_method()
    def WriteValue(self, value: DBusBytes, options: DBusDict) -> None:
        """Set it."""
        self._ready()
        self._state.written.append(bytes(value))
        if self._state.keeps:
            self._state.value = bytes(value)

    @dbus_method()
    def StartNotify(self) -> None:
        """Listen."""
        self._ready()
        self._state.notifying = True

    @dbus_method()
    def StopNotify(self) -> None:
        """Listen no more."""
        self._state.notifying = False
