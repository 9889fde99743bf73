"""An emulated machine for the campaigns that need a kernel of their own: Debian's kernel and userland in a first file system, run
by qemu without KVM. Nothing is installed on the host but debootstrap; what runs inside says a line for each of its steps, and at
the end how many there were."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from _campaign import ROOT, Campaign, CampaignError, release_and_mirror

sys.path.insert(0, str(ROOT / "scripts"))
from _apt import AptError, PrivateApt, library_closure, sources_of

BOOT_S = 600
MEMORY_MIB = 2048
QEMU_PARTS = ("qemu-system-common", "qemu-system-data", "seabios")
BASE = ("dbus", "python3-minimal", "python3", "kmod", "iproute2", "cpio")
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 PYTHONPATH=/opt/site:/opt/src PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp; mkdir -p /run/dbus
ip link set lo up
{lines}
python3 /opt/{first}
echo o > /proc/sysrq-trigger
while :; do sleep 1; done
"""
STEP = re.compile(r"^(ok|FAILED) (.*)$")
VERDICT = re.compile(r"^verdict: (\d+) of (\d+) steps$")


@dataclass(frozen=True)
class Machine:
    """What is in one.

    Attributes:
        packages: of Debian, beyond what every machine has.
        modules: folders of the kernel's modules, below `kernel/`.
        guest: files beside this one that run inside; the first is the program.
        libraries: Python libraries, resolved for the Python in there; `alone`: without what they need.
        lines: of the shell, before the program.
        flags: of qemu, beyond the usual; `{folder}` is the campaign's.
    """

    packages: tuple[str, ...]
    modules: tuple[str, ...]
    guest: tuple[str, ...]
    libraries: tuple[str, ...]
    alone: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def emulator(c: Campaign) -> None:
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


def debian(c: Campaign, machine: Machine) -> Path:
    """Debian with what is needed, and the kernel's modules for it; returns its root."""
    codename, mirror = release_and_mirror()
    root = c.folder / "root"
    packages = ",".join((*BASE, *machine.packages))
    c.run("debootstrap", "--variant=minbase", f"--include={packages}", codename, root, mirror, seconds=400)
    (modules,) = (c.folder / "kernel/lib/modules").iterdir()
    there = root / "lib/modules" / modules.name
    for name in machine.modules:
        shutil.copytree(modules / "kernel" / name, there / "kernel" / name)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        shutil.copy(modules / name, there / name)
    c.run("chroot", root, "/sbin/depmod", modules.name)
    for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
        shutil.rmtree(root / waste, ignore_errors=True)
    return root


def libraries(c: Campaign, machine: Machine) -> None:
    """Python libraries for the Python in there, and what runs in it."""
    opt = c.folder / "root/opt"
    for name in machine.guest:
        shutil.copy(Path(__file__).with_name(name), opt / name)
    python = next(path.name for path in sorted((c.folder / "root/usr/lib").glob("python3.*")))
    wheels = [flag for tag in ("2014", "_2_17", "_2_28", "_2_34", "_2_36") for flag in ("--platform", f"manylinux{tag}_x86_64")]
    version = ["--python-version", python.removeprefix("python"), "--implementation", "cp", "--only-binary=:all:", *wheels]
    into_site(c, *version, *machine.libraries)
    if machine.alone:
        into_site(c, *version, "--no-deps", "--upgrade", *machine.alone)
    c.saw(python)


def into_site(c: Campaign, *what: str | Path) -> None:
    """Have pip install something where the machine's Python looks."""
    site = c.folder / "root/opt/site"
    c.run(sys.executable, "-m", "pip", "install", "--quiet", "--target", site, *what, seconds=300)


def disk(c: Campaign, machine: Machine) -> None:
    """All of it as the kernel's first file system."""
    root = c.folder / "root"
    (root / "init").write_text(INIT.format(lines="\n".join(machine.lines), first=machine.guest[0]))
    (root / "init").chmod(0o755)
    made = c.folder / "initrd"
    script = f"cd {root} && find . -xdev -print0 | chroot . cpio --null --create --format=newc --quiet > {made}"
    c.run("sh", "-c", script, seconds=120)
    c.saw(f"{made.stat().st_size / 2**20:.0f} MiB")


def boot(c: Campaign, machine: Machine) -> None:
    """Run it; the steps are said by what runs inside."""
    qemu = c.folder / "qemu"
    (kernel,) = (c.folder / "kernel/boot").glob("vmlinuz-*")
    share = [flag for name in ("qemu", "seabios") for flag in ("-L", qemu / "usr/share" / name)]
    said = c.run(
        *(qemu / "usr/bin/qemu-system-x86_64", *share, "-machine", "pc,accel=tcg", "-cpu", "max", "-smp", "2"),
        *("-m", str(MEMORY_MIB), "-nographic", "-no-reboot", "-nic", "none", "-monitor", "none", "-serial", "stdio"),
        *("-kernel", kernel, "-initrd", c.folder / "initrd", "-append", "console=ttyS0 quiet panic=-1 rdinit=/init"),
        *(flag.format(folder=c.folder) for flag in machine.flags),
        seconds=BOOT_S,
        env={**os.environ, "LD_LIBRARY_PATH": shared_libraries(qemu)},
    )
    done, failed, of = read_verdict(said)
    for line in done + failed:
        print(f"           {line}", flush=True)
    if of == 0 or failed or len(done) != of:
        raise CampaignError(f"{len(done)} of {of or '?'} steps inside; the last lines say why")
    c.saw(f"{len(done)} of {of} steps inside")


def shared_libraries(folder: Path) -> str:
    """Where they are below a folder, for LD_LIBRARY_PATH."""
    return ":".join(sorted({str(path.parent) for path in folder.rglob("*.so*")}))


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


def requirements(extra: str, without: Iterable[str] = ()) -> tuple[str, ...]:
    """What pyproject.toml says that an extra needs, with the base but for some."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = [text for text in project["dependencies"] if re.split(r"[<>=~!]", text)[0] not in tuple(without)]
    return (*base, *project["optional-dependencies"][extra])


Steps = dict[str, Callable[[Campaign], None]]


def body(steps: Steps) -> Callable[[Campaign], None]:
    """A campaign of these steps."""

    def run(c: Campaign) -> None:
        with c.step("debootstrap"):
            c.need("debootstrap")
        for what, step in steps.items():
            with c.step(what):
                step(c)

    return run


def dry_run(machine: Machine, steps: Steps) -> int:
    """Say the steps; 1 if a part is missing."""
    missing = [name for name in machine.guest if not Path(__file__).with_name(name).exists()]
    for name in machine.guest:
        if name not in missing:
            compile(Path(__file__).with_name(name).read_text(), name, "exec")
    for what, step in steps.items():
        print(f"{what}: {' '.join((step.__doc__ or '').split())}")
    print(f"libraries: {', '.join((*machine.libraries, *machine.alone))}")
    for name in ("debootstrap", "apt-get", "dpkg-deb"):
        print(f"on the host: {name}: {shutil.which(name) or 'not there, it will be installed'}")
    if missing:
        print(f"missing: {', '.join(missing)}")
    return 1 if missing else 0
