"""One controller of BlueZ and its scan, by bleak and dbus-fast; link.py has the connections to devices.

bleak says nothing when bluetoothd dies and goes on believing what it knew (connected devices stay connected for it, for ever).
So a D-Bus connection of our own watches who owns org.bluez and what becomes of the controller, and at a loss bleak's own
connection is closed, on which it tells its clients and forgets (`_reset_bleak`, the one place where its inside is touched).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

from bleak import BleakScanner
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.bluezdbus import manager as bleak_manager
from bleak.backends.bluezdbus.version import BlueZFeatures
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakDBusError
from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, DBusError, InvalidAddressError
from dbus_fast.unpack import unpack_variants

from adapters.ble.codec import Advertisement
from adapters.ble.link import FAILURES, BleakLink, Link, said
from rt_edge.sdk import FatalAdapterError, RtEdgeError, TransientError

BLUEZ = "org.bluez"
_ADAPTER, _DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
_MONITOR = "org.bluez.AdvertisementMonitorManager1"
_PROPERTIES, _OBJECTS = "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.ObjectManager"
_DBUS, _DBUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_NO_OWNER = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
}
_NOT_STARTED = "org.freedesktop.DBus.Error.Spawn."
"""D-Bus was to start bluetoothd, and could not: it was masked, or ended at once."""

_BUS_ENDED = "no D-Bus: the connection to the system bus has ended"
_BLUEZ_ENDED = ("bluetoothd has ended", "`systemctl status bluetooth` says why")
CALL_S = 10.0
"""Longest time BlueZ may take to answer a call that needs no radio."""

Mode = Literal["active", "passive"]
Pattern = tuple[Literal["service", "manufacturer"], bytes]
_KINDS = {"service": AdvertisementDataType.SERVICE_DATA_UUID16, "manufacturer": AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA}
logging.getLogger("bleak").setLevel(logging.ERROR)  # what goes wrong is said once, by us
_users: dict[asyncio.AbstractEventLoop, int] = {}


class BluezTransport:
    """One controller.

    Args:
        controller: like hci0.
        on_lost: called once when the controller cannot be used any more.

    Attributes:
        passive: whether BlueZ offers passive scanning (AdvertisementMonitor).
        address: of the controller.
    """

    def __init__(self, controller: str, on_lost: Callable[[Exception], None]) -> None:
        self._name = controller
        self._path = f"/org/bluez/{controller}"
        self._on_lost = on_lost
        self._bus: MessageBus | None = None
        self._watch: asyncio.Task[None] | None = None  # never cancelled: it would take the bus's own future along
        self._losing: asyncio.Task[None] | None = None
        self._scanner: BleakScanner | None = None
        self._lost = False
        self._connected: set[str] = set()
        self.passive = False
        self.address = ""

    # -- life --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Find the controller, and watch it.

        Raises:
            TransientError: no D-Bus, no bluetoothd, no controller, or it is off.
            FatalAdapterError: the controller cannot be a central.
        """
        bus: MessageBus | None = None
        try:
            bus = MessageBus(bus_type=BusType.SYSTEM)
            async with asyncio.timeout(CALL_S):
                await bus.connect()
        except BaseException as error:
            if bus is not None:
                bus.disconnect()  # releases the file descriptors, also of one that never connected
            if isinstance(error, (OSError, EOFError, AuthError, InvalidAddressError, DBusError, ValueError)):
                reason = str(error) or type(error).__name__
                hint = "start dbus, or give the container /run/dbus/system_bus_socket"
                raise TransientError(f"no D-Bus: the system bus cannot be reached: {reason}", hint) from error
            raise
        self._bus, self._lost = bus, False
        _users[asyncio.get_running_loop()] = _users.get(asyncio.get_running_loop(), 0) + 1
        self._watch = asyncio.create_task(self._until_disconnected(bus), name=f"ble {self._name} D-Bus")
        bus.add_message_handler(self._heard_signal)
        await self._add_match(f"type='signal',sender='{_DBUS}',member='NameOwnerChanged',arg0='{BLUEZ}'")
        await self._add_match(f"type='signal',sender='{BLUEZ}',member='PropertiesChanged',path='{self._path}'")
        await self._add_match(f"type='signal',sender='{BLUEZ}',member='InterfacesRemoved'")
        self._check(await self._objects())
        if not BlueZFeatures.checked_bluez_version:  # bleak does it at the first connect, and never again if that is cancelled
            await BlueZFeatures.check_bluez_version()

    async def _objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        body = await self._call("/", _OBJECTS, "GetManagedObjects")
        found: dict[str, dict[str, dict[str, Any]]] = unpack_variants(body[0])
        return found

    def _check(self, objects: dict[str, dict[str, dict[str, Any]]]) -> None:
        controllers = sorted(path.rpartition("/")[2] for path, interfaces in objects.items() if _ADAPTER in interfaces)
        if not controllers:
            raise TransientError("there is no Bluetooth controller", "plug one in; `bluetoothctl list` shows them")
        if self._name not in controllers:
            raise TransientError(f"there is no Bluetooth controller {self._name}", f"there is {', '.join(controllers)}")
        interfaces = objects[self._path]
        controller = interfaces[_ADAPTER]
        self.address = str(controller.get("Address", ""))
        if "central" not in controller.get("Roles", ["central"]):
            raise FatalAdapterError(f"Bluetooth controller {self._name} has no role central", "name another controller")
        if not controller.get("Powered"):
            raise self._off()
        self.passive = "or_patterns" in interfaces.get(_MONITOR, {}).get("SupportedMonitorTypes", [])
        prefix = f"{self._path}/dev_"
        self._connected = {
            path.removeprefix(prefix).replace("_", ":")
            for path, device in objects.items()
            if path.startswith(prefix) and device.get(_DEVICE, {}).get("Connected")
        }

    def _off(self) -> TransientError:
        return TransientError(
            f"Bluetooth controller {self._name} is off", "`bluetoothctl power on`; `rfkill list` says if it is blocked"
        )

    async def close(self) -> None:
        """End the scan and let go of D-Bus; idempotent. Links are closed by who opened them."""
        bus, self._bus = self._bus, None
        if bus is None:
            return
        if self._lost:
            self._scanner = None
        else:
            self._lost = True
            with contextlib.suppress(RtEdgeError):  # it ends with our D-Bus connection anyway
                await self.stop_scan()
        loop = asyncio.get_running_loop()
        _users[loop] -= 1
        if not _users[loop]:
            del _users[loop]
            await _reset_bleak()
        await _ended(bus)
        tasks = [task for task in (self._watch, self._losing) if task is not None]
        if tasks:
            await asyncio.wait(tasks)
        self._watch = self._losing = None

    # -- watching ----------------------------------------------------------------------------------------------------

    async def _until_disconnected(self, bus: MessageBus) -> None:
        with contextlib.suppress(*FAILURES):  # whatever it was, the bus is gone
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        await self._fail(TransientError(_BUS_ENDED))

    async def _fail(self, error: Exception) -> None:
        if self._lost or self._bus is None:
            return
        self._lost = True
        await _reset_bleak()
        self._on_lost(error)

    def _heard_signal(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL or self._bus is None or self._lost:
            return
        body = message.body
        error: Exception | None = None
        if message.member == "NameOwnerChanged" and message.sender == _DBUS and body[0] == BLUEZ:
            if body[1]:  # it had an owner: another one knows nothing of our scan and our connections
                error = TransientError(*_BLUEZ_ENDED)
        elif message.path == self._path and message.member == "PropertiesChanged" and body[0] == _ADAPTER:
            powered = body[1].get("Powered")
            if powered is not None and not powered.value:
                error = self._off()
        elif message.member == "InterfacesRemoved" and body[0] == self._path and _ADAPTER in body[1]:
            error = TransientError(f"Bluetooth controller {self._name} was removed")
        if error is not None and self._losing is None:
            self._losing = asyncio.create_task(self._fail(error), name=f"ble {self._name} lost")

    # -- calls -------------------------------------------------------------------------------------------------------

    async def _call(self, path: str, interface: str, member: str, signature: str = "", body: Sequence[Any] = ()) -> list[Any]:
        bus = self._bus
        if bus is None:
            raise TransientError("not connected to D-Bus")
        destination = _DBUS if interface == _DBUS else BLUEZ
        message = Message(
            destination=destination, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        try:
            async with asyncio.timeout(CALL_S):
                reply = await bus.call(message)
        except TimeoutError:
            raise TransientError(f"bluetoothd did not answer {member} within {CALL_S:g} s") from None
        except FAILURES as error:
            raise TransientError(f"no D-Bus: {error!r}") from error
        if reply.message_type is MessageType.ERROR:
            if away(reply.error_name):
                raise TransientError("bluetoothd does not run: nobody is org.bluez on D-Bus", "`systemctl start bluetooth`")
            said = reply.body[0] if reply.body else ""
            if reply.error_name == "org.freedesktop.DBus.Error.AccessDenied":
                raise TransientError(f"D-Bus does not let us talk to bluetoothd: {said}", "add the user to the group bluetooth")
            raise TransientError(f"BlueZ refuses {member}: {reply.error_name} {said}")
        return list(reply.body)

    async def _add_match(self, rule: str) -> None:
        await self._call(_DBUS_PATH, _DBUS, "AddMatch", "s", [rule])

    async def forget(self, address: str) -> bool:
        """Have BlueZ forget a device, and with it what it wrongly believes of it; not one that is paired. Whether it did."""
        path = self._device_path(address)
        try:
            (known,) = await self._call(path, _PROPERTIES, "GetAll", "s", [_DEVICE])
            if unpack_variants(known).get("Paired"):
                return False
            await self._call(self._path, _ADAPTER, "RemoveDevice", "o", [path])
        except TransientError:  # it is not known, or bluetoothd is gone: nothing to forget
            return False
        return True

    async def release(self, addresses: Sequence[str]) -> int:
        """Disconnect those devices that a life before this one left connected (BlueZ keeps them so); how many."""
        left = [address for address in addresses if address in self._connected]
        for address in left:
            with contextlib.suppress(TransientError):  # it is gone already
                await self._call(self._device_path(address), _DEVICE, "Disconnect")
        return len(left)

    def _device_path(self, address: str) -> str:
        return f"{self._path}/dev_{address.replace(':', '_')}"

    # -- radio -------------------------------------------------------------------------------------------------------

    async def scan(self, mode: Mode, patterns: Sequence[Pattern], heard: Callable[[Advertisement, BLEDevice], None]) -> None:
        """Call `heard` with each advertisement, and the handle for `connect`.

        Args:
            mode: passive needs `patterns`, and `self.passive`.
            patterns: where in the advertisement, and with which bytes it begins there.
            heard: must not raise.

        Raises:
            TransientError: BlueZ refuses.
        """

        def callback(device: BLEDevice, data: AdvertisementData) -> None:
            name = data.local_name or ""
            said = Advertisement(
                device.address.upper(), name, data.rssi, data.manufacturer_data, data.service_data, data.service_uuids
            )
            heard(said, device)

        try:
            scanner = BleakScanner(
                callback,
                scanning_mode=mode,
                bluez={
                    "adapter": self._name,
                    "or_patterns": [(0, _KINDS[kind], content) for kind, content in patterns],
                },
            )
            async with asyncio.timeout(CALL_S):
                await scanner.start()
        except TimeoutError:
            raise TransientError(f"bluetoothd did not start the scan within {CALL_S:g} s") from None
        except FAILURES as error:
            raise _cause(error, "scanning cannot be started") from error
        self._scanner = scanner

    async def stop_scan(self) -> None:
        """End the scan; idempotent.

        Raises:
            TransientError: BlueZ refuses.
        """
        scanner, self._scanner = self._scanner, None
        if scanner is None:
            return
        try:
            async with asyncio.timeout(CALL_S):
                await scanner.stop()
        except TimeoutError:
            raise TransientError(f"bluetoothd did not end the scan within {CALL_S:g} s") from None
        except FAILURES as error:
            raise _cause(error, "scanning cannot be ended") from error

    async def connect(self, device: BLEDevice, within: float, on_lost: Callable[[], None]) -> Link:
        """Connect to a device that was heard.

        Raises:
            GoneError: BlueZ has forgotten it. BusyError: it is stuck. TransientError: not within this time, or it refused.
        """
        link = BleakLink(device, within, self._name, on_lost)
        await link.connect(within)
        return link


def away(name: str | None) -> bool:
    """Whether a D-Bus error of this name says that there is no bluetoothd."""
    return name in _NO_OWNER or (name or "").startswith(_NOT_STARTED)


def _cause(error: BaseException, what: str) -> TransientError:
    """An error of a scan: the same words as of the loss behind it, whichever of the two is noticed first."""
    if isinstance(error, EOFError):
        return TransientError(_BUS_ENDED)
    if isinstance(error, BleakDBusError) and (away(error.dbus_error) or error.dbus_error == "org.freedesktop.DBus.Error.NoReply"):
        return TransientError(*_BLUEZ_ENDED)
    return TransientError(f"{what}: {said(error)}")


async def _ended(bus: MessageBus) -> None:
    bus.disconnect()
    with contextlib.suppress(*FAILURES):  # of a bus that died, its reason; it is gone
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def _reset_bleak() -> None:
    """Close bleak's own D-Bus connection of this loop: it tells its clients that they are disconnected, forgets all it knew, and
    makes a new one when it is used again."""
    known = bleak_manager._global_instances.get(asyncio.get_running_loop())  # noqa: SLF001
    bus = known._bus if known is not None else None  # noqa: SLF001
    watcher = known._bus_watcher_task if known is not None else None  # noqa: SLF001
    if bus is not None:
        await _ended(bus)
    if watcher is not None:
        await asyncio.wait([watcher])
