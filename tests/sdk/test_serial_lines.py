"""What a port is set to in the kernel: flow control, as far as a pseudo-terminal keeps it."""

from __future__ import annotations

import asyncio
import os
import termios
from pathlib import Path

import pytest

from rt_edge.sdk import TransientError
from rt_edge.sdk.serial_port import Line, open_port


class Nobody:
    """Wants nothing."""

    def on_data(self, data: bytes) -> None:
        """See `Receiver`."""

    def on_lost(self, error: Exception) -> None:
        """See `Receiver`."""


@pytest.mark.parametrize("flow", ["none", "rts_cts", "xon_xoff"])
def test_flow_control_is_set_when_it_is_asked_for(flow: str) -> None:
    """CRTSCTS for RTS/CTS, IXON and IXOFF for XON/XOFF, and neither without."""

    async def main() -> tuple[int, int]:
        master, slave = os.openpty()
        try:
            port = open_port(Line(port=os.ttyname(slave), baud=9600, flow_control=flow), Nobody())  # type: ignore[arg-type]
            try:
                attributes = termios.tcgetattr(slave)
                return attributes[0], attributes[2]
            finally:
                await port.close()
        finally:
            os.close(master)
            os.close(slave)

    iflag, cflag = asyncio.run(main())
    assert bool(cflag & termios.CRTSCTS) == (flow == "rts_cts")
    assert (iflag & (termios.IXON | termios.IXOFF) == termios.IXON | termios.IXOFF) == (flow == "xon_xoff")


def test_a_file_that_is_no_serial_port_is_called_so(tmp_path: Path) -> None:
    """A path that is something else is answered with where to look for ports, and is tried again."""
    other = tmp_path / "ttyUSB0"
    other.write_text("")

    async def main() -> None:
        with pytest.raises(TransientError, match="is not a serial port") as caught:
            open_port(Line(port=str(other), baud=9600), Nobody())
        assert "rt-edge scan serial" in caught.value.hint

    asyncio.run(main())
