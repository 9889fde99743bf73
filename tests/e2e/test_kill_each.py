"""Goal: kill -9 of any process leaves no orphan, and readings flow again soon. Method: one node, each process of it in turn."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest
from e2e_world import (
    BROKER_LINES,
    CAMPAIGN,
    CLOCK,
    MQTT_EDGE,
    SIMULATED_EDGE,
    UP,
    adapter_open,
    answers,
    assert_nothing_left,
    assert_once,
    descriptors,
    in_thread,
    publish,
    rss_kb,
    running,
    until,
)

from rt_edge.data.errors import InternalError
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.node_process import NodeProcess, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def parents(pids: set[int]) -> dict[int, int]:
    """Process -> its parent."""
    found = {}
    for pid in pids:
        try:
            found[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def system_processes(node: NodeProcess) -> dict[str, int]:
    """Admin and logger: the guardian's parent, and its other child."""
    guardian = node.status().pid
    tree = parents(node.family())
    admin = tree[guardian]
    (logger,) = [pid for pid, parent in tree.items() if parent == admin and pid != guardian]
    return {"admin": admin, "logger": logger}


VICTIMS = ["adapter-broker", "graph-telemetry", "uplink-hq", "guardian", "admin", "logger", "main"]


def test_readings_flow_again_soon_and_nothing_is_orphaned_when_any_one_process_is_killed(world, mosquitto_path):
    """Each process of the edge node in turn; the next reading arrives within seconds, none is lost or doubled."""

    async def run() -> None:
        up = world.node("up", UP)
        async with MosquittoProcess(mosquitto_path, world.folder / "broker", BROKER_LINES) as broker:
            edge = world.node("edge", MQTT_EDGE, mqtt=broker.port)
            await in_thread(up.start)
            await in_thread(edge.start)
            await until(adapter_open(edge), 20, edge.log)
            n = 0
            times = {}
            for victim in [*VICTIMS, "up ingress", "up main"]:
                node = up if victim.startswith("up ") else edge
                name = victim.removeprefix("up ")
                await publish(broker.port, range(n, n + 50))
                await until(lambda: n + 49 in world.values(), 20, edge.log)  # noqa: B023  # awaited at once
                family = node.family()
                pids = {**node.pids(), **(system_processes(node) if name in ("admin", "logger") else {})}
                if name == "main":
                    await in_thread(node.kill)
                else:
                    os.kill(pids[name], signal.SIGKILL)
                began = CLOCK.monotonic()
                await publish(broker.port, range(n + 50, n + 100))
                if name == "main":
                    await in_thread(assert_gone, family)
                    await in_thread(node.start)
                n += 100
                await until(lambda: n - 1 in world.values(), 40, lambda: edge.log()[-3000:])  # noqa: B023  # as above
                times[victim] = CLOCK.monotonic() - began
                if name in ("admin", "logger", "guardian"):
                    assert not running(family - {node.pid}), "processes of the old tree live on"
            print("seconds until readings flowed again:", {k: round(v, 2) for k, v in times.items()})
            assert_once(world.values(), range(n))
            family = edge.family() | up.family()
            assert await in_thread(edge.stop) == 0
            assert await in_thread(up.stop) == 0
            await in_thread(assert_nothing_left, edge, family)
            slow = {k: v for k, v in times.items() if v > 12}
            assert not slow

    asyncio.run(run())


def assert_gone(family: set[int]) -> None:
    """Nothing of a family lives on after its main process."""
    wait_until(lambda: not running(family), 5, lambda: f"orphans: {running(family)}")


def test_the_first_reading_flows_at_once_when_the_source_was_killed_while_the_wire_had_been_idle(world, mosquitto_path):
    """Wires repeat what they say less and less often while nothing changes; a fresh island does not wait for that."""

    async def run() -> None:
        up = world.node("up", UP)
        async with MosquittoProcess(mosquitto_path, world.folder / "broker", BROKER_LINES) as broker:
            edge = world.node("edge", MQTT_EDGE, mqtt=broker.port)
            await in_thread(up.start)
            await in_thread(edge.start)
            await until(adapter_open(edge), 20, edge.log)
            quiet_until = CLOCK.monotonic() + 4.0  # by then each end repeats every 4 s
            await until(lambda: CLOCK.monotonic() >= quiet_until, 10, "time")
            edge.kill("adapter-broker")
            took_all = []
            for n, victim in enumerate(["graph-telemetry", "uplink-hq", ""]):
                await publish(broker.port, [n])
                took_all.append(round(await until(lambda: n in world.values(), 20, edge.log), 2))  # noqa: B023  # awaited at once
                if victim:
                    edge.kill(victim)
            print("first readings after", took_all, "s")
            assert max(took_all) < 2.5

    asyncio.run(run())


def test_memory_and_descriptors_stay_when_islands_are_restarted_many_times(world):
    """Guardian and main process do not grow with the number of islands they have started (30 under RT_EDGE_CAMPAIGN=1)."""
    up = world.node("up", UP)
    edge = world.node("edge", SIMULATED_EDGE, {"RT_EDGE_BACKOFF_S": "0.1"})
    up.start()
    edge.start()
    seen: list[tuple[int, int, int]] = []
    names = ["adapter-sim", "graph-telemetry", "uplink-hq"]
    for turn in range(33 if CAMPAIGN else 15):
        wait_until(lambda: answers(edge) and set(names) <= set(edge.pids()), 20, edge.log)
        pids = edge.pids()
        if turn >= 3:
            vital = (pids["main"], pids["guardian"])
            seen.append((sum(map(descriptors, vital)), rss_kb(vital), len(edge.family())))
        name = names[turn % 3]
        os.kill(pids[name], signal.SIGKILL)
        wait_until(lambda: answers(edge) and edge.pids().get(name) not in (None, pids[name]), 20, edge.log)  # noqa: B023  # at once
    stored = len(world.rows())
    wait_until(lambda: len(world.rows()) > stored, 20, edge.log)
    print(f"main and guardian, first and last: descriptors {seen[0][0]} {seen[-1][0]}, rss {seen[0][1]} {seen[-1][1]} kB")
    assert seen[-1][0] <= seen[0][0] + 2, seen
    assert seen[-1][1] <= seen[0][1] + 1500, seen
    family = edge.family()
    assert edge.stop() == 0
    assert_nothing_left(edge, family)
    up.stop()


def test_an_island_is_started_again_later_each_time_when_it_dies_again_and_again(world):
    """Full jitter below 0.2, 0.4, 0.8, 1.6 and 3.2 s: the waits that the guardian names are kept, and not all nothing."""
    edge = world.node("edge", SIMULATED_EDGE)
    edge.start()
    wait_until(lambda: answers(edge) and "adapter-sim" in edge.pids(), 20, edge.log)
    began = CLOCK.monotonic()
    for _ in range(5):
        old = edge.pids()["adapter-sim"]
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: answers(edge) and edge.pids().get("adapter-sim") not in (None, old), 20, edge.log)  # noqa: B023  # at once
    waits = [float(wait) for wait in re.findall(r"island adapter-sim has ended and is started again in ([0-9.]+) s", edge.log())]
    print(f"waits {waits}, all in {CLOCK.monotonic() - began:.1f} s")
    assert len(waits) == 5
    assert max(waits) >= 0.1, "no backoff: all five nothing has a chance of one in a million"
    assert CLOCK.monotonic() - began >= sum(waits) - 0.25, "a wait is named and not kept"
    assert edge.stop() == 0


def test_an_island_that_does_not_turn_is_killed_and_comes_back(world):
    """SIGSTOP of an island: no pulse of it, no food for the watchdog, SIGKILL by the guardian, a new life."""
    edge = world.node("edge", SIMULATED_EDGE, {"RT_EDGE_PULSE_S": "0.3"})
    edge.start()
    wait_until(lambda: answers(edge) and "graph-telemetry" in edge.pids(), 20, edge.log)
    old = edge.pids()["graph-telemetry"]
    os.kill(old, signal.SIGSTOP)
    began = CLOCK.monotonic()

    def replaced() -> bool:
        try:
            return answers(edge) and edge.pids().get("graph-telemetry", old) != old
        except InternalError:
            return False

    wait_until(replaced, 20, edge.log)
    print(f"replaced after {CLOCK.monotonic() - began:.1f} s at a pulse of 0.3 s")
    assert "has not answered" in edge.log()
    assert not running({old})
    assert edge.stop() == 0
