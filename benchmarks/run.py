"""All that is measured, as one command.

    python benchmarks/run.py                       W1 to W4: whole nodes, as a user runs them
    python benchmarks/run.py w1 w4 --seconds 4     shorter
    python benchmarks/run.py engine spool link     the parts by themselves

W1: MQTT through a graph to the upstream store, or to another broker; W2: Modbus TCP; W3: upstream down, the edge killed with
SIGKILL half way; W4: idle. Tables come on standard output, the same as JSON in a file (`--json`). Figures of CPU are user and
system time of the whole process tree; elements a second on a shared machine are lower bounds. A hand script does the same work in
the same run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHOLE = ("w1", "w2", "w3", "w4")
PARTS = {
    "engine": "engine.py",
    "spool": "bench_spool.py",
    "link": "bench_link.py",
    "mqtt": "bench_mqtt.py",
    "modbus": "bench_modbus.py",
    "delivery": "bench_delivery.py",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*WHOLE, *PARTS, []], help="default: w1 w2 w3 w4")
    parser.add_argument("--seconds", type=float, default=8, help="about how long one row is measured (8)")
    parser.add_argument("--json", default="benchmarks.json", help="where the tables go as JSON")
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT)]
    from benchmarks.harness.table import Row, dump

    results: dict[str, list[Row]] = {}
    for name in options.what or WHOLE:
        if name in PARTS:
            subprocess.run([sys.executable, ROOT / "benchmarks" / PARTS[name]], check=True)
            continue
        results |= import_module(f"benchmarks.harness.{name}").main(options.seconds)
    if results:
        dump(results, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
