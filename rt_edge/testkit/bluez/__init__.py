"""A stand-in for BlueZ on a D-Bus of its own, to test and simulate Bluetooth without a radio: bleak itself talks to it.

    async with PrivateBus(folder) as bus:                # a real dbus-daemon; its address goes to DBUS_SYSTEM_BUS_ADDRESS
        async with BluezStandIn(bus.address) as bluez:   # owns org.bluez, has a controller hci0 that is on
            sensor = bluez.add(Peripheral("C0:FF:EE:00:00:01", "sensor", {SERVICE: {CHARACTERISTIC: Value(b"\\x2a")}}))
            sensor.advertise(manufacturer={0x0499: b"..."})

What it does is what was seen of BlueZ 5.66 and what bleak relies on; what it does not: pairing, descriptors, L2CAP, a radio's
timing and losses. It needs dbus-fast (which bleak brings) and the program dbus-daemon (`scripts/peers dbus-daemon`).
"""

from rt_edge.testkit.bluez.advertiser import Advertiser
from rt_edge.testkit.bluez.bus import PrivateBus, find_dbus_daemon
from rt_edge.testkit.bluez.peripheral import Peripheral, Value
from rt_edge.testkit.bluez.stand_in import BluezStandIn

__all__ = ["Advertiser", "BluezStandIn", "Peripheral", "PrivateBus", "Value", "find_dbus_daemon"]
