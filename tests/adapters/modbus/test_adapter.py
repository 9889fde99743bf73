"""The adapter against slaves on a pty and on TCP: its contract, and what only shows on a real descriptor."""

from __future__ import annotations

import asyncio
import os
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.modbus import ModbusAdapter
from adapters.modbus.address import of_a_manual
from rt_edge.data.clock import SystemClock
from rt_edge.sdk import FatalAdapterError, TransientError
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit, TcpSlave, counter, float_registers, wave
from rt_edge.testkit.waiting import until

CAMPAIGN = int(os.environ.get("RT_EDGE_CAMPAIGN", "1"))
PRESSURE = struct.unpack(">HH", struct.pack(">f", 3.25))


def bank_of(n: int) -> SlaveBank:
    return SlaveBank({u: SlaveUnit(holding=[u * 100 + i for i in range(10)]) for u in range(1, n + 1)})


def units_for(n: int, every: str = "20ms", **more: Any) -> dict[str, Any]:
    points = {f"r{i}": {"holding": i} for i in range(10)}
    return {f"u{u}": {"unit": u, "every": every, "points": points, **more} for u in range(1, n + 1)}


def rtu(slave: RtuSlave, **more: Any) -> dict[str, Any]:
    return {"serial": str(slave.path), "baud": 115200, "parity": "none", "timeout": "200ms", "turnaround": "0s", **more}


def run(coroutine: Any) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 60))


def by_source(harness: AdapterHarness) -> Counter[str]:
    return Counter(reading.source for reading in harness.readings)


def test_values_arrive_when_types_and_tables_are_mixed(settings: Any, tmp_path: Path) -> None:
    """Floats, scaled integers, bits, strings and coils of one unit are one Reading with the right values."""

    async def main() -> None:
        clock = SystemClock()
        device = SlaveUnit(
            holding={100: PRESSURE[1], 101: PRESSURE[0], 102: 215, 103: 0b1000, 110: 0x7075, 111: 0x6D70},
            input={7: wave(clock, 10, 20), 8: counter(5), **dict(enumerate(float_registers(clock, lambda c: 1.5), 9))},
            coil={3: 1},
            discrete={4: 0, 5: 1},
        )
        points = {
            "pressure": {"holding": 100, "type": "float32", "order": "CDAB", "unit": "bar"},
            "temperature": {"holding": 102, "type": "int16", "scale": 0.1},
            "alarm": {"holding": 103, "bit": 3},
            "name": {"holding": 110, "type": "string", "length_registers": 2},
            "level": {"input": 7},
            "polls": {"input": 8},
            "ratio": {"input": 9, "type": "float32"},
            "running": {"coil": 3},
            "open": {"discrete": 4},
            "closed": {"discrete": 5},
        }
        async with RtuSlave(SlaveBank({11: device})) as slave:
            s = settings(channel=rtu(slave), units={"pump-1": {"unit": 11, "points": points, "tags": {"line": "3"}}})
            h = AdapterHarness(ModbusAdapter, s, tmp_path, "plc")
            await h.open()
            h.demand(1)
            await h.received(1)
            await h.close()
        (reading,) = h.readings
        assert reading.source == "plc/pump-1"
        assert reading.tags == {"line": "3"}
        assert 10 <= reading.fields.pop("level") <= 20
        assert reading.fields == {
            "pressure": 3.25,
            "temperature": 21.5,
            "alarm": True,
            "name": "pump",
            "polls": 5,
            "ratio": 1.5,
            "running": True,
            "open": False,
            "closed": True,
        }
        # holes were not read through where the device refused them: learned, and not tried again
        assert h.context.counts["blocks_split"] == 1

    run(main())


def test_an_address_is_explained_when_it_is_refused_and_looks_like_a_number_of_a_manual(settings: Any, tmp_path: Path) -> None:
    """40001 is a valid address, so it is asked for; where the unit has none, the log says what people mean by it."""

    async def main() -> None:
        async with TcpSlave(SlaveBank({1: SlaveUnit(holding={0: 7})})) as slave:
            points = {"good": {"holding": 0}, "bad": {"holding": 40001}}
            s = settings(
                channel={"tcp": f"{slave.host}:{slave.port}"}, units={"u": {"unit": 1, "every": "10ms", "points": points}}
            )
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            await h.open()
            h.demand(1)
            await h.received(1)
            await h.close()
        (line,) = [line for line in h.context.logs if line.event == "unit refuses points"]
        assert line.fields["points"] == "bad"
        assert str(line.fields["reason"]).endswith("; 40001 in a manual is often `holding: 0` here")

    run(main())


@pytest.mark.parametrize(
    ("table", "address", "said"),
    [("input", 30011, "`input: 10`"), ("holding", 40000, ""), ("holding", 50000, ""), ("coil", 40001, "")],
)
def test_only_numbers_of_that_table_are_explained(table: str, address: int, said: str) -> None:
    """Coils begin at 1 in manuals: nothing tells them from addresses."""
    text = of_a_manual(table, address)
    assert said in text
    assert bool(text) is bool(said)


def test_refused_blocks_are_learned_when_a_unit_has_holes(settings: Any, tmp_path: Path) -> None:
    """A block that the unit refuses is cut until it fits, once; a point it does not have is missing, the rest is read."""

    async def main() -> None:
        device = SlaveUnit(holding={a: a for a in range(60) if a not in (20, 41)})
        points = {f"r{a}": {"holding": a} for a in range(60) if a != 20}
        async with TcpSlave(SlaveBank({1: device})) as slave:
            s = settings(
                channel={"tcp": f"{slave.host}:{slave.port}"}, units={"u": {"unit": 1, "every": "10ms", "points": points}}
            )
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            await h.open()
            h.demand(1)
            await h.received(1)
            learning = len(device.requests)
            h.demand(10)
            await h.received(11)
            await h.close()
            requests = device.requests[learning:]
        assert h.readings[0].fields == {f"r{a}": a for a in range(60) if a not in (20, 41)}
        assert {r.quality for r in h.readings} == {"uncertain"}
        assert {r.tags["missing"] for r in h.readings} == {"r41"}
        assert learning < 20
        assert not any(start <= hole < start + count for hole in (20, 41) for _, start, count in requests)
        assert sum(line.event == "unit refuses points" for line in h.context.logs) == 1

    run(main())


def test_others_keep_their_polls_when_one_of_twenty_is_dead(settings: Any, tmp_path: Path) -> None:
    """On a real descriptor, 20 units, one dead: the other 19 lose less than 1 %, the dead one takes at most 5 % of the time."""

    async def main() -> None:
        bank = bank_of(20)
        bank[7].dead = True
        async with RtuSlave(bank, baud=19200) as slave:
            channel = rtu(slave, baud=19200, timeout="100ms")
            s = settings(channel=channel, units=units_for(20, "1s"), failures=2)
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            await h.open()
            started = asyncio.get_running_loop().time()
            h.demand(10**6)
            await h.received(19 * 8, within=30)
            took = asyncio.get_running_loop().time() - started
            unanswered = h.adapter._bus.stats.busy_unanswered  # type: ignore[attr-defined]
            await h.close()
            assert slave.overruns == 0
        counts = by_source(h)
        assert "under-test/u7" not in counts
        assert len(counts) == 19
        assert max(counts.values()) - min(counts.values()) <= 1
        assert h.context.counts.get("slots_coalesced", 0) <= 0.01 * sum(counts.values())
        assert took < 8.5
        assert unanswered <= 0.05 * took

    run(main())


def test_polling_goes_on_when_the_port_is_unplugged_and_returns(settings: Any, tmp_path: Path) -> None:
    """Unplugging is one `lost`, opening fails plainly while it is away, and after its return the gap is said per unit."""

    async def main() -> None:
        async with RtuSlave(bank_of(2)) as slave:
            h = AdapterHarness(ModbusAdapter, settings(channel=rtu(slave), units=units_for(2, "50ms")), tmp_path)
            await h.open()
            h.demand(10**6)
            await h.received(10)
            slave.unplug()
            await h.until(lambda: bool(h.context.losses))
            assert isinstance(h.context.losses[0], TransientError)
            await h.adapter.close()
            with pytest.raises(TransientError, match="is not there"):
                await h.open()
            slave.replug()
            n = len(h.emitted)
            await h.open()
            await h.received(n + 10)
            await h.close()
        assert len(h.context.losses) == 1
        assert sorted((source, reason) for source, reason, _, _ in h.context.gaps) == [
            ("under-test/u1", "disconnected"),
            ("under-test/u2", "disconnected"),
        ]

    run(main())


class Longest(Random):
    """Each wait of the backoff is a minute."""

    def uniform(self, a: float, b: float) -> float:
        return 60.0


def test_port_is_open_again_at_once_when_the_cable_is_back(settings: Any, tmp_path: Path) -> None:
    """In a node, whose backoff would take a minute; a TCP address has no path that could be watched."""

    async def main() -> None:
        async with RtuSlave(bank_of(1)) as slave:
            chosen = settings(channel=rtu(slave), units=units_for(1))
            life = AdapterRunner("line", lambda context: ModbusAdapter(chosen, context), SystemClock(), Longest(), tmp_path)
            life.start()
            await until(lambda: life.state == "open")
            slave.unplug()
            await until(lambda: life.state == "waiting")
            slave.replug()
            await until(lambda: life.state == "open", within=5)
            assert life.counters["early_tries"] == 1
            await life.stop()
        tcp = settings(channel={"tcp": "127.0.0.1:502"}, units=units_for(1))
        assert ModbusAdapter(tcp, life).awaited() is None

    run(main())


def test_late_reply_is_not_taken_when_it_comes_after_the_line_was_opened_again(settings: Any, tmp_path: Path) -> None:
    """A reply to a request of the connection before is not the value of the first poll of the next one."""

    async def main() -> None:
        device = SlaveUnit(holding={0: 1, 1: 1})
        async with RtuSlave(SlaveBank({1: device})) as slave:
            points = {"a": {"holding": 0}, "b": {"holding": 1}}
            h = AdapterHarness(
                ModbusAdapter, settings(channel=rtu(slave), units={"u": {"every": "100ms", "points": points}}), tmp_path
            )
            await h.open()
            device.delay = 0.1
            h.demand(1)
            await h.quiet(0.05)  # asked, and the reply with 1 is under way
            await h.reopen()
            device.delay = 0.0
            device.holding.update({0: 2, 1: 2})
            await h.received(1)
            await h.close()
        assert h.readings[0].fields == {"a": 2, "b": 2}
        assert h.context.counts["late_frames"] == 1

    run(main())


def test_polling_survives_when_the_real_line_is_noisy(settings: Any, tmp_path: Path) -> None:
    """On a real descriptor: noise, flipped bits, cut, doubled and late frames; each value is that of its unit and register,
    though two polls of a unit have replies of one shape, and they keep coming. RT_EDGE_CAMPAIGN=100: a hundred times as long."""

    async def main() -> None:
        bank = SlaveBank({u: SlaveUnit(holding=[u * 100 + i for i in range(20)]) for u in (1, 2, 3)})
        random = Random(5)

        def mangler() -> Callable[[bytes], list[bytes]]:
            late: list[bytes] = []

            def mangle(frame: bytes) -> list[bytes]:
                kind = random.randrange(8)
                noise = bytes(random.randrange(256) for _ in range(random.randrange(1, 9)))
                flipped = frame[:4] + bytes((frame[4] ^ 1,)) + frame[5:]
                if kind > 5 and len(late) < 2:  # it comes when the unit is asked again: a time-out later, or much later
                    late.append(frame)
                    return []
                held, late[:] = list(late), []
                sane = [[frame], [noise, frame], [flipped], [frame[:7]], [frame, frame], [frame[:5], frame[5:] + noise]]
                return [*held, *sane[kind % 6]] if kind % 2 else [b"".join(held) + sane[kind % 6][0], *sane[kind % 6][1:]]

            return mangle

        for unit in bank.values():
            unit.mangle = mangler()
        points = {f"r{i}": {"holding": i} for i in range(10)} | {f"r{i}": {"holding": i, "every": "70ms"} for i in range(10, 20)}
        async with RtuSlave(bank) as slave:
            s = settings(
                channel=rtu(slave, timeout="20ms"),
                units={f"u{u}": {"unit": u, "every": "50ms", "points": points} for u in (1, 2, 3)},
                retry_min="50ms",
                retry_max="100ms",
                failures=10,
            )
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            await h.open()
            h.demand(10**6)
            for n in range(1, CAMPAIGN + 1):
                await h.received(60 * n, within=30)
            await h.close()
        seen = {(reading.source, len(reading.fields), "r0" in reading.fields) for reading in h.readings}
        assert seen == {(f"under-test/u{u}", 10, first) for u in (1, 2, 3) for first in (True, False)}
        for reading in h.readings:
            hundreds = 100 * int(reading.source[-1])
            assert reading.fields == {name: hundreds + int(name[1:]) for name in reading.fields}
        for name in ("crc_errors", "noise_bytes", "timeouts", "late_frames", "syncs"):
            assert h.context.counts[name] > 0, name

    asyncio.run(main())


def test_gap_begins_at_the_last_stored_reading_when_the_process_was_killed(settings: Any, tmp_path: Path) -> None:
    """A new life says what is missing: from the last reading that was settled and written down, to its own first one."""

    async def main() -> None:
        async with TcpSlave(bank_of(2)) as slave:
            s = settings(channel={"tcp": f"{slave.host}:{slave.port}"}, units=units_for(2))
            first = AdapterHarness(ModbusAdapter, s, tmp_path)
            await first.open()
            first.demand(20)
            await first.received(20)
            first.settle(10)  # of the others nobody knows
            await first.close()  # writes, as the timer does; what follows is as after a kill
            second = AdapterHarness(ModbusAdapter, s, tmp_path)
            await second.open()
            second.demand(20)
            await second.received(20)
            await second.close()
        stored = {r.source: r.ts for r in first.readings[:10]}
        fresh = {r.source: r.ts for r in reversed(second.readings)}
        assert sorted(second.context.gaps) == [(u, "restart", stored[u], fresh[u]) for u in sorted(stored)]
        assert first.context.gaps == []

    run(main())


def test_adapter_opens_when_its_memory_is_damaged(settings: Any, tmp_path: Path) -> None:
    """What cannot be read is said and does not matter."""

    async def main() -> None:
        (tmp_path / "seen.json").write_bytes(b"\x00{")
        async with TcpSlave(bank_of(1)) as slave:
            s = settings(channel={"tcp": f"{slave.host}:{slave.port}"}, units=units_for(1))
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            await h.open()
            h.demand(1)
            await h.received(1)
            await h.close()
        assert h.context.counts["seen_problems"] == 1
        assert h.context.gaps == []

    run(main())


def test_gap_does_not_end_before_it_begins_when_the_clock_is_set_back(settings: Any, tmp_path: Path) -> None:
    """The wall clock may step back during an outage: the gap record stays sound, and no poll is missed or doubled for it."""

    class Stepping(SystemClock):
        back = 0

        def wall_ns(self) -> int:
            return super().wall_ns() - self.back

    async def main() -> None:
        clock = Stepping()
        async with TcpSlave(bank_of(1)) as slave:
            s = settings(channel={"tcp": f"{slave.host}:{slave.port}"}, units=units_for(1))
            h = AdapterHarness(ModbusAdapter, s, tmp_path, clock=clock)
            await h.open()
            h.demand(10**6)
            await h.received(3)
            slave.cut()
            await h.until(lambda: bool(h.context.losses))
            clock.back = 3600 * 10**9  # type: ignore[misc]
            await h.reopen()
            await h.received(6)
            await h.close()
        assert len(h.context.gaps) == 1

    run(main())


def test_rtu_frames_are_carried_when_the_channel_is_a_tcp_tunnel(settings: Any, tmp_path: Path) -> None:
    """`framing: rtu` on TCP speaks RTU frames: checked through a relay between a TCP port and the pty slave."""

    async def main() -> None:
        async with RtuSlave(bank_of(1)) as slave:
            port = slave.path.open("r+b", buffering=0)
            ended = asyncio.Event()

            async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                loop = asyncio.get_running_loop()
                loop.add_reader(port, lambda: writer.write(port.read(256)))
                while data := await reader.read(256):
                    port.write(data)
                loop.remove_reader(port)
                writer.close()
                ended.set()

            server = await asyncio.start_server(relay, "127.0.0.1", 0)
            where = server.sockets[0].getsockname()
            channel = {"tcp": f"{where[0]}:{where[1]}", "framing": "rtu"}
            h = AdapterHarness(ModbusAdapter, settings(channel=channel, units=units_for(1)), tmp_path)
            await h.open()
            h.demand(3)
            await h.received(3)
            await h.close()
            server.close()
            await server.wait_closed()
            await ended.wait()  # the server of Python 3.11 does not wait for its connections
            port.close()
        assert h.readings[0].fields["r3"] == 103

    run(main())


def test_second_adapter_is_refused_when_the_line_is_in_use(settings: Any, tmp_path: Path) -> None:
    """Two masters on one line destroy each other's frames: the second is refused, by its real path, until the first closes."""

    async def main() -> None:
        async with RtuSlave(bank_of(1)) as slave:
            h = AdapterHarness(ModbusAdapter, settings(channel=rtu(slave), units=units_for(1)), tmp_path, "first")
            alias = tmp_path / "alias"
            alias.symlink_to(slave.path)
            s = settings(channel={**rtu(slave), "serial": str(alias)}, units=units_for(1))
            second = AdapterHarness(ModbusAdapter, s, tmp_path, "second")
            await h.open()
            with pytest.raises(FatalAdapterError, match="in use by adapter first"):
                await second.open()
            await h.close()
            await second.open()
            await second.close()

    run(main())


def test_opening_fails_plainly_when_the_line_cannot_be_opened(settings: Any, tmp_path: Path) -> None:
    """RS-485 mode on a pty is fatal (settings), a closed TCP port is transient; nothing is left open."""

    async def main() -> None:
        async with RtuSlave(bank_of(1)) as slave:
            h = AdapterHarness(ModbusAdapter, settings(channel=rtu(slave, rs485=True), units=units_for(1)), tmp_path)
            with pytest.raises(FatalAdapterError, match="cannot be opened with these settings"):
                await h.open()
            await h.close()
        async with TcpSlave(bank_of(1)) as peer:
            port = peer.port
        closed = AdapterHarness(ModbusAdapter, settings(channel={"tcp": f"127.0.0.1:{port}"}, units=units_for(1)), tmp_path)
        for _ in range(2):
            with pytest.raises(TransientError, match=r"did not accept|refused|failed"):
                await closed.open()

    run(main())


def test_probe_names_who_is_silent_when_some_units_answer(settings: Any, tmp_path: Path) -> None:
    """`probe` asks every unit once and names those that do not answer."""

    async def main() -> None:
        bank = bank_of(3)
        bank[2].dead = True
        async with RtuSlave(bank) as slave:
            h = AdapterHarness(ModbusAdapter, settings(channel=rtu(slave, timeout="50ms"), units=units_for(3, "1s")), tmp_path)
            result = await h.adapter.probe()
        assert not result.ok
        assert result.message == "2 of 3 units answered; u2: u2 did not answer within 0.05 s"
        assert result.details["u1"].startswith("r0=100")
        assert h.readings == []

    run(main())


def test_gateway_unit_is_isolated_when_the_gateway_says_it_is_away(settings: Any, tmp_path: Path) -> None:
    """Exception 11 of a gateway counts as silence: the breaker opens, the other unit goes on."""

    async def main() -> None:
        async with TcpSlave(bank_of(1)) as slave:
            channel = {"tcp": f"{slave.host}:{slave.port}"}
            h = AdapterHarness(ModbusAdapter, settings(channel=channel, units=units_for(2)), tmp_path)
            await h.open()
            h.demand(30)
            await h.received(30)
            await h.close()
        assert set(by_source(h)) == {"under-test/u1"}
        assert h.context.counts["breaker_opened"] == 1

    run(main())
