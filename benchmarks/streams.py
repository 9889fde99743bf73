"""The streams beside other libraries, in one run.

    python benchmarks/streams.py [--seconds 60] [--json FILE] [--rows merge map] [--libraries rt_edge reactivex] [--quick]
    python benchmarks/streams.py --endless 10000000
    python benchmarks/streams.py --boundary

Every library that is installed (the extra `bench`) does the same work, row by row, in turn in the same process, round after
round; the best round of each counts. Each result is compared with plain Python's. Numbers of elements are chosen so that a round
takes about a quarter of a second. rt_edge runs as always: counters, back pressure and error attribution on.

`--endless N` sends N elements through a chain, a group_by and a merge, and says what memory and the stack did meanwhile.
`--boundary` sends Readings of 63 bytes over one boundary between two island actors, with more and more of them under way.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import inspect
import platform
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import monotonic
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from benchmarks.harness import boundary  # noqa: E402
from benchmarks.harness.meter import load  # noqa: E402 - a script finds its neighbours only after that line
from benchmarks.harness.stream_cases import ROWS, key  # noqa: E402
from benchmarks.harness.table import Row, dump, show  # noqa: E402

LIBRARIES = {
    "plain": "",
    "ours": "",
    "reactivex_": "reactivex",
    "aiostream_": "aiostream",
    "streamz_": "streamz",
    "aioreactive_": "aioreactive",
    "bytewax_": "bytewax",
}
"""Module in `stream_cases` -> distribution."""

ROUND_S = 0.25
BACKLOGS = (512, 2_000, 5_000, 10_000)
BOUNDARY = 300_000
"""Readings a second over a boundary, at least."""
FLAT = 0.7
"""Of the fastest rate, at least, with the largest backlog."""
GENERATORS = 0.5
"""Of the rate of plain generators, at least, and of asyncio without a library where coroutines are waited for."""


def installed() -> tuple[dict[str, Any], list[str]]:
    """Modules with cases by the name of their library, and what is missing."""
    found, missing = {}, []
    for module, distribution in LIBRARIES.items():
        try:
            known = version(distribution) if distribution else ""
        except PackageNotFoundError:
            missing.append(distribution)
            continue
        cases = importlib.import_module(f"benchmarks.harness.stream_cases.{module}")
        found[f"{cases.NAME} {known}".strip()] = cases
    return found, missing


def timed(run: Any, n: int) -> tuple[float, Any]:
    """Seconds, and what it came to."""
    gc.collect()
    gc.disable()
    began = monotonic()
    result = run(n)
    seconds = monotonic() - began
    gc.enable()
    return seconds, result


def measure(row: str, libraries: dict[str, Any], until: float, most: int) -> dict[str, float]:
    """Elements per second of each library at this row, its best."""
    plain = next(iter(libraries.values())).CASES[row]
    counts: dict[str, int] = {}
    expected: dict[int, Any] = {}
    best: dict[str, float] = {}
    for round_ in range(most + 1):
        for name, module in libraries.items():
            run = module.CASES.get(row)
            if run is None:
                continue
            n = counts.get(name, 2000)
            seconds, result = timed(run, n)
            if n not in expected:
                expected[n] = plain(n)
            if result != expected[n]:
                raise SystemExit(f"{name}, {row}: came to {result}, not to {expected[n]}")
            if round_ == 0:  # this was to see how many there is time for
                counts[name] = max(2000, min(1_000_000, int(n * ROUND_S / seconds / 1000) * 1000))
            else:
                best[name] = max(best.get(name, 0.0), n / seconds)
        if round_ and monotonic() > until:
            break
    return best


def judge(row: str, best: dict[str, float]) -> str:
    """One line: ahead of all, and how far from plain Python."""
    ours = best["rt_edge"]
    plain = best["plain generators"]
    others = {name: rate for name, rate in best.items() if name not in {"rt_edge", "plain generators"}}
    said = f"{row}: {ours:,.0f}/s"
    if others:
        fastest = max(others, key=lambda name: others[name])
        ahead = ours > others[fastest]
        said += f", {'ahead of' if ahead else 'BEHIND'} {fastest} ({ours / others[fastest]:.2f} of its rate)"
    beside = "plain asyncio" if row == "map_async" else "plain generators"
    return f"{said}, {ours / plain:.2f} of {beside}{'' if ours >= GENERATORS * plain else ' (TOO FAR)'}"


def endless(n: int) -> int:
    """Many elements: neither memory nor stack may grow with their number."""
    from rt_edge.streams.dsl import Flow, Sink, Source

    depth = 0

    def look(x: int) -> int:
        nonlocal depth
        if not x & 0xFFFF:
            depth = max(depth, len(inspect.stack(0)))
        return x

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    streams = {
        "chain": lambda m: Source.from_iterable(range(m)).map(look).filter(lambda x: x % 3).map(look),
        "group_by": lambda m: Source.from_iterable(range(m)).map(look).group_by(key, Flow().grouped(100).map(sum)),
        "merge": lambda m: Source.from_iterable(range(m // 2)).merge(Source.from_iterable(range(m // 2))).map(look),
    }
    rows: list[Row] = []
    bad = 0
    for name, make in streams.items():
        row: Row = {"": name}
        for part in (n // 10, n):
            depth = 0
            began = monotonic()
            asyncio.run(make(part).to(Sink.fold(0, lambda a, _: a + 1)).run_async())
            gc.collect()
            row |= {f"MiB after {part:,}": resident() / 2**20, f"stack at {part:,}": depth}
            row["elements/s"] = part / (monotonic() - began)
        rows.append(row)
        grown = row[f"MiB after {n:,}"] - row[f"MiB after {n // 10:,}"]
        bad += grown > 4 or row[f"stack at {n:,}"] > row[f"stack at {n // 10:,}"]
    show(f"{n:,} elements, load {load()}", rows)
    print("\nneither memory nor stack grew" if not bad else "\nGREW")
    return bool(bad)


def across(span: float) -> int:
    """One boundary between actors: the rate, and that it does not fall as the backlog grows."""
    rows = [boundary.measure(boundary.Case(256, window), span)[0] for window in BACKLOGS]
    rows = [{"backlog": window, **row} for window, row in zip(BACKLOGS, rows, strict=True)]
    show(f"one boundary between two island actors, chunks of 256, load {load()}", rows)
    rates = [row["Readings/s"] for row in rows]
    slow, falls = min(rates) < BOUNDARY, rates[-1] < FLAT * max(rates)
    print(f"\nslowest {min(rates):,.0f}/s ({'below' if slow else 'above'} {BOUNDARY:,})", end=", ")
    print(f"largest backlog at {rates[-1] / max(rates):.2f} of the fastest ({'FALLS' if falls else 'flat'})")
    return slow or falls


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="about how long all of it takes (60)")
    parser.add_argument("--rows", nargs="+", help="only rows with one of these words")
    parser.add_argument("--libraries", nargs="+", help="only these, beside plain generators and rt_edge")
    parser.add_argument("--json", help="also write the table to this file")
    parser.add_argument("--quick", action="store_true", help="see that it works, within seconds; the figures mean little")
    parser.add_argument("--endless", type=int, metavar="N", help="only send N elements through some streams and watch memory")
    parser.add_argument("--boundary", action="store_true", help="only a boundary between two actors, with growing backlogs")
    options = parser.parse_args()
    if options.boundary:
        return across(options.seconds / 12)
    if options.endless:
        return endless(options.endless)
    libraries, missing = installed()
    if options.libraries:
        wanted = ("plain", "rt_edge", *options.libraries)
        libraries = {name: module for name, module in libraries.items() if name.startswith(wanted)}
    chosen = [row for row in ROWS if not options.rows or any(word in row for word in options.rows)]
    share = 0.0 if options.quick else options.seconds / len(chosen)
    table: dict[str, Row] = {name: {"": name} for name in libraries}
    verdicts = []
    for row in chosen:
        best = measure(row, libraries, monotonic() + share, 1 if options.quick else 20)
        for name, module in libraries.items():
            table[name][row] = best.get(name, module.LACKS.get(row, ""))
        verdicts.append(judge(row, best))
    show(f"elements a second, Python {platform.python_version()}, load {load()}", list(table.values()))
    print("", *verdicts, sep="\n")
    if missing:
        print(f"not installed and not measured: {', '.join(missing)} (pip install 'rt-edge[bench]')")
    if options.json:
        dump({"streams": list(table.values())}, options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
