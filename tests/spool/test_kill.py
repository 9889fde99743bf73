"""kill -9 at any moment loses nothing that was acknowledged.

A child process appends, confirms and trims, and writes each acknowledged number into a pipe *after* `append` has returned; it is
killed at a random moment; then the spool is opened here and everything acknowledged and not confirmed must be there.
`RT_EDGE_CAMPAIGN=N` plays N rounds where that is more than usual, `RT_EDGE_SEED=S` plays the ones of a seed.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rt_edge.data.record import RecordKind
from rt_edge.testkit.spool_bench import counted, open_spool

ROUNDS = max(30, int(os.environ.get("RT_EDGE_CAMPAIGN", "0")))
SEED = int(os.environ.get("RT_EDGE_SEED", str(random.SystemRandom().randrange(2**32))))

WRITER = """
import os, random, sys
from pathlib import Path
from rt_edge.testkit.spool_bench import make_pending, open_spool
from rt_edge.data.receipt import Origin
path, seed, policy = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = random.Random(seed)
spool = open_spool(path, 2_000_000, policy)
lane = spool.lane()
state = spool.lanes()[-1]
n, confirmed = state.last, state.confirmed
origin = Origin("plc", "life-%d" % seed)
os.write(1, b"o %d\\n" % n)
while True:
    batch = []
    for _ in range(rng.randint(1, 5)):
        n += 1
        batch.append(make_pending(n, 1, rng.choice((0, 100, 5000))))
    spool.intake.admit(origin, range(n - len(batch), n))
    numbers = spool.append(batch)
    assert numbers[-1] == n, (numbers, n)
    os.write(1, b"a %d\\n" % n)
    if rng.random() < 0.3 or policy == "block" and n - confirmed > 100:
        confirmed = max(confirmed, n - rng.randint(0, 60))
        os.write(1, b"c %d\\n" % confirmed)
        spool.confirm(lane, confirmed)
        if rng.random() < 0.3:
            spool.trim()
    if rng.random() < 0.02:
        spool.close()
        spool = open_spool(path, 2_000_000, policy)
"""


def run_and_kill(path: Path, rng: random.Random, policy: str) -> tuple[int, int]:
    """Start a writer, kill it after a random number of acknowledgements and a bit; returns (acknowledged, confirmed)."""
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(rng.randrange(2**31)), policy], stdout=subprocess.PIPE)
    assert child.stdout is not None
    out = child.stdout.fileno()
    said = b""
    wanted = rng.choice((0, 1, rng.randint(1, 60), rng.randint(1, 400)))
    while said.count(b"a ") < wanted or not said:
        assert select.select([out], [], [], 30.0)[0], "the writer says nothing"
        piece = os.read(out, 65536)
        assert piece, f"the writer ended by itself with {child.wait()}"
        said += piece
    select.select([], [], [], rng.random() * 0.003)
    child.send_signal(signal.SIGKILL)
    while piece := os.read(out, 65536):
        said += piece
    child.wait()
    child.stdout.close()
    lines = [line.split() for line in said.decode().splitlines()]
    acknowledged = max((int(n) for kind, n in lines if kind in "ao"), default=0)
    return acknowledged, max((int(n) for kind, n in lines if kind == "c"), default=0)


@pytest.mark.timeout(120 + ROUNDS)
@pytest.mark.parametrize("policy", ["block", "drop_oldest"])
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(ram_path: Path, policy: str) -> None:
    """After kill -9 the lane is without gaps from its cursor to at least the last acknowledged number."""
    print(f"RT_EDGE_SEED={SEED}")
    rng = random.Random(f"{SEED} {policy}")
    path = ram_path / "hq.db"
    confirmed, epoch, kills = 0, b"", 0
    for round_ in range((ROUNDS + 1) // 2):
        acknowledged, told = run_and_kill(path, rng, policy)
        kills += 1
        confirmed = max(confirmed, told)
        spool = open_spool(path, when_full=policy)
        state = spool.lanes()[0]
        where = f"seed {SEED}, {policy}, round {round_}"
        assert spool.ls().findings == [], where
        assert state.id.epoch == (epoch or state.id.epoch), where
        epoch = state.id.epoch
        assert state.confirmed <= confirmed, f"{where}: the cursor never runs ahead"
        assert state.last >= acknowledged, f"{where}: {acknowledged} was acknowledged, {state.last} is the last there is"
        records = spool.read(state.id, state.confirmed, 10**9, 10**6)
        expected = state.confirmed + 1
        for record in records:
            assert record.first == expected, f"{where}: {record.first} follows {expected - 1}"
            assert record.kind is not RecordKind.DATA or counted([record]) == [record.first], (
                f"{where}: {record.first} is another"
            )
            expected = record.last + 1
        assert expected == state.last + 1, where
        assert spool.depth().records == len(records), where
        spool.close()
    print(f"{policy}: {kills} kills, {state.last} records")
