"""MosquittoProcess: a real mosquitto on a free port, with its configuration and store in a folder of the caller's."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rt_edge.data.errors import TransientError

START_S = 10.0
ATTEMPTS = 5
"""Other programs may take a free port between our look and mosquitto's bind."""


class MosquittoProcess:
    """One broker, as a child process.

    Args:
        program: path of mosquitto.
        folder: where configuration, log and store go; kept by `stop`, so that a restart finds its sessions.
        lines: further lines of its configuration.
        listener_lines: lines after `listener` (TLS files, `protocol`, ...).
        anonymous: whether clients need no user.
        websocket_lines: a second listener, for websockets, and its lines (mosquitto 2.0 does not start with such a one alone, and
            listens on all addresses without `socket_domain ipv4`); None: there is none.

    Attributes:
        websocket_port: as `port`, of the second listener.
        port: where it listens on 127.0.0.1; 0 before the first start, the same after a restart.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        lines: Sequence[str] = (),
        listener_lines: Sequence[str] = (),
        anonymous: bool = True,
        websocket_lines: Sequence[str] | None = None,
    ) -> None:
        self._program = program
        self._folder = folder
        self._lines = tuple(lines)
        self._listener_lines = tuple(listener_lines)
        self._anonymous = anonymous
        self._websocket_lines = websocket_lines
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0
        self.websocket_port = 0

    @property
    def pid(self) -> int:
        """Process id; 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it and return when it accepts connections.

        Raises:
            TransientError: it ended or did not listen in time; with the end of its log.
        """
        for attempt in range(ATTEMPTS):
            port = self.port or _free_port()
            process = await self._spawn(port)
            ports = [port, self.websocket_port] if self._websocket_lines is not None else [port]
            if all([await self._listens(process, one) for one in ports]):
                self._process, self.port = process, port
                return
            await self._end(process, signal.SIGKILL)
            if self.port or attempt == ATTEMPTS - 1:
                break
        raise TransientError(f"mosquitto did not start: {self.log()[-500:]}")

    async def _spawn(self, port: int) -> asyncio.subprocess.Process:
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = [
            f"listener {port} 127.0.0.1",
            *self._listener_lines,
            f"allow_anonymous {'true' if self._anonymous else 'false'}",
            "persistence true",
            f"persistence_location {self._folder}/",
            "log_dest stderr",
            "user root",
            *self._lines,
        ]
        if self._websocket_lines is not None:
            self.websocket_port = self.websocket_port or _free_port()
            where = [f"listener {self.websocket_port} 127.0.0.1", "socket_domain ipv4", "protocol websockets"]
            configuration += [*where, *self._websocket_lines]
        path = self._folder / "mosquitto.conf"
        path.write_text("\n".join(configuration) + "\n")
        with (self._folder / "mosquitto.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                str(self._program), "-c", str(path), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def _listens(self, process: asyncio.subprocess.Process, port: int) -> bool:
        """Whether it accepts connections before it ends or the time is over."""
        ended = asyncio.ensure_future(process.wait())
        pause = 0.005
        try:
            async with asyncio.timeout(START_S):
                while not ended.done():
                    try:
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                    except OSError:
                        await asyncio.wait([ended], timeout=pause)
                        pause = min(pause * 2, 0.1)
                        continue
                    writer.close()
                    await writer.wait_closed()
                    return not ended.done()
        except TimeoutError:
            return False
        finally:
            ended.cancel()
        return False

    async def stop(self) -> None:
        """End it in order: it writes its store; idempotent."""
        await self._signal(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL: what it has not written is gone."""
        await self._signal(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop and start again on the same port with the same store."""
        await self.stop()
        await self.start()

    def save(self) -> None:
        """Have it write its store now (it does so by itself every `autosave_interval`)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGUSR1)

    def log(self) -> str:
        """What it has logged so far."""
        path = self._folder / "mosquitto.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def _signal(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            await self._end(process, number)

    async def _end(self, process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        if process.returncode is None:
            process.send_signal(number)
        try:
            async with asyncio.timeout(START_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
