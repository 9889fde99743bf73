"""ASCII framing: against pymodbus's framer, with noise and damage, and whole adapters against pymodbus and our slave."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerAscii, FramerType
from pymodbus.pdu import DecodePDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer

from adapters.modbus import ModbusAdapter
from adapters.modbus.address import data_bits_of
from adapters.modbus.ascii import MAX_FRAME, AsciiFraming, lrc
from adapters.modbus.late import Shape
from adapters.modbus.pdu import check_write, mask_write, read, write_registers
from adapters.modbus.plan import wire_of
from rt_edge.data.clock import SystemClock
from rt_edge.sdk import CodecError
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit
from rt_edge.testkit.modbus_wire import frame_of
from rt_edge.testkit.simulators.modbus import ModbusSimulator
from tests.adapters.modbus.test_pymodbus_peer import KINDS, device, pty_relay, registers

THREE = read("holding", 0, 3)
REPLY = bytes((3, 6, 0, 1, 0, 2, 0, 3))


def framing(**more: Any) -> tuple[AsciiFraming, Counter[str]]:
    counts: Counter[str] = Counter()

    def count(name: str, n: int) -> None:
        counts[name] += n

    return AsciiFraming(count, **more), counts


@given(st.integers(1, 247), st.binary(min_size=1, max_size=252))
def test_frames_are_those_of_pymodbus_when_any_pdu_is_wrapped(unit: int, pdu: bytes) -> None:
    """Our frame is that of pymodbus's framer and of the testkit's slave."""
    ours, _ = framing()
    theirs = FramerAscii(DecodePDU(True))
    assert ours.frame(unit, pdu) == frame_of("ascii", unit, pdu) == theirs.encode(pdu, unit, 0)
    assert lrc(bytes((unit,)) + pdu) == FramerAscii.compute_LRC(bytes((unit,)) + pdu)


@given(noise=st.binary(max_size=40), cuts=st.lists(st.integers(1, 50), max_size=6))
def test_reply_is_found_when_noise_precedes_it_and_it_comes_in_pieces(noise: bytes, cuts: list[int]) -> None:
    """Noise in front, a frame that was cut off among it, and any fragmentation: the colon of the reply begins anew."""
    ascii_line, _ = framing()
    ascii_line.begin(5, THREE, 0.0)
    wire = noise + b":0503" + frame_of("ascii", 5, REPLY)
    found = None
    for cut in [*cuts, len(wire)]:
        found = found or ascii_line.feed(wire[:cut], 0.1)
        wire = wire[cut:]
    assert found == REPLY


@given(st.integers(0, len(frame_of("ascii", 5, REPLY)) - 1), st.integers(0, 255))
def test_no_wrong_value_is_read_when_one_character_is_damaged(at: int, put: int) -> None:
    """One damaged character: the right PDU or none."""
    ascii_line, _ = framing()
    ascii_line.begin(5, THREE, 0.0)
    wire = bytearray(frame_of("ascii", 5, REPLY))
    wire[at] = put
    assert ascii_line.feed(bytes(wire), 0.1) in (None, REPLY)


def test_others_are_not_taken_when_unit_function_or_length_differ() -> None:
    """Another unit, another function, a byte count that lies, a reply of another length: nobody's answer."""
    ascii_line, counts = framing()
    ascii_line.begin(5, THREE, 0.0)
    for unit, pdu in ((6, REPLY), (5, b"\4" + REPLY[1:]), (5, b"\3\4" + REPLY[2:]), (5, b"\3\2\0\1"), (5, b"\x83\2\2")):
        assert ascii_line.feed(frame_of("ascii", unit, pdu), 0.1) is None
    assert ascii_line.feed(frame_of("ascii", 5, REPLY), 0.2) == REPLY
    assert counts["late_frames"] == 1  # the one of another length
    assert counts["noise_bytes"] > 0


def test_late_reply_is_known_when_its_request_was_given_up() -> None:
    """The reply to a given-up request is thrown away, and until then the bus may not ask for one of the same shape."""
    ascii_line, counts = framing()
    ascii_line.begin(5, THREE, 0.0)
    late = frame_of("ascii", 5, REPLY)
    assert ascii_line.feed(late[:9], 0.9) is None
    assert ascii_line.give_up(1.0) is None
    assert set(ascii_line.late(5, 1.0)) == {Shape(3, 8)}
    other = read("holding", 0, 1)
    ascii_line.begin(5, other, 1.0)
    assert ascii_line.feed(late[9:] + frame_of("ascii", 5, b"\3\2\0\7"), 1.1) == b"\3\2\0\7"
    assert counts["late_frames"] == 1
    assert ascii_line.late(5, 1.1) == {}


def test_echo_is_skipped_when_the_driver_returns_what_was_sent() -> None:
    """The echo of a write is exactly its reply; with `local_echo` only the second one counts."""
    ascii_line, _ = framing(local_echo=True)
    request = write_registers(7, b"\0\1")
    sent = ascii_line.begin(5, request, 0.0)
    assert ascii_line.feed(sent[:5], 0.1) is None
    assert ascii_line.feed(sent[5:], 0.1) is None
    assert ascii_line.feed(sent, 0.1) == request.pdu[:5]


def test_memory_is_bounded_when_a_frame_never_ends() -> None:
    """A colon and then digits without end: no more than a frame is kept."""
    ascii_line, counts = framing()
    ascii_line.begin(5, THREE, 0.0)
    for _ in range(100):
        ascii_line.feed(b":" + b"0" * 400, 0.1)
        ascii_line.feed(b"0" * 400, 0.1)
    assert counts["noise_bytes"] >= 100 * 801 - 2 * MAX_FRAME


@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_values_are_those_of_pymodbus_when_its_server_speaks_ascii(kind: str, settings: Any, tmp_path: Path) -> None:
    """Every type in both word orders is read, a register is written, from pymodbus's server with its ASCII framer."""

    async def main() -> None:
        async with pty_relay() as (ours, theirs):
            if kind == "tcp":
                server: Any = ModbusTcpServer([device(1)], address=("127.0.0.1", 0), framer=FramerType.ASCII)
                await server.serve_forever(background=True)
                channel = {"tcp": f"127.0.0.1:{server.transport.sockets[0].getsockname()[1]}", "framing": "ascii"}
            else:
                server = ModbusSerialServer([device(1)], port=theirs, framer=FramerType.ASCII, baudrate=115200, parity="N")
                await server.serve_forever(background=True)
                channel = {"serial": ours, "baud": 115200, "parity": "none", "framing": "ascii", "data_bits": 8, "timeout": "1s"}
            _, points = registers()
            s = settings(channel=channel, units={"u": {"unit": 1, "points": points, "every": "100ms", "verify": True}})
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            await h.open()
            h.demand(1)
            await h.received(1)
            result = await h.adapter.write("u/uint32-little", 7, "k")
            await h.close()
            await server.shutdown()
        assert h.readings[0].fields == {f"{k}-{w}": v for k, v in KINDS.items() for w in ("big", "little")}
        assert (result.status, result.message) == ("confirmed", "read back")

    asyncio.run(asyncio.wait_for(main(), 30))


def test_adapter_reads_and_writes_when_the_slave_of_the_testkit_speaks_ascii(settings: Any, tmp_path: Path) -> None:
    """Registers, coils and a damaged reply on a pty with ASCII frames."""

    async def main() -> None:
        device = SlaveUnit(holding=[10, 20, 30], coil=[0, 1])
        async with RtuSlave(SlaveBank({7: device}), framing="ascii") as slave:
            channel = {"serial": str(slave.path), "parity": "none", "framing": "ascii", "data_bits": 8, "timeout": "100ms"}
            points = {**{f"r{i}": {"holding": i} for i in range(3)}, "c": {"coil": 1, "writable": True}}
            h = AdapterHarness(ModbusAdapter, settings(channel=channel, units={"u": {"unit": 7, "points": points}}), tmp_path)
            await h.open()
            assert (await h.adapter.write("u/c", False, "k")).status == "confirmed"
            h.demand(1)
            await h.received(1)
            await h.close()
        assert h.readings[0].fields == {"r0": 10, "r1": 20, "r2": 30, "c": False}

    asyncio.run(asyncio.wait_for(main(), 30))


def test_simulator_is_read_when_it_speaks_ascii(tmp_path: Path, settings: Any) -> None:
    """`rt-edge simulate modbus --framing ascii`: the adapter that it suggests reads it."""

    async def main() -> None:
        async with ModbusSimulator(SystemClock(), Random(1), 2, tmp_path / "tty", baud=115200, framing="ascii") as simulator:
            written = {name: value for name, value in simulator.adapters()["plant"].items() if name != "kind"}
            h = AdapterHarness(ModbusAdapter, settings(**written), tmp_path)
            await h.open()
            h.demand(2)
            await h.received(2)
            await h.close()
        assert {r.source for r in h.readings} == {"under-test/pump-1", "under-test/pump-2"}
        assert all(r.quality == "good" for r in h.readings)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_line_has_seven_bits_and_two_characters_a_byte_when_it_is_ascii(settings: Any) -> None:
    """10 bits a character (7E1); a read of 10 registers is 17 + 51 characters, and no silence is needed between frames."""
    made = settings(
        channel={"serial": "/dev/ttyS0", "baud": 9600, "framing": "ascii"}, units={"u": {"points": {"a": {"holding": 0}}}}
    )
    assert data_bits_of(made.channel) == 7
    wire = wire_of(made.channel)
    assert wire.char == pytest.approx(10 / 9600)
    request = read("holding", 0, 10)
    characters = len(frame_of("ascii", 1, request.pdu)) + len(frame_of("ascii", 1, bytes(request.reply)))
    assert characters == 17 + 51
    assert wire.exchange(len(request.pdu), request.reply) == pytest.approx(characters * 10 / 9600 + 0.005)


@pytest.mark.parametrize("wrong", [b"\6\0\7\0\2", b"\6\0\5\0\1"])
def test_write_is_not_confirmed_when_the_reply_names_another_value_or_register(wrong: bytes) -> None:
    """The reply to a write repeats it; one that says something else confirms nothing."""
    with pytest.raises(CodecError, match="confirms something else"):
        check_write(write_registers(7, b"\0\1"), wrong)
    with pytest.raises(CodecError, match="confirms something else"):
        check_write(mask_write(7, 0xFFF0, 1), b"\x16\0\7\xff\xf0\0\2")
    check_write(write_registers(7, b"\0\1"), b"\6\0\7\0\1")
