# mypy: disable-error-code="import-not-found,misc"
# bumble is there inside the machine only.
"""Virtual devices around a virtual controller, by bumble; runs inside the machine that _ble_vm.py starts.

A fridge that advertises BTHome and manufacturer data, and a pump with characteristics to read, write and hear.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.device import Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import (
    Address,
    HCI_ErrorCode,
    HCI_LE_Connection_Complete_Event,
    HCI_StatusReturnParameters,
    LeFeatureMask,
    Role,
)
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport import open_transport

FRIDGE, PUMP = "C0:FF:EE:00:00:01", "C0:FF:EE:00:00:02"
SERVICE = "0000181a-0000-1000-8000-00805f9b34fb"
TEMPERATURE = "00002a6e-0000-1000-8000-00805f9b34fb"
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
LEVEL = "12345678-1234-1234-1234-123456789abc"
COMPANY = 0xFFFF
INTERVAL_MS = 100


class Radio(Controller):
    """bumble's, without features that it announces and does not keep.

    With LL privacy or extended advertising a host may unmask LE Enhanced Connection Complete and has to be told of a connection
    by that event (Core specification 4.E, 7.7.65.10); bumble says LE Connection Complete all the same. Linux 6.1 then goes on
    waiting for the other one, tries to cancel the connection that it has after 4 s, and sends no command to this controller
    any more: no Disconnect, no scan. And a connection that the host gives up (7.8.13) is said to have failed, and is not made
    later on.
    """

    pending_le_connection: Any
    answered = True
    """Whether the devices around answer who wants to connect; they are heard either way."""

    le_features = Controller.le_features & ~(
        LeFeatureMask.LL_PRIVACY | LeFeatureMask.LE_EXTENDED_ADVERTISING | LeFeatureMask.LE_PERIODIC_ADVERTISING
    )

    def create_le_connection(self, peer_address: Address) -> None:
        """See Controller."""
        if self.answered:
            super().create_le_connection(peer_address)

    def on_hci_le_create_connection_cancel_command(self, _command: Any) -> HCI_StatusReturnParameters:
        """See Controller."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return HCI_StatusReturnParameters(HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        failed = HCI_LE_Connection_Complete_Event(
            status=HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=Role.CENTRAL,
            peer_address_type=pending.peer_address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, failed)  # after the answer to this command
        return HCI_StatusReturnParameters(HCI_ErrorCode.SUCCESS)


class Link(LocalLink):
    """bumble's, with data marked by the address that the connection was made with: its own takes the random one always."""

    def send_acl_data(self, sender_controller: Any, destination_address: Any, transport: Any, data: bytes) -> None:
        """See LocalLink."""
        target = self.find_le_controller(destination_address)
        if transport != PhysicalTransport.LE or target is None:
            super().send_acl_data(sender_controller, destination_address, transport, data)
            return
        source = next(c.self_address for c in sender_controller.le_connections.values() if c.peer_address == destination_address)
        asyncio.get_running_loop().call_soon(target.on_link_acl_data, source, transport, data)


def fridge_data(count: int) -> bytes:
    """Flags, BTHome (packet id, 32-bit count), manufacturer data (16-bit count)."""
    bthome = b"\xd2\xfc\x40\x00" + bytes([count % 256]) + b"\x3e" + struct.pack("<I", count)
    company = struct.pack("<HH", COMPANY, count % 65536)
    return b"\x02\x01\x06" + bytes([len(bthome) + 1, 0x16]) + bthome + bytes([len(company) + 1, 0xFF]) + company


class Air:
    """All of it."""

    def __init__(self) -> None:
        self.level = 0
        self.count = 0
        self._link = Link()
        self._transport: Any = None
        self._central: Radio | None = None
        self._fridge: Controller | None = None
        self._pump: Device | None = None
        self._temperature: Characteristic | None = None
        self._beat: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """The controller appears in the kernel, and devices begin to advertise."""
        self._transport = await open_transport("vhci")
        address = Address("00:11:22:33:44:55", Address.PUBLIC_DEVICE_ADDRESS)
        self._central = Radio("hci0", self._transport.source, self._transport.sink, self._link, address)
        fridge, self._fridge = self._device("fridge", FRIDGE)
        self._pump, _ = self._device("pump", PUMP)
        self._pump.add_service(self._service())
        for device, data in ((fridge, fridge_data(0)), (self._pump, b"\x02\x01\x06\x05\x09pump")):
            await device.power_on()
            await device.start_advertising(
                auto_restart=True,
                advertising_data=data,
                advertising_interval_min=INTERVAL_MS,
                advertising_interval_max=INTERVAL_MS,
            )
        self._beat = asyncio.create_task(self._change())

    def _device(self, name: str, address: str) -> tuple[Device, Controller]:
        controller = Radio(name, link=self._link)
        host = Host()
        host.controller = controller
        return Device(name=name, address=Address(address), host=host), controller

    def _service(self) -> Service:
        read, write, notify = (
            Characteristic.Properties.READ,
            Characteristic.Properties.WRITE,
            Characteristic.Properties.NOTIFY,
        )

        def written(_connection: Any, value: bytes) -> None:
            self.level = int.from_bytes(value, "little")

        level = CharacteristicValue(read=lambda _connection: struct.pack("<H", self.level), write=written)
        self._temperature = Characteristic(TEMPERATURE, read | notify, Characteristic.READABLE, struct.pack("<h", 2150))
        return Service(
            SERVICE,
            [
                self._temperature,
                Characteristic(BATTERY, read, Characteristic.READABLE, b"\x5a"),
                Characteristic(LEVEL, read | write, Characteristic.READABLE | Characteristic.WRITEABLE, level),
            ],
        )

    async def _change(self) -> None:
        """Each advertisement of the fridge is a new one; what the radio says is set in the controller itself."""
        assert self._fridge is not None
        while True:
            await asyncio.sleep(INTERVAL_MS / 1000)
            self.count += 1
            data = fridge_data(self.count)
            self._fridge.le_legacy_advertiser.advertising_data = data
            for advertising in self._fridge.advertising_sets.values():
                advertising.data = bytearray(data)

    @property
    def scan_type(self) -> str:
        """How the host told the controller to scan (LE Set Scan Parameters, Core specification 4.E, 7.8.10)."""
        assert self._central is not None
        return "active" if self._central.le_scan_type else "passive"

    @property
    def connected(self) -> int:
        """Connections to the pump."""
        return len(self._pump.connections) if self._pump is not None else 0

    def answer(self, answered: bool) -> None:
        """Whether the pump answers who wants to connect."""
        assert self._central is not None
        self._central.answered = answered

    async def say(self, value: int) -> None:
        """The pump notifies a temperature."""
        assert self._pump is not None
        assert self._temperature is not None
        await self._pump.notify_subscribers(self._temperature, struct.pack("<h", value))

    async def hang_up(self) -> None:
        """The pump ends the connection."""
        assert self._pump is not None
        for connection in list(self._pump.connections.values()):
            await connection.disconnect()
