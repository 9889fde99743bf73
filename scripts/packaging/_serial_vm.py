"""Run a node that reads a serial port while its cable is pulled and put back: Debian's kernel, udev and USB serial driver in an
emulated machine (qemu, no KVM needed), with USB serial converters that qemu plugs in and out. Takes some four minutes, and root.
Nothing is installed on the host but debootstrap; all else is in a folder that is removed at the end.

What must be seen: the name that udev gives a converter by its id, found by `rt-edge scan serial`; a pull is noticed while the
port is not read; a node reads; the cable is pulled: the node says so once, however often it tries the port; the cable is back
while another converter has taken its number: the node says so once, and readings flow again from the same instrument, by another
ttyUSB; pulled and back a second time; one gap for each time without, no reading twice and none of the other instrument.

--dry-run says the steps and looks whether the parts are there, without root.
"""

from __future__ import annotations

import sys

import _vm
from _campaign import Campaign, copy_sources

LIMIT_S = 1200
CABLES = ("balance", "other")
BUILT = "thespian"
"""There is no wheel of it: pip builds one."""


def _socket(name: str, far: str) -> tuple[str, ...]:
    """A wire within qemu: `name` is one end, the port `/dev/virtio-ports/FAR` inside the other."""
    path = f"path={{folder}}/{name}"
    ends = ("-chardev", f"socket,id={name},{path},server=on,wait=off", "-chardev", f"socket,id={name}-far,{path}")
    return (*ends, "-device", f"virtserialport,chardev={name}-far,name={far}")


MACHINE = _vm.Machine(
    packages=("udev",),
    modules=("lib", "arch", "crypto", "drivers/usb", "drivers/virtio", "drivers/char", "drivers/crypto"),
    guest=("_serial_vm_guest.py", "_serial_vm_cable.py"),
    libraries=tuple(text for text in _vm.requirements("serial") if not text.startswith(BUILT)),
    lines=(
        "echo 127.0.0.1 localhost > /etc/hosts; hostname localhost",
        "/lib/systemd/systemd-udevd --daemon",
        "modprobe xhci_pci; modprobe virtio_pci; modprobe virtio_console",
        "udevadm trigger; udevadm settle",
    ),
    flags=(
        *("-device", "qemu-xhci,id=usb", "-device", "virtio-serial-pci"),
        *(*_socket("hand", "hand"), "-mon", "chardev=hand,mode=control"),
        *(flag for name in CABLES for flag in _socket(name, name)),
    ),
)


def debian(c: Campaign) -> None:
    """What runs in it: Debian with udev, and the kernel's modules for USB."""
    root = _vm.debian(c, MACHINE)
    c.saw(f"udev {c.run('chroot', root, 'udevadm', '--version').strip()}")


def programs(c: Campaign) -> None:
    """rt-edge as it stands here, installed as a user does, with its libraries."""
    _vm.libraries(c, MACHINE)
    (exact,) = (text for text in _vm.requirements("serial") if text.startswith(BUILT))
    copy_sources(c.folder / "src")
    _vm.into_site(c, "--no-deps", exact, c.folder / "src")
    c.saw(exact)


def disk(c: Campaign) -> None:
    """All of it as the kernel's first file system."""
    _vm.disk(c, MACHINE)


def boot(c: Campaign) -> None:
    """Run it; the steps are said by what runs inside."""
    _vm.boot(c, MACHINE)


STEPS: _vm.Steps = {
    "the emulator and the kernel": _vm.emulator,
    "Debian with udev": debian,
    "rt-edge and its libraries": programs,
    "a first file system of it": disk,
    "a node, and a cable that is pulled": boot,
}


if __name__ == "__main__":
    if sys.argv[1:] == ["--dry-run"]:
        sys.exit(_vm.dry_run(MACHINE, STEPS))
    sys.exit(Campaign("serial-vm", LIMIT_S).main(_vm.body(STEPS)))
