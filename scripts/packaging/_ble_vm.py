"""Run the ble adapter against real BlueZ: Debian's kernel and bluetoothd in an emulated machine (qemu, no KVM needed), a virtual
controller on the kernel's hci_vhci, and virtual devices around it (bumble). Takes some three minutes, and root. Nothing is
installed on the host but debootstrap; all else is in a folder that is removed at the end.

What must be seen: advertisements with manufacturer and service data, actively and passively; a scan that ends without demand; a
connection, reads, a write that is read back, notifications in order; the device hangs up and is connected again; bluetoothd is
killed, and the adapter says so and works with the next one; the controller is switched off and on.

--dry-run says the steps and looks whether the parts are there, without root.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

from _campaign import ROOT, Campaign, CampaignError, copy_sources, release_and_mirror

sys.path.insert(0, str(ROOT / "scripts"))
from _apt import AptError, PrivateApt, library_closure, sources_of

LIMIT_S = 1200
BOOT_S = 600
MEMORY_MIB = 2048
GUEST = ("_ble_vm_guest.py", "_ble_vm_air.py")
QEMU_PARTS = ("qemu-system-common", "qemu-system-data", "seabios")
DEBIAN = "bluez,dbus,python3-minimal,python3,kmod,iproute2,cpio"
BUMBLE = ("bumble==0.0.236", "pyee>=13")
NOT_NEEDED = ("thespian", "typer", "rich")
"""Of rt-edge: islands and the command line, which have no part in this."""

MODULES = ("net", "crypto", "lib", "arch", "drivers/bluetooth", "drivers/crypto")
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 PYTHONPATH=/opt/site:/opt/src PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp; mkdir -p /run/dbus
ip link set lo up
modprobe hci_vhci
dbus-uuidgen --ensure
dbus-daemon --system --fork
python3 /opt/_ble_vm_guest.py
echo o > /proc/sysrq-trigger
while :; do sleep 1; done
"""
STEP = re.compile(r"^(ok|FAILED) (.*)$")
VERDICT = re.compile(r"^verdict: (\d+) of (\d+) steps$")


def machine(c: Campaign) -> None:
    """The emulator and the kernel, unpacked and not installed."""
    try:
        codename, _ = release_and_mirror()
        apt = PrivateApt(c.folder / "apt", sources_of(codename))
        if complaint := apt.update():
            c.saw(complaint)
        version = apt.candidate("qemu-system-x86")
        meta = apt.candidate("linux-image-amd64")
        if version is None or meta is None:
            raise CampaignError("no source offers qemu-system-x86 and linux-image-amd64")
        parts = [f"{name}={found}" for name in QEMU_PARTS if (found := apt.candidate(name)) is not None]
        apt.unpack([*library_closure(apt, "qemu-system-x86", version), *parts], c.folder / "qemu")
        image = apt.depends("linux-image-amd64", meta)[0].split()[0]
        apt.unpack([f"{image}={apt.candidate(image)}"], c.folder / "kernel")
        c.saw(f"qemu {version}, {image}")
    except AptError as error:
        raise CampaignError(str(error)) from None


def debian(c: Campaign) -> None:
    """What runs in it: Debian with bluetoothd, and the kernel's modules for it."""
    codename, mirror = release_and_mirror()
    root = c.folder / "root"
    c.run("debootstrap", "--variant=minbase", f"--include={DEBIAN}", codename, root, mirror, seconds=400)
    (modules,) = (c.folder / "kernel/lib/modules").iterdir()
    there = root / "lib/modules" / modules.name
    for name in MODULES:
        shutil.copytree(modules / "kernel" / name, there / "kernel" / name)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        shutil.copy(modules / name, there / name)
    c.run("chroot", root, "/sbin/depmod", modules.name)
    for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
        shutil.rmtree(root / waste, ignore_errors=True)
    c.saw(c.run("chroot", root, "/usr/libexec/bluetooth/bluetoothd", "--version").strip())


def programs(c: Campaign) -> None:
    """rt-edge as it stands here, its libraries for the Python in there, and bumble."""
    opt = c.folder / "root/opt"
    copy_sources(opt / "src")
    for name in GUEST:
        shutil.copy(Path(__file__).with_name(name), opt / name)
    python = next(path.name for path in sorted((c.folder / "root/usr/lib").glob("python3.*")))
    wheels = [flag for tag in ("2014", "_2_17", "_2_28", "_2_34", "_2_36") for flag in ("--platform", f"manylinux{tag}_x86_64")]
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--target",
        opt / "site",
        "--only-binary=:all:",
        *wheels,
    ]
    version = ["--python-version", python.removeprefix("python"), "--implementation", "cp"]
    c.run(*pip, *version, *requirements(), seconds=300)
    c.run(*pip, *version, "--no-deps", "--upgrade", *BUMBLE, seconds=120)
    c.saw(f"{python}, {BUMBLE[0]}")


def requirements() -> list[str]:
    """What the ble adapter needs of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = [text for text in project["dependencies"] if re.split(r"[<>=~!]", text)[0] not in NOT_NEEDED]
    return [*base, *project["optional-dependencies"]["ble"]]


def disk(c: Campaign) -> None:
    """All of it as the kernel's first file system."""
    root = c.folder / "root"
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    made = c.folder / "initrd"
    script = f"cd {root} && find . -xdev -print0 | chroot . cpio --null --create --format=newc --quiet > {made}"
    c.run("sh", "-c", script, seconds=120)
    c.saw(f"{made.stat().st_size / 2**20:.0f} MiB")


def boot(c: Campaign) -> None:
    """Run it; the steps are said by what runs inside."""
    qemu = c.folder / "qemu"
    (kernel,) = (c.folder / "kernel/boot").glob("vmlinuz-*")
    share = [flag for name in ("qemu", "seabios") for flag in ("-L", qemu / "usr/share" / name)]
    said = c.run(
        *(qemu / "usr/bin/qemu-system-x86_64", *share, "-machine", "pc,accel=tcg", "-cpu", "max", "-smp", "2"),
        *("-m", str(MEMORY_MIB), "-nographic", "-no-reboot", "-nic", "none", "-monitor", "none", "-serial", "stdio"),
        *("-kernel", kernel, "-initrd", c.folder / "initrd", "-append", "console=ttyS0 quiet panic=-1 rdinit=/init"),
        seconds=BOOT_S,
        env={**os.environ, "LD_LIBRARY_PATH": libraries(qemu)},
    )
    done, failed, of = read_verdict(said)
    for line in done + failed:
        print(f"           {line}", flush=True)
    if of == 0 or failed or len(done) != of:
        raise CampaignError(f"{len(done)} of {of or '?'} steps inside; the last lines say why")
    c.saw(f"{len(done)} of {of} steps inside")


def libraries(qemu: Path) -> str:
    """Where its shared libraries are."""
    return ":".join(sorted({str(path.parent) for path in qemu.rglob("*.so*")}))


def read_verdict(said: str) -> tuple[list[str], list[str], int]:
    """Steps that were as they should be, steps that were not, and how many there are; 0: it did not come to an end."""
    done: list[str] = []
    failed: list[str] = []
    of = 0
    for line in said.splitlines():
        text = re.sub(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1bc", "", line).strip()
        if step := STEP.match(text):
            (done if step[1] == "ok" else failed).append(text)
        elif verdict := VERDICT.match(text):
            of = int(verdict[2])
    return done, failed, of


STEPS = {
    "the emulator and the kernel": machine,
    "Debian with bluetoothd": debian,
    "rt-edge, its libraries, and virtual devices": programs,
    "a first file system of it": disk,
    "the adapter and real bluetoothd": boot,
}


def body(c: Campaign) -> None:
    """All steps."""
    with c.step("debootstrap"):
        c.need("debootstrap")
    for what, step in STEPS.items():
        with c.step(what):
            step(c)


def dry_run() -> int:
    """Say the steps; 1 if a part is missing."""
    missing = [name for name in GUEST if not Path(__file__).with_name(name).exists()]
    for name in GUEST:
        if name not in missing:
            compile(Path(__file__).with_name(name).read_text(), name, "exec")
    for what, step in STEPS.items():
        print(f"{what}: {' '.join((step.__doc__ or '').split())}")
    print(f"libraries: {', '.join((*requirements(), *BUMBLE))}")
    for name in ("debootstrap", "apt-get", "dpkg-deb"):
        print(f"on the host: {name}: {shutil.which(name) or 'not there, it will be installed'}")
    if missing:
        print(f"missing: {', '.join(missing)}")
    return 1 if missing else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--dry-run"]:
        sys.exit(dry_run())
    sys.exit(Campaign("ble-vm", LIMIT_S).main(body))
