"""Advertiser: peripherals that say something again and again, as sensors do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Self

from rt_edge.testkit.bluez.peripheral import Peripheral
from rt_edge.testkit.bluez.stand_in import BluezStandIn


class Advertiser:
    """Devices in the air of a stand-in, which advertise one after the other while it is entered, unless they are connected.

    Args:
        bluez: the stand-in; the devices are added to it.
        peripherals: the devices.
        say: advertises a device, given how often all have advertised before.
        period_s: of each device.
    """

    def __init__(
        self,
        bluez: BluezStandIn,
        peripherals: Sequence[Peripheral],
        say: Callable[[Peripheral, int], object],
        period_s: float = 0.01,
    ) -> None:
        self._bluez = bluez
        self._peripherals = [bluez.add(peripheral) for peripheral in peripherals]
        self._say = say
        self._pause = period_s / len(self._peripherals)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="advertiser")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def ended(self) -> None:
        """Return when it has ended; it does so by an error only."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        count, due = 0, loop.time()
        while True:
            for peripheral in self._peripherals:
                await self._bluez.room()
                if not peripheral.connected:
                    self._say(peripheral, count)
                due = max(due + self._pause, loop.time() - 1.0)  # what was missed longer ago is not made up for
                await asyncio.sleep(max(0.0, due - loop.time()))
            count += 1
