"""CoAP: 1,000 observed resources of one host, each changing once a second: CPU, memory, and whether a notification is missed.

    .venv/bin/python benchmarks/bench_coap.py [--resources 1000] [--rounds 10] [--json]

The host is aiocoap's server in a process of its own, on loopback. Every state has a number: what is left out is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiocoap
from aiocoap import resource

from adapters.coap import CoapAdapter
from adapters.coap.settings import CoapSettings
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.testkit.adapter_harness import AdapterHarness


class State(resource.ObservableResource):
    """A number that counts."""

    number = 0

    async def render_get(self, request: Any) -> aiocoap.Message:
        """From aiocoap."""
        answer = aiocoap.Message(payload=b"%d" % self.number)
        answer.opt.content_format, answer.opt.max_age = 0, 600
        return answer


def serve(pipe: Connection, count: int, rounds: int) -> None:
    """The host; begins to count when told."""

    async def run() -> None:
        site = resource.Site()
        states = [State() for _ in range(count)]
        for number, state in enumerate(states):
            site.add_resource(["r", str(number)], state)
        context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", 0), transports=["udp6"])
        interface = context.request_interfaces[0].token_interface.message_interface
        pipe.send(interface.transport.get_extra_info("socket").getsockname()[1])
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, pipe.recv)
        began = loop.time()
        for step in range(rounds * count):
            states[step % count].number += 1
            states[step % count].updated_state()
            await asyncio.sleep(max(0.0, began + (step + 1) / count - loop.time()))
        pipe.send(loop.time() - began)
        await loop.run_in_executor(None, pipe.recv)
        await context.shutdown()

    asyncio.run(run())


def resident_mib() -> float:
    """Of this process, without what it shares with files."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(fields["RssAnon"].split()[0]) / 1024


async def measure(count: int, rounds: int) -> dict[str, Any]:
    """One run."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, count, rounds), daemon=True)
    server.start()
    loop = asyncio.get_running_loop()
    port = await loop.run_in_executor(None, ours.recv)
    points = {f"r{n}": {"path": f"/r/{n}", "observe": True, "codec": "raw", "type": "int"} for n in range(count)}
    written = {"hosts": {"host": {"url": f"coap://127.0.0.1:{port}", "resources": points}}, "refresh": "1h"}
    with tempfile.TemporaryDirectory() as folder:
        settings = freeze(melt(CoapSettings.model_validate(written)))
        h = AdapterHarness(CoapAdapter, settings, Path(folder))
        h.demand(10_000_000)
        CoapAdapter.preload(settings)
        memory, cpu, began = resident_mib(), time.process_time(), time.perf_counter()
        await h.open()
        await h.received(count, 120)
        registered = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu, "mib": resident_mib() - memory}
        cpu = time.process_time()
        ours.send("go")
        took = await loop.run_in_executor(None, ours.recv)
        try:
            await h.until(lambda: len(h.emitted) >= count * (rounds + 1), 10.0, "all notifications")
        except TimeoutError:
            sys.stderr.write("not all came\n")
        cpu = time.process_time() - cpu
        last: dict[str, int] = {}
        missed = overtaken = 0
        for reading in h.readings:
            name, value = reading.tags["resource"], reading.fields["value"]
            assert isinstance(value, int)
            step = value - last.get(name, -1)
            missed += max(0, step - 1)
            overtaken += step < 1
            last[name] = max(value, last.get(name, -1))
        missed += sum(rounds - last.get(name, 0) for name in points)
        counts = {key: h.context.counts.get(key, 0) for key in ("notifications", "conflated", "notifications_overtaken")}
        await h.close()
    ours.send("end")
    server.join(10)
    return {
        "resources": count,
        "notifications": rounds * count,
        "per_second": round(rounds * count / took),
        "missed": missed,
        "out_of_order": overtaken,
        "registering": {key: round(value, 2) for key, value in registered.items()},
        "cpu_ms_per_notification": round(cpu / (rounds * count) * 1000, 3),
        "core_percent": round(cpu / took * 100, 1),
        "counts": counts,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 if a notification was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resources", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    found = asyncio.run(measure(given.resources, given.rounds))
    if given.json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:26} {value}")
    return int(found["missed"] > 0 or found["out_of_order"] > 0)


if __name__ == "__main__":
    sys.exit(main())
