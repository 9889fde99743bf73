"""Goal: a dead device hurts nobody else. Method: a whole node, ten units of pymodbus's server on one serial line, one of which
never answers; the server counts what it is asked. 15 s by default, a minute with `RT_EDGE_CAMPAIGN=1`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.testkit.node_process import wait_until
from rt_edge.testkit.spine.modbus_peer import BAUD, ModbusPeer
from rt_edge.testkit.spine.plant import Plant, modbus_line
from rt_edge.testkit.spine.tally import Tally

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]

SECONDS = 60.0 if os.environ.get("RT_EDGE_CAMPAIGN") == "1" else 15.0
EVERY_S = 0.5
"""Longer than the time-out of 250 ms, as it has to be: a unit that does not answer holds the line for that long."""
DEAD = 10
UNITS = {f"unit-{n}": n for n in range(1, 11)}


def test_nine_units_keep_their_polls_when_the_tenth_never_answers(tmp_path: Path) -> None:
    """At least 99 % of the polls of the others are made; status shows the dead unit, and a gap record says how long it was."""
    clock = SystemClock()
    with ModbusPeer(list(UNITS.values()), silent=[DEAD]) as peer:
        serial = f"serial: {peer.serial}, baud: {BAUD}, parity: none"
        line = modbus_line("line", serial, UNITS, f"{EVERY_S * 1000:g}ms", timeout="250ms", retry_max="5s")
        plant = Plant(tmp_path, {"line": line})
        try:
            plant.start()
            wait_until(lambda: len(peer.requests()["rtu"]) == len(UNITS), 10, "every unit is asked")
            began, before = clock.monotonic(), peer.requests()["rtu"]
            over = began + SECONDS
            wait_until(lambda: clock.monotonic() >= over, SECONDS + 5, "time")
            after, seconds = peer.requests()["rtu"], clock.monotonic() - began

            share = {n: (after[n] - before[n]) / (seconds / EVERY_S) for n in UNITS.values()}
            asked = after[DEAD] - before[DEAD]
            total = sum(share[n] for n in UNITS.values() if n != DEAD) / (len(UNITS) - 1)
            worst = min(share[n] for n in UNITS.values() if n != DEAD)
            print(f"{seconds:.1f} s: polls kept {100 * total:.2f} %, the worst unit {100 * worst:.2f} %, dead one asked {asked}x")
            member = plant.edge.node.member("adapter/line")
            assert member is not None
            assert member.adapter is not None
            print(f"status: gauges {member.adapter.gauges}, counters {member.adapter.counters}")
            assert asked <= 5 + SECONDS / 5, "a dead unit is left alone: three tries, then one in 5 s (20 times its time-out)"
            assert total >= 0.99
            assert worst >= 0.99 - EVERY_S / SECONDS, "one poll may lie on either side of the border of the measurement"
            assert member.adapter.gauges["units_down"] == 1
            assert member.adapter.counters["breaker_opened"] == 1

            peer.silence([])
            tally = Tally(plant.store)
            source = f"line/unit-{DEAD}"

            def returned() -> bool:
                tally.look()
                return bool(tally.polls.get(source)) and any(gap.source == source for gap in tally.gaps)

            wait_until(returned, 20, lambda: f"no gap record: {plant.logs()}")
            gap = next(gap for gap in tally.gaps if gap.source == source)
            print(f"gap of {source}: {gap.reason}, {(gap.end - gap.start) / 1e9:.1f} s")
            assert gap.reason == "timeout"
            assert (gap.end - gap.start) / 1e9 >= min(SECONDS, 55.0)
            assert {gap.source for gap in tally.gaps} == {source}, "only the dead unit has a gap"
        finally:
            plant.stop()
