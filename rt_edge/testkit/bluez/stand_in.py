"""BluezStandIn: owns org.bluez on a bus, with one controller; can be killed and started again, switched off, pulled out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from typing import Self

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus

from rt_edge.testkit.bluez.objects import Controller, MonitorManager
from rt_edge.testkit.bluez.peripheral import Peripheral
from rt_edge.testkit.waiting import Bell

NAME = "org.bluez"


class BluezStandIn:
    """One bluetoothd.

    Args:
        address: of the D-Bus.
        controller: its name.
        passive: whether it offers AdvertisementMonitor.

    Attributes:
        powered: of the controller; `power` changes it.
        peripherals: all devices in the air, by address; known to BlueZ once they have advertised in a scan.
        most_connected: most connections there were at a time.
        scans: times that scanning began.
        fail_scan: (error name, message) that StartDiscovery ends with; None: it succeeds.
        bell: rung when scanning or a connection begins or ends.
    """

    def __init__(self, address: str, controller: str = "hci0", passive: bool = False) -> None:
        self._bus_address = address
        self._path = f"/org/bluez/{controller}"
        self._passive = passive
        self._bus: MessageBus | None = None
        self._controller = Controller(self)
        self._known: dict[str, Peripheral] = {}
        self._monitors: set[tuple[str, str]] = set()
        self._scanners: set[str] = set()
        self._caller = ""
        self.peripherals: dict[str, Peripheral] = {}
        self.address = "00:11:22:33:44:55"
        self.roles = ["central", "peripheral"]
        self.powered = True
        self.present = True
        self.discovering = False
        self.most_connected = 0
        self.scans = 0
        self.fail_scan: tuple[str, str] | None = None
        self.bell = Bell()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.kill()

    @property
    def scanning(self) -> bool:
        """Whether a client scans, actively or passively."""
        return self._bus is not None and self.powered and (self.discovering or bool(self._monitors))

    @property
    def passively(self) -> bool:
        """Whether all scanning is passive."""
        return bool(self._monitors) and not self.discovering

    @property
    def connected(self) -> int:
        """Connections."""
        return sum(peripheral.connected for peripheral in self._known.values())

    async def start(self) -> None:
        """Take the name org.bluez, and show the controller."""
        bus = MessageBus(bus_address=self._bus_address, bus_type=BusType.SYSTEM)
        await bus.connect()
        self._bus = bus
        bus.add_message_handler(self._pass_by)
        await self._watch_clients(bus)
        if self.present:
            self._plug()
        await bus.request_name(NAME)

    async def kill(self) -> None:
        """End as bluetoothd does when it crashes: without a word to anybody; idempotent."""
        bus, self._bus = self._bus, None
        for peripheral in self._known.values():
            peripheral.hidden()
        self._known.clear()
        self._monitors.clear()
        self._scanners.clear()
        self.discovering = False
        self._controller = Controller(self)
        if bus is not None:
            bus.disconnect()
            with contextlib.suppress(Exception):  # how it ended does not matter
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        self.bell.ring()

    def _plug(self) -> None:
        assert self._bus is not None
        self._bus.export(self._path, self._controller)
        if self._passive:
            self._bus.export(self._path, MonitorManager(self))

    def plug(self, present: bool) -> None:
        """The controller is pulled out, or put in again."""
        self.present = present
        assert self._bus is not None
        if present:
            self._plug()
            return
        for path in list(self._known):
            self.remove_device(path)
        self._scanners.clear()
        self.discovering = False
        self._bus.unexport(self._path)

    def power(self, on: bool) -> None:
        """The controller is switched on or off."""
        self.powered = on
        if not on:
            self._scanners.clear()
            self._discover(False)
            for peripheral in self._known.values():
                if peripheral.connected:
                    peripheral.drop()
        self._controller.emit_properties_changed({"Powered": on})

    async def room(self) -> None:
        """Return when a signal can be sent without harm: dbus-fast 5.2 takes a full socket for a broken one and ends the
        connection, so whoever sends much waits here before each."""
        own = self._bus._fd if self._bus is not None else None  # noqa: SLF001
        if own is None or select.select((), (own,), (), 0)[1]:
            return
        free = asyncio.Event()
        loop = asyncio.get_running_loop()
        descriptor = os.dup(own)  # dbus-fast watches the other
        loop.add_writer(descriptor, free.set)
        try:
            await free.wait()
        finally:
            loop.remove_writer(descriptor)
            os.close(descriptor)

    def add(self, peripheral: Peripheral) -> Peripheral:
        """Put a device into the air; BlueZ knows of it once it advertises in a scan."""
        self.peripherals[peripheral.address] = peripheral
        peripheral.hears(self)
        return peripheral

    def show(self, peripheral: Peripheral) -> None:
        """BlueZ makes an object of a device that it has heard."""
        assert self._bus is not None
        for path, interface in peripheral.show(self._path):
            self._bus.export(path, interface)
        self._known[peripheral.path] = peripheral

    # -- what clients call -------------------------------------------------------------------------------------------

    def start_discovery(self) -> None:
        """See `ControllerState`."""
        if not self.powered:
            raise DBusError("org.bluez.Error.NotReady", "Resource Not Ready")
        if self.fail_scan is not None:
            raise DBusError(*self.fail_scan)
        if self._caller in self._scanners:  # several clients may scan at a time, each of them once
            raise DBusError("org.bluez.Error.InProgress", "Operation already in progress")
        self._scanners.add(self._caller)
        if not self.discovering:
            self._discover(True)

    def stop_discovery(self) -> None:
        """See `ControllerState`."""
        if self._caller not in self._scanners:
            raise DBusError("org.bluez.Error.Failed", "No discovery started")
        self._scan_ends(self._caller)

    def _scan_ends(self, client: str) -> None:
        if client in self._scanners:
            self._scanners.remove(client)
            if not self._scanners:
                self._discover(False)

    def _discover(self, on: bool) -> None:
        self.scans += on and not self.discovering
        self.discovering = on
        self._controller.emit_properties_changed({"Discovering": on})
        self.bell.ring()

    def remove_device(self, path: str) -> None:
        """See `ControllerState`."""
        peripheral = self._known.pop(path, None)
        if peripheral is None:
            raise DBusError("org.bluez.Error.DoesNotExist", "Does Not Exist")
        if peripheral.connected:
            peripheral.drop()
        peripheral.hidden()
        assert self._bus is not None
        for other in [other for other in self._bus._path_exports if other == path or other.startswith(f"{path}/")]:  # noqa: SLF001
            self._bus.unexport(other)

    def monitor(self, path: str, on: bool) -> None:
        """See `ControllerState`."""
        if on:
            self.scans += 1
            self._monitors.add((self._caller, path))
        else:
            self._monitors.discard((self._caller, path))
        self.bell.ring()

    # -- clients that end without a word -----------------------------------------------------------------------------

    async def _watch_clients(self, bus: MessageBus) -> None:
        rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
        call = Message(
            destination="org.freedesktop.DBus",
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            member="AddMatch",
            signature="s",
            body=[rule],
        )
        await bus.call(call)

    def _pass_by(self, message: Message) -> None:
        """Remember who calls; the scans of a client that has left the bus end, as BlueZ does it."""
        if message.message_type is MessageType.METHOD_CALL:
            self._caller = message.sender or ""
        elif message.member == "NameOwnerChanged" and not message.body[2]:
            client = message.body[0]
            self._monitors = {(by, path) for by, path in self._monitors if by != client}
            self._scan_ends(client)
