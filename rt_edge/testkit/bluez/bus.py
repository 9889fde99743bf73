"""PrivateBus: a real dbus-daemon for one test, on a socket in a folder of the caller's."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Self

from rt_edge.actors.transport.lifeline import die_with_parent
from rt_edge.data.errors import TransientError

START_S = 10.0
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


def find_dbus_daemon(*folders: Path) -> Path | None:
    """The program: on PATH, or in one of `folders` (such as `.peers/bin`); None if it is nowhere."""
    if found := shutil.which("dbus-daemon"):
        return Path(found)
    return next((folder / "dbus-daemon" for folder in folders if (folder / "dbus-daemon").is_file()), None)


class PrivateBus:
    """One bus, as a child process, which the kernel ends with the thread that has started it.

    Args:
        folder: an existing one, for the socket and the configuration; its path must be short (a socket's has 107 bytes).
        program: path of dbus-daemon.

    What is to be started when it is called has a file in `folder`/services.

    Attributes:
        address: for DBUS_SYSTEM_BUS_ADDRESS; the same after a restart.
    """

    def __init__(self, folder: Path, program: Path) -> None:
        self._socket = folder / "bus"
        self._config = folder / "bus.conf"
        self._services = folder / "services"
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self.address = f"unix:path={self._socket}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start it and return when it listens.

        Raises:
            TransientError: it did not within a few seconds.
        """
        self._socket.unlink(missing_ok=True)
        self._config.write_text(_CONFIG.format(socket=self._socket, services=self._services))
        process = self._process = await asyncio.create_subprocess_exec(
            self._program,
            f"--config-file={self._config}",
            "--nofork",
            "--nopidfile",
            "--print-address",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                said = await process.stdout.readline()
        except TimeoutError:
            said = b""
        if not said:
            await self.kill()
            raise TransientError(f"{self._program} did not start; its words are on stderr")

    async def kill(self) -> None:
        """End it, and with it every connection; idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)  # it has nothing to lose
        await process.wait()
        if process.stdout is not None:
            await process.stdout.read()  # to its end: else the pipe stays open
