"""One connection to one device, by bleak; its errors become ours here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from bleak import BleakClient
from bleak.backends.device import BLEDevice
from bleak.exc import BleakDBusError, BleakDeviceNotFoundError, BleakError
from dbus_fast.errors import DBusError

from rt_edge.sdk import TransientError

CLOSE_S = 10.0
"""Longest time to disconnect."""

DEVICE_S = 35.0
"""Longest time for a call that a device answers; ATT itself gives up after 30 s (Core specification 3.F, 3.3.3)."""

FAILURES = (BleakError, DBusError, OSError, EOFError, AssertionError)
"""What bleak and dbus-fast raise when the other side is not as it should be; asserts of bleak's are among it."""


class GoneError(TransientError):
    """BlueZ does not know the device any more: it has to be heard again before it can be connected."""


class BusyError(TransientError):
    """BlueZ believes that something is under way with the device; it may believe so until the device is forgotten."""


class NoAnswerError(TransientError):
    """The device did not answer in time: it may have done what it was asked, or may still do it."""


class Link(Protocol):
    """A connection to one device. All methods raise TransientError when it is lost or the device refuses, NoAnswerError when it
    does not say anything."""

    up: bool

    async def read(self, uuid: str) -> bytes:
        """The value of a characteristic."""

    async def write(self, uuid: str, data: bytes, response: bool) -> None:
        """Set it; with `response` the device has confirmed."""

    async def notify(self, uuid: str, heard: Callable[[bytes], None]) -> None:
        """Call `heard` with each notification or indication."""

    async def unnotify(self, uuid: str) -> None:
        """Stop that."""

    async def close(self) -> None:
        """Disconnect; idempotent."""


class BleakLink:
    """A Link; its parts are described there.

    Args:
        device: as bleak heard it.
        within: seconds to connect.
        controller: like hci0.
        on_lost: called when the device or BlueZ ends the connection.
    """

    def __init__(self, device: BLEDevice, within: float, controller: str, on_lost: Callable[[], None]) -> None:
        self.up = False
        self._address = device.address
        self._on_lost = on_lost
        self._client = BleakClient(
            device, disconnected_callback=self._disconnected, timeout=within, bluez={"adapter": controller}
        )

    def _disconnected(self, _client: BleakClient) -> None:
        if self.up:
            self.up = False
            self._on_lost()

    async def connect(self, within: float) -> None:
        """See `BluezTransport.connect`."""
        try:
            async with asyncio.timeout(within + 1.0):  # bleak's own limit leaves some steps out
                await self._client.connect()
        except TimeoutError:
            raise TransientError(f"no connection to {self._address} within {within:g} s") from None
        except BleakDeviceNotFoundError as error:
            raise GoneError(f"BlueZ does not know {self._address} any more") from error
        except BleakDBusError as error:
            kind = BusyError if error.dbus_error == "org.bluez.Error.InProgress" else TransientError
            raise kind(f"{self._address} cannot be connected: {said(error)}") from error
        except FAILURES as error:
            raise TransientError(f"{self._address} cannot be connected: {said(error)}") from error
        self.up = True
        if not self._client.is_connected:
            await self.close()
            raise TransientError(f"{self._address} has disconnected at once")

    async def read(self, uuid: str) -> bytes:
        """See `Link`."""
        async with self._mapped(f"{uuid} cannot be read"):
            return bytes(await self._client.read_gatt_char(uuid))

    async def write(self, uuid: str, data: bytes, response: bool) -> None:
        """See `Link`."""
        async with self._mapped(f"{uuid} cannot be written"):
            await self._client.write_gatt_char(uuid, data, response=response)

    async def notify(self, uuid: str, heard: Callable[[bytes], None]) -> None:
        """See `Link`."""
        async with self._mapped(f"{uuid} does not notify"):
            await self._client.start_notify(uuid, lambda _characteristic, data: heard(bytes(data)))

    async def unnotify(self, uuid: str) -> None:
        """See `Link`."""
        async with self._mapped(f"notifications of {uuid} cannot be stopped"):
            await self._client.stop_notify(uuid)

    async def close(self) -> None:
        """See `Link`."""
        self.up = False
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._client.disconnect()
        except (TimeoutError, *FAILURES) as error:
            raise TransientError(f"{self._address} cannot be disconnected: {said(error)}") from error

    @contextlib.asynccontextmanager
    async def _mapped(self, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(DEVICE_S):
                yield
        except TimeoutError:
            raise NoAnswerError(f"{what}: no answer within {DEVICE_S:g} s") from None
        except FAILURES as error:
            raise TransientError(f"{what}: {said(error)}") from error


def said(error: BaseException) -> str:
    """An error in words; some have none."""
    return str(error) or type(error).__name__
