"""Instruments on USB serial cables, and the hand that pulls them; runs inside the machine that _serial_vm.py starts."""

from __future__ import annotations

import contextlib
import json
import os
import select
import threading
import time
from pathlib import Path
from typing import Any

from rt_edge.testkit.node_process import wait_until

BY_ID = Path("/dev/serial/by-id")
PORTS = Path("/dev/virtio-ports")
UDEV_S = 60.0
EVERY_S = 0.1


class Hand:
    """Plugs and pulls, by the monitor of the machine that this runs in."""

    def __init__(self) -> None:
        self._lines = (PORTS / "hand").open("r+b", buffering=0)
        self._rest = b""
        self._read()  # the greeting
        self.ask("qmp_capabilities")

    def _read(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            self._rest += self._lines.read(4096)
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, what: str, **arguments: str) -> None:
        """One command; events before its answer are of no interest."""
        self._lines.write(json.dumps({"execute": what, "arguments": arguments}).encode() + b"\n")
        while "return" not in (answer := self._read()):
            assert "error" not in answer, answer


class Instrument:
    """At the far end of a cable: it counts ten times a second while the cable is plugged in, and says so.

    What it says is lost while nobody has the port open, as with a converter, whose driver clears it then. The wire to qemu would
    keep it; all of it would come at once when the port is opened, the kernel would echo it as long as the port is not set, and
    qemu stands still for ever when what it writes to such a wire is not taken.

    Args:
        hand: for the cable.
        name: of the cable.
        first: what it counts from.

    Attributes:
        count: what it says next.
        heard: bytes that came from the other end.
    """

    def __init__(self, hand: Hand, name: str, first: int) -> None:
        self.name = name
        self.count = first
        self.heard = bytearray()
        self._hand = hand
        self._plugged = False
        self._wire = os.open(PORTS / name, os.O_RDWR | os.O_NONBLOCK)
        threading.Thread(target=self._live, daemon=True).start()

    def _live(self) -> None:
        due = time.monotonic()
        while True:
            readable, _, _ = select.select([self._wire], [], [], max(0.0, due - time.monotonic()))
            if readable:
                self.heard += os.read(self._wire, 4096)
            if time.monotonic() >= due:
                due += EVERY_S
                if self._plugged:
                    if self._open():
                        with contextlib.suppress(BlockingIOError):  # a wire does not wait
                            os.write(self._wire, b"n=%d\n" % self.count)
                    self.count += 1

    def _open(self) -> bool:
        """Whether a process has the port open."""
        port = f"/dev/{self.device}"
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                with contextlib.suppress(OSError):  # it has ended
                    for entry in list((process / "fd").iterdir()):
                        with contextlib.suppress(OSError):  # it has closed that
                            if str(entry.readlink()) == port:
                                return True
        return False

    @property
    def link(self) -> Path | None:
        """Its name by id, if udev has made it."""
        with contextlib.suppress(FileNotFoundError):  # udev removes the folder with the last of them
            return next((path for path in BY_ID.iterdir() if self.name.upper() in path.name), None)
        return None

    @property
    def device(self) -> str:
        """Like ttyUSB0; empty while there is none."""
        link = self.link
        return link.resolve().name if link is not None else ""

    def plug(self) -> str:
        """Plug it in; returns its device."""
        self._hand.ask("device_add", driver="usb-serial", id=self.name, chardev=self.name, serial=self.name.upper(), bus="usb.0")
        wait_until(lambda: self.device != "", UDEV_S, f"udev names {self.name}")
        self._plugged = True
        return self.device

    def pull(self) -> None:
        """Pull it out."""
        self._plugged = False
        self._hand.ask("device_del", id=self.name)
        wait_until(lambda: self.link is None, UDEV_S, f"udev forgets {self.name}")
