"""ModbusPeer: pymodbus's own servers, RTU on a pty and TCP, in a process of their own that counts what it is asked.

    with ModbusPeer(units=[1, 2]) as peer:
        peer.serial, peer.port, peer.requests()

Every reply of registers begins with the number of requests that the unit has had on that line, so that no two polls are alike.
The process ends with the end of its standard input, that is, with whoever started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tty
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

from rt_edge.data.errors import TransientError

REGISTERS = 10
BAUD = 115_200


class ModbusPeer:
    """The process, as its user sees it; a context manager.

    Args:
        units: identifiers of the units, on both lines.
        silent: those of them that never answer on the serial line; their requests are counted.

    Attributes:
        serial: device to open, parity none.
        port: of Modbus TCP on 127.0.0.1.
        pid: of the process.
    """

    def __init__(self, units: Sequence[int], silent: Sequence[int] = ()) -> None:
        self._units = [list(units), list(silent)]
        self._process: subprocess.Popen[str] | None = None
        self.serial = ""
        self.port = 0
        self.pid = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "rt_edge.testkit.spine.modbus_peer", json.dumps(self._units)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603  # ours
        self._process, self.pid = process, process.pid
        said = self._line()
        self.serial, self.port = said["serial"], said["port"]
        return self

    def __exit__(self, *exc: object) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.communicate()  # closes its standard input: it ends

    def _line(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise TransientError(f"the Modbus peer ended with {self._process.wait()}")
        return json.loads(line)

    def requests(self) -> dict[str, dict[int, int]]:
        """Requests so far: `rtu` and `tcp` -> unit -> count, those not answered included."""
        return self._ask(None)

    def silence(self, units: Sequence[int]) -> None:
        """From now on these units, and no others, do not answer on the serial line."""
        self._ask(list(units))

    def _ask(self, silent: list[int] | None) -> dict[str, dict[int, int]]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(silent) + "\n")
        self._process.stdin.flush()
        return {line: {int(unit): n for unit, n in units.items()} for line, units in self._line().items()}


# -- in the process --------------------------------------------------------------------------------------------------------


def _tracer(counts: Counter[int]) -> Callable[[bool, Any], Any]:
    """For `trace_pdu`: counts requests by unit, and puts the count into the first register of the reply."""

    def trace(sending: bool, pdu: Any) -> Any:
        if not sending:
            counts[pdu.dev_id] += 1
        elif getattr(pdu, "registers", None):
            pdu.registers[0] = counts[pdu.dev_id] & 0xFFFF
        return pdu

    return trace


def _null_modem() -> tuple[str, str]:
    """Two serial devices joined to each other, carried by the running loop for as long as the process lives."""
    loop = asyncio.get_running_loop()
    pairs = [os.openpty(), os.openpty()]
    for (master, slave), (other, _) in (pairs, pairs[::-1]):
        tty.setraw(slave)
        os.set_blocking(master, False)

        def carry(source: int = master, target: int = other) -> None:
            with contextlib.suppress(OSError):  # a full line loses bytes, as a real one does
                os.write(target, os.read(source, 4096))

        loop.add_reader(master, carry)
    return os.ttyname(pairs[0][1]), os.ttyname(pairs[1][1])


async def _serve(units: list[int], silent: list[int]) -> None:
    from pymodbus.server import ModbusTcpServer, StartAsyncSerialServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    registers = [SimData(0, values=[100 + i for i in range(REGISTERS)], datatype=DataType.REGISTERS)]

    def devices() -> list[Any]:
        return [SimDevice(unit, simdata=registers) for unit in units]

    def swallow(sending: bool, packet: bytes) -> bytes:
        return b"" if sending and packet[0] in silent else packet

    counts: dict[str, Counter[int]] = {"rtu": Counter(), "tcp": Counter()}
    ours, theirs = _null_modem()
    tcp: Any = ModbusTcpServer(devices(), address=("127.0.0.1", 0), trace_pdu=_tracer(counts["tcp"]))
    await tcp.serve_forever(background=True)
    serial = asyncio.get_running_loop().create_task(
        StartAsyncSerialServer(
            devices(), port=theirs, baudrate=BAUD, parity="N", trace_pdu=_tracer(counts["rtu"]), trace_packet=swallow
        )
    )
    port = tcp.transport.sockets[0].getsockname()[1]
    print(json.dumps({"serial": ours, "port": port}), flush=True)  # the answer of this process
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        wanted = json.loads(line)
        silent[:] = silent if wanted is None else wanted
        print(json.dumps(counts), flush=True)  # the answer of this process
    serial.cancel()
    await tcp.shutdown()


if __name__ == "__main__":
    asyncio.run(_serve(*json.loads(sys.argv[1])))
