"""The engine and the boundary between actors, by themselves.

    python benchmarks/engine.py [--seconds 30] [--json FILE] [--only integers readings boundary] [--profile] [--quick]

Map, filter and fold through the fused engine, with and without receipts, against plain generators and reactivex (the extra
`bench`); all run in turn in the same process, round after round, and the best round of each counts; times are monotonic wall
time with the collector off. Then one boundary between two island actors as processes (`benchmarks/harness/boundary.py`).
On a shared machine absolute figures are lower bounds; the ratios are of one run.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import platform
import pstats
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from benchmarks.harness import boundary  # noqa: E402 - a script finds its neighbours only after that line
from benchmarks.harness.engine_cases import Peers, has_reactivex, on_integers, on_readings, readings  # noqa: E402
from benchmarks.harness.meter import load  # noqa: E402 - a script finds its neighbours only after that line
from benchmarks.harness.table import Row, dump, show  # noqa: E402 - a script finds its neighbours only after that line

AIMS = {"integers": 2_000_000, "readings": 1_000_000, "boundary": 200_000}
"""Elements a second: the engine at chunks of 256, without receipts; Readings over a boundary at chunks of 256."""

COUNTS = {"integers": 200_000, "readings": 80_000}
SLOW = {"reactivex": 8, "as Publisher, request(16)": 2}
"""Peers that get so many times fewer elements, to keep a round short."""

BOUNDARY_CHUNKS = (256, 1024, 16)


def rounds(peers: Peers, items: Any, until: float, most: int) -> dict[str, float]:
    """Elements per second of each peer, its best of as many rounds as there is time for; all have to come to the same sum."""
    best: dict[str, float] = {}
    expected: dict[int, float] = {}
    first = next(iter(peers.values()))
    for _ in range(most):
        for name, run in peers.items():
            some = items[: len(items) // SLOW.get(name, 1)]
            if len(some) not in expected:
                expected[len(some)] = first(some)
            gc.collect()
            gc.disable()
            began = monotonic()
            result = run(some)
            seconds = monotonic() - began
            gc.enable()
            if result != expected[len(some)]:
                raise SystemExit(f"{name}: came to {result}, not to {expected[len(some)]}")
            best[name] = max(best.get(name, 0.0), len(some) / seconds)
        if monotonic() > until:
            break
    return best


def table(best: dict[str, float]) -> list[Row]:
    """Rates and ratios."""
    generators, reactivex = best["plain generators"], best.get("reactivex")
    return [
        {
            "": name,
            "elements/s": rate,
            "of generators": rate / generators,
            "of reactivex": rate / reactivex if reactivex else "not installed",
        }
        for name, rate in best.items()
    ]


def profile(peers: Peers, items: Any) -> None:
    """Where the time of the engine at chunks of 256 goes."""
    for name in ("rt_edge, chunks of 256", "rt_edge, chunks of 256, receipts"):
        profiler = cProfile.Profile()
        profiler.runcall(peers[name], items)
        print(f"\n-- {name}")
        pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(15)


def verdict(what: str, reached: float) -> str:
    """One line on an aim."""
    aim = AIMS[what]
    return f"aim, {what}: {aim:,}/s at chunks of 256: {'reached' if reached >= aim else 'missed'} ({reached:,.0f})"


def fused(what: str, options: argparse.Namespace, seconds: float) -> tuple[list[Row], str]:
    """One table of the fused engine."""
    peers = on_integers() if what == "integers" else on_readings()
    count = COUNTS[what] // (20 if options.quick else 1)
    items = range(count) if what == "integers" else readings(count)
    best = rounds(peers, items, monotonic() + seconds, 1 if options.quick else 20)
    rows = table(best)
    show(f"map, filter, fold of {what}, Python {platform.python_version()}, load {load()}", rows)
    if options.profile:
        profile(peers, items)
    return rows, verdict(what, best["rt_edge, chunks of 256"])


def across(options: argparse.Namespace, seconds: float) -> tuple[list[Row], str]:
    """The table of the boundary."""
    cases = [*(boundary.Case(chunk) for chunk in BOUNDARY_CHUNKS), boundary.Case(256, direct=False)]
    cases = cases[:1] if options.quick else cases
    span = 0.2 if options.quick else max(0.5, seconds / len(cases) - 1.2)
    rows = [boundary.measure(case, span)[0] for case in cases]
    profiles = [boundary.measure(boundary.Case(256, profile=True), span)[1]] if options.profile else []
    show(f"one boundary between two island actors, {span:.1f} s a row, load {load()}", rows)
    print(*profiles, sep="\n")
    return rows, verdict("boundary", rows[0]["Readings/s"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="about how long all of it takes (30)")
    parser.add_argument("--only", nargs="+", choices=list(AIMS), default=list(AIMS), help="some of the tables")
    parser.add_argument("--json", help="also write the tables to this file")
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    parser.add_argument("--quick", action="store_true", help="see that it works, within seconds; the figures mean little")
    options = parser.parse_args()
    share = options.seconds / len(options.only)
    results: dict[str, Sequence[Row]] = {}
    verdicts = []
    for what in options.only:
        results[what], said = across(options, share) if what == "boundary" else fused(what, options, share)
        verdicts.append(said)
    print("", *verdicts, sep="\n")
    if not has_reactivex():
        print("reactivex is not installed and was not measured: pip install 'rt-edge[bench]'")
    if options.json:
        dump(results, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
