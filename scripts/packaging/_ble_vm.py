"""Run the ble adapter against real BlueZ: Debian's kernel and bluetoothd in an emulated machine (qemu, no KVM needed), a virtual
controller on the kernel's hci_vhci, and virtual devices around it (bumble). Takes some five minutes, and root. Nothing is
installed on the host but debootstrap; all else is in a folder that is removed at the end.

What must be seen: advertisements with manufacturer and service data, actively and passively; a scan that ends without demand; a
connection, reads, a write that is read back, notifications in order; the device hangs up and is connected again; a device that is
heard and does not answer is said once to be unreachable, and once to be back; bluetoothd is killed with a device connected, and
the adapter says so and works with the next one; the controller is switched off and on; a connection after all that.

--dry-run says the steps and looks whether the parts are there, without root.
"""

from __future__ import annotations

import sys

import _vm
from _campaign import Campaign, copy_sources

LIMIT_S = 1200
BUMBLE = ("bumble==0.0.236", "pyee>=13")
NOT_NEEDED = ("thespian", "typer", "rich")
"""Of rt-edge: islands and the command line, which have no part in this."""

MACHINE = _vm.Machine(
    packages=("bluez",),
    modules=("net", "crypto", "lib", "arch", "drivers/bluetooth", "drivers/crypto"),
    guest=("_ble_vm_guest.py", "_ble_vm_air.py"),
    libraries=_vm.requirements("ble", NOT_NEEDED),
    alone=BUMBLE,
    lines=("modprobe hci_vhci", "dbus-uuidgen --ensure", "dbus-daemon --system --fork"),
)


def debian(c: Campaign) -> None:
    """What runs in it: Debian with bluetoothd, and the kernel's modules for it."""
    root = _vm.debian(c, MACHINE)
    c.saw(c.run("chroot", root, "/usr/libexec/bluetooth/bluetoothd", "--version").strip())


def programs(c: Campaign) -> None:
    """rt-edge as it stands here, its libraries for the Python in there, and bumble."""
    copy_sources(c.folder / "root/opt/src")
    _vm.libraries(c, MACHINE)
    c.saw(BUMBLE[0])


def disk(c: Campaign) -> None:
    """All of it as the kernel's first file system."""
    _vm.disk(c, MACHINE)


def boot(c: Campaign) -> None:
    """Run it; the steps are said by what runs inside."""
    _vm.boot(c, MACHINE)


STEPS: _vm.Steps = {
    "the emulator and the kernel": _vm.emulator,
    "Debian with bluetoothd": debian,
    "rt-edge, its libraries, and virtual devices": programs,
    "a first file system of it": disk,
    "the adapter and real bluetoothd": boot,
}


if __name__ == "__main__":
    if sys.argv[1:] == ["--dry-run"]:
        sys.exit(_vm.dry_run(MACHINE, STEPS))
    sys.exit(Campaign("ble-vm", LIMIT_S).main(_vm.body(STEPS)))
