"""A long time on a bad line, under hand-wound time: noise, cut, damaged, doubled and late frames, silence, frames of others.

Seeded; RT_EDGE_CAMPAIGN=50 runs fifty times as many seeds, RT_EDGE_SEED=7 only that one.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from rt_edge.testkit.modbus_wire import FramingName, frame_of

CAMPAIGN = int(os.environ.get("RT_EDGE_CAMPAIGN", "1"))
ONE = os.environ.get("RT_EDGE_SEED")
SEEDS = [int(ONE)] if ONE else range(5 * CAMPAIGN)
BAD_S, GOOD_S = 300.0, 60.0
"""Seconds of a bad line, and then of a good one."""

POINTS = {"a": {"holding": 0}, "b": {"holding": 1}}
UNITS = {
    "x": {"unit": 1, "every": "200ms", "lane": "alarm", "points": POINTS},
    "y": {"unit": 2, "every": "300ms", "points": {**POINTS, "c": {"holding": 70}}},
    "z": {"unit": 3, "every": "1s", "points": {**POINTS, "c": {"input": 0}, "d": {"coil": 5}}},
    "w": {"unit": 4, "every": "1s", "lane": "background", "points": {"a": {"holding": 9}}},
}


def rough_fate(random: Random, framing: FramingName, fate: Any) -> Any:
    """What happens to one reply; half of the time nothing."""
    if random.random() < 0.5:
        return fate()
    noise = b""
    kind = random.randrange(4)
    if kind == 0:
        noise = random.randbytes(random.randrange(1, 40))
    elif kind == 1:  # a whole frame of a unit that was never asked, or one of ours that is cut off
        unit = random.randrange(1, 9)
        other = frame_of(framing, unit, bytes((random.choice((1, 3, 4)), 4)) + random.randbytes(4))
        # one byte short, the first of the true reply may complete its checksum
        noise = other[: random.randrange(1, len(other) + (1 if unit > len(UNITS) else -1))]
    damage = random.choice(("none", "none", "flip", "cut", "twice", "exception"))
    whole = damage == "twice" and framing == "ascii"  # no silence is kept there: what comes after a request counts as its reply
    return fate(
        delay=random.choice((0.0, 0.0, 0.05, 0.19, 0.21, 0.3, 0.45, 0.7, 1.5, 5.0)),
        silent=random.random() < 0.15,
        noise=noise,
        damage=damage,
        pieces=1 if whole else random.randrange(1, 6),
        flip=random.randrange(1000),
        bit=random.randrange(8),
    )


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_value_is_wrong_and_nothing_hangs_when_the_line_is_bad_for_long(
    seed: int, framing: FramingName, new_world: Any, fate: Any
) -> None:
    """No reply is taken for another, no value comes from another unit, frames keep their distance, memory is bounded; once the
    line is good all are read."""
    random = Random(seed)
    channel = {"serial": "/dev/ttyUSB0", "baud": 19200, "timeout": "200ms", "framing": framing}
    w = new_world(channel=channel, units=UNITS, retry_min="1s", retry_max="4s", overload="coalesce")
    w.line.fates = lambda unit: rough_fate(random, framing, fate) if w.time.now < BAD_S else fate()
    w.demand(10**9)
    quiet = 0.0
    while w.time.now < BAD_S:
        sent = len(w.line.sent)
        w.time.run_until(w.time.now + 1.0)
        if random.random() < 0.2:  # bytes when nobody was asked
            w.line.say(random.randbytes(random.randrange(1, 60)))
        quiet = 0.0 if len(w.line.sent) > sent else quiet + 1.0
        assert quiet <= 10, f"nothing was asked for {quiet:g} s (seed {seed})"
        assert len(w.framing._buffer) <= w.framing.buffer_bytes
    w.time.run_until(BAD_S + GOOD_S)
    assert w.line.misattributed == [], f"seed {seed}"
    assert w.line.too_early == [], f"seed {seed}"
    numbers = {name: unit["unit"] for name, unit in UNITS.items()}
    for emitted in w.context.emitted:
        for name in ("a", "b", "c"):
            if name in emitted.reading.fields:
                assert w.line.unit_of[emitted.reading.fields[name]] == numbers[emitted.reading.source[-1]], f"seed {seed}"
    last = {e.reading.source[-1]: e.reading.ts for e in w.context.emitted}
    assert set(last) == set(UNITS)
    assert all(w.time.wall_ns() - ts < 3e9 for ts in last.values()), f"seed {seed}"
