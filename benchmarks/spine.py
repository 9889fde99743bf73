"""The spine by itself, against its aims: MQTT in -> JSON -> filter -> expression -> spool -> upstream store.

    python benchmarks/spine.py [--seconds N] [--json FILE] [--client paho|fast]

Whole nodes as a user runs them, the broker played by a process of its own; the bare MQTT client in the same run. Prints what was
reached beside each aim; where a figure falls short, `py-spy record --pid` on the island that the table names says where the time
goes. On a shared machine elements a second are lower bounds; CPU seconds and ratios of one run are the figures to trust.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6, help="about how long one row is measured (6)")
    parser.add_argument("--json", default="", help="also write the tables to this file")
    parser.add_argument("--client", default="paho", choices=["paho", "fast"], help="the edge's MQTT client (paho)")
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT)]
    from benchmarks.harness import w1, w2, w3, w4
    from benchmarks.harness.table import Row, dump, show

    w1.CLIENT[0] = options.client
    seconds = options.seconds
    n = max(5000, int(seconds * 5000))
    fast = [w1.throughput(1, n, "hq", "all"), w1.throughput(1, n, "hq", "each"), w1.bare_client(1, n)]
    show("As fast as it goes, QoS 1", fast)
    slow = [w1.latency(1, 1000, seconds, island="all"), w1.latency(1, 1000, seconds, island="each")]
    show("At 1,000 readings a second: publish to store", slow)
    (modbus,) = (w2.main(seconds)["W2"],)
    (away,) = w3.main(seconds)["W3"]
    idle = w4.main(max(2.0, seconds / 2.5))["W4"]

    one, three, bare = fast
    paho = bare["edge CPU s/100k"]
    registers = max(row["registers/s"] for row in modbus if row["subject"].startswith("rt-edge"))
    pss = {row["islands"]: row["PSS MiB"] for row in idle}
    aims: list[Row] = [
        aim("edge tree CPU over bare paho v5 QoS 1, island: all", one["edge CPU s/100k"] / paho, 2.0, at_most=True),
        aim("edge tree CPU over bare paho v5 QoS 1, three islands", three["edge CPU s/100k"] / paho, 2.0, at_most=True),
        aim("Modbus registers/s", registers, 10_000),
        aim("drain of a full spool, readings/s", away["drain/s"], 20_000),
        aim("lost or doubled in all runs", lost(fast) + lost([away]), 0, at_most=True),
        *(aim(f"idle PSS MiB, {name}", mib, 60, at_most=True) for name, mib in pss.items() if name.startswith("1")),
        *(aim(f"idle PSS MiB, {name} islands", mib, 90, at_most=True) for name, mib in pss.items() if name.startswith("4")),
    ]
    show("Aims", aims)
    if options.json:
        dump({"fast": fast, "slow": slow, "modbus": modbus, "away": [away], "idle": idle, "aims": aims}, options.json)
    return 0


def lost(rows: list[dict[str, object]]) -> float:
    """Readings lost or doubled."""
    return float(sum(int(str(row.get(name, 0))) for row in rows for name in ("lost", "dup", "doubled")))


def aim(what: str, reached: float, wanted: float, *, at_most: bool = False) -> dict[str, object]:
    """One row of the last table."""
    kept = reached <= wanted if at_most else reached >= wanted
    return {
        "what": what,
        "reached": round(reached, 2),
        "aim": f"{'<=' if at_most else '>='} {wanted:,g}",
        "kept": "yes" if kept else "NO",
    }


if __name__ == "__main__":
    sys.exit(main())
